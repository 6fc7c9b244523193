"""Keys, signatures and the parts of proofs, made with dnspython."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdatatype
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from dns_node.resolver.question import Question
from dns_node.zone.names import parse_name
from dns_node.zone.rrset import WireName

NOW_S = 1_800_000_000.0
"""The time at which zones are valid that say nothing else."""

DAY_S = 86_400
A, NS, CNAME, SOA, TXT, AAAA, DNAME, DS, RRSIG, NSEC, DNSKEY, NSEC3, NSEC3PARAM = (
    1, 2, 5, 6, 16, 28, 39, 43, 46, 47, 48, 50, 51
)  # fmt: skip


@dataclass(frozen=True)
class Key:
    """A key pair; equal arguments of `key` give the same one."""

    private: object
    dnskey: dns.rdata.Rdata

    @property
    def tag(self) -> int:
        return dns.dnssec.key_id(self.dnskey)


@lru_cache(maxsize=256)
def key(algorithm: int = 13, name: str = "one", flags: int = 256, bits: int = 2048) -> Key:
    """Return a key pair of *algorithm* (3, 5 to 8, 10, 13 to 16); KSKs have flags 257."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big")
    if algorithm == 13:
        order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
        private = ec.derive_private_key(number % order, ec.SECP256R1())
    elif algorithm == 14:
        private = ec.derive_private_key(number, ec.SECP384R1())
    elif algorithm == 15:
        private = ed25519.Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
    elif algorithm == 16:
        seed = hashlib.shake_256(name.encode()).digest(57)
        private = ed448.Ed448PrivateKey.from_private_bytes(seed)
    elif algorithm in (3, 6):
        private = dsa.generate_private_key(1024)
    else:
        private = rsa.generate_private_key(65537, bits)
    made = dns.dnssec.make_dnskey(private.public_key(), algorithm, flags)
    return Key(private, made)


def dnspython_name(text: str | bytes | dns.name.Name) -> dns.name.Name:
    if isinstance(text, bytes):
        return dns.name.from_wire(text, 0)[0]
    return dns.name.from_text(text) if isinstance(text, str) else text


def wire(text: str | bytes | dns.name.Name) -> WireName:
    """Return *text* as a name in wire form."""
    if isinstance(text, bytes):
        return text
    return text.to_digestable() if isinstance(text, dns.name.Name) else parse_name(text)


def question(qname: str | WireName, qtype: str | int) -> Question:
    """Return the question for *qname* and *qtype*."""
    if isinstance(qtype, str):
        qtype = int(dns.rdatatype.from_text(qtype))
    return Question(wire(qname), qtype)


def sign(
    rrset: dns.rrset.RRset,
    by: Key,
    signer: str | dns.name.Name,
    inception_s: float = NOW_S - DAY_S,
    expiration_s: float = NOW_S + 7 * DAY_S,
    labels: int | None = None,
) -> bytes:
    """Return the rdata of an RRSIG over *rrset*; *labels* makes a lie of its field."""
    made = dns.dnssec.sign(
        rrset, by.private, dnspython_name(signer), by.dnskey,
        inception=int(inception_s), expiration=int(expiration_s), verify=False,
        policy=dns.dnssec.allow_all_policy, deterministic=True,
    )  # fmt: skip
    octets = bytearray(made.to_digestable())
    if labels is not None:
        octets[3] = labels
    return bytes(octets)


def nsec3_hash(name: WireName, salt: bytes, iterations: int) -> bytes:
    """Return the hash of *name* (RFC 5155 section 5)."""
    digest = hashlib.sha1(name + salt).digest()
    for _ in range(iterations):
        digest = hashlib.sha1(digest + salt).digest()
    return digest


def bitmap(types: Iterable[int]) -> bytes:
    """Return the type bit map of *types* (RFC 4034 section 4.1.2)."""
    windows: dict[int, bytearray] = {}
    for rrtype in types:
        octets = windows.setdefault(rrtype >> 8, bytearray(32))
        octets[(rrtype & 255) >> 3] |= 0x80 >> (rrtype & 7)
    return b"".join(
        bytes((window, len(octets.rstrip(b"\0")))) + octets.rstrip(b"\0")
        for window, octets in sorted(windows.items())
    )
