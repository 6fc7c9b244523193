"""Public keys of zones, and the check of one signature with one key.

The algorithms are those that a validator has to know (RFC 9904): RSA with SHA-256 and SHA-512,
ECDSA with P-256 and P-384, Ed25519 and Ed448.  RSA and DSA with SHA-1 are known, and used only by
those who say so (RFC 9905 section 2): what was signed long ago is a good test.
"""

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from dns_node.resolver.dnssec.records import REVOKED, ZONE_KEY, Delegation, key_tag
from dns_node.zone.rrset import WireName

DSA, RSASHA1, DSA_NSEC3, RSASHA1_NSEC3, RSASHA256, RSASHA512 = 3, 5, 6, 7, 8, 10
P256, P384, ED25519, ED448 = 13, 14, 15, 16

ALGORITHMS: Final = frozenset((RSASHA256, RSASHA512, P256, P384, ED25519, ED448))
SHA1_ALGORITHMS: Final = frozenset((DSA, RSASHA1, DSA_NSEC3, RSASHA1_NSEC3))

SHA1, SHA256, SHA384 = 1, 2, 4
DIGESTS: Final = {SHA1: hashlib.sha1, SHA256: hashlib.sha256, SHA384: hashlib.sha384}

RSA_BITS_MAX: Final = 4096
"""Longer moduli are not valid (RFC 3110 section 2), and cost time."""

RSA_EXPONENT_BITS_MAX: Final = 35
"""The exponents that are in use have 17 bits; long ones make checking as slow as signing."""

SIGNATURES_REMEMBERED: Final = 16
"""Good signatures that a key remembers."""

Check = Callable[[bytes, bytes], None]
"""``check(signature, data)`` raises InvalidSignature or ValueError."""

_RSA_HASHES: Final = {
    RSASHA1: hashes.SHA1(),
    RSASHA1_NSEC3: hashes.SHA1(),
    RSASHA256: hashes.SHA256(),
    RSASHA512: hashes.SHA512(),
}


class ZoneKey:
    """A DNSKEY record of a zone; its public key is loaded when it is first needed, once."""

    __slots__ = ("_check", "_good", "_is_loaded", "algorithm", "flags", "protocol", "rdata", "tag")

    def __init__(self, rdata: bytes):
        self.rdata = rdata
        self.flags = rdata[0] << 8 | rdata[1] if len(rdata) > 4 else 0
        self.protocol = rdata[2] if len(rdata) > 4 else 0
        self.algorithm = rdata[3] if len(rdata) > 4 else 0
        self.tag = key_tag(rdata)
        self._check: Check | None = None
        self._is_loaded = False
        self._good: dict[bytes, None] = {}

    @property
    def may_sign(self) -> bool:
        """Whether the zone's records may be signed with it (RFC 4034 section 2.1, 5011)."""
        return self.flags & ZONE_KEY != 0 and self.protocol == 3 and not self.is_revoked

    @property
    def is_revoked(self) -> bool:
        """Whether it takes itself back."""
        return self.flags & REVOKED != 0

    @property
    def is_usable(self) -> bool:
        """Whether its octets are a public key of its algorithm."""
        if not self._is_loaded:
            self._is_loaded = True
            try:
                self._check = _load(self.algorithm, self.rdata[4:])
            except (ValueError, IndexError, OverflowError, UnsupportedAlgorithm):
                self._check = None
        return self._check is not None

    def checks(self, signature: bytes, data: bytes) -> bool:
        """Return whether *signature* over *data* was made with this key."""
        if not self.is_usable:
            return False
        assert self._check is not None
        try:
            self._check(signature, data)
        except (InvalidSignature, ValueError, OverflowError, UnsupportedAlgorithm):
            return False
        while len(self._good) >= SIGNATURES_REMEMBERED:
            del self._good[next(iter(self._good))]
        self._good[hashlib.sha256(signature + data).digest()] = None
        return True

    def remembers(self, signature: bytes, data: bytes) -> bool:
        """Return whether `checks` said yes to the same lately: the SOA of a zone comes with every
        absence."""
        return bool(self._good) and hashlib.sha256(signature + data).digest() in self._good

    def matches(self, owner: WireName, delegation: Delegation) -> bool:
        """Return whether *delegation* at *owner* is the digest of this key."""
        if self.tag != delegation.tag or self.algorithm != delegation.algorithm:
            return False
        hasher = DIGESTS.get(delegation.digest_type)
        return hasher is not None and hasher(owner + self.rdata).digest() == delegation.digest


def digest_of(owner: WireName, rdata: bytes) -> Delegation:
    """Return the DS record, with SHA-256, of a DNSKEY at *owner*."""
    digest = hashlib.sha256(owner + rdata).digest()
    return Delegation(key_tag(rdata), rdata[3], SHA256, digest)


def _load(algorithm: int, octets: bytes) -> Check | None:
    if algorithm in _RSA_HASHES:
        return _load_rsa(octets, _RSA_HASHES[algorithm])
    if algorithm == P256:
        return _load_ecdsa(octets, 32, ec.SECP256R1(), hashes.SHA256())
    if algorithm == P384:
        return _load_ecdsa(octets, 48, ec.SECP384R1(), hashes.SHA384())
    if algorithm == ED25519:
        return ed25519.Ed25519PublicKey.from_public_bytes(octets).verify
    if algorithm == ED448:
        return ed448.Ed448PublicKey.from_public_bytes(octets).verify
    if algorithm in (DSA, DSA_NSEC3):
        return _load_dsa(octets)
    return None


def _load_dsa(octets: bytes) -> Check | None:
    """Load a key of RFC 2536 section 2: T, Q of 20 octets, then P, G and Y of 64 + 8 T each.

    The keys of old zones are shorter than the library takes, so that the check stands here.
    """
    size = 64 + 8 * octets[0]
    if octets[0] > 8 or len(octets) != 21 + 3 * size:
        return None
    q = int.from_bytes(octets[1:21], "big")
    p, g, y = (int.from_bytes(octets[at : at + size], "big") for at in range(21, len(octets), size))
    if not 1 < q < p or not 1 < g < p or not 1 < y < p:
        return None

    def check(signature: bytes, data: bytes) -> None:
        if len(signature) == 41:
            r, s = (int.from_bytes(signature[at : at + 20], "big") for at in (1, 21))
        else:
            r, s = decode_dss_signature(signature)
        if not 0 < r < q or not 0 < s < q:
            raise InvalidSignature
        inverse = pow(s, -1, q)
        digest = int.from_bytes(hashlib.sha1(data, usedforsecurity=False).digest(), "big")
        made = pow(g, digest * inverse % q, p) * pow(y, r * inverse % q, p) % p % q
        if made != r:
            raise InvalidSignature

    return check


def _load_rsa(octets: bytes, hasher: hashes.HashAlgorithm) -> Check | None:
    size, start = octets[0], 1
    if size == 0:
        size, start = octets[1] << 8 | octets[2], 3
    exponent = int.from_bytes(octets[start : start + size], "big")
    modulus = int.from_bytes(octets[start + size :], "big")
    if (
        len(octets) <= start + size
        or modulus.bit_length() > RSA_BITS_MAX
        or exponent.bit_length() > RSA_EXPONENT_BITS_MAX
    ):
        return None
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    scheme = padding.PKCS1v15()

    def check(signature: bytes, data: bytes) -> None:
        key.verify(signature, data, scheme, hasher)

    return check


def _load_ecdsa(
    octets: bytes, size: int, curve: ec.EllipticCurve, hasher: hashes.HashAlgorithm
) -> Check | None:
    if len(octets) != 2 * size:
        return None
    key = ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\4" + octets)
    scheme = ec.ECDSA(hasher)

    def check(signature: bytes, data: bytes) -> None:
        if len(signature) != 2 * size:
            raise InvalidSignature
        r = int.from_bytes(signature[:size], "big")
        s = int.from_bytes(signature[size:], "big")
        key.verify(encode_dss_signature(r, s), data, scheme)

    return check


class Algorithms(msgspec.Struct, frozen=True):
    """The algorithms and digests that count; a zone that has none of them is insecure
    (RFC 4035 section 5.2)."""

    signing: frozenset[int] = ALGORITHMS
    digests: frozenset[int] = frozenset((SHA256, SHA384))

    @classmethod
    def chosen(cls, accepts_sha1: bool) -> "Algorithms":
        """Return those of a validator that does, or does not, use what SHA-1 is part of."""
        if accepts_sha1:
            return cls(ALGORITHMS | SHA1_ALGORITHMS, frozenset(DIGESTS))
        return cls()
