"""Which zone signed what, and what checked NSEC and NSEC3 RRsets prove together."""

from collections.abc import Iterable

import msgspec

from dns_node.resolver.budget import Budget
from dns_node.resolver.dnssec import denial
from dns_node.resolver.dnssec.denial import Absence, Proof
from dns_node.resolver.dnssec.nsec3 import Nsec3Proofs, is_too_costly
from dns_node.resolver.dnssec.records import (
    NSEC,
    NSEC3,
    SOA,
    BadRecord,
    Nsec,
    Nsec3,
    parse_nsec,
    parse_nsec3,
)
from dns_node.resolver.dnssec.signature import parse_signatures
from dns_node.resolver.dnssec.verdict import ErrorCode
from dns_node.resolver.question import Held
from dns_node.zone.names import is_subdomain, parent
from dns_node.zone.rrset import WireName


def signer_of(
    held: Held, *, is_of_parent: bool = False, preferred: WireName | None = None
) -> WireName | None:
    """Return the zone that says it signed *held*: at or above its owner, strictly above when it
    *is_of_parent*.  Of several it is *preferred*, or else the deepest."""
    found: WireName | None = None
    for signature in parse_signatures(held):
        signer = signature.signer
        if not is_subdomain(held.owner, signer) or (is_of_parent and signer == held.owner):
            continue
        if signer == preferred:
            return signer
        if found is None or len(signer) > len(found):
            found = signer
    return found


def signer_of_proofs(
    authority: Iterable[Held], name: WireName, *, is_of_parent: bool = False
) -> WireName | None:
    """Return the zone that says it signed proofs about *name*: that of the SOA or, without one, of
    the first NSEC or NSEC3; it lies at or above *name*, strictly when *is_of_parent*."""
    found: WireName | None = None
    for held in authority:
        if held.rrset.rrtype not in (SOA, NSEC, NSEC3):
            continue
        signer = signer_of(held)
        if signer is None or not is_subdomain(name, signer) or (is_of_parent and signer == name):
            continue
        if held.rrset.rrtype == SOA:
            return signer
        found = found or signer
    return found


class Proofs(msgspec.Struct, frozen=True, gc=False):
    """NSEC and NSEC3 records of *zone* whose signatures are good, and their RRsets.  *error* is
    what is wrong with the signature of another, None when there is none."""

    zone: WireName
    nsecs: tuple[Nsec, ...] = ()
    nsec3s: tuple[Nsec3, ...] = ()
    held: tuple[Held, ...] = ()
    error: ErrorCode | None = None

    def absence(self, qname: WireName, qtype: int, budget: Budget) -> Proof | None:
        """Return what is proved about *qname* and *qtype*, None for nothing."""
        if self.nsecs:
            proof = denial.prove_absence(qname, qtype, self.zone, self.nsecs)
            if proof is not None:
                return proof
        if not self.nsec3s:
            return None
        if is_too_costly(self.nsec3s, qname, self.zone, budget.limits):
            return Proof(Absence.TYPE, is_opt_out=True, is_too_costly=True)
        return Nsec3Proofs(self.zone, self.nsec3s, budget).prove_absence(qname, qtype)

    def wildcard(self, qname: WireName, wildcard: WireName, budget: Budget) -> Proof | None:
        """Return the proof that *qname* may be answered from *wildcard*, None for none."""
        if self.nsecs and denial.permits_wildcard(qname, wildcard, self.zone, self.nsecs):
            return Proof(Absence.NAME, encloser=wildcard[2:])
        if not self.nsec3s:
            return None
        if is_too_costly(self.nsec3s, qname, self.zone, budget.limits):
            return Proof(Absence.NAME, is_opt_out=True, is_too_costly=True)
        return Nsec3Proofs(self.zone, self.nsec3s, budget).permits_wildcard(qname, wildcard)


def collect(zone: WireName, checked: Iterable[Held], error: ErrorCode | None = None) -> Proofs:
    """Return the proofs in RRsets of *zone* whose signatures are good.

    An NSEC whose owner or next name is not in the zone, an NSEC3 that is not right below its apex,
    and RRsets of more than one record prove nothing and are left out.
    """
    nsecs, nsec3s, held = [], [], []
    for each in checked:
        if len(each.rrset.rdatas) != 1:
            continue
        try:
            if each.rrset.rrtype == NSEC:
                nsecs.append(parse_nsec(each.owner, each.rrset.rdatas[0]))
            elif each.owner[0] and parent(each.owner) == zone:
                nsec3s.append(parse_nsec3(each.owner, each.rrset.rdatas[0]))
            else:
                continue
        except BadRecord:
            continue
        held.append(each)
    return Proofs(zone, tuple(nsecs), tuple(nsec3s), tuple(held), error)
