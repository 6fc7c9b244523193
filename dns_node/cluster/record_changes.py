"""Adding, removing and replacing records in a draft (the operations that people make)."""

from dns_node.cluster.draft import NS, SOA, Draft, DraftZone
from dns_node.cluster.wording import record_text, rrset_name
from dns_node.zone.change import Add, Remove, Replace
from dns_node.zone.names import ROOT, is_subdomain, name_text, parent
from dns_node.zone.rdata import is_meta_type, type_text
from dns_node.zone.rrset import RRset, WireName
from dns_node.zone.soa import SOA_OCTETS_MIN, soa_serial, with_serial

ANY = 255
DS = 43


def add(draft: Draft, change: Add) -> None:
    """Carry out *change*; what is there already is noted."""
    if change.rrtype == SOA:
        # There is one SOA, so adding another replaces it (RFC 2136 section 3.4.2.2).
        replace(draft, Replace(*_fields(change)))
        return
    zone = _zone_to_write(draft, change.owner, change.rrtype, change.rdatas)
    if zone is None:
        return
    node = draft.edit(zone, change.owner)
    old = node.get(change.rrtype)
    fresh = add_to(node, change.rrtype, change.ttl_s, change.rdatas, change.default_ttl_s)
    if old is None:
        return
    if old.ttl_s != fresh.ttl_s:
        what = rrset_name(change.owner, change.rrtype)
        draft.note(f"the TTL of {what} is now {fresh.ttl_s}, was {old.ttl_s}")
        return
    for rdata in change.rdatas:
        if rdata in old.rdatas:
            draft.note(f"exists already: {record_text(change.owner, change.rrtype, rdata)}")


def _fields(change: Add) -> tuple[WireName, int, int | None, tuple[bytes, ...], int]:
    return change.owner, change.rrtype, change.ttl_s, change.rdatas, change.default_ttl_s


def add_to(
    node: dict[int, RRset],
    rrtype: int,
    ttl_s: int | None,
    rdatas: tuple[bytes, ...],
    default_ttl_s: int,
) -> RRset:
    """Put *rdatas* into the RRset of *rrtype* and return it; signatures stay only on an RRset
    that did not change."""
    old = node.get(rrtype)
    if old is None:
        ttl_s = default_ttl_s if ttl_s is None else ttl_s
        rdatas = rdatas if len(rdatas) == 1 else tuple(sorted(set(rdatas)))
        fresh = node[rrtype] = RRset(rrtype, ttl_s, rdatas)
        return fresh
    ttl_s = old.ttl_s if ttl_s is None else ttl_s
    merged = tuple(sorted({*old.rdatas, *rdatas}))
    if ttl_s != old.ttl_s or merged != old.rdatas:
        node[rrtype] = RRset(rrtype, ttl_s, merged)
    return node[rrtype]


def remove(draft: Draft, change: Remove) -> None:
    """Carry out *change*; what is not there is noted."""
    owner = change.owner
    zone = _zone_of(draft, owner, change.rrtype)
    here = draft.node(zone, owner) if zone is not None else None
    if zone is None or not here:
        draft.note(f"not there: {name_text(owner)}")
        return
    if change.rrtype == ANY:
        # The zone's own SOA and NS stay (RFC 2136 section 3.4.2.3).
        kept = {SOA, NS} if owner == zone.apex else set()
        for rrtype in [rrtype for rrtype in here if rrtype not in kept]:
            remove_from(draft.edit(zone, owner), rrtype, None)
        return
    rrset = here.get(change.rrtype)
    if rrset is None:
        draft.note(f"not there: {rrset_name(owner, change.rrtype)}")
        return
    gone = rrset.rdatas if change.rdatas is None else change.rdatas
    if change.rrtype == SOA and owner == zone.apex and set(gone) & set(rrset.rdatas):
        draft.refuse(
            f"the SOA of {name_text(owner)} can't be removed from the zone; "
            f"DROP {name_text(owner)} removes the zone, REPLACE changes its SOA."
        )
        return
    for rdata in gone:
        if rdata not in rrset.rdatas:
            draft.note(f"not there: {record_text(owner, change.rrtype, rdata)}")
    remove_from(draft.edit(zone, owner), change.rrtype, gone)


def remove_from(node: dict[int, RRset], rrtype: int, rdatas: tuple[bytes, ...] | None) -> None:
    """Take *rdatas* (None: all) out of the RRset of *rrtype*, which may be missing."""
    old = node.get(rrtype)
    if old is None:
        return
    kept = () if rdatas is None else tuple(r for r in old.rdatas if r not in set(rdatas))
    if not kept:
        del node[rrtype]
    elif kept != old.rdatas:
        node[rrtype] = RRset(rrtype, old.ttl_s, kept)


def replace(draft: Draft, change: Replace) -> None:
    """Make the RRset exactly what *change* says; nothing to change is noted."""
    if change.apex is not None:
        zone = _exact_zone(draft, change.owner, change.apex)
    elif not change.rdatas:
        remove(draft, Remove(change.owner, change.rrtype))
        return
    else:
        zone = _zone_to_write(draft, change.owner, change.rrtype, change.rdatas)
    if zone is None:
        return
    if not change.rdatas:
        remove_from(draft.edit(zone, change.owner), change.rrtype, None)
        return
    old = (draft.node(zone, change.owner) or {}).get(change.rrtype)
    default_ttl_s = change.default_ttl_s if old is None else old.ttl_s
    ttl_s = default_ttl_s if change.ttl_s is None else change.ttl_s
    fresh = RRset(change.rrtype, ttl_s, tuple(sorted(set(change.rdatas))))
    if change.rrtype == SOA:
        put_soa(draft, zone, change.owner, fresh)
        return
    if old is not None and (old.ttl_s, old.rdatas) == (fresh.ttl_s, fresh.rdatas):
        for rdata in fresh.rdatas:
            draft.note(f"exists already: {record_text(change.owner, change.rrtype, rdata)}")
        return
    draft.edit(zone, change.owner)[change.rrtype] = fresh


def put_soa(draft: Draft, zone: DraftZone, owner: WireName, rrset: RRset) -> None:
    """Set the SOA of *zone*; its serial is a wish: apply decides (see `settle`)."""
    if len(rrset.rdatas) != 1 or len(rrset.rdatas[0]) < SOA_OCTETS_MIN:
        draft.refuse(f"{name_text(owner)} SOA: a zone has exactly one SOA (RFC 2181 section 6.1).")
        return
    if owner != zone.apex:
        draft.refuse(
            f"{name_text(owner)} SOA: the SOA of {name_text(zone.apex)} belongs at its apex "
            "(RFC 1035 section 5.2)."
        )
        return
    zone.serial_wish = soa_serial(rrset.rdatas[0])
    node = draft.edit(zone, owner)
    old = node.get(SOA)
    # Written with the serial that is there: only what differs otherwise is a change.
    if old is None:
        node[SOA] = rrset
    elif with_serial(rrset, soa_serial(old.rdatas[0])) != old:
        node[SOA] = with_serial(rrset, soa_serial(old.rdatas[0]))


def _zone_of(draft: Draft, owner: WireName, rrtype: int) -> DraftZone | None:
    zone = draft.enclosing(owner)
    if rrtype == DS and zone is not None and zone.apex == owner and owner != ROOT:
        # A DS lies on the parent's side of the cut (RFC 4034 section 5).
        return draft.enclosing(parent(owner))
    return zone


def _exact_zone(draft: Draft, owner: WireName, apex: WireName) -> DraftZone | None:
    zone = draft.zone_at(apex)
    if zone.is_there and is_subdomain(owner, apex):
        return zone
    draft.refuse(f"{name_text(owner)} is in no zone {name_text(apex)}")
    return None


def _zone_to_write(
    draft: Draft, owner: WireName, rrtype: int, rdatas: tuple[bytes, ...]
) -> DraftZone | None:
    if is_meta_type(rrtype) or not rdatas:
        what = type_text(rrtype) if rdatas else "nothing"
        draft.refuse(f"{name_text(owner)}: {what} can't be stored in a zone")
        return None
    zone = _zone_of(draft, owner, rrtype)
    if zone is not None:
        return zone
    if rrtype == DS and draft.enclosing(owner) is not None:
        draft.refuse(
            f"{name_text(owner)} DS: a DS record belongs in the parent zone (RFC 4034 section 5), "
            "which is not in this cluster."
        )
        return None
    return draft.create_for(owner)
