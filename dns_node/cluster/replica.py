"""The replica: this node's copy of the log and the store, and its part in the cluster.

Everything here runs in the reactor.  Two executors own the disks: the journal's and the store's.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from dns_node.cluster.apply import SYNC_EVERY_S, Applied, Applier, Machine
from dns_node.cluster.checkpoint import ABSENT_S_MAX, LOG_OCTETS_MAX
from dns_node.cluster.codec import CodecError
from dns_node.cluster.command import Command, Outcome, compose_command
from dns_node.cluster.consensus import Consensus
from dns_node.cluster.executor import Executor, ThreadExecutor
from dns_node.cluster.journal import Journal
from dns_node.cluster.message import (
    Ack,
    AppendEntries,
    Envelope,
    Message,
    RequestVote,
    ResponseVote,
    compose,
    parse_envelope,
    parse_message,
)
from dns_node.cluster.proposer import COMMAND_OCTETS_MAX, DEADLINE_S, Answer, Proposer
from dns_node.cluster.staging import propose_staged
from dns_node.cluster.standings import Standings, Visible
from dns_node.errors import StoreError

TICK_S = 0.025
HOUSEKEEPING_S = 0.1
ENTRIES_IN_FLIGHT = 8
QUORUM_CONTACT_S = 1.0
RETRY_S_MAX = 30.0

log = Logger()


@dataclass(frozen=True, slots=True)
class ReplicaSettings:
    """Limits of the log: beyond *log_octets_max*, or for a member that was not heard for
    *absent_s_max*, entries are dropped although a member lacks them (it takes a snapshot)."""

    log_octets_max: int = LOG_OCTETS_MAX
    absent_s_max: float = ABSENT_S_MAX


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """One member: its role, applied index, and seconds since it was heard (None: never)."""

    node: str
    role: str
    applied_index: int
    silence_s: float
    is_connected: bool


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """*role* is ``leader``, ``follower``, ``learner``, ``waiting`` (no cluster yet) or ``stopped``
    (then *why* says what is wrong); *log_entries* counts what is beyond the base."""

    node: str
    role: str
    why: str
    leader: str | None
    term: int
    commit_index: int
    applied_index: int
    durable_applied_index: int
    journal_durable_index: int
    log_entries: int
    log_octets: int
    checkpoint: int
    revision: int
    members: tuple[MemberStatus, ...]


class Replica:
    """Replicates *data_directory* over *send(node, octets) -> bool* (the link's).

    The link's callbacks are `peer_connected`, `peer_disconnected`, `peer_changed` and
    `frame_received`.  Assign the ``on_…`` attributes before `start`.
    """

    def __init__(
        self,
        node: str,
        data_directory: Path,
        send: Callable[[str, bytes], bool],
        reactor: Any,
        open_machine: Callable[[Path], Machine],
        settings: ReplicaSettings | None = None,
        chance: Callable[[], float] = random.random,
        new_executor: Callable[[str], Executor] = ThreadExecutor,
    ):
        self.node = node
        self._directory = Path(data_directory)
        self._send_octets, self._reactor = send, reactor
        self._open_machine, self._new_executor = open_machine, new_executor
        self._settings, self._chance = settings or ReplicaSettings(), chance
        self._seconds: Callable[[], float] = reactor.seconds
        self.on_leader: Callable[[str | None, int], None] = lambda leader, term: None
        self.on_applied: Callable[[int, int], None] = lambda index, revision: None
        self.on_outcomes: Callable[[list[tuple[bytes, Outcome]]], None] = lambda outcomes: None
        self.on_members: Callable[[dict[str, tuple[str, str]]], None] = lambda members: None
        self.on_need_snapshot: Callable[[str], None] = lambda node: None
        self.on_behind: Callable[[str], None] = lambda leader: None
        self.on_stopped: Callable[[str], None] = lambda why: None
        self.on_frame: Callable[[str, str, bytes], None] = lambda node, kind, body: None
        self.failure = ""
        self.standings = Standings(node, self._seconds)
        self.proposer = Proposer(
            node, self._seconds, self.send, self._find_outcome, self._reach, self.kick
        )
        self.members: dict[str, tuple[str, str]] = {}
        self._peers: dict[str, Any] = {}
        self._up: dict[str, bool] = {}
        self._is_open = self._is_kicked = self._is_status_due = self._is_stopped = False
        self._led: tuple[str | None, int, bool] = (None, 0, False)
        self._revisions: deque[tuple[int, int]] = deque(maxlen=4096)  # (revision, index)
        self._change: tuple[int, Deferred[str]] | None = None
        self._retry_s = 1.0
        self._next_sync_s = 0.0
        self._ticking = LoopingCall(self._tick)
        self._housekeeping = LoopingCall(self._keep_house)
        self._ticking.clock = self._housekeeping.clock = reactor

    # Life

    def start(self) -> None:
        """Open journal and store and take part; raises StoreError with what to do."""
        self._open()
        self._ticking.start(TICK_S, now=False)
        self._housekeeping.start(HOUSEKEEPING_S, now=False)

    def stop(self) -> None:
        """Write what is under way, close everything; pending proposals are answered."""
        self._is_stopped = True
        for loop in (self._ticking, self._housekeeping):
            if loop.running:
                loop.stop()
        self.proposer.stop("STOPPING: this node is shutting down.")
        self._close()

    def form(self, voters: frozenset[str]) -> None:
        """Begin with an empty log in the cluster of *voters*; a node that is not one of them
        follows without a vote."""
        assert self.journal.is_new or self.journal.last_index <= 1, "this node has a log already"
        self.journal.set_base_voters(voters)
        self._begin()

    @property
    def is_formed(self) -> bool:
        """Whether this node takes part in a cluster."""
        return self._is_open and bool(self.journal.voters())

    def install(
        self, swap: Callable[[], tuple[int, int]], voters: frozenset[str]
    ) -> "Deferred[None]":
        """Replace the store by a verified snapshot and go on from there.

        *swap* runs in the store's executor; it puts the snapshot in place durably and returns its
        (applied index, term); *voters* are the raft members as of that index.
        """
        done: Deferred[None] = Deferred()
        self.consensus.end()

        def installed() -> None:
            self.journal.reset(self.applier.applied_index, self.applier.applied_term, voters)
            self._take_members()
            self._begin()
            self.proposer.look_up()
            self.on_applied(self.applier.applied_index, self.applier.revision)
            done.callback(None)

        self.applier.install(swap, installed)
        return done

    # Changes

    def propose(self, command: Command, deadline_s: float = DEADLINE_S) -> "Deferred[Answer]":
        """Return what *command* came to: Done and Refused are certain, Unknown is not."""
        if len(compose_command(command)) <= COMMAND_OCTETS_MAX:
            return self.proposer.propose(command, deadline_s)
        outcome = self._find_outcome(command.operation_id)
        if outcome is not None:
            return succeed(outcome)
        return ensureDeferred(
            propose_staged(command, lambda piece: self.proposer.propose(piece, deadline_s))
        )

    def wait_visible(self, revision: int, mode: str, deadline_s: float) -> "Deferred[Visible]":
        """Return (visible on, not yet on, unreachable) for *revision*; *mode* is ``all`` live
        members or ``quorum``."""
        index = next((at for known, at in self._revisions if known >= revision), 0)
        waiting: Deferred[Visible] = Deferred()
        index = index or self.applier.applied_index
        self.standings.wait(index, mode, deadline_s, waiting.callback)
        return waiting

    def change_voter(self, node: str, is_added: bool) -> "Deferred[str]":
        """On the leader: add or remove one voter; '' when committed, else why not.  One at a time
        (the core does not see to that)."""
        if self._change is not None:
            return succeed("another change of the members is under way")
        core = self.consensus.core
        if core is None or not self.consensus.may_propose(QUORUM_CONTACT_S):
            return succeed("this node does not lead")
        ended: Deferred[str] = Deferred()
        self._change = (self._led[1], ended)
        core.change_voter(node, is_added, self._change_ended)
        self.kick()
        return ended

    def transfer_leadership(self, node: str | None = None) -> bool:
        """Ask *node* (None: the furthest) to lead; returns whether it was asked."""
        core = self.consensus.core
        return core is not None and core.transfer(node)

    def lag(self, node: str) -> int | None:
        """On the leader: how many entries *node*'s log is behind; None when not known."""
        core = self.consensus.core
        match_index = core.match_index(node) if core is not None else 0
        return self.journal.last_index - match_index if match_index else None

    def status(self) -> ReplicaStatus:
        """Return what STATUS shows."""
        if not self._is_open:
            return ReplicaStatus(
                self.node, "stopped", self.failure, None, 0, 0, 0, 0, 0, 0, 0, 0, 0, ()
            )
        now_s = self._seconds()
        members = tuple(
            MemberStatus(
                s.node, s.role, s.applied_index, now_s - s.heard_s,
                s.node in self._peers or s.node == self.node,
            )
            for s in self.standings.all()
        )  # fmt: skip
        role, leader, term, commit_index = "waiting", None, 0, 0
        core = self.consensus.core
        if core is not None:
            facts, leader = core.facts(), core.leader()
            term, commit_index = facts.term, facts.commit_index
            role = "leader" if facts.is_leader else "follower" if core.is_voter else "learner"
        entries = self.journal.last_index - max(self.journal.first_index + 1, 1)
        return ReplicaStatus(
            self.node, role, self.failure, leader, term, commit_index,
            self.applier.applied_index, self.applier.durable_index, self.journal.durable_index,
            max(0, entries), self.journal.octets, self.standings.checkpoint,
            self.applier.revision, members,
        )  # fmt: skip

    # The link

    def peer_connected(self, peer: Any) -> None:
        """A peer (node, uuid) is connected."""
        self._peers[peer.node] = peer
        self._judge_peer(peer.node)
        self.kick()

    def peer_changed(self, peer: Any) -> None:
        """A connected peer said something new of itself."""
        self._peers[peer.node] = peer
        self._judge_peer(peer.node)

    def peer_disconnected(self, peer: Any) -> None:
        """A peer's connection ended."""
        self._peers.pop(peer.node, None)
        self._judge_peer(peer.node)

    def frame_received(self, peer: Any, octets: bytes) -> None:
        """A frame of a connected peer arrived."""
        if not self._is_open:
            return
        try:
            envelope = parse_envelope(octets)
            self._take(peer.node, envelope)
        except CodecError as error:
            log.warn("node {node} sent a frame that is not understood: {error}",
                     node=peer.node, error=error)  # fmt: skip
        except Exception as error:
            log.failure("the raft core failed")
            self._halt(f"a fault in the program: {error!r}")

    def send(self, node: str, kind: str, body: bytes) -> bool:
        """Send a frame of *kind* (delivered there to `on_frame`, if it is none of ours)."""
        if not self._is_open:
            return False
        core = self.consensus.core
        facts = core.facts() if core is not None else None
        table = None
        if facts is not None and facts.is_leader and kind == "status":
            table = self.standings.table()
        term = facts.term if facts is not None else 0
        applied, durable = self.applier.applied_index, self.applier.durable_index
        return self._send_octets(node, compose(Envelope(term, applied, durable, table, kind, body)))

    def kick(self) -> None:
        """Step soon: something has arrived or become durable."""
        if not self._is_kicked and not self._is_stopped:
            self._is_kicked = True
            self._reactor.callLater(0, self._kicked)

    # Within

    def _open(self) -> None:
        call = self._reactor.callFromThread
        machine = self._open_machine(self._directory)
        index, term = machine.applied()
        self._machine = machine
        self.journal = Journal(
            self._directory / "journal", self._new_executor("journal"), call, self.kick, self._fail
        )
        self._check_journal(index, term)
        self.applier = Applier(
            machine, self.journal, self._new_executor("store"), call,
            self._applied, self._fail,
        )  # fmt: skip
        self.consensus = Consensus(
            self.node, self._directory, self.journal, self._send_message, self._seconds,
            self._chance, self._halt, self._needs_snapshot,
        )  # fmt: skip
        self.standings.own_applied = self.standings.own_durable = index
        self._is_open = True
        self._take_members()
        if self.journal.voters():
            self._begin()

    def _check_journal(self, index: int, term: int) -> None:
        """Make the journal fit the store; raises StoreError when one of them is lost."""
        journal = self.journal
        if index == 0 and journal.first_index > 1:
            raise StoreError(
                "the store is empty, but the journal goes on from an older one. "
                "Move the data directory away and let the node join again."
            )
        if index > 0 and journal.is_new:
            raise StoreError("there is a store, but no journal: what this node voted is lost. "
                             "Move the data directory away and let the node join again.")  # fmt: skip
        if index == 0:
            return
        is_base_applied = journal.first_index == 1 or journal.first_index + 1 <= index
        if not (is_base_applied and journal.term_at(index) == term):
            # A snapshot was installed, and the node died before the journal began anew.
            voters = {
                node for node, (_, role) in self._machine.members().items() if role == "voter"
            }
            journal.reset(index, term, frozenset(voters) or journal.voters())
        journal.setRaftCommitIndex(max(journal.getRaftCommitIndex(), index))

    def _begin(self) -> None:
        is_voter = self.node in self.journal.voters()
        self.consensus.begin(is_voter)
        self._up.clear()
        for node in self._peers:
            self._judge_peer(node)
        self.kick()

    def _close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self.consensus.end()
        self.applier.close()
        self.journal.close()

    def _halt(self, why: str) -> None:
        """Stop taking part at once; try again later, from the disk."""
        if self.failure or self._is_stopped:
            return
        self.failure = why
        log.error("REPLICATION STOPPED: {why} DNS is answered from what is here.", why=why)
        self.consensus.end()
        self._reactor.callLater(0, self._halted)

    def _fail(self, error: Exception) -> None:
        self._halt(str(error) or repr(error))

    def _halted(self) -> None:
        self.proposer.stop(f"REPLICATION STOPPED: {self.failure}")
        self._close()
        self.on_stopped(self.failure)
        self._reactor.callLater(self._retry_s, self._restart)
        self._retry_s = min(RETRY_S_MAX, self._retry_s * 2)

    def _restart(self) -> None:
        if self._is_stopped:
            return
        try:
            self.failure = self.proposer.stopped = ""
            self._led = (None, 0, False)
            self.proposer.on_leader(None, 0)
            self._open()
        except Exception as error:
            self._halt(str(error) or repr(error))
            return
        self.on_stopped("")

    def _tick(self) -> None:
        self.kick()

    def _kicked(self) -> None:
        self._is_kicked = False
        if not self._is_open or self.failure:
            return
        try:
            self._step()
        except Exception as error:
            log.failure("the raft core failed")
            self._halt(f"a fault in the program: {error!r}")

    def _step(self) -> None:
        core = self.consensus.core
        if core is None:
            return
        if self.consensus.may_propose(QUORUM_CONTACT_S):
            in_flight = self.journal.last_index - core.facts().commit_index
            while in_flight < ENTRIES_IN_FLIGHT and (payload := self.proposer.next_entry()):
                core.submit(payload)
                in_flight += 1
        self.consensus.step()
        if self.consensus.core is not core:
            return
        facts = core.facts()
        self.applier.advance(min(facts.applied_index, self.journal.durable_index))
        led = (core.leader(), facts.term, facts.is_leader)
        if led != self._led:
            self._follow(led)
        if self._is_status_due and led[0] not in (None, self.node):
            self._is_status_due = not self.send(led[0] or "", "status", b"")
        is_voter = self.node in self.journal.voters(facts.applied_index)
        if is_voter != core.is_voter and self.applier.applied_index >= facts.applied_index:
            self._begin()

    def _follow(self, led: tuple[str | None, int, bool]) -> None:
        before, self._led = self._led, led
        if led[2] and not before[2]:
            self.standings.begin_leading()
        if self._change is not None and led[1] != self._change[0]:
            self._change_ended("the leader has changed; look at the members before trying again")
        leader = led[0] if led[0] != self.node or led[2] else None
        self.proposer.on_leader(leader, led[1])
        self.on_leader(leader, led[1])

    def _change_ended(self, why: str) -> None:
        if self._change is not None:
            (_, ended), self._change = self._change, None
            ended.callback(why)

    def _keep_house(self) -> None:
        if not self._is_open or self.failure:
            return
        now_s = self._seconds()
        if now_s >= self._next_sync_s:
            self._next_sync_s = now_s + SYNC_EVERY_S
            self.applier.sync()
        standings, is_leader = self.standings, self._led[2]
        standings.own_applied = self.applier.applied_index
        standings.own_durable = self.applier.durable_index
        if is_leader:
            settings = self._settings
            standings.find_checkpoint(
                self.journal.octets, settings.log_octets_max, settings.absent_s_max
            )
        self.journal.retain_from = standings.retained_from()
        self.journal.trim(self.journal.retain_from)
        if is_leader:
            self._tell_table()
        standings.check_waits()
        self.proposer.tick()

    def _tell_table(self) -> None:
        self.standings.own_applied = self.applier.applied_index
        if self._led[2] and self.standings.is_table_new():
            for node in self._up:
                self.send(node, "status", b"")
            self.standings.check_waits()

    def _applied(self, applied: Applied) -> None:
        self.standings.own_applied = applied.index
        if not self._revisions or self._revisions[-1][0] < applied.revision:
            self._revisions.append((applied.revision, applied.index))
        self._retry_s = 1.0
        if applied.outcomes:
            self._take_members()
        self._is_status_due = True
        self.kick()
        self.on_applied(applied.index, applied.revision)
        self.proposer.on_outcomes(applied.outcomes)
        self.on_outcomes(applied.outcomes)
        self._tell_table()

    def _take_members(self) -> None:
        members = self._machine.members()
        self.standings.members = {node: role for node, (_, role) in members.items()}
        if not members:
            self.standings.members = dict.fromkeys(self.journal.voters(), "voter")
        if members != self.members:
            self.members = members
            for node in list(self._peers):
                self._judge_peer(node)
            self.on_members(members)

    def _is_bound(self, node: str) -> bool:
        """Whether the peer that is connected as *node* is the member of that id."""
        if not self.members:
            return True
        uuid, _ = self.members.get(node, ("", ""))
        return bool(uuid) and node in self._peers and self._peers[node].uuid == uuid

    def _judge_peer(self, node: str) -> None:
        if not self._is_open:
            return
        is_up = node in self._peers and self._is_bound(node)
        is_readonly = self.members.get(node, ("", ""))[1] in ("learner", "edge")
        if is_up and self._up.get(node) != is_readonly:
            self._up[node] = is_readonly
            self.consensus.connected(node, is_readonly)
        elif not is_up and node in self._up:
            del self._up[node]
            self.consensus.disconnected(node)

    def _take(self, node: str, envelope: Envelope) -> None:
        if self._is_bound(node):
            self.standings.hear(node, envelope.applied, envelope.durable_applied)
        if envelope.table is not None and not self._led[2]:
            self.standings.learn(node, envelope.table)
        match envelope.kind:
            case "raft":
                message = parse_message(envelope.body)
                if self._may_count(node, message):
                    self.consensus.receive(node, envelope.term, message)
                    self.kick()
            case "status":
                self._tell_table()
            case "forward":
                self.proposer.on_forward(node, envelope.body)
            case "refusal":
                self.proposer.on_refusal(node, envelope.body)
            case "behind":
                self.on_behind(node)
            case _:
                self.on_frame(node, envelope.kind, envelope.body)

    def _may_count(self, node: str, message: Message) -> bool:
        """Votes and acks count only from whom the member table names, by uuid (I7); entries may
        come from a leader that this node has yet to hear of."""
        if isinstance(message, Ack | ResponseVote | RequestVote):
            return self._is_bound(node)
        return node not in self.members or self._is_bound(node)

    def _send_message(self, node: str, message: Message) -> bool:
        is_sent = self.send(node, "raft", compose(message))
        return is_sent or not isinstance(message, AppendEntries)

    def _needs_snapshot(self, node: str) -> None:
        self.send(node, "behind", b"")
        self.on_need_snapshot(node)

    def _find_outcome(self, operation_id: bytes) -> Outcome | None:
        return self._machine.find_outcome(operation_id) if self._is_open else None

    def _reach(self) -> tuple[int, int]:
        voters = self.journal.voters() if self._is_open else frozenset()
        return sum(n in self._up or n == self.node for n in voters), max(1, len(voters))
