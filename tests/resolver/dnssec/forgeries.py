"""What is forged of claims, RRsets and keys: a part taken away, changed or made up."""

import dns.rdata
import msgspec

from dns_node.resolver.dnssec.records import key_tag
from dns_node.resolver.dnssec.verdict import Claim
from dns_node.resolver.question import Held
from tests.resolver.signed_zone import SignedZone
from tests.resolver.signing import DNSKEY, Key


def unsigned(claim: Claim) -> Claim:
    """The claim without any signature or proof."""
    answer = tuple(
        msgspec.structs.replace(held, rrset=msgspec.structs.replace(held.rrset, signatures=()))
        for held in claim.answer
    )
    authority = tuple(
        msgspec.structs.replace(held, rrset=msgspec.structs.replace(held.rrset, signatures=()))
        for held in claim.authority
        if held.rrset.rrtype == 6
    )
    return msgspec.structs.replace(claim, answer=answer, authority=authority)


def with_rrset(held: Held, **changes) -> Held:
    return msgspec.structs.replace(held, rrset=msgspec.structs.replace(held.rrset, **changes))


def broken_key(tag: int, number: int) -> bytes:
    """Return the rdata of a DNSKEY of P-256 with *tag* and no point of the curve."""
    start = b"\1\0\3\x0d" + number.to_bytes(2, "big") + bytes(60)
    near = tag - key_tag(start + b"\0\0")
    for last in (near, near - 1, near + 1, near + 2):
        rdata = start + (last & 0xFFFF).to_bytes(2, "big")
        if key_tag(rdata) == tag:
            return rdata
    raise AssertionError("no such tag")


def colliding(zone: SignedZone, number: int) -> tuple[Key, ...]:
    """Return keys of ``example.`` with one tag: KeyTrap's first part."""
    return tuple(
        Key(zone.zsks[0].private, dns.rdata.from_wire(1, DNSKEY, rdata, 0, len(rdata)))
        for rdata in (broken_key(zone.zsks[0].tag, each) for each in range(number))
    )
