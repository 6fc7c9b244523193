"""From a command to its answer: batching on the leader, forwarding from the others, deadlines.

A command is answered by this node's own store thread, by its operation id.  Whoever leads appends
it; when the leader changes it is handed to the next one, which is safe because an operation id is
applied once.  The answer is Done, Refused (certainly not made) or Unknown (it was handed on, and
the deadline passed).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
from twisted.internet.defer import Deferred, succeed

from dns_node.cluster.codec import NOT_MSGPACK, CodecError
from dns_node.cluster.command import (
    ENTRY_SIZE_OCTETS_MAX,
    Command,
    Done,
    Outcome,
    Refused,
    Unknown,
    UnknownSchemaError,
    compose_command,
    compose_entry,
    needed_schema,
    parse_command,
)
from dns_node.cluster.state_machine import too_new
from dns_node.store.layout import OLDEST_SCHEMA

DEADLINE_S = 5.0
LEADERLESS_S = 3.0
RETRY_S = 1.0
PENDING_MAX = 4096
PENDING_OCTETS_MAX = 64 << 20
QUEUE_OCTETS_MAX = 8 << 20
COMMAND_OCTETS_MAX = ENTRY_SIZE_OCTETS_MAX - 64
"""A larger command is staged (`dns_node.cluster.staging`)."""

ESSENTIAL_DOORS = frozenset({"cluster", "upkeep"})
"""What the cluster does for itself goes on when the disk is nearly full."""
TOO_BUSY = "TOO BUSY: too many changes wait"

Answer = Done | Refused | Unknown
_Frame = TypeVar("_Frame")


class Forward(msgspec.Struct, frozen=True, array_like=True):
    """A follower hands a command to the leader."""

    attempt: int
    command: bytes


class Refusal(msgspec.Struct, frozen=True, array_like=True):
    """The leader did not take what was handed to it in *attempt*; *is_final*: asking again at once
    is of no use."""

    attempt: int
    operation_id: bytes
    reason: str
    is_final: bool = False


@dataclass(slots=True, eq=False)
class _Pending:
    command: Command
    octets: bytes
    deadline_s: float
    answers: "list[Deferred[Answer]]"
    route: tuple[str, int] | None = None
    routed_s: float = 0.0
    attempts: set[int] = field(default_factory=set)
    refusal: str = ""
    queued: "_Queued | None" = None


@dataclass(slots=True, eq=False)
class _Queued:
    command: Command
    size_octets: int
    node: str
    attempt: int
    pending: _Pending | None = None
    is_withdrawn: bool = False


def _parse(body: bytes, kind: type[_Frame]) -> _Frame:
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except NOT_MSGPACK as error:
        raise CodecError(f"no {kind.__name__.lower()}: {error}") from error


class Proposer:
    """*send(node, kind, body)* sends a frame to a member; *find_outcome(operation_id)* looks into
    this node's store; *reach()* returns (nodes reachable, nodes), this one counted."""

    def __init__(
        self,
        node: str,
        seconds: Callable[[], float],
        send: Callable[[str, str, bytes], bool],
        find_outcome: Callable[[bytes], Outcome | None],
        reach: Callable[[], tuple[int, int]],
        kick: Callable[[], None],
    ):
        self.node = node
        self._seconds, self._send, self._find_outcome = seconds, send, find_outcome
        self._reach, self._kick = reach, kick
        self._pending: dict[bytes, _Pending] = {}
        self._queue: deque[_Queued] = deque()
        self._queue_octets = self._pending_octets = 0
        self._attempt = 0
        self._leader: str | None = None
        self._term = 0
        self._leaderless_s = seconds()
        self.stopped = ""
        """Not empty: why this node can't change anything now."""
        self.reserve = ""
        """Not empty: why nothing is taken but what the cluster does for itself (disk space)."""
        self.find_schema: Callable[[], int] = lambda: OLDEST_SCHEMA
        """Returns the schema that the cluster is at, by this node's store."""

    # The door's side

    def propose(self, command: Command, deadline_s: float = DEADLINE_S) -> "Deferred[Answer]":
        """Return what *command* (at most `COMMAND_OCTETS_MAX` encoded) came to; never fails."""
        octets = compose_command(command)
        assert len(octets) <= COMMAND_OCTETS_MAX, "larger commands are staged"
        if self.stopped:
            return succeed(Refused((f"{self.stopped} The change was not made.",)))
        if why := self.find_objection(command):
            return succeed(Refused((why,)))
        outcome = self._find_outcome(command.operation_id)
        if outcome is not None:
            return succeed(outcome)
        earlier = self._pending.get(command.operation_id)
        answer: Deferred[Answer] = Deferred()
        if earlier is not None:
            earlier.answers.append(answer)
            return answer
        why = self._why_not(command, len(octets))
        if why:
            return succeed(Refused((f"{why} The change was not made; try again.",)))
        self._pending_octets += len(octets)
        now_s = self._seconds()
        pending = _Pending(command, octets, now_s + deadline_s, [answer])
        self._pending[command.operation_id] = pending
        self._route(pending, now_s)
        self._check(pending, now_s)
        return answer

    def find_objection(self, command: Command) -> str:
        """Return why *command* is too new for the members, '' when it is not."""
        needed = needed_schema(command)
        if needed <= OLDEST_SCHEMA or needed <= (schema := self.find_schema()):
            return ""
        return too_new(needed, schema)

    def _why_not(self, command: Command, size_octets: int) -> str:
        """Return why a command is not taken, a sentence; '' when it is."""
        if self.reserve and command.door not in ESSENTIAL_DOORS:
            return self.reserve
        waiting_octets = self._pending_octets + size_octets
        if len(self._pending) >= PENDING_MAX or waiting_octets > PENDING_OCTETS_MAX:
            return (
                f"{TOO_BUSY} ({len(self._pending)}, {self._pending_octets >> 10} KiB; at most "
                f"{PENDING_MAX}, {PENDING_OCTETS_MAX >> 10} KiB)."
            )
        if self._leader == self.node and self._queue_octets > QUEUE_OCTETS_MAX:
            return f"{TOO_BUSY} for the log ({self._queue_octets >> 10} KiB)."
        return ""

    def on_outcomes(self, outcomes: list[tuple[bytes, Outcome]]) -> None:
        """This node's store has applied commands: answer those that wait here."""
        for operation_id, outcome in outcomes:
            pending = self._pending.get(operation_id)
            if pending is not None:
                self._answer(pending, outcome)

    def look_up(self) -> None:
        """Answer what the store knows already (after a snapshot was installed)."""
        for pending in list(self._pending.values()):
            outcome = self._find_outcome(pending.command.operation_id)
            if outcome is not None:
                self._answer(pending, outcome)

    def on_leader(self, leader: str | None, term: int) -> None:
        """The leader (this node, another, none) or the term has changed."""
        now_s = self._seconds()
        if leader is None and self._leader is not None:
            self._leaderless_s = now_s
        self._leader, self._term = leader, term
        if leader != self.node:
            self._drop_queue("the leader has changed")
        for pending in list(self._pending.values()):
            self._route(pending, now_s)

    def tick(self) -> None:
        """Answer what is over its deadline; hand on again what has had no answer for a second."""
        now_s = self._seconds()
        for pending in list(self._pending.values()):
            self._check(pending, now_s)
            if pending.command.operation_id not in self._pending:
                continue  # What is answered is never handed on: it may be refused by now.
            # What this node appended itself is in the log, or the term changes.
            if self._leader != self.node and now_s - pending.routed_s > RETRY_S:
                pending.route = None
            self._route(pending, now_s)

    def stop(self, why: str) -> None:
        """Answer everything: nothing can be changed here any more."""
        self.stopped = why
        self._drop_queue(why)
        for pending in list(self._pending.values()):
            self._give_up(pending, why)

    # The leader's side

    def next_entry(self) -> bytes | None:
        """Return the payload of the next log entry: what waits, up to an entry's size."""
        if not self._queue:
            return None
        commands: list[Command] = []
        octets = 16
        while self._queue and octets + self._queue[0].size_octets <= ENTRY_SIZE_OCTETS_MAX:
            queued = self._queue.popleft()
            octets += queued.size_octets
            self._queue_octets -= queued.size_octets
            if queued.is_withdrawn:
                octets -= queued.size_octets
                continue
            commands.append(queued.command)
            if queued.pending is not None:
                queued.pending.attempts.add(queued.attempt)
                queued.pending.queued = None
        return compose_entry(tuple(commands), self.find_schema()) if commands else None

    def on_forward(self, node: str, body: bytes) -> None:
        """A follower hands on a command; refused at once when this node can't take it.  Raises
        CodecError on what is no such frame."""
        forward = _parse(body, Forward)
        try:
            command = parse_command(forward.command)
        except UnknownSchemaError:
            return  # A newer release's: its node answers "unknown" at the deadline.
        reason, is_final = "", True
        if self.stopped or self._leader != self.node:
            reason, is_final = "not the leader", False
        elif self.reserve and command.door not in ESSENTIAL_DOORS:
            reason = self.reserve
        elif reason := self.find_objection(command):
            is_final = False  # It is behind the node that asks, whose store says otherwise.
        elif self._queue_octets > QUEUE_OCTETS_MAX or len(forward.command) > COMMAND_OCTETS_MAX:
            reason = f"{TOO_BUSY} at the leader."
        if reason:
            self._refuse(node, forward.attempt, command.operation_id, reason, is_final)
            return
        self._enqueue(_Queued(command, len(forward.command), node, forward.attempt))

    def on_refusal(self, node: str, body: bytes) -> None:
        """The leader did not take a command: it counts as never handed on.  Raises CodecError."""
        refusal = _parse(body, Refusal)
        pending = self._pending.get(refusal.operation_id)
        if pending is not None:
            pending.attempts.discard(refusal.attempt)
            pending.refusal = refusal.reason
            if refusal.is_final and not pending.attempts:
                text = f"node {node} leads: {refusal.reason} The change was not made; try again."
                self._answer(pending, Refused((text,)))

    def _enqueue(self, queued: _Queued) -> None:
        self._queue.append(queued)
        self._queue_octets += queued.size_octets
        self._kick()

    def _drop_queue(self, reason: str) -> None:
        while self._queue:
            queued = self._queue.popleft()
            if queued.pending is not None:
                queued.pending.queued = queued.pending.route = None
            else:
                self._refuse(queued.node, queued.attempt, queued.command.operation_id, reason)
        self._queue_octets = 0

    def _refuse(
        self, node: str, attempt: int, operation_id: bytes, reason: str, is_final: bool = False
    ) -> None:
        refusal = Refusal(attempt, operation_id, reason, is_final)
        self._send(node, "refusal", msgspec.msgpack.encode(refusal))

    def _route(self, pending: _Pending, now_s: float) -> None:
        """Hand *pending* to the leader, if there is one that does not have it."""
        if self._leader is None:
            pending.route = None
            return
        route = (self._leader, self._term)
        if pending.route == route:
            return
        self._attempt += 1
        size = len(pending.octets)
        if self._leader == self.node:
            if self._queue_octets > QUEUE_OCTETS_MAX:
                return
            queued = _Queued(pending.command, size, self.node, self._attempt, pending)
            pending.queued = queued
            self._enqueue(queued)
        else:
            forward = msgspec.msgpack.encode(Forward(self._attempt, pending.octets))
            if not self._send(self._leader, "forward", forward):
                return
            pending.attempts.add(self._attempt)
        pending.route, pending.routed_s = route, now_s

    def _check(self, pending: _Pending, now_s: float) -> None:
        leaderless_s = now_s - self._leaderless_s if self._leader is None else 0.0
        if now_s < pending.deadline_s and (leaderless_s < LEADERLESS_S or pending.attempts):
            return
        reachable, nodes = self._reach()
        if self._leader is None:
            what = f"no leader for {leaderless_s:.0f} s; {reachable} of {nodes} nodes reachable."
        else:
            what = f"node {self._leader} leads, but does not take the change"
            what += f" ({pending.refusal})." if pending.refusal else "."
        self._give_up(pending, f"NOT LEADER YET: {what}")

    def _give_up(self, pending: _Pending, why: str) -> None:
        outcome = self._find_outcome(pending.command.operation_id)
        if outcome is not None:
            self._answer(pending, outcome)
        elif pending.attempts:
            self._answer(
                pending,
                Unknown(
                    pending.command.operation_id,
                    f"{why} The change was handed on and may still be made; "
                    "the same operation id gives the answer.",
                ),
            )
        else:
            self._answer(pending, Refused((f"{why} The change was not made; try again.",)))

    def _answer(self, pending: _Pending, answer: Answer) -> None:
        del self._pending[pending.command.operation_id]
        self._pending_octets -= len(pending.octets)
        if pending.queued is not None:
            pending.queued.is_withdrawn = True
        for waiting in pending.answers:
            waiting.callback(answer)
