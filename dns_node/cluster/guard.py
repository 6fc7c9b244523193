"""The guard: decides what the raft core may see of a message, and what of it may leave.

The unmodified core loses acknowledged writes in several ways; these rules stop each of them.  They
are pure: facts, log and time come in, actions go out.  The rules, by their names in the code:

G1 acks count only in the term in which they were made.  G2 one vote per node and term, of members.
G3 a node that hears its leader ignores candidates.  G4 entries that are held already are never
truncated, committed ones not at all.  G5 the commit index moves only up to entries that were
checked against this leader's log.  G6 the core never sends or receives a dump.  G7 every failed log
check is answered with "go on after my commit index".  G8 a stale leader is told the term.
D1 acks and votes leave when they are durable; D2 a follower's ack reaches the core when the leader
itself is durable up to it; D3 the commit index stays at or below the own durable index, also when a
leader tells it; D4 a leader's messages leave when its term is durable (alone, it is elected and
counts its no-op in one step of the core, before either is on disk).
"""

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from dns_node.cluster.message import (
    ALIVE,
    Ack,
    AppendEntries,
    Message,
    Quiet,
    RequestVote,
    ResponseVote,
    Snapshot,
    TimeoutNow,
)

TRANSFER_S = 1.0


class Log(Protocol):
    """What the guard asks of the journal."""

    first_index: int
    last_index: int
    durable_index: int
    placeholder_index: int

    @property
    def is_term_durable(self) -> bool:
        """Whether the current term is on disk."""
        ...

    def term_at(self, index: int) -> int | None:
        """Return the term of the entry at *index*, None when it is not held."""
        ...


@dataclass(frozen=True, slots=True)
class Facts:
    """The core's state at this moment.  *voters* leaves this node out; *peers* are the voters and
    the connected nodes that follow without a vote."""

    now_s: float
    term: int
    commit_index: int
    applied_index: int
    is_leader: bool
    is_voter: bool
    voters: frozenset[str]
    peers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Deliver:
    """Give *message* to the core as from *node*; *is_rollback*: it removes entries."""

    node: str
    message: Message
    is_rollback: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Send *message* to *node*, once everything asked of the journal is durable if *is_held*."""

    node: str
    message: Message
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class NeedSnapshot:
    """*node* needs entries that this leader's log no longer has."""

    node: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The node must not go on: *why* tells the operator."""

    why: str


Action = Deliver | Send | NeedSnapshot | Stop


class Guard:
    """The rules' memory: votes and acks of this term, and when whom was heard."""

    def __init__(self, election_min_s: float):
        self._sticky_s = 0.9 * election_min_s
        self._term = -1
        self._votes: set[str] = set()
        self._acks: dict[str, deque[int]] = {}
        self._sent: dict[str, int] = {}
        self._heard_s: dict[str, float] = {}
        self._leader: str | None = None
        self._leader_heard_s = float("-inf")
        self._leader_commit = self._verified = 0
        self._transfer_until_s = float("-inf")
        self.lagging: set[str] = set()
        """Nodes that this leader can't serve from its log."""

    def receive(
        self, node: str, envelope_term: int, message: Message, facts: Facts, log: Log
    ) -> list[Action]:
        """Return what to do about *message*, which *node* sent in *envelope_term*."""
        self._enter_term(facts)
        match message:
            case Ack():
                return self._on_ack(node, envelope_term, message, facts, log)
            case ResponseVote(term):
                if node not in facts.voters or term != facts.term or node in self._votes:
                    return []  # G2
                self._votes.add(node)
                return [Deliver(node, message)]
            case RequestVote():
                return self._on_request_vote(node, message, facts)
            case AppendEntries():
                return self._on_append(node, message, facts, log)
            case Quiet(term, commit_index):
                if term < facts.term:
                    return [Send(node, ALIVE)]  # G8
                self._hear_leader(node, term, facts)
                commit_index = min(commit_index, facts.commit_index)  # G5
                return [Deliver(node, Quiet(term, commit_index)), Send(node, ALIVE)]
            case TimeoutNow(term):
                if node != self._leader or term != facts.term:
                    return []
                self._transfer_until_s = facts.now_s + TRANSFER_S
                return [Deliver(node, message)]
        return []

    def send(self, node: str, message: Message, facts: Facts, log: Log) -> list[Action]:
        """Return what to do about *message*, which the core wants to send to *node*."""
        self._enter_term(facts)
        match message:
            case RequestVote(term, index, index_term):
                is_transfer = facts.now_s < self._transfer_until_s
                vote = RequestVote(term, index, index_term, is_transfer)
                return [Send(node, vote, is_held=True)]  # D1
            case ResponseVote():
                return [Send(node, message, is_held=True)]  # D1
            case Ack(_, _, success):
                return [Send(node, message, is_held=success)]  # D1
            case AppendEntries():
                append = self._next_append(node, message, log)
                return [Send(node, append, is_held=not log.is_term_durable)]  # D4
            case Snapshot(term):
                self.lagging.add(node)
                probe = _probe(term, facts.commit_index, log)  # G6
                return [Send(node, probe, is_held=not log.is_term_durable)]  # D4
        return [Send(node, message)]

    def sent(self, node: str, message: Message) -> None:
        """Note that *message* was handed to the connection (what it can't take is sent again)."""
        if isinstance(message, AppendEntries) and message.entries:
            self._sent[node] = max(self._sent.get(node, 0), message.entries[-1][1])

    def on_durable(self, facts: Facts, log: Log) -> list[Action]:
        """Return what the core may see now that the journal is durable further."""
        self._enter_term(facts)
        actions: list[Action] = []
        if facts.is_leader:
            for node, acks in self._acks.items():
                index = 0
                while acks and acks[0] <= log.durable_index:
                    index = acks.popleft()
                if index and node in facts.peers:
                    actions.append(Deliver(node, Ack(index + 1, reset=False, success=True)))  # D2
        elif self._leader is not None:
            commit_index = self._commit_index(log)
            if commit_index > facts.commit_index:
                actions.append(Deliver(self._leader, Quiet(facts.term, commit_index)))  # D3
        return actions

    def lose(self, node: str) -> None:
        """Forget what was under way on the connection to *node*."""
        self._acks.pop(node, None)
        self._sent.pop(node, None)
        self._heard_s.pop(node, None)
        self.lagging.discard(node)

    def has_quorum_contact(self, facts: Facts, within_s: float) -> bool:
        """Return whether this leader heard a majority of the voters within *within_s*."""
        heard = sum(
            facts.now_s - self._heard_s.get(node, float("-inf")) <= within_s
            for node in facts.voters
        )
        return (heard + facts.is_voter) * 2 > len(facts.voters) + facts.is_voter

    def leader_heard_s(self) -> float:
        """Return when a leader of the current term was last heard."""
        return self._leader_heard_s

    def _enter_term(self, facts: Facts) -> None:
        if facts.term != self._term:
            self._term = facts.term
            self._votes.clear()
            self._acks.clear()
            self._sent.clear()
            self.lagging.clear()
            self._leader = None
            self._leader_commit = self._verified = 0

    def _hear_leader(self, node: str, term: int, facts: Facts) -> None:
        if term != self._term:
            self._enter_term(
                Facts(
                    facts.now_s, term, facts.commit_index, facts.applied_index,
                    False, facts.is_voter, facts.voters, facts.peers,
                )
            )  # fmt: skip
        self._leader = node
        self._leader_heard_s = facts.now_s

    def _commit_index(self, log: Log) -> int:
        return min(self._leader_commit, self._verified, log.durable_index)

    def _on_ack(
        self, node: str, envelope_term: int, ack: Ack, facts: Facts, log: Log
    ) -> list[Action]:
        if envelope_term > facts.term:
            # G1: not grantable; it makes the core step down and remember the term.
            return [Deliver(node, RequestVote(envelope_term, -1, -1))]
        if envelope_term < facts.term or not facts.is_leader or node not in facts.peers:
            return []
        self._heard_s[node] = facts.now_s
        alive = Deliver(node, ALIVE)
        if ack.reset:
            self._sent.pop(node, None)
            if ack.next_index <= max(log.first_index, log.placeholder_index):
                # Its commit index is below the log's base; its log may still reach it: probe first.
                is_probed = node in self.lagging
                self.lagging.add(node)
                return [alive, NeedSnapshot(node)] if is_probed else [alive]
            self.lagging.discard(node)
            next_index = min(ack.next_index, log.last_index + 1)
            return [Deliver(node, Ack(next_index, reset=True, success=False))]
        index = ack.next_index - 1
        if not ack.success or index > log.last_index:
            return [alive]
        self.lagging.discard(node)
        if index <= log.durable_index:
            return [Deliver(node, ack)]
        acks = self._acks.setdefault(node, deque())
        if not acks or acks[-1] < index:
            acks.append(index)  # D2; bounded by the proposals in flight
        return [alive]

    def _on_request_vote(self, node: str, vote: RequestVote, facts: Facts) -> list[Action]:
        # A candidate that this log does not know as a voter yet may be one all the same (Raft
        # section 6); whoever is no member at all is kept out by its uuid before it comes here.
        if not vote.is_transfer:
            if facts.is_leader and self.has_quorum_contact(facts, self._sticky_s):
                return []  # G3
            if not facts.is_leader and facts.now_s - self._leader_heard_s < self._sticky_s:
                return []  # G3
        return [Deliver(node, vote)]

    def _on_append(self, node: str, append: AppendEntries, facts: Facts, log: Log) -> list[Action]:
        term, previous, entries = append.term, append.previous_index, append.entries
        if term < facts.term:
            return [Send(node, ALIVE)]  # G8
        if facts.is_leader and term == facts.term:
            return [Stop(f"{node} leads term {term} as well as this node")]
        self._hear_leader(node, term, facts)
        fixed_index = max(facts.commit_index, facts.applied_index)
        previous_term = log.term_at(previous)
        if previous_term != append.previous_term:
            if previous_term is not None and log.placeholder_index <= previous <= fixed_index:
                return [Stop(f"committed entry {previous} differs from the leader {node}'s")]
            go_on = Ack(fixed_index + 1, reset=True, success=False)  # G7
            return [Deliver(node, Quiet(term, facts.commit_index)), Send(node, go_on)]
        held = 0
        while held < len(entries) and log.term_at(previous + 1 + held) == entries[held][2]:
            held += 1
        is_conflict = held < len(entries) and previous + 1 + held <= log.last_index
        if is_conflict and previous + 1 + held <= fixed_index:
            return [Stop(f"the leader {node} wants to replace committed entry {fixed_index}")]
        self._verified = max(self._verified, previous + len(entries))
        self._leader_commit = max(self._leader_commit, append.commit_index)
        commit_index = self._commit_index(log)
        if held == len(entries) and log.last_index > previous + held:  # G4
            success = Ack(previous + held + 1, reset=False, success=True)
            return [Deliver(node, Quiet(term, commit_index)), Send(node, success, is_held=True)]
        held_term = log.term_at(previous + held)
        assert held_term is not None
        if is_conflict:
            commit_index = min(commit_index, previous + held)  # D3: what comes is not durable yet.
        rest = AppendEntries(term, commit_index, previous + held, held_term, entries[held:])
        return [Deliver(node, rest, is_conflict)]

    def _next_append(self, node: str, append: AppendEntries, log: Log) -> AppendEntries:
        is_below = append.previous_index < log.placeholder_index
        if is_below or node in self.lagging:
            self.lagging.add(node)
            return _probe(append.term, append.commit_index, log)
        # What was sent on this connection arrives before this: the core rewinds with every ack.
        sent_index = self._sent.get(node, 0)
        skipped = min(max(0, sent_index - append.previous_index), len(append.entries))
        previous, previous_term = append.previous_index, append.previous_term
        if skipped:
            _, previous, previous_term = append.entries[skipped - 1]
        commit_index = min(append.commit_index, log.durable_index)  # D3
        rest = append.entries[skipped:]
        return AppendEntries(append.term, commit_index, previous, previous_term, rest)


def _probe(term: int, commit_index: int, log: Log) -> AppendEntries:
    """Return a heartbeat at the base of the log: who can't confirm it needs a snapshot."""
    base_index = max(log.first_index, log.placeholder_index)
    base_term = log.term_at(base_index)
    assert base_term is not None
    commit_index = min(commit_index, log.durable_index)  # D3
    return AppendEntries(term, commit_index, base_index, base_term, ())
