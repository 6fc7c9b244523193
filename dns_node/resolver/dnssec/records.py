"""The records of DNSSEC, read from their rdata (RFC 4034, 5155).

Each ``parse_…`` raises BadRecord on octets that are no such record.  Names inside are returned in
lower case; the octets that signatures are computed over are left as they came.
"""

from typing import Final

import msgspec

from dns_node.zone.names import lower
from dns_node.zone.rrset import WireName

A, NS, CNAME, SOA, DNAME, AAAA, DS, RRSIG, NSEC, DNSKEY, NSEC3, NXNAME, ANY = (
    1, 2, 5, 6, 39, 28, 43, 46, 47, 48, 50, 128, 255
)  # fmt: skip

ZONE_KEY: Final = 0x0100
"""The flag of a DNSKEY that may sign records of its zone (RFC 4034 section 2.1.1)."""

REVOKED: Final = 0x0080
"""The flag of a DNSKEY that takes itself back (RFC 5011 section 2.1)."""

_SIGNATURE_HEAD_OCTETS: Final = 18


class BadRecord(ValueError):
    """The octets are no record of the type."""


class Signature(msgspec.Struct, frozen=True, gc=False):
    """An RRSIG record.  *head* is what it begins with, the signer's name included: the first part
    of what is signed (RFC 4034 section 3.1.8.1)."""

    covered: int
    algorithm: int
    labels: int
    original_ttl_s: int
    expiration: int
    inception: int
    tag: int
    signer: WireName
    head: bytes
    signature: bytes
    rdata: bytes


class Delegation(msgspec.Struct, frozen=True, gc=False):
    """A DS record."""

    tag: int
    algorithm: int
    digest_type: int
    digest: bytes


class Nsec(msgspec.Struct, frozen=True, gc=False):
    """An NSEC record with its owner; *types* are the octets of its type bit maps."""

    owner: WireName
    next_name: WireName
    types: bytes

    def has(self, rrtype: int) -> bool:
        """Return whether the owner has records of *rrtype*."""
        return has_type(self.types, rrtype)


class Nsec3(msgspec.Struct, frozen=True, gc=False):
    """An NSEC3 record; *owner_hash* is decoded from the first label of its owner."""

    owner_hash: bytes
    next_hash: bytes
    is_opt_out: bool
    iterations: int
    salt: bytes
    types: bytes

    def has(self, rrtype: int) -> bool:
        """Return whether the name has records of *rrtype*."""
        return has_type(self.types, rrtype)


def parse_signature(rdata: bytes) -> Signature:
    """Return the RRSIG record with *rdata*."""
    if len(rdata) <= _SIGNATURE_HEAD_OCTETS:
        raise BadRecord("an RRSIG is cut short")
    end = name_end(rdata, _SIGNATURE_HEAD_OCTETS)
    return Signature(
        rdata[0] << 8 | rdata[1],
        rdata[2],
        rdata[3],
        int.from_bytes(rdata[4:8], "big"),
        int.from_bytes(rdata[8:12], "big"),
        int.from_bytes(rdata[12:16], "big"),
        rdata[16] << 8 | rdata[17],
        lower(rdata[_SIGNATURE_HEAD_OCTETS:end]),
        # The signer's name is in lower case in what is signed (RFC 4034 section 6.2).
        rdata[:_SIGNATURE_HEAD_OCTETS] + lower(rdata[_SIGNATURE_HEAD_OCTETS:end]),
        rdata[end:],
        rdata,
    )


def parse_ds(rdata: bytes) -> Delegation:
    """Return the DS record with *rdata*."""
    if len(rdata) < 5:
        raise BadRecord("a DS is cut short")
    return Delegation(rdata[0] << 8 | rdata[1], rdata[2], rdata[3], rdata[4:])


def parse_nsec(owner: WireName, rdata: bytes) -> Nsec:
    """Return the NSEC record with *rdata* at *owner*."""
    end = name_end(rdata, 0)
    return Nsec(owner, lower(rdata[:end]), check_types(rdata[end:]))


def parse_nsec3(owner: WireName, rdata: bytes) -> Nsec3:
    """Return the NSEC3 record with *rdata* at *owner*.

    Raises BadRecord also for a hash algorithm or flags that are not known: such records are to be
    ignored (RFC 5155 sections 8.1 and 8.2).
    """
    if len(rdata) < 5 or rdata[0] != 1 or rdata[1] > 1:
        raise BadRecord("an NSEC3 is cut short, or has an unknown algorithm or flag")
    salt_end = 5 + rdata[4]
    if len(rdata) < salt_end + 21 or rdata[salt_end] != 20:
        raise BadRecord("an NSEC3 has no hash of 20 octets")
    end = salt_end + 21
    return Nsec3(
        _parse_hash(owner),
        rdata[salt_end + 1 : end],
        rdata[1] == 1,
        rdata[2] << 8 | rdata[3],
        rdata[5:salt_end],
        check_types(rdata[end:]),
    )


def check_types(octets: bytes) -> bytes:
    """Return type bit maps (RFC 4034 section 4.1.2) that are in form; else raise BadRecord."""
    offset, last = 0, -1
    while offset < len(octets):
        if offset + 2 > len(octets):
            raise BadRecord("a type bit map is cut short")
        window, size = octets[offset], octets[offset + 1]
        offset += 2 + size
        if window <= last or not 1 <= size <= 32 or offset > len(octets):
            raise BadRecord("a type bit map is not in form")
        last = window
    return octets


def has_type(octets: bytes, rrtype: int) -> bool:
    """Return whether *rrtype* is in type bit maps that `check_types` has seen."""
    offset, window = 0, rrtype >> 8
    while offset < len(octets):
        if octets[offset] == window:
            at = (rrtype & 0xFF) >> 3
            return at < octets[offset + 1] and bool(octets[offset + 2 + at] & 0x80 >> (rrtype & 7))
        offset += 2 + octets[offset + 1]
    return False


def key_tag(rdata: bytes) -> int:
    """Return the key tag of a DNSKEY (RFC 4034 appendix B)."""
    if len(rdata) > 3 and rdata[3] == 1:
        return rdata[-3] << 8 | rdata[-2]
    total = sum(rdata[0::2]) * 256 + sum(rdata[1::2])
    return (total + (total >> 16)) & 0xFFFF


def name_end(octets: bytes, offset: int) -> int:
    """Return the offset behind the uncompressed name at *offset*; raises BadRecord for none."""
    start = offset
    while offset < len(octets):
        length = octets[offset]
        if length > 63:
            break
        offset += length + 1
        if not length:
            if offset - start > 255:
                break
            return offset
    raise BadRecord("there is no name")


def first_name(rdata: bytes) -> WireName:
    """Return the name that *rdata* (of a CNAME, a DNAME, an NS) begins with, in lower case."""
    return lower(rdata[: name_end(rdata, 0)])


_HEX_VALUES: Final = {
    letter: value
    for letters in (b"0123456789abcdefghijklmnopqrstuv", b"0123456789ABCDEFGHIJKLMNOPQRSTUV")
    for value, letter in enumerate(letters)
}


def _parse_hash(owner: WireName) -> bytes:
    """Return the hash that the first label of *owner* spells (base32hex, RFC 4648 section 7)."""
    if owner[0] != 32:
        raise BadRecord("the owner of an NSEC3 is no hash")
    value = 0
    for letter in owner[1:33]:
        digit = _HEX_VALUES.get(letter)
        if digit is None:
            raise BadRecord("the owner of an NSEC3 is no hash")
        value = value << 5 | digit
    return value.to_bytes(20, "big")


def spell_hash(digest: bytes) -> bytes:
    """Return the first label of the owner of an NSEC3 record with the hash *digest*."""
    value = int.from_bytes(digest, "big")
    letters = b"0123456789abcdefghijklmnopqrstuv"
    return bytes(letters[value >> shift & 31] for shift in range(155, -1, -5))
