"""What a zone holds for a question: step 3 of RFC 1034 section 4.3.2, within one zone.

`find` returns a value that names the case; it never raises on what a zone may hold, and reads
the view a bounded number of times: one look per label on the way down (only in a zone that has
cuts or DNAMEs), and at most six more.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from dns_node.zone.rrset import Node, RRset, WireName
from dns_node.zone.view import View, ZoneHeader

NS: Final = 2
CNAME: Final = 5
DNAME: Final = 39
DS: Final = 43
RRSIG: Final = 46
NSEC: Final = 47
ANY: Final = 255
_BESIDE_CNAME: Final = frozenset({CNAME, 25, NSEC})
"""What may stand beside an alias (RFC 4034 section 2.5, RFC 3007 section 3: KEY)."""


class Match(msgspec.Struct, frozen=True, gc=False):
    """The RRset that was asked for.  *wildcard* is the source of synthesis or None."""

    rrset: RRset
    wildcard: WireName | None


class Alias(msgspec.Struct, frozen=True, gc=False):
    """A CNAME where another type was asked; *target* is the name to go on with."""

    rrset: RRset
    target: WireName
    wildcard: WireName | None


class Referral(msgspec.Struct, frozen=True):
    """The name is at or below the zone cut *cut*, whose rows *node* holds (NS, perhaps DS)."""

    cut: WireName
    node: Node


class DNameFound(msgspec.Struct, frozen=True, gc=False):
    """An ancestor *owner* of the name has a DNAME (RFC 6672 section 2.2)."""

    owner: WireName
    rrset: RRset
    target: WireName


class NoData(msgspec.Struct, frozen=True):
    """The name exists, itself or by *wildcard*, and has no such type.

    *node* is None at an empty non-terminal.
    """

    node: Node | None
    wildcard: WireName | None


class NxDomain(msgspec.Struct, frozen=True, gc=False):
    """Neither the name nor anything below it exists (RFC 8020), and no wildcard covers it."""

    closest_encloser: WireName


Found = Match | Alias | Referral | DNameFound | NoData | NxDomain


def find(
    view: View, apex: WireName, header: ZoneHeader, qname: WireName, qtype: int
) -> Found:
    """Return what the zone at *apex* holds for *qname*, which is at or below it, and *qtype*.

    A DS question at a cut is answered by this side of the cut (RFC 4035 section 3.1.4.1).
    Where a CNAME stands beside other data (only the legacy format lets it) it is an answer to a
    question for CNAME alone: as an alias it would hide the zone's own SOA and NS in caches.
    """
    zone_id = header.zone_id
    if (header.cuts or header.dnames) and len(qname) > len(apex):
        interruption = _on_the_way_down(view, apex, zone_id, qname, qtype)
        if interruption is not None:
            return interruption
    node = view.node(zone_id, qname)
    if node is not None:
        return _within(node, qtype, None)
    following = view.successor(zone_id, qname)
    if following is not None and following.endswith(qname) and is_below(following, qname):
        return NoData(None, None)  # an empty non-terminal
    closest_encloser = _closest_encloser(view, apex, zone_id, qname, following)
    wildcard = b"\x01*" + closest_encloser
    if len(wildcard) > 255:
        return NxDomain(closest_encloser)
    if header.wildcards:
        node = view.node(zone_id, wildcard)
        if node is not None:
            return _within(node, qtype, wildcard)
    # `*` can be an empty non-terminal itself: then it is the source of an empty synthesis
    # (RFC 4592 section 2.2.1 counts the names, section 4.2 says that they exist).
    following = view.successor(zone_id, wildcard)
    if following is not None and following.endswith(wildcard) and is_below(following, wildcard):
        return NoData(None, wildcard)
    return NxDomain(closest_encloser)


def find_cut(view: View, apex: WireName, header: ZoneHeader, owner: WireName) -> WireName | None:
    """Return the topmost zone cut at or above *owner* in the zone, or None when there is none."""
    if not header.cuts:
        return None
    for name in names_below(apex, owner):
        node = view.node(header.zone_id, name)
        if node is not None and NS in node:
            return name
    return None


def names_below(apex: WireName, owner: WireName) -> Iterator[WireName]:
    """Yield the names from just below *apex* down to *owner* (which is at or below it)."""
    offsets = []
    offset, end = 0, len(owner) - len(apex)
    while offset < end:
        offsets.append(offset)
        offset += owner[offset] + 1
    for offset in reversed(offsets):
        yield owner[offset:]


def parent(name: WireName) -> WireName:
    """Return *name* without its first label; *name* is not the root."""
    return name[name[0] + 1 :]


def is_below(name: WireName, ancestor: WireName) -> bool:
    """Say whether *name* is below *ancestor* (and not *ancestor* itself)."""
    offset, end = 0, len(name) - len(ancestor)
    while offset < end:
        offset += name[offset] + 1
    # A suffix of octets is a suffix of names only when it begins at a label.
    return end > 0 and offset == end and name.endswith(ancestor)


def _on_the_way_down(
    view: View, apex: WireName, zone_id: int, qname: WireName, qtype: int
) -> Referral | DNameFound | None:
    apex_node = view.node(zone_id, apex)
    if apex_node is not None and DNAME in apex_node:
        return _dname(apex, apex_node[DNAME])
    for name in names_below(apex, qname):
        node = view.node(zone_id, name)
        if node is None:
            continue
        if NS in node:
            if len(name) == len(qname) and qtype == DS:
                return None
            return Referral(name, node)
        if DNAME in node and len(name) < len(qname):
            return _dname(name, node[DNAME])
    return None


def _dname(owner: WireName, rrset: RRset) -> DNameFound:
    return DNameFound(owner, rrset, rrset.rdatas[0])


def _within(node: Node, qtype: int, wildcard: WireName | None) -> Match | Alias | NoData:
    rrset = node.get(qtype)
    if rrset is not None:
        return Match(rrset, wildcard)
    if qtype == ANY:
        # One RRset is enough (RFC 8482 section 4.1); the lowest type number, NSEC only when it is
        # alone, so that every node of the cluster gives the same one.
        return Match(node[min(node, key=lambda rrtype: (rrtype == NSEC, rrtype))], wildcard)
    if qtype == RRSIG:
        signed = [rrtype for rrtype in node if node[rrtype].signatures]
        if signed:
            rrset = node[min(signed)]
            return Match(RRset(RRSIG, rrset.ttl_s, rrset.signatures), wildcard)
    alias = node.get(CNAME)
    if alias is not None and all(rrtype in _BESIDE_CNAME for rrtype in node):
        return Alias(alias, alias.rdatas[0], wildcard)
    return NoData(node, wildcard)


def _closest_encloser(
    view: View, apex: WireName, zone_id: int, qname: WireName, following: WireName | None
) -> WireName:
    """Return the longest existing ancestor of *qname* (RFC 4592 section 3.3.1).

    All names at or below an ancestor are neighbours in canonical order, and *qname* would stand
    among them: so one of the two names next to *qname* is at or below the closest encloser.
    """
    ancestor = parent(qname)
    preceding = view.predecessor(zone_id, qname)
    while len(ancestor) > len(apex):
        for neighbour in (preceding, following):
            if neighbour is not None and (
                neighbour == ancestor
                or (neighbour.endswith(ancestor) and is_below(neighbour, ancestor))
            ):
                return ancestor
        ancestor = parent(ancestor)
    return apex
