"""Addresses that spare the client a question: glue of a referral, hosts that an answer names."""

from collections.abc import Iterator
from typing import Final

from dns_node.answer.sections import ADDITIONAL, Sections
from dns_node.zone.find import NS, Referral, find_cut, is_below
from dns_node.zone.rrset import RRset, WireName
from dns_node.zone.view import View

A: Final = 1
MX: Final = 15
AAAA: Final = 28
SRV: Final = 33
SVCB: Final = 64
HTTPS: Final = 65

TARGETS_MAX: Final = 16
"""Names of one answer whose addresses are looked for, in the order of the rdatas; the glue that a
referral needs is not counted."""


def put_glue(view: View, zone_id: int, referral: Referral, sections: Sections) -> None:
    """Put the addresses of the name servers of *referral* into the additional section.

    All in-domain glue is required: without it the referral leads nowhere (RFC 9471 section 3).
    Addresses of other name servers come along when a zone of ours has them and they fit.
    """
    others: list[WireName] = []
    for target in referral.node[NS].rdatas:
        if target == referral.cut or is_below(target, referral.cut):
            _put_addresses(view, zone_id, target, sections, True)
        else:
            others.append(target)
    for target in others[:TARGETS_MAX]:
        found = view.enclosing_zone(target)
        if found is not None:
            _put_addresses(view, found[1].zone_id, target, sections, False)


def put_additional(view: View, owner: WireName, rrset: RRset, sections: Sections) -> None:
    """Put what a client asks next after *rrset* at *owner* into the additional section: addresses
    of the hosts that it names, and what the target of an SVCB alias holds (RFC 9460 section 4.1).

    Only authoritative data of our zones, no wildcards, nothing that is required.
    """
    for number, (target, is_alias) in enumerate(_targets(owner, rrset)):
        found = view.enclosing_zone(target) if number < TARGETS_MAX else None
        if found is None:
            continue
        apex, header = found
        if find_cut(view, apex, header, target) is None:
            if is_alias:
                _put(view, header.zone_id, target, rrset.rrtype, sections, False)
            _put_addresses(view, header.zone_id, target, sections, False)


def _targets(owner: WireName, rrset: RRset) -> Iterator[tuple[WireName, bool]]:
    match rrset.rrtype:
        case 2:
            for rdata in rrset.rdatas:
                yield rdata, False
        case 15:
            for rdata in rrset.rdatas:
                yield rdata[2:], False
        case 33:
            for rdata in rrset.rdatas:
                yield rdata[6:], False
        case 64 | 65:
            for rdata in rrset.rdatas:
                target = _first_name(rdata, 2)
                is_alias = rdata[:2] == b"\0\0"
                if target != b"\0":
                    yield target, is_alias
                elif not is_alias:
                    yield owner, False  # "." is the owner itself (RFC 9460 section 2.5.2)


def _first_name(rdata: bytes, start: int) -> WireName:
    offset = start
    while rdata[offset]:
        offset += rdata[offset] + 1
    # SVCB targets keep their letters in the canonical form (RFC 6840 does not list the type).
    return rdata[start : offset + 1].lower()


def _put_addresses(
    view: View, zone_id: int, target: WireName, sections: Sections, is_required: bool
) -> None:
    for rrtype in (A, AAAA):
        _put(view, zone_id, target, rrtype, sections, is_required)


def _put(
    view: View, zone_id: int, owner: WireName, rrtype: int, sections: Sections, is_required: bool
) -> None:
    node = view.node(zone_id, owner)
    rrset = node.get(rrtype) if node is not None else None
    if rrset is not None:
        sections.put(ADDITIONAL, owner, rrset, is_required=is_required)
