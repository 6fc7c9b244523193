"""Undoing a revision: the operations that put back what it changed, and what must still hold."""

from dns_node.cluster.command import (
    DeleteKey,
    KeyIs,
    Operation,
    Precondition,
    PutKey,
    RRsetIs,
    ZoneIs,
)
from dns_node.errors import InputError, Problem
from dns_node.store.history import HistoryRow, RRsetDiff, ZoneDiff
from dns_node.store.rows import StateView
from dns_node.zone.change import DropZone, Replace, RestoreZone
from dns_node.zone.names import name_text
from dns_node.zone.rrset import WireName


def undo_command_parts(
    view: StateView, revision: int
) -> tuple[tuple[Operation, ...], tuple[Precondition, ...]]:
    """Return the operations that undo *revision*, and the preconditions that list a conflict for
    everything it touched that has changed since.

    Raises InputError when its history row is trimmed or never was, and when it changed what UNDO
    does not cover (members, join tokens, remembered zone files).
    """
    row = view.history(revision)
    if row is None:
        raise _refusal(revision, _why_missing(view, revision))
    operations: list[Operation] = []
    preconditions: list[Precondition] = []
    for zone in row.zones:
        _undo_zone(view, row, zone, operations, preconditions)
    for key in row.keys:
        put_back = DeleteKey(key.key) if key.before is None else PutKey(key.key, key.before)
        operations.append(put_back)
        preconditions.append(KeyIs(key.key, key.after))
    if not operations:
        what = "; ".join(row.others) or "the serial of a zone only"
        cure = "UNDO covers zone data and keys." if row.others else "Serials never fall."
        raise _refusal(revision, f"it changed {what}.", cure)
    return tuple(operations), tuple(preconditions)


def _undo_zone(
    view: StateView,
    row: HistoryRow,
    zone: ZoneDiff,
    operations: list[Operation],
    preconditions: list[Precondition],
) -> None:
    before, after = zone.zone_id_before, zone.zone_id_after
    if before == after:
        for entry in zone.diff:
            operations.append(_put_back(zone.apex, entry))
            rrset_is = RRsetIs(zone.apex, entry.owner, entry.rrtype, entry.after)
            preconditions.append(rrset_is)
        return
    if after:
        preconditions.append(ZoneIs(zone.apex, after, zone.serial_after))
    else:
        preconditions.append(ZoneIs(zone.apex, None))
    if not before:
        operations.append(DropZone(zone.apex))
        return
    # Ids come back to life by UNDO: then the rows are no longer those of this revision.
    dead = view.dead_zone(before)
    if dead is None or dead.revision != row.revision:
        what = f"the contents that zone {name_text(zone.apex)} had before are not kept as they were"
        raise _refusal(row.revision, f"{what}.", "Undo the later revisions of this zone first.")
    operations.append(RestoreZone(zone.apex, before))


def _put_back(apex: WireName, entry: RRsetDiff) -> Replace:
    if entry.before is None:
        return Replace(entry.owner, entry.rrtype, None, (), apex=apex)
    before = entry.before
    return Replace(entry.owner, entry.rrtype, before.ttl_s, before.rdatas, apex=apex)


def _why_missing(view: StateView, revision: int) -> str:
    meta = view.meta()
    if revision > meta.revision or revision < 1:
        return (
            f"this node knows no such revision; its last one is {meta.revision}. If another node "
            "has just made it, try again."
        )
    return f"it is not kept any more; history begins at revision {meta.history_horizon}."


def _refusal(revision: int, what: str, cure: str = "") -> InputError:
    return InputError([Problem(f"UNDO {revision}", what, cure)])
