"""The sections that answer a question from the zones of a view (RFC 1034 section 4.3.2)."""

from typing import Final

from dns_node.answer.additional import put_additional, put_glue
from dns_node.answer.denial import Prover
from dns_node.answer.query import NXDOMAIN, REFUSED, YXDOMAIN
from dns_node.answer.sections import ANSWER, AUTHORITY, Sections
from dns_node.zone.find import (
    ANY,
    CNAME,
    DS,
    NS,
    NSEC,
    Alias,
    DNameFound,
    Found,
    Match,
    NoData,
    NxDomain,
    Referral,
    find,
    parent,
)
from dns_node.zone.rrset import RRset, WireName
from dns_node.zone.view import View, ZoneHeader

SOA: Final = 6

ALIASES_MAX: Final = 8
"""CNAMEs of one answer, synthesised ones included; the client asks on from the last."""

_ADDITIONAL_TYPES: Final = frozenset((2, 15, 33, 64, 65))


def look_up(
    view: View, qname: WireName, qtype: int, is_do: bool, leads_onward: bool = False
) -> Sections:
    """Return the sections that answer *qname* and *qtype*; with *is_do* they hold proofs too.

    REFUSED when no zone encloses *qname*.  A chain of aliases is followed through all zones of
    the view; the rcode is that of its end (RFC 6604 section 3), and AA speaks of its beginning
    (RFC 2181 section 5.4.1).

    With *leads_onward* a cut is not referred to: where the answer lies below one, outside our
    zones, or at the other side of the cut to one (DS, RFC 4035 section 3.1.4.1), *onward* of the
    sections is the name that is left to be resolved, and they hold the aliases that lead there.
    """
    sections = Sections()
    name, visited = qname, {qname}
    while True:
        zone = _zone_for(view, name, qtype, leads_onward)
        if zone is None:
            if leads_onward:
                sections.onward = name
            if name is qname:
                sections.rcode, sections.is_authoritative = REFUSED, False
            return sections
        target = _Step(view, zone[0], zone[1], sections, is_do, leads_onward).take(name, qtype)
        # A loop ends with the first name that comes again; what was found so far is the answer.
        if target is None or target in visited:
            return sections
        visited.add(target)
        name = target


def _zone_for(
    view: View, name: WireName, qtype: int, leads_onward: bool
) -> tuple[WireName, ZoneHeader] | None:
    zone = view.enclosing_zone(name)
    if qtype == DS and zone is not None and zone[0] == name and len(name) > 1:
        # The parent side of a cut knows about DS (RFC 4035 section 3.1.4.1).
        return view.enclosing_zone(parent(name)) or (None if leads_onward else zone)
    return zone


def _is_of_this_name(found: Found) -> bool:
    """Whether what was found can be had by this very name only: of synthesised and absent names,
    and those below a cut, there are any number."""
    match found:
        case Match(wildcard=None) | Alias(wildcard=None) | NoData(wildcard=None):
            return True
    return False


class _Step:
    """One name of a chain, within one zone."""

    def __init__(
        self,
        view: View,
        apex: WireName,
        header: ZoneHeader,
        sections: Sections,
        is_do: bool,
        leads_onward: bool,
    ):
        self.view, self.apex, self.header = view, apex, header
        self.sections, self.is_do, self.leads_onward = sections, is_do, leads_onward

    def take(self, name: WireName, qtype: int) -> WireName | None:
        """Put what the zone holds for *name* into the sections; return the name to go on with."""
        found = find(self.view, self.apex, self.header, name, qtype)
        if self.sections.subject is None:
            self.sections.subject = name if _is_of_this_name(found) else self.apex
        match found:
            case Match(rrset, wildcard):
                self._put_answer(name, rrset, wildcard)
                if rrset.rrtype in _ADDITIONAL_TYPES:
                    put_additional(self.view, name, rrset, self.sections)
            case Alias(rrset, target, wildcard):
                if self.sections.aliases < ALIASES_MAX:
                    self.sections.aliases += 1
                    self._put_answer(name, rrset, wildcard)
                    return target
            case DNameFound(owner, rrset, target):
                return self._follow_dname(name, qtype, owner, rrset, target)
            case Referral():
                if self.leads_onward:
                    self.sections.onward = name
                else:
                    self._refer(found)
            case NoData() as absent:
                self._deny_type(name, absent)
            case NxDomain(closest_encloser):
                self._deny_name(name, qtype, closest_encloser)
        return None

    def _put_answer(self, name: WireName, rrset: RRset, wildcard: WireName | None) -> None:
        self.sections.put(ANSWER, name, rrset)
        if wildcard is not None and self.is_do:
            self._prover().put_across(name)  # no closer name exists (RFC 4035 section 3.1.3.3)

    def _follow_dname(
        self, name: WireName, qtype: int, owner: WireName, rrset: RRset, target: WireName
    ) -> WireName | None:
        if self.sections.aliases >= ALIASES_MAX:
            return None
        self.sections.aliases += 1
        self.sections.put(ANSWER, owner, rrset)
        synthesized = name[: len(name) - len(owner)] + target
        if len(synthesized) > 255:
            self.sections.rcode = YXDOMAIN  # RFC 6672 section 2.2
            return None
        # The CNAME has the DNAME's TTL and no signature (RFC 6672 sections 3.1 and 5.3.1).
        cname = RRset(CNAME, rrset.ttl_s, (synthesized,))
        self.sections.put(ANSWER, name, cname)
        return None if qtype in (CNAME, ANY) else synthesized

    def _refer(self, referral: Referral) -> None:
        sections, node = self.sections, referral.node
        if not sections.entries[ANSWER]:
            sections.is_authoritative = False
        # The NS RRset of a cut is the child's: the parent never signs it (RFC 4035 section 2.2).
        ns = RRset(NS, node[NS].ttl_s, node[NS].rdatas)
        sections.put(AUTHORITY, referral.cut, ns)
        if self.is_do:
            if DS in node:
                sections.put(AUTHORITY, referral.cut, node[DS])
            elif NSEC in node:
                self._prover().put_at(referral.cut, node)
        put_glue(self.view, self.header.zone_id, referral, sections)

    def _deny_type(self, name: WireName, absent: NoData) -> None:
        self._put_soa()
        if not self.is_do:
            return
        prover = self._prover()
        if absent.wildcard is None:
            prover.put_at(name, absent.node)
        else:
            prover.put_at(absent.wildcard, absent.node)
            prover.put_across(name)

    def _deny_name(self, name: WireName, qtype: int, closest_encloser: WireName) -> None:
        self._put_soa()
        if qtype == DS and self.view.zone(name) is not None:
            # The name exists: it is a zone of ours to which this one does not delegate.
            return
        self.sections.rcode = NXDOMAIN
        if self.is_do:
            prover = self._prover()
            prover.put_across(name)
            prover.put_across(b"\x01*" + closest_encloser)

    def _put_soa(self) -> None:
        node = self.view.node(self.header.zone_id, self.apex)
        if node is not None and SOA in node:
            # How long the absence may be remembered (RFC 2308 section 3).
            ttl_s = self.header.negative_ttl_s
            self.sections.put(AUTHORITY, self.apex, node[SOA], ttl_s=ttl_s)

    def _prover(self) -> Prover:
        return Prover(self.view, self.apex, self.header.zone_id, self.sections)
