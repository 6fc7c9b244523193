"""Judging a command: a pure function of the store and the command (DESIGN invariant I3).

The whole command is carried out on a `Draft` first; only when nothing speaks against it are there
effects to write.  There is no clock, no chance and no I/O here, and no iteration over sets of
octets, whose order differs between processes.
"""

from hashlib import sha256

from dns_node.cluster import admission, imports, record_changes, zone_changes
from dns_node.cluster.command import (
    Command,
    DeleteKey,
    DropMember,
    FormCluster,
    Operation,
    Outcome,
    PublishRows,
    PutKey,
    PutMember,
    PutToken,
    RaiseSchema,
    Refused,
    RunStaged,
    StageRows,
    StageSlice,
    Trim,
    needed_schema,
    parse_command,
    parse_outcome,
)
from dns_node.cluster.draft import Draft
from dns_node.cluster.effects import Effects, StageChange
from dns_node.cluster.preconditions import unmet
from dns_node.cluster.settle import settle
from dns_node.cluster.shape import misshapen
from dns_node.store.rows import KEY_OCTETS_MAX, Stage, StateView
from dns_node.zone.change import Add, DropZone, Import, Remove, Replace, RestoreZone

SLICES_MAX = 1 << 16
_STAGING = (StageSlice, RunStaged, StageRows, PublishRows)


def judge(view: StateView, command: Command) -> tuple[Outcome, Effects]:
    """Return what the command's answer is and what it writes (nothing of it when refused).

    Raises UnknownSchemaError when a staged command was written by a newer release.
    """
    if command.proposed_at_ms < view.meta().operations_horizon_ms:
        why = "the operation is too old: its outcome is not remembered any more, if it had one"
        return Refused((f"{why}. Look at the zone, then try again.",)), Effects()
    needed = needed_schema(command)
    if needed > view.meta().schema:
        return Refused((too_new(needed, view.meta().schema),)), Effects()
    if not command.operations:
        return Refused(("the command is empty",)), Effects()
    wrong = misshapen(command)
    if wrong:
        return Refused((wrong,)), Effects()
    if len(command.operations) > 1 and any(isinstance(o, _STAGING) for o in command.operations):
        return Refused(("a staging operation must stand alone in its command",)), Effects()
    objections = unmet(view, command.preconditions)
    if objections:
        return Refused(tuple(objections)), Effects()
    first = command.operations[0]
    if isinstance(first, RunStaged):
        return _run_staged(view, command, first)
    draft = Draft(view, command)
    for draft.number, operation in enumerate(command.operations, 1):
        _carry_out(draft, operation)
    return settle(draft)


def _carry_out(draft: Draft, operation: Operation) -> None:
    match operation:
        case Add():
            record_changes.add(draft, operation)
        case Remove():
            record_changes.remove(draft, operation)
        case Replace():
            record_changes.replace(draft, operation)
        case Import():
            imports.carry(draft, operation)
        case DropZone():
            zone_changes.drop(draft, operation)
        case RestoreZone():
            zone_changes.restore(draft, operation)
        case PutKey(key, value):
            _set_key(draft, key, value)
        case DeleteKey(key):
            _set_key(draft, key, None)
        case StageSlice():
            _stage_slice(draft, operation)
        case StageRows():
            zone_changes.stage_rows(draft, operation)
        case PublishRows():
            zone_changes.publish(draft, operation)
        case FormCluster():
            admission.form_cluster(draft, operation)
        case PutMember():
            admission.put_member(draft, operation)
        case DropMember():
            admission.drop_member(draft, operation)
        case PutToken():
            admission.put_token(draft, operation)
        case Trim():
            admission.trim(draft, operation)
        case RaiseSchema():
            admission.raise_schema(draft, operation)
        case RunStaged():
            raise AssertionError("a staged command is run before a draft is made")


def too_new(needed: int, schema: int) -> str:
    """Return why a change that needs schema *needed* is not made in a cluster at *schema*."""
    return (
        f"NOT YET: the change needs schema {needed}, and the cluster is at {schema} until every "
        "member runs a release that reads it. The change was not made."
    )


def _set_key(draft: Draft, key: str, value: str | None) -> None:
    if not 0 < len(key.encode()) <= KEY_OCTETS_MAX:
        draft.refuse(f"a key has 1 to {KEY_OCTETS_MAX} octets, not {len(key.encode())}")
        return
    before, now = draft.keys[key] if key in draft.keys else (draft.view.value(key),) * 2
    draft.keys[key] = before, value
    if now == value:
        draft.note(f"not there: key {key}" if value is None else f"exists already: key {key}")


def _stage_slice(draft: Draft, change: StageSlice) -> None:
    if not 0 <= change.number < SLICES_MAX:
        draft.refuse(f"a stage has {SLICES_MAX} slices at most")
        return
    stage = draft.view.stage(change.stage) or Stage(draft.command.proposed_at_ms)
    if stage.zone_id:
        draft.refuse("this stage holds rows, no command")
        return
    slices = max(stage.slices, change.number + 1)
    draft.effects.stages[change.stage] = StageChange(
        Stage(stage.began_at_ms, slices), {change.number: change.octets}
    )


def _run_staged(
    view: StateView, command: Command, change: RunStaged
) -> tuple[Outcome, Effects]:
    stage = view.stage(change.stage)
    numbers = range(change.slices) if stage is not None and stage.slices == change.slices else ()
    slices = [view.stage_slice(change.stage, number) for number in numbers]
    octets = b"".join([octets for octets in slices if octets is not None])
    if not slices or None in slices or sha256(octets).digest() != change.digest:
        why = "the staged command is not here whole (any more)"
        return Refused((f"{why}. Nothing was changed; try again.",)), Effects()
    staged = parse_command(octets)
    recorded = None
    if staged.operation_id != command.operation_id:
        recorded = view.operation(staged.operation_id)
    if recorded is not None:
        outcome, effects = parse_outcome(recorded), Effects()
    elif any(isinstance(o, _STAGING) for o in staged.operations):
        outcome, effects = Refused(("a staged command may not stage anything itself",)), Effects()
    else:
        outcome, effects = judge(view, staged)
    effects.stages[change.stage] = StageChange(None)
    if staged.operation_id != command.operation_id:
        effects.also_recorded = staged.operation_id
    return outcome, effects
