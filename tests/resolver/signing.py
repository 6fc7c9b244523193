"""Signed zones for tests: keys, signatures and proofs made with dnspython, and what an
authoritative server of such a zone would say to a question.

    zone = SignedZone("example.", "www A 192.0.2.1", denial="nsec3", algorithms=(13,))
    zone.claim("www.example.", "A")       # what its servers say, as the validator is told it
    zone.text()                           # a zone file, for a real server

The knobs make what is wrong, too: other keys, other times, opt-out, iterations, missing parts.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import dns.dnssec
import dns.dnssectypes
import dns.name
import dns.node
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.zone
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from dns_node.resolver.dnssec.verdict import Claim
from dns_node.resolver.question import Held, Question
from dns_node.zone.names import ancestors, canonical_key, is_subdomain, parent, parse_name
from dns_node.zone.rrset import RRset, WireName

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


def _name(text: str | bytes | dns.name.Name) -> dns.name.Name:
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
        rrset, by.private, _name(signer), by.dnskey,
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


@dataclass
class SignedZone:
    """A zone, signed.

    *lines* are records in zone-file text relative to *apex* (owner, type, data; SOA and NS are
    added); the DS RRs of *children* that are signed are put in, and NS for all.  *algorithms*: one
    KSK and one ZSK of each; or else *ksks* and *zsks*.  *denial* is "nsec", "nsec3" or None.
    *skips* are (owner, type) that get no signature; none does without *has_signatures*.
    """

    apex: str
    lines: str = ""
    denial: str | None = "nsec"
    algorithms: tuple[int, ...] = (13,)
    ksks: tuple[Key, ...] = ()
    zsks: tuple[Key, ...] = ()
    iterations: int = 0
    salt: bytes = b""
    is_opt_out: bool = False
    inception_s: float = NOW_S - DAY_S
    expiration_s: float = NOW_S + 7 * DAY_S
    ttl_s: int = 3600
    children: tuple["SignedZone | UnsignedZone", ...] = ()
    digest: str = "SHA256"
    skips: tuple[tuple[str, int], ...] = ()
    is_signed: bool = True
    has_signatures: bool = True
    nodes: dict[WireName, dict[int, RRset]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.origin = _name(self.apex)
        self.zone_name = wire(self.apex)
        if not self.ksks:
            label = f"{self.apex} "
            self.ksks = tuple(key(number, label + "ksk", 257) for number in self.algorithms)
            self.zsks = tuple(key(number, label + "zsk", 256) for number in self.algorithms)
        text = f"$TTL {self.ttl_s}\n@ SOA ns hostmaster 1 3600 600 604800 300\n@ NS ns\n"
        text += "\n".join(line.strip() for line in self.lines.splitlines()) + "\n"
        for child in self.children:
            text += f"{child.apex} NS ns.{child.apex.lstrip('.')}\n"
        zone = dns.zone.from_text(text, self.origin, relativize=False, check_origin=False)
        self._rdatasets: dict[tuple[WireName, int], dns.rrset.RRset] = {}
        for owner, rdataset in zone.iterate_rdatasets():
            self._put(dns.rrset.from_rdata_list(owner, rdataset.ttl, list(rdataset)))
        for child in self.children:
            if child.is_signed:
                for rdata in child.ds(self.digest):
                    self._put(dns.rrset.from_rdata(_name(child.apex), self.ttl_s, rdata))
        if self.is_signed:
            keys = [each.dnskey for each in self.ksks + self.zsks]
            self._put(dns.rrset.from_rdata_list(self.origin, self.ttl_s, keys))
            if self.denial == "nsec3":
                self._put_rdata(self.zone_name, NSEC3PARAM, 0, self._nsec3_head(0))
        self._find_names()
        if self.is_signed and self.denial:
            (self._add_nsec if self.denial == "nsec" else self._add_nsec3)()
        for (owner, rrtype), rrset in self._rdatasets.items():
            node = self.nodes.setdefault(owner, {})
            rdatas = tuple(sorted({rdata.to_digestable() for rdata in rrset}))
            signatures = self._signatures(owner, rrtype, rrset)
            node[rrtype] = RRset(rrtype, rrset.ttl, rdatas, signatures)

    def _put(self, rrset: dns.rrset.RRset) -> None:
        place = (wire(rrset.name), int(rrset.rdtype))
        held = self._rdatasets.get(place)
        if held is None:
            self._rdatasets[place] = rrset
        else:
            held.update(rrset)

    def _put_rdata(self, owner: WireName, rrtype: int, ttl_s: int, rdata: bytes) -> None:
        made = dns.rdata.from_wire(dns.rdataclass.IN, rrtype, rdata, 0, len(rdata))
        self._put(dns.rrset.from_rdata(_name(owner), ttl_s, made))

    def _find_names(self) -> None:
        """Names with types (not glue), and all names that exist, empty ones too."""
        self.cuts = {o for o, t in self._rdatasets if t == NS and o != self.zone_name}
        self._types: dict[WireName, set[int]] = {}
        for owner, rrtype in self._rdatasets:
            cut = self.cut_of(owner)
            if cut is None or (cut == owner and rrtype in (NS, DS)):
                self._types.setdefault(owner, set()).add(rrtype)
        self.existing: set[WireName] = set()
        for owner in [*self._types, self.zone_name]:
            for name in ancestors(owner):
                self.existing.add(name)
                if name == self.zone_name:
                    break

    def cut_of(self, name: WireName) -> WireName | None:
        """Return the zone cut at or above *name*, the highest one."""
        found = None
        for at in ancestors(name):
            if at == self.zone_name:
                break
            if at in self.cuts:
                found = at
        return found

    def _add_nsec(self) -> None:
        owners = sorted(self._types, key=canonical_key)
        for owner, following in zip(owners, owners[1:] + owners[:1], strict=True):
            types = self._types[owner] | {NSEC, RRSIG}
            self._put_rdata(owner, NSEC, 300, following + bitmap(types))

    def _nsec3_head(self, flags: int) -> bytes:
        head = bytes((1, flags)) + self.iterations.to_bytes(2, "big")
        return head + bytes((len(self.salt),)) + self.salt

    def hash_of(self, name: WireName) -> bytes:
        """Return the NSEC3 hash of *name* in this zone."""
        return nsec3_hash(name, self.salt, self.iterations)

    def _add_nsec3(self) -> None:
        self._hashed: dict[bytes, WireName] = {}
        for name in sorted(self.existing):
            types = self._types.get(name, set())
            if self.is_opt_out and name in self.cuts and DS not in types:
                continue
            self._hashed[self.hash_of(name)] = name
        hashes = sorted(self._hashed)
        for digest, following in zip(hashes, hashes[1:] + hashes[:1], strict=True):
            types = set(self._types.get(self._hashed[digest], ()))
            is_cut_only = types == {NS}
            if types and not is_cut_only:
                types.add(RRSIG)
            owner = self.nsec3_owner(digest)
            rdata = self._nsec3_head(1 if self.is_opt_out else 0)
            rdata += bytes((20,)) + following + bitmap(types)
            self._put_rdata(owner, NSEC3, 300, rdata)

    def nsec3_owner(self, digest: bytes) -> WireName:
        """Return the owner name of the NSEC3 record with the hash *digest*."""
        label = base64.b32hexencode(digest).decode().lower().encode()
        return bytes((len(label),)) + label + self.zone_name

    def _signatures(self, owner: WireName, rrtype: int, rrset) -> tuple[bytes, ...]:
        if (
            not self.is_signed
            or not self.has_signatures
            or any(wire(name) == owner and kind == rrtype for name, kind in self.skips)
        ):
            return ()
        cut = self.cut_of(owner)
        if cut is not None and not (cut == owner and rrtype in (DS, NSEC)):
            return ()
        by = self.ksks if rrtype == DNSKEY else self.zsks or self.ksks
        return tuple(
            sorted(
                sign(rrset, each, self.origin, self.inception_s, self.expiration_s) for each in by
            )
        )

    def ds(self, digest: str = "SHA256") -> list[dns.rdata.Rdata]:
        """Return the DS records of the zone's KSKs."""
        return [
            dns.dnssec.make_ds(self.origin, each.dnskey, digest, validating=True)
            for each in self.ksks
        ]

    def anchors(self) -> tuple[tuple[WireName, int, bytes], ...]:
        """Return the DS records as `ResolverSettings.trust_anchors` has them."""
        return tuple((self.zone_name, DS, rdata.to_digestable()) for rdata in self.ds())

    def held(self, owner: str | WireName, rrtype: int, at: str | WireName | None = None) -> Held:
        """Return an RRset of the zone, at the name *at* when given (a wildcard's)."""
        owner = wire(owner)
        return Held(owner if at is None else wire(at), self.nodes[owner][rrtype])

    # What its servers say.

    def claim(self, qname: str | WireName, qtype: str | int) -> Claim:
        """Return what a server of the zone says; for a name below a cut, the referral's DS part."""
        asked = question(qname, qtype)
        qname, qtype = asked.qname, asked.qtype
        cut = self.cut_of(qname)
        if cut is not None and not (cut == qname and qtype == DS):
            return self.referral(cut)
        answer: list[Held] = []
        authority: list[Held] = []
        for _ in range(10):
            rcode, following = self._look_up(qname, qtype, answer, authority)
            if following is None:
                break
            qname = following
            if not is_subdomain(qname, self.zone_name) or self.cut_of(qname):
                unique = tuple(dict.fromkeys(authority))
                return Claim(asked, 0, tuple(answer), unique, self.zone_name, is_open=True)
        unique = tuple(dict.fromkeys(authority))
        return Claim(asked, rcode, tuple(answer), unique, self.zone_name)

    def referral(self, cut: WireName) -> Claim:
        """Return what a referral to *cut* says of its DS."""
        asked = Question(cut, DS)
        if DS in self.nodes[cut]:
            return Claim(asked, 0, (self.held(cut, DS),), (), self.zone_name)
        authority: list[Held] = []
        self._prove_types(cut, authority)
        return Claim(asked, 0, (), tuple(authority), self.zone_name)

    def _look_up(self, qname: WireName, qtype: int, answer: list[Held], authority: list[Held]):
        if qname in self.existing:
            return self._node(self.nodes.get(qname, {}), qname, qname, qtype, answer, authority)
        encloser = next(name for name in ancestors(qname) if name in self.existing)
        for name in ancestors(encloser):
            if DNAME in self.nodes.get(name, {}):
                held = self.held(name, DNAME)
                target = qname[: -len(name)] + held.rrset.rdatas[0]
                answer += [held, Held(qname, RRset(CNAME, held.rrset.ttl_s, (target,)))]
                return 0, target
            if name == self.zone_name:
                break
        wildcard = b"\1*" + encloser
        if wildcard in self.existing:
            self._prove_absent(qname, encloser, authority, with_wildcard=False)
            node = self.nodes.get(wildcard, {})
            return self._node(node, wildcard, qname, qtype, answer, authority)
        authority.append(self.held(self.zone_name, SOA))
        self._prove_absent(qname, encloser, authority, with_wildcard=True)
        return 3, None

    def _node(self, node, owner, qname, qtype, answer, authority):
        if qtype in node:
            answer.append(Held(qname, node[qtype]))
            return 0, None
        if CNAME in node:
            answer.append(Held(qname, node[CNAME]))
            return 0, node[CNAME].rdatas[0]
        authority.append(self.held(self.zone_name, SOA))
        if owner != qname and self.denial == "nsec3":
            encloser = parent(owner)
            self._prove_nsec3(encloser, authority)
        self._prove_types(owner, authority)
        return 0, None

    # Its proofs.

    def _prove_types(self, owner: WireName, authority: list[Held]) -> None:
        if not self.is_signed or not self.denial:
            return
        if self.denial == "nsec":
            self._prove_nsec(owner, authority)
        elif self.hash_of(owner) in self._hashed:
            self._prove_nsec3(owner, authority)
        else:
            encloser = next(n for n in ancestors(parent(owner)) if self.hash_of(n) in self._hashed)
            self._prove_nsec3(encloser, authority)
            self._prove_nsec3(_next_closer(owner, encloser), authority)

    def _prove_absent(self, qname, encloser, authority, with_wildcard) -> None:
        if not self.is_signed or not self.denial:
            return
        if self.denial == "nsec":
            self._prove_nsec(qname, authority)
            if with_wildcard:
                self._prove_nsec(b"\1*" + encloser, authority)
            return
        if with_wildcard:
            self._prove_nsec3(encloser, authority)
            self._prove_nsec3(b"\1*" + encloser, authority)
        self._prove_nsec3(_next_closer(qname, encloser), authority)

    def _prove_nsec(self, name: WireName, authority: list[Held]) -> None:
        authority.append(self.nsec_for(name))

    def _prove_nsec3(self, name: WireName, authority: list[Held]) -> None:
        authority.append(self.nsec3_for(name))

    def nsec_for(self, name: str | WireName) -> Held:
        """Return the NSEC record at *name*, or across it."""
        wanted = canonical_key(wire(name))
        owners = sorted((o for o in self.nodes if NSEC in self.nodes[o]), key=canonical_key)
        return self.held([o for o in owners if canonical_key(o) <= wanted][-1], NSEC)

    def nsec3_for(self, name: str | WireName) -> Held:
        """Return the NSEC3 record at the hash of *name*, or across it."""
        wanted = self.hash_of(wire(name))
        before = [digest for digest in sorted(self._hashed) if digest <= wanted]
        digest = before[-1] if before else max(self._hashed)
        return self.held(self.nsec3_owner(digest), NSEC3)

    def text(self) -> str:
        """Return the zone as a zone file, with the signatures."""
        lines = []
        for owner, node in sorted(self.nodes.items(), key=lambda item: canonical_key(item[0])):
            for rrtype, rrset in sorted(node.items(), key=lambda item: (item[0] != SOA, item[0])):
                for kind, rdatas in ((rrtype, rrset.rdatas), (RRSIG, rrset.signatures)):
                    for octets in rdatas:
                        rdata = dns.rdata.from_wire(1, kind, octets, 0, len(octets))
                        mnemonic = dns.rdatatype.to_text(kind)
                        lines.append(f"{_name(owner)} {rrset.ttl_s} IN {mnemonic} {rdata}")
        return "\n".join(lines) + "\n"


class UnsignedZone(SignedZone):
    """A zone without keys."""

    def __init__(self, apex: str, lines: str = "", children: tuple = ()):
        super().__init__(apex, lines, denial=None, is_signed=False, children=children)


def _next_closer(qname: WireName, encloser: WireName) -> WireName:
    return next(name for name in ancestors(qname) if parent(name) == encloser)
