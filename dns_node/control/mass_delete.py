"""The guard against deleting much by mistake: judged at the door, before anything is proposed.

A command that takes away more than a share of a zone's records, or of all zones, has to say
``force``.  Dropping a single zone is meant as it is said.
"""

from collections.abc import Iterator, Sequence

from dns_node.cluster.command import Command, Operation, Refused
from dns_node.cluster.effects import Effects
from dns_node.cluster.state_machine import judge
from dns_node.store.history import RRsetDiff
from dns_node.store.rows import StateView
from dns_node.zone.change import DropZone, Remove, Replace, RestoreZone
from dns_node.zone.names import name_text
from dns_node.zone.rrset import WireName

RECORDS_MIN = 100
ZONES_MIN = 3
"""What takes away less than this is never much."""


def find_objection(view: StateView, command: Command, percent: int) -> str:
    """Return why *command* has to say ``force``, a sentence; '' when it need not.  What can't
    delete much is not judged, and what is refused anyway is not objected to."""
    if not _may_delete_much(command.operations):
        return ""
    outcome, effects = judge(view, command)
    if isinstance(outcome, Refused) or effects.history is None:
        return ""
    dropped = [diff.apex for diff in effects.history.zones if diff.zone_id_after == 0]
    if len(dropped) >= ZONES_MIN:
        zones = sum(1 for _ in view.zones())
        if len(dropped) * 100 > percent * zones:
            share = f"{len(dropped) * 100 // zones} %, limits.mass_delete_percent is {percent}"
            return f"It would drop {len(dropped)} of the {zones} zones ({share}). {_cure()}"
    losses = _losses(view, effects)
    reasons = (judge_loss(apex, lost, records, percent) for apex, lost, records in losses)
    reason = next(filter(None, reasons), "")
    return f"It would {reason} {_cure()}" if reason else ""


def judge_loss(apex: WireName, lost: int, records: int, percent: int) -> str:
    """Return ``remove … of …`` when *lost* of a zone's *records* are more than *percent* and at
    least 100, else ''."""
    if lost < RECORDS_MIN or lost * 100 <= percent * records:
        return ""
    return (
        f"remove {lost} of the {records} records of {name_text(apex)} "
        f"({lost * 100 // records} %, limits.mass_delete_percent is {percent})."
    )


def _cure() -> str:
    return "If that is meant, say it with force at the end of the line."


def _may_delete_much(operations: Sequence[Operation]) -> bool:
    records = zones = 0
    for operation in operations:
        match operation:
            case Remove(rdatas=tuple() as rdatas):
                records += len(rdatas)
            case Remove() | Replace() | RestoreZone():
                return True
            case DropZone():
                zones += 1
    return records >= RECORDS_MIN or zones >= ZONES_MIN


def _losses(view: StateView, effects: Effects) -> Iterator[tuple[WireName, int, int]]:
    """Yield (apex, records lost, records before) of every zone that stays.  Of a zone whose
    contents are swapped as a whole the difference of the numbers is told."""
    assert effects.history is not None
    after = {change.apex: change.header for change in effects.zones}
    for diff in effects.history.zones:
        before, header = view.zone(diff.apex), after.get(diff.apex)
        if before is None or header is None:
            continue
        if diff.zone_id_before != diff.zone_id_after:
            yield diff.apex, before.records - header.records, before.records
        else:
            yield diff.apex, sum(map(_lost, diff.diff)), before.records


def _lost(entry: RRsetDiff) -> int:
    if entry.before is None:
        return 0
    kept = frozenset(entry.after.rdatas) if entry.after is not None else frozenset()
    return sum(rdata not in kept for rdata in entry.before.rdatas)
