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

from dns_node.cluster.apply import Applied, Applier, Machine
from dns_node.cluster.bindings import Bindings, Named
from dns_node.cluster.checkpoint import ABSENT_S_MAX, LOG_OCTETS_MAX
from dns_node.cluster.command import Command, Outcome, compose_command
from dns_node.cluster.complaints import Complaints
from dns_node.cluster.executor import Executor, ThreadExecutor
from dns_node.cluster.journal import Journal
from dns_node.cluster.participation import QUORUM_CONTACT_S, Participation
from dns_node.cluster.proposer import COMMAND_OCTETS_MAX, DEADLINE_S, Answer, Proposer
from dns_node.cluster.staging import propose_staged
from dns_node.cluster.standings import Standings, Visible
from dns_node.cluster.status import ReplicaStatus, describe
from dns_node.errors import StoreError

TICK_S = 0.025
HOUSEKEEPING_S = 0.1
RETRY_S_MAX = 30.0
REVISIONS_REMEMBERED = 4096

log = Logger()


@dataclass(frozen=True, slots=True)
class ReplicaSettings:
    """Limits of the log: beyond *log_octets_max*, or for a member that was not heard for
    *absent_s_max*, entries are dropped although a member lacks them (it takes a snapshot)."""

    log_octets_max: int = LOG_OCTETS_MAX
    absent_s_max: float = ABSENT_S_MAX


class Replica:
    """Replicates *data_directory* over *send(node, octets) -> bool* (the link's).

    The link's callbacks are `peer_connected`, `peer_changed`, `peer_disconnected` and
    `frame_received`.  Assign before `start`, all called in the reactor:

    * ``on_leader(leader, term)``, ``on_applied(index, revision)``, ``on_outcomes(outcomes)``,
      ``on_members({node: (uuid, role)})``.
    * ``on_need_snapshot(node)`` on a leader whose log can't serve *node*, ``on_behind(leader)`` on
      that node: repeated about every heartbeat until it is cured.
    * ``on_stopped(why)``: replication has failed and is tried again later; '' when it is back.
    * ``on_frame(node, kind, body)``: a frame that `send` of another node sent.
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
        self._reactor, self._open_machine = reactor, open_machine
        settings = settings or ReplicaSettings()
        self.log_octets_max, self.absent_s_max = settings.log_octets_max, settings.absent_s_max
        self.send_octets, self.chance, self.new_executor = send, chance, new_executor
        self.seconds: Callable[[], float] = reactor.seconds
        self.call_from_thread: Callable[..., Any] = reactor.callFromThread
        self.on_leader: Callable[[str | None, int], None] = lambda leader, term: None
        self.on_applied: Callable[[int, int], None] = lambda index, revision: None
        self.on_outcomes: Callable[[list[tuple[bytes, Outcome]]], None] = lambda outcomes: None
        self.on_members: Callable[[dict[str, tuple[str, str]]], None] = lambda members: None
        self.on_need_snapshot: Callable[[str], None] = lambda node: None
        self.on_behind: Callable[[str], None] = lambda leader: None
        self.on_stopped: Callable[[str], None] = lambda why: None
        self.on_frame: Callable[[str, str, bytes], None] = lambda node, kind, body: None
        self.failure = ""
        self.bindings = Bindings()
        self.standings = Standings(node, self.seconds)
        self.complaints = Complaints(reactor)
        self.proposer = Proposer(
            node, self.seconds, self.send, self._find_outcome, self._reach, self.kick
        )
        self._life: Participation | None = None
        self._is_kicked = self._is_stopped = False
        self._revisions: deque[tuple[int, int]] = deque(maxlen=REVISIONS_REMEMBERED)
        self._change: tuple[int, Deferred[str]] | None = None
        self._installing: Deferred[None] | None = None
        self._retry_s = 1.0
        self._ticking = LoopingCall(self.kick)
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
        life = self._open_life()
        assert life.journal.last_index <= 1, "this node has a log already"
        life.journal.set_base_voters(voters)
        life.take_members()
        life.begin()

    @property
    def is_formed(self) -> bool:
        """Whether this node takes part in a cluster."""
        return self._life is not None and bool(self._life.journal.voters())

    @property
    def members(self) -> dict[str, tuple[str, str]]:
        """The member table {node: (uuid, role)}; empty before the cluster is formed."""
        return self.bindings.members

    @property
    def journal(self) -> Journal:
        """The journal, while the replica is open."""
        return self._open_life().journal

    @property
    def applier(self) -> Applier:
        """The store's executor, while the replica is open."""
        return self._open_life().applier

    def install(
        self, swap: Callable[[], tuple[int, int]], voters: frozenset[str]
    ) -> "Deferred[None]":
        """Replace the store by a verified snapshot and go on from there.

        *swap* runs in the store's executor; it puts the snapshot in place durably and returns its
        (applied index, term), which is beyond this node's.  *voters* are the raft members as
        of that index (`voters_at` on the node that made the snapshot).  Fails with StoreError when
        replication stops meanwhile.
        """
        life = self._open_life()
        done: Deferred[None] = Deferred()
        self._installing = done

        def installed() -> None:
            applier = life.applier
            self.proposer.look_up()
            self._revisions.append((applier.revision, applier.applied_index))
            self.on_applied(applier.applied_index, applier.revision)
            self._installing = None
            done.callback(None)

        life.install(swap, voters, installed)
        return done

    def voters_at(self, index: int) -> frozenset[str]:
        """Return the raft members as of entry *index*."""
        return self.journal.voters(index)

    def pin(self, name: str, index: int | None) -> None:
        """Keep the log from *index* on while a snapshot is under way; None: no longer."""
        if index is None:
            self.standings.pins.pop(name, None)
        else:
            self.standings.pins[name] = index

    # Changes

    def propose(self, command: Command, deadline_s: float = DEADLINE_S) -> "Deferred[Answer]":
        """Return what *command* came to: Done and Refused are certain, Unknown is not.  The
        deadline is per log entry: a command that is staged takes longer."""
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
        index = index or self.standings.own_applied
        waiting: Deferred[Visible] = Deferred()
        self.standings.wait(index, mode, deadline_s, waiting.callback)
        return waiting

    def change_voter(self, node: str, is_added: bool) -> "Deferred[str]":
        """On the leader: add or remove one voter; '' when committed, else why not.  One at a time
        (the core does not see to that)."""
        if self._change is not None:
            return succeed("another change of the members is under way")
        life = self._life
        core = life.consensus.core if life is not None else None
        if life is None or core is None or not life.consensus.may_propose(QUORUM_CONTACT_S):
            return succeed("this node does not lead")
        ended: Deferred[str] = Deferred()
        self._change = (core.facts().term, ended)
        core.change_voter(node, is_added, self._change_ended)
        self.kick()
        return ended

    def transfer_leadership(self, node: str | None = None) -> bool:
        """Ask *node* (None: the furthest) to lead; returns whether it was asked."""
        core = self._life.consensus.core if self._life is not None else None
        return core is not None and core.transfer(node)

    def lag(self, node: str) -> int | None:
        """On the leader: how many entries *node*'s log is behind; None when not known."""
        life = self._life
        core = life.consensus.core if life is not None else None
        match_index = core.match_index(node) if core is not None else 0
        return self.journal.last_index - match_index if match_index else None

    def status(self) -> ReplicaStatus:
        """Return what STATUS shows."""
        if self._life is None:
            return ReplicaStatus(self.node, "stopped", self.failure)
        return describe(self._life, self.standings, self.bindings, self.failure, self.seconds())

    # The link

    def peer_connected(self, peer: Named) -> None:
        """A peer is connected."""
        self.bindings.peers[peer.node] = peer
        self._judge_peer(peer.node)

    def peer_changed(self, peer: Named) -> None:
        """A connected peer said something new of itself."""
        self.peer_connected(peer)

    def peer_disconnected(self, peer: Named) -> None:
        """A peer's connection ended."""
        self.bindings.peers.pop(peer.node, None)
        self._judge_peer(peer.node)

    def frame_received(self, peer: Named, octets: bytes) -> None:
        """A frame of a connected peer arrived."""
        if self._life is not None:
            self._life.receive(peer.node, octets)

    def send(self, node: str, kind: str, body: bytes) -> bool:
        """Send a frame of *kind*, which `on_frame` gets there; False when it was dropped."""
        return self._life is not None and self._life.send(node, kind, body)

    def _judge_peer(self, node: str) -> None:
        if self._life is not None:
            self._life.judge_peer(node)
            self.kick()

    # What a life calls (dns_node.cluster.participation.Owner)

    def kick(self) -> None:
        """Step soon: something has arrived or become durable."""
        if not self._is_kicked and not self._is_stopped:
            self._is_kicked = True
            self._reactor.callLater(0, self._kicked)

    def halt(self, why: str) -> None:
        """Stop taking part at once, and go on answering; try again later, from the disk."""
        if self.failure or self._is_stopped:
            return
        self.failure = why
        log.error("REPLICATION STOPPED: {why} DNS is answered from what is here.", why=why)
        if self._life is not None:
            self._life.consensus.end()
        self._reactor.callLater(0, self._halted)

    def led(self, leader: str | None, term: int) -> None:
        """Another leader or term."""
        if self._change is not None and term != self._change[0]:
            self._change_ended("the leader has changed; look at the members before trying again")
        self.proposer.on_leader(leader, term)
        self.on_leader(leader, term)

    def applied(self, applied: Applied) -> None:
        """The store has applied entries."""
        if not self._revisions or self._revisions[-1][0] < applied.revision:
            self._revisions.append((applied.revision, applied.index))
        self._retry_s = 1.0
        self.on_applied(applied.index, applied.revision)
        self.proposer.on_outcomes(applied.outcomes)
        self.on_outcomes(applied.outcomes)

    def took_members(self, members: dict[str, tuple[str, str]]) -> None:
        """The member table has changed."""
        self.on_members(members)

    def needs_snapshot(self, node: str) -> None:
        """This leader's log can't serve *node*."""
        self.on_need_snapshot(node)

    def received(self, node: str, kind: str, body: bytes) -> None:
        """A frame that is not of the replication itself arrived."""
        if kind == "behind":
            self.on_behind(node)
        else:
            self.on_frame(node, kind, body)

    # Within

    def _open_life(self) -> Participation:
        assert self._life is not None, "the replica is not open"
        return self._life

    def _open(self) -> None:
        machine = self._open_machine(self._directory)
        try:
            life = Participation(self, self._directory, machine)
        except BaseException:
            machine.close()
            raise
        self._life = life
        life.take_members()
        if life.journal.voters():
            life.begin()

    def _close(self) -> None:
        life, self._life = self._life, None
        if life is not None:
            life.close()
        installing, self._installing = self._installing, None
        if installing is not None:
            why = self.failure or "this node is stopping"
            installing.errback(StoreError(f"the snapshot was not installed: {why}"))

    def _halted(self) -> None:
        self.proposer.stop(f"REPLICATION STOPPED: {self.failure}")
        self._close()
        self.bindings.up.clear()
        self.on_stopped(self.failure)
        self._reactor.callLater(self._retry_s, self._restart)
        self._retry_s = min(RETRY_S_MAX, self._retry_s * 2)

    def _restart(self) -> None:
        if self._is_stopped:
            return
        self.failure = self.proposer.stopped = ""
        self.proposer.on_leader(None, 0)
        try:
            self._open()
        except Exception as error:
            self.halt(str(error) or repr(error))
        else:
            self.on_stopped("")

    def _kicked(self) -> None:
        self._is_kicked = False
        if self._life is None or self.failure:
            return
        try:
            self._life.step()
        except Exception as error:
            log.failure("the raft core failed")
            self.halt(f"a fault in the program: {error!r}")

    def _keep_house(self) -> None:
        if self._life is not None and not self.failure:
            self._life.keep_house()
        self.proposer.tick()

    def _change_ended(self, why: str) -> None:
        if self._change is not None:
            (_, ended), self._change = self._change, None
            ended.callback(why)

    def _find_outcome(self, operation_id: bytes) -> Outcome | None:
        return None if self._life is None else self._life.machine.find_outcome(operation_id)

    def _reach(self) -> tuple[int, int]:
        voters = self.journal.voters() if self._life is not None else frozenset()
        reached = sum(node in self.bindings.up or node == self.node for node in voters)
        return reached, max(1, len(voters))
