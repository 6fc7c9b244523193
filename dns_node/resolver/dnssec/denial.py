"""What NSEC records prove (RFC 4035 section 5.4, with the rules of RFC 6840 section 4).

The records that are given here are of one zone, and their signatures were checked.  All functions
are pure, and never raise.
"""

from collections.abc import Iterable
from enum import Enum

import msgspec

from dns_node.resolver.dnssec.records import (
    ANY,
    CNAME,
    DNAME,
    DS,
    NS,
    NSEC,
    NXNAME,
    RRSIG,
    SOA,
    Nsec,
    Nsec3,
)
from dns_node.zone.names import ROOT, ancestors, canonical_key, is_subdomain
from dns_node.zone.rrset import WireName


class Absence(Enum):
    """What does not exist: the name itself, or records of the type at it."""

    NAME = "name"
    TYPE = "type"


class Proof(msgspec.Struct, frozen=True, gc=False):
    """What was proved.

    *is_opt_out*: an unsigned delegation may exist all the same, and the whole is not secure
    (RFC 5155 section 9.2).  *encloser* is the closest encloser where there is one to name.
    *is_cut*: the record at the name says that it is a zone cut (its DS was denied).
    *is_too_costly*: nothing was looked at (NSEC3 with too many iterations); it is not secure.
    """

    absence: Absence
    is_opt_out: bool = False
    encloser: WireName | None = None
    is_cut: bool = False
    is_too_costly: bool = False

    @property
    def is_insecure_cut(self) -> bool:
        """Whether it shows, as the proof of the absence of a DS, a zone cut that is not signed."""
        if self.is_too_costly:
            return False
        return self.is_opt_out or (self.absence is Absence.TYPE and self.is_cut)


def prove_absence(
    qname: WireName, qtype: int, zone: WireName, records: Iterable[Nsec]
) -> Proof | None:
    """Return what *records* of *zone* prove about *qname* and *qtype*, None for nothing."""
    usable = [record for record in records if _is_in_form(record, zone)]
    for record in usable:
        if record.owner == qname:
            return _prove_at(record, qname, qtype)
    covering = _covering(usable, qname, zone)
    if covering is None:
        return None
    if is_subdomain(covering.next_name, qname):
        return Proof(Absence.TYPE)  # an empty non-terminal
    encloser = closest_encloser(covering, qname)
    wildcard = b"\1*" + encloser
    if len(wildcard) > 255:
        return None
    for record in usable:
        if record.owner == wildcard:
            if allows_absence(record, wildcard, qtype):
                return Proof(Absence.TYPE, encloser=encloser)
            return None
    across = _covering(usable, wildcard, zone)
    if across is None:
        return None
    if is_subdomain(across.next_name, wildcard):
        return Proof(Absence.TYPE, encloser=encloser)  # the wildcard is an empty non-terminal
    return Proof(Absence.NAME, encloser=encloser)


def permits_wildcard(
    qname: WireName, wildcard: WireName, zone: WireName, records: Iterable[Nsec]
) -> bool:
    """Return whether *records* prove that *qname* may be answered from *wildcard*: it does not
    exist itself, and no other name comes between (RFC 4035 section 5.3.4)."""
    usable = [record for record in records if _is_in_form(record, zone)]
    covering = _covering(usable, qname, zone)
    return (
        covering is not None
        and not is_subdomain(covering.next_name, qname)
        and closest_encloser(covering, qname) == wildcard[2:]
    )


def closest_encloser(covering: Nsec, name: WireName) -> WireName:
    """Return the closest encloser of *name* by the record that goes across it: the longest name
    above it that the record's owner or next name lies at or below."""
    for above in ancestors(name):
        if above != name and (
            is_subdomain(covering.owner, above) or is_subdomain(covering.next_name, above)
        ):
            return above
    return ROOT


def covers(record: Nsec, name: WireName, zone: WireName) -> bool:
    """Return whether *record* goes across *name*, so that it has no records; it may still be an
    empty non-terminal."""
    if not is_subdomain(name, zone) or _hides(record, name):
        return False
    wanted = canonical_key(name)
    if canonical_key(record.owner) >= wanted:
        return False
    return record.next_name == zone or wanted < canonical_key(record.next_name)


def _hides(record: Nsec, name: WireName) -> bool:
    """Return whether the record can say nothing of *name* because what lies below its owner is
    delegated or redirected (RFC 6840 section 4.1)."""
    if not record.has(DNAME) and (not record.has(NS) or record.has(SOA)):
        return False
    return name != record.owner and is_subdomain(name, record.owner)


def _covering(records: Iterable[Nsec], name: WireName, zone: WireName) -> Nsec | None:
    return next((record for record in records if covers(record, name, zone)), None)


def _is_in_form(record: Nsec, zone: WireName) -> bool:
    """Return whether owner and next name are names of the zone."""
    return is_subdomain(record.owner, zone) and is_subdomain(record.next_name, zone)


def _prove_at(record: Nsec, qname: WireName, qtype: int) -> Proof | None:
    if record.has(NXNAME):
        return Proof(Absence.NAME)  # compact denial of existence (RFC 9824 section 3.4)
    if not allows_absence(record, qname, qtype):
        return None
    return Proof(Absence.TYPE, is_cut=record.has(NS))


def allows_absence(record: Nsec | Nsec3, name: WireName, qtype: int) -> bool:
    """Return whether a record that stands for *name* itself proves that it has no *qtype*.

    A name with a CNAME would have answered with that.  At a zone cut the parent's record speaks of
    DS alone, and of DS the child's record says nothing (RFC 6840 section 4.4).
    """
    if qtype == ANY:
        return _says_nothing_else(record)
    if record.has(qtype) or record.has(CNAME):
        return False
    if qtype == DS:
        return not record.has(SOA) or name == ROOT
    return not record.has(NS) or record.has(SOA)


def _says_nothing_else(record: Nsec | Nsec3) -> bool:
    allowed = {RRSIG, NSEC, NXNAME}
    offset = 0
    while offset < len(record.types):
        window, size = record.types[offset], record.types[offset + 1]
        for at, octet in enumerate(record.types[offset + 2 : offset + 2 + size]):
            for bit in range(8):
                if octet & 0x80 >> bit and window << 8 | at << 3 | bit not in allowed:
                    return False
        offset += 2 + size
    return True
