"""Withdrawing, restoring and publishing whole zones in a draft."""

import msgspec

from dns_node.cluster.command import PublishRows, StageRows
from dns_node.cluster.draft import SOA, Draft
from dns_node.cluster.effects import SourceChange, StageChange
from dns_node.store.layout import owner_key
from dns_node.store.rows import Stage
from dns_node.zone.change import DropZone, RestoreZone, SourceKey
from dns_node.zone.check import node_findings
from dns_node.zone.names import name_text
from dns_node.zone.rrset import RRset, WireName
from dns_node.zone.soa import SOA_OCTETS_MIN, soa_serial
from dns_node.zone.view import SourceHeader


def drop(draft: Draft, change: DropZone) -> None:
    """Withdraw the zone; that there is none is noted."""
    zone = draft.zone_at(change.apex)
    if not zone.is_there:
        draft.note(f"not there: zone {name_text(change.apex)}")
        return
    zone.drop()
    draft.reshape(zone)


def restore(draft: Draft, change: RestoreZone) -> None:
    """Publish rows again that were published at this apex before."""
    dead = draft.view.dead_zone(change.zone_id)
    if dead is None or dead.header is None or dead.apex != change.apex:
        draft.refuse(
            f"the former contents of zone {name_text(change.apex)} (id {change.zone_id}) are not "
            "kept any more; load its file again."
        )
        return
    zone = draft.zone_at(change.apex)
    zone.restore(dead.header)
    draft.reshape(zone)


def stage_rows(draft: Draft, change: StageRows) -> None:
    """Write rows under the stage's unpublished ids; each node is checked as it comes."""
    stage = draft.view.stage(change.stage)
    if stage is None:
        rows_id, shadow_id = draft.new_zone_id(), draft.new_zone_id()
        stage = Stage(draft.command.proposed_at_ms, 0, rows_id, shadow_id)
    if stage.slices:
        draft.refuse("this stage holds a command, no rows")
        return
    nodes: dict[WireName, dict[int, RRset]] = {}
    for owner, rrsets in change.rows:
        node = nodes[owner] = {rrset.rrtype: rrset for rrset in rrsets}
        if not all(rrset.rdatas for rrset in rrsets) or not rrsets:
            draft.refuse(f"{name_text(owner)}: a row without records")
        for finding in node_findings(owner, node, SOA in node):
            # Rows come from a file, and its door has checked CNAME beside other data.
            if not finding.is_warning and not finding.is_cname_clash:
                draft.refuse(finding.text)
    keys = [owner_key(owner) for owner in nodes]
    first, last = min([*keys, stage.first or b"\xff"]), max([*keys, stage.last])
    header = msgspec.structs.replace(stage, first=first, last=last)
    draft.effects.stages[change.stage] = StageChange(header, rows=nodes)


def publish(draft: Draft, change: PublishRows) -> None:
    """Make the staged rows the zone, and the source's memory, by a swap of ids."""
    stage = draft.view.stage(change.stage)
    name = name_text(change.apex)
    if stage is None or not stage.zone_id:
        draft.refuse(f"the staged rows of {name} are not here (any more); load the file again.")
        return
    if change.digest and change.digest != stage.tally.digest:
        draft.refuse(f"the staged rows of {name} are not complete; load the file again.")
        return
    if change.mode not in ("new", "replace", "adopt"):
        draft.refuse(f"mode {change.mode!r} of {name}: rows can be new, replace or adopt only.")
        return
    draft.effects.stages[change.stage] = StageChange(None)
    key = SourceKey(change.source_node, change.source_path, change.apex)
    known = draft.view.source(key) if change.source_path else None
    _record_source(draft, change, key, stage, known)
    zone = draft.zone_at(change.apex)
    if change.mode == "adopt":
        draft.bury(stage.zone_id)
        return
    if change.mode == "new" and zone.is_there and known is None:
        draft.refuse(f"the zone {name} exists by now; say LOAD {change.source_path} replace.")
        return
    soa = (draft.view.node(stage.zone_id, change.apex) or {}).get(SOA)
    if soa is None or len(soa.rdatas) != 1 or len(soa.rdatas[0]) < SOA_OCTETS_MIN:
        draft.refuse(f"{name} has no SOA record; a zone needs one (RFC 1035 section 5.2).")
        return
    # In canonical order the names below an apex are one run right after it.
    apex_key = owner_key(change.apex)
    if stage.first != apex_key or not stage.last.startswith(apex_key):
        draft.refuse(f"the staged rows of {name} hold names outside the zone.")
        return
    zone.create(stage.zone_id, 0, change.source_path or draft.command.door, stage.tally)
    zone.serial_wish = soa_serial(soa.rdatas[0])
    zone.is_imported = True
    draft.reshape(zone)


def _record_source(
    draft: Draft, change: PublishRows, key: SourceKey, stage: Stage, known: SourceHeader | None
) -> None:
    if not change.source_path:
        draft.bury(stage.shadow_zone_id)
        return
    if known is not None:
        draft.bury(known.zone_id)
    header = SourceHeader(stage.shadow_zone_id, stage.tally.digest, draft.revision)
    draft.effects.sources.append(SourceChange(key, header, {}))
    what = f"zone file {key.path} of node {key.node} for {name_text(key.origin)}: {change.mode}"
    draft.others.append(what)
