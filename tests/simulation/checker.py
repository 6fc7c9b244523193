"""Holds the whole history against the invariants, once everything has healed.

The order of the log is the order of everything: the log as the nodes have applied it is applied
again, entry by entry, to a store of its own, and every answer and every read must be what that
store says.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path

from dns_node.cluster.command import Done, Outcome, Refused
from dns_node.cluster.machine import StoreMachine
from tests.simulation.clients import KEYS, ZONE, Call, Read
from tests.simulation.cluster import Cluster
from tests.simulation.disk import mount
from tests.simulation.oracle import Violation


@dataclass
class Reference:
    """The store after each revision, as it must be."""

    outcomes: dict[bytes, tuple[int, Outcome]] = field(default_factory=dict)
    values: dict[int, dict[str, str | None]] = field(default_factory=dict)
    serials: dict[int, int | None] = field(default_factory=dict)


def replay(cluster: Cluster, directory: Path) -> Reference:
    """Apply the log again and return what came of it; the digests must be those of the nodes."""
    entries = cluster.oracle.entries
    reference = Reference()
    mount(directory, random.Random(0))
    machine = StoreMachine(directory)
    first = min(entries, default=1)
    if sorted(entries) != list(range(first, first + len(entries))):
        raise Violation("no node has applied some entry of the log")
    _remember(machine, reference)
    for index in sorted(entries):
        term, payload = entries[index]
        for operation_id, outcome in machine.apply([(index, term, payload)]):
            # A repeat is answered as the first was.
            known = reference.outcomes.setdefault(operation_id, (index, outcome))
            if known[1] != outcome:
                raise Violation(f"I2: {_name(operation_id)} came to {known[1]}, then to {outcome}")
        digest = machine.view().digest()
        if index in cluster.oracle.digests and cluster.oracle.digests[index][1] != digest:
            raise Violation(f"I2: at entry {index} the nodes have another digest than the log")
        _remember(machine, reference)
    return reference


def _remember(machine: StoreMachine, reference: Reference):
    view = machine.view()
    revision = view.revision()
    reference.values[revision] = {key: view.value(key) for key in KEYS}
    header = view.zone(ZONE)
    reference.serials[revision] = None if header is None else header.serial


def check(cluster: Cluster, calls: list[Call], reads: list[Read], directory: Path):
    """Raise Violation when the history breaks a promise."""
    reference = replay(cluster, directory)
    for call in calls:
        _check_answers(call, reference)
    _check_order(calls, reference)
    for read in reads:
        _check_read(read, reference)
    _check_once(cluster, calls, reference)


def _check_answers(call: Call, reference: Reference):
    name = _name(call.command.operation_id)
    _, outcome = reference.outcomes.get(call.command.operation_id, (0, None))
    for attempt in call.tries:
        answer = attempt.answer
        if isinstance(answer, Done):
            if outcome is None:
                raise Violation(f"I1: {name} was done, and is lost")
            if outcome != answer:
                raise Violation(f"I4: {name} was answered {answer}, and came to {outcome}")
        if isinstance(answer, Refused) and isinstance(outcome, Done):
            again = [other for other in call.tries if other is not attempt]
            if not again:
                raise Violation(f"I4: {name} was refused ({answer.reasons[0]}), and was done")
            _check_refusal_among(name, attempt, again)


def _check_refusal_among(name, attempt, others):
    """A refusal speaks of its own try: another may have carried it out, unless both are over."""
    if all(other.asked_s > attempt.asked_s for other in others) and all(
        isinstance(other.answer, Refused) for other in others
    ):
        raise Violation(f"I4: {name} was refused by all nodes, and was done")


def _check_order(calls: list[Call], reference: Reference):
    """What was answered before something else was asked comes before it in the log."""
    known = []
    for call in calls:
        index, _ = reference.outcomes.get(call.command.operation_id, (None, None))
        answered = [t.answered_s for t in call.tries if isinstance(t.answer, Done)]
        if index is not None:
            first_s = min(answered, default=float("inf"))
            known.append((index, call.tries[0].asked_s, first_s, call))
    known.sort(key=lambda row: row[0])
    latest_asked_s, latest = float("-inf"), None
    position = 0
    while position < len(known):
        index = known[position][0]
        group = [row for row in known[position:] if row[0] == index]
        for _, _, answered_s, call in group:
            if answered_s < latest_asked_s:
                one, other = _name(call.command.operation_id), _name(latest.command.operation_id)
                raise Violation(f"linearizability: {one} was answered before {other} was asked")
        for _, asked_s, _, call in group:
            if asked_s > latest_asked_s:
                latest_asked_s, latest = asked_s, call
        position += len(group)


def _check_read(read: Read, reference: Reference):
    if read.revision < read.at_least:
        raise Violation(
            f"I6: node {read.node} showed revision {read.revision} after it had answered "
            f"{read.at_least}"
        )
    values = reference.values.get(read.revision)
    if values is None:
        raise Violation(f"I2: node {read.node} showed revision {read.revision}: there is none")
    if dict(read.values) != values or read.serial != reference.serials[read.revision]:
        raise Violation(f"I2: node {read.node} showed other values at revision {read.revision}")


def _check_once(cluster: Cluster, calls: list[Call], reference: Reference):
    """Every command that was done has one row in the history of every node, no other has one."""
    wanted = {}
    for call in calls:
        _, outcome = reference.outcomes.get(call.command.operation_id, (0, None))
        is_changed = isinstance(outcome, Done) and outcome.changed
        wanted[call.command.reason] = int(is_changed)
    for node, machine in cluster.machines.items():
        found = dict.fromkeys(wanted, 0)
        for row in machine.view().histories(None, 1_000_000):
            if row.reason in found and not row.others:
                found[row.reason] += 1
        for reason, count in found.items():
            if count != wanted[reason]:
                raise Violation(f"I2: {reason} is {count} times in the history of node {node}")


def _name(operation_id: bytes) -> str:
    return f"#{int.from_bytes(operation_id, 'big')}"
