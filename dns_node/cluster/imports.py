"""Carrying a managed zone file into its zone, and the memory of what the file contained."""

from dns_node.cluster.draft import NS, SOA, Draft, DraftZone
from dns_node.cluster.effects import SourceChange
from dns_node.cluster.record_changes import add_to, put_soa, remove_from
from dns_node.store.layout import DIGEST_MODULUS, node_hash
from dns_node.zone.change import Import, SourceKey
from dns_node.zone.names import is_subdomain, name_text
from dns_node.zone.rrset import Node, RRset, WireName
from dns_node.zone.view import AUTO, SourceHeader

CNAME, DNAME = 5, 39
MODES = ("new", "update", "adopt", "merge", "replace")

_Nodes = dict[WireName, dict[int, RRset]]


def carry(draft: Draft, change: Import) -> None:
    """Carry out *change*: the zone, and the memory of its source."""
    origin = change.source.origin
    if change.mode not in MODES:
        draft.refuse(f"{change.source.path}: unknown mode {change.mode!r} of an import")
        return
    outside = {o for o, _ in (*change.adds, *change.removes) if not is_subdomain(o, origin)}
    for owner in sorted(outside):
        draft.refuse(f"{name_text(owner)} is outside the zone {name_text(origin)}")
    if outside:
        return
    if any(done.key == change.source for done in draft.effects.sources):
        draft.refuse(f"{change.source.path}: one command carries one import of a source")
        return
    known = draft.view.source(change.source)
    if known is None and change.mode == "update":
        path = change.source.path
        draft.refuse(f"{path}: its last import is not known; say LOAD {path} merge or replace.")
        return
    _remember(draft, change, known)
    if change.mode == "adopt":
        return
    zone = draft.zone_at(origin)
    if not zone.is_there:
        _begin(draft, change, zone)
    elif change.mode == "new" and known is None:
        draft.refuse(
            f"the zone {name_text(origin)} exists by now; say LOAD {change.source.path} merge to "
            f"add to it, or LOAD {change.source.path} replace to make it exactly the file."
        )
    if zone.is_there:
        _carry_into(draft, change, zone)


def _begin(draft: Draft, change: Import, zone: DraftZone) -> None:
    if change.mode == "update":
        name, path = name_text(zone.apex), change.source.path
        draft.refuse(f"the zone {name} was dropped; say LOAD {path} replace to bring it back.")
        return
    zone.create(draft.new_zone_id(), 0, change.source.path)
    zone.is_imported = True
    draft.reshape(zone)
    for template in draft.command.candidates:
        if template.apex == zone.apex:
            node = draft.edit(zone, zone.apex)
            node[SOA], node[NS] = template.soa, template.ns
            if any(owner == zone.apex and rrset.rrtype == NS for owner, rrset in change.adds):
                del node[NS]


def _carry_into(draft: Draft, change: Import, zone: DraftZone) -> None:
    if change.mode in ("merge", "replace"):
        zone.flags &= ~AUTO
        zone.origin = change.source.path
    if change.mode == "replace" and not zone.is_new:
        _clear(draft, zone, {owner for owner, _ in change.adds})
    for owner, rrset in change.removes:
        # The file's former SOA has the file's serial, not the zone's: the new one replaces it.
        if rrset.rrtype != SOA:
            remove_from(draft.edit(zone, owner), rrset.rrtype, rrset.rdatas)
    for owner, rrset in change.adds:
        if rrset.rrtype == SOA:
            put_soa(draft, zone, owner, rrset)
            continue
        node = draft.edit(zone, owner)
        if rrset.rrtype in (CNAME, DNAME):
            node.pop(rrset.rrtype, None)  # one alone may be there, and the last reload wins
        _add_rrset(node, rrset)


def _clear(draft: Draft, zone: DraftZone, named: set[WireName]) -> None:
    """Remove every record but the SOA, which a file without one leaves as it is."""
    stored = [owner for owner, _ in draft.view.walk(zone.zone_id)]
    # Sets of octets have another order in each process, and the history row shows this one.
    for owner in sorted({*named, *zone.nodes, *stored}):
        node = draft.edit(zone, owner)
        soa = node.get(SOA)
        node.clear()
        if soa is not None:
            node[SOA] = soa


def _add_rrset(node: dict[int, RRset], rrset: RRset) -> None:
    fresh = add_to(node, rrset.rrtype, rrset.ttl_s, rrset.rdatas, rrset.ttl_s)
    if rrset.signatures and fresh.rdatas == rrset.rdatas:
        node[rrset.rrtype] = rrset


def _remember(draft: Draft, change: Import, known: SourceHeader | None) -> None:
    """Make the memory of the source what its file contains now."""
    if known is None or change.mode != "update":
        if change.removes:
            draft.refuse(f"{change.source.path}: only an update of a known source may remove")
            return
        if known is not None:
            draft.bury(known.zone_id)
        fresh: _Nodes = {}
        for owner, rrset in change.adds:
            _add_rrset(fresh.setdefault(owner, {}), rrset)
        digest = sum(node_hash(owner, node) for owner, node in fresh.items())
        zone_id = draft.new_zone_id()
        _record(draft, change, zone_id, digest, fresh)
        return
    before: dict[WireName, Node | None] = {}
    after: _Nodes = {}
    for owner, _ in (*change.removes, *change.adds):
        before[owner] = draft.view.node(known.zone_id, owner)
        after[owner] = dict(before[owner] or {})
    for owner, rrset in change.removes:
        remove_from(after[owner], rrset.rrtype, rrset.rdatas)
    for owner, rrset in change.adds:
        _add_rrset(after[owner], rrset)
    digest = int.from_bytes(known.digest, "big")
    for owner, node in after.items():
        digest += node_hash(owner, node) - node_hash(owner, before[owner] or {})
    _record(draft, change, known.zone_id, digest, after)


def _record(draft: Draft, change: Import, zone_id: int, digest: int, rows: _Nodes) -> None:
    octets = (digest % DIGEST_MODULUS).to_bytes(32, "big")
    if change.digest and change.digest != octets:
        draft.refuse(
            f"{change.source.path}: another reload of this file came between; RELOAD it again."
        )
        return
    header = SourceHeader(zone_id, octets, draft.revision)
    draft.effects.sources.append(SourceChange(change.source, header, rows))
    draft.others.append(_said(change.source, change.mode))


def _said(key: SourceKey, mode: str) -> str:
    return f"zone file {key.path} of node {key.node} for {name_text(key.origin)}: {mode}"
