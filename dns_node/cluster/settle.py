"""The end of a judgement: check what a draft leaves behind, decide serials, and say the effects."""

from dns_node.cluster.command import Command, Done, Outcome, Refused
from dns_node.cluster.draft import NS, SOA, Draft, DraftZone
from dns_node.cluster.effects import Effects, RowsChange, ZoneChange
from dns_node.store.history import HistoryRow, KeyDiff, RRsetDiff, ZoneDiff
from dns_node.zone.change import Import, Replace
from dns_node.zone.check import node_findings
from dns_node.zone.names import ancestors, is_subdomain, name_text, parent
from dns_node.zone.rrset import RRset, WireName
from dns_node.zone.soa import (
    is_later,
    negative_ttl_s,
    serial_after,
    serial_from,
    soa_serial,
    with_serial,
)
from dns_node.zone.view import AUTO, ZoneHeader

DNAME = 39
GONE = -1
"""The "serial" of a zone that is not there."""


def settle(draft: Draft) -> tuple[Outcome, Effects]:
    """Return the outcome of the whole command and what it writes (nothing when refused)."""
    draft.number = 0
    diffs: list[ZoneDiff] = []
    for zone in draft.zones.values():
        if zone.nodes or zone.zone_id != _zone_id(zone.published):
            diff = _settle_zone(draft, zone)
            if diff is not None:
                diffs.append(diff)
    if draft.problems:
        return Refused(tuple(draft.problems)), Effects()
    keys = tuple(
        KeyDiff(key, before, after)
        for key, (before, after) in draft.keys.items()
        if before != after
    )
    effects = draft.effects
    effects.keys = {diff.key: diff.after for diff in keys}
    notes = tuple(draft.notes)
    if not diffs and not keys and not draft.others:
        return Done(draft.meta.revision, False, (), notes), effects
    effects.revision = draft.revision
    effects.history = _history_row(draft.command, draft, tuple(diffs), keys)
    zones = tuple((diff.apex, diff.serial_after) for diff in diffs)
    return Done(draft.revision, True, zones, notes), effects


def _history_row(
    command: Command, draft: Draft, zones: tuple[ZoneDiff, ...], keys: tuple[KeyDiff, ...]
) -> HistoryRow:
    return HistoryRow(
        draft.revision,
        command.proposed_at_ms,
        command.door,
        command.actor,
        command.reason,
        zones,
        keys,
        tuple(draft.others),
    )


def _zone_id(header: ZoneHeader | None) -> int:
    return 0 if header is None else header.zone_id


def _settle_zone(draft: Draft, zone: DraftZone) -> ZoneDiff | None:
    """Check one zone, decide its serial and add its effects; return its difference, None when
    there is none."""
    changed, diff = _difference(zone)
    if zone.is_there and zone.flags & AUTO and _is_bare(draft, zone):
        if _is_to_vanish(draft, zone, diff):
            if not zone.is_new:
                draft.note(f"zone {name_text(zone.apex)} vanished with its last record")
            zone.drop()
            changed, diff = {}, []
        elif zone.created_from is not None:
            # It was given name servers of its own and nothing else: the zone itself is meant.
            zone.flags &= ~AUTO
    if not zone.is_there:
        return _withdraw(draft, zone)
    _check(draft, zone, changed)
    if draft.problems:
        return None
    published = zone.published
    wishes_later = published is not None and is_later(zone.serial_wish, published.serial)
    if not changed and not zone.is_new and not wishes_later:
        return None
    return _publish(draft, zone, changed, diff)


def _difference(zone: DraftZone) -> tuple[dict[WireName, dict[int, RRset]], list[RRsetDiff]]:
    changed = {}
    diff = []
    for owner, node in zone.nodes.items():
        original = zone.originals[owner] or {}
        if node == original:
            continue
        changed[owner] = node
        for rrtype in sorted({*original, *node}):
            before, after = original.get(rrtype), node.get(rrtype)
            if before != after:
                diff.append(RRsetDiff(owner, rrtype, before, after))
    return changed, diff


def _is_bare(draft: Draft, zone: DraftZone) -> bool:
    """Whether the zone holds no more than its SOA and NS."""
    names = zone.tally.names
    for owner, node in zone.nodes.items():
        names += bool(node) - bool(zone.originals[owner])
    apex_node = draft.node(zone, zone.apex) if names == 1 else None
    return apex_node is not None and set(apex_node) <= {SOA, NS}


def _is_to_vanish(draft: Draft, zone: DraftZone, diff: list[RRsetDiff]) -> bool:
    """Whether a bare zone that was made for added names has lost the last of them."""
    template = zone.created_from
    if template is None:
        return any(entry.after is None for entry in diff)
    return draft.node(zone, zone.apex) == {SOA: template.soa, NS: template.ns}


def _withdraw(draft: Draft, zone: DraftZone) -> ZoneDiff | None:
    published = zone.published
    if published is None:
        return None
    draft.bury(published.zone_id, zone.apex, published)
    draft.effects.retired[zone.apex] = published.serial
    draft.effects.zones.append(ZoneChange(zone.apex, None, None))
    return ZoneDiff(zone.apex, published.serial, GONE, published.zone_id, 0)


def _check(draft: Draft, zone: DraftZone, changed: dict[WireName, dict[int, RRset]]) -> None:
    for owner, node in changed.items():
        if not node:
            continue
        is_apex = owner == zone.apex
        for finding in node_findings(owner, node, is_apex):
            is_legacy = finding.is_cname_clash and _may_clash(draft, zone, owner)
            if not finding.is_warning and not is_legacy:
                draft.refuse(finding.text, zone.touched_by[owner])
    if zone.tally.dnames or any(DNAME in node for node in changed.values()):
        _check_dnames(draft, zone, changed)
    if zone.apex not in changed and not zone.is_new:
        return
    apex_node = draft.node(zone, zone.apex) or {}
    number = zone.touched_by.get(zone.apex, 0)
    if SOA not in apex_node:
        why = f"{name_text(zone.apex)} has no SOA record; a zone needs one (RFC 1035 section 5.2)."
        draft.refuse(why, number)
    if NS not in apex_node:
        draft.refuse(
            f"{name_text(zone.apex)} has no NS record left at its apex; a zone needs one "
            "(RFC 1035 section 5.2). Add another first.",
            number,
        )


def _check_dnames(draft: Draft, zone: DraftZone, changed: dict[WireName, dict[int, RRset]]) -> None:
    """Refuse names below a DNAME (RFC 6672 section 2.4)."""
    for owner, node in changed.items():
        for above in ancestors(owner):
            if not node or above == zone.apex:
                break
            upper = parent(above)
            if DNAME in (draft.node(zone, upper) or {}):
                _refuse_below(draft, zone, owner, upper)
        if DNAME in node and DNAME not in (zone.originals[owner] or {}):
            below = draft.view.successor(zone.zone_id, owner)
            while below is not None and is_subdomain(below, owner):
                if below not in changed:
                    _refuse_below(draft, zone, below, owner)
                    break
                below = draft.view.successor(zone.zone_id, below)


def _refuse_below(draft: Draft, zone: DraftZone, owner: WireName, dname: WireName) -> None:
    number = zone.touched_by.get(owner, zone.touched_by.get(dname, 0))
    draft.refuse(
        f"{name_text(owner)} lies below the DNAME at {name_text(dname)}, where nothing may be "
        "(RFC 6672 section 2.4). Remove one of them.",
        number,
    )


def _may_clash(draft: Draft, zone: DraftZone, owner: WireName) -> bool:
    """Whether a CNAME beside other data may be at *owner*: the legacy format may bring it, what
    came so may stay so, and UNDO may bring it back."""
    match draft.operation(zone.touched_by[owner]):
        case Import():
            return True
        case Replace(apex=apex) if apex is not None:
            return True
    before = zone.originals[owner] or {}
    return any(f.is_cname_clash for f in node_findings(owner, before, owner == zone.apex))


def _publish(
    draft: Draft, zone: DraftZone, changed: dict[WireName, dict[int, RRset]], diff: list[RRsetDiff]
) -> ZoneDiff:
    published, command = zone.published, draft.command
    serial = _serial(draft, zone, command)
    apex_node = draft.edit(zone, zone.apex)
    soa_before = (zone.originals[zone.apex] or {}).get(SOA)
    soa = apex_node[SOA] = with_serial(apex_node[SOA], serial)
    changed[zone.apex] = apex_node
    if any(entry.rrtype == SOA for entry in diff):
        diff = [e for e in diff if e.rrtype != SOA]
        diff.append(RRsetDiff(zone.apex, SOA, soa_before, soa))
    tally = zone.tally
    header = ZoneHeader(
        zone.zone_id,
        serial,
        zone.flags,
        zone.kind,
        negative_ttl_s(soa),
        tally.names,
        tally.records,
        tally.cuts,
        tally.dnames,
        tally.wildcards,
        tally.digest,
        zone.origin,
    )
    rows = RowsChange(zone.zone_id, tally, changed)
    draft.effects.zones.append(ZoneChange(zone.apex, header, rows))
    if zone.is_new:
        if published is not None:
            draft.bury(published.zone_id, zone.apex, published)
        if draft.view.dead_zone(zone.zone_id) is not None:
            draft.effects.dead[zone.zone_id] = None
        if zone.created_from is not None:
            name = name_text(zone.apex)
            draft.notes.append(f"zone {name} created (SOA, NS from the configuration)")
        if published is not None or zone.is_imported:
            diff = []
    return ZoneDiff(
        zone.apex,
        GONE if published is None else published.serial,
        serial,
        _zone_id(published),
        zone.zone_id,
        tuple(diff),
    )


def _serial(draft: Draft, zone: DraftZone, command: Command) -> int:
    """Return the zone's new serial: later than every serial that was published at this apex,
    and not before the floors (the proposer's, the user's SOA)."""
    floors = (command.serial_floor, zone.serial_wish)
    used = [] if zone.published is None else [zone.published.serial]
    if zone.is_new:
        retired = draft.view.retired_serial(zone.apex)
        used += [serial for serial in (retired, zone.serial_floor or None) if serial is not None]
    if used:
        latest = used[0]
        for serial in used[1:]:
            latest = serial if is_later(serial, latest) else latest
        return serial_after(latest, *floors)
    node = draft.node(zone, zone.apex)
    assert node is not None
    return serial_from(soa_serial(node[SOA].rdatas[0]), *floors)
