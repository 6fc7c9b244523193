"""One life of a replica: from opening its disks until they are closed, or fail.

The steps: what arrived, what became durable and what is proposed goes to the core; what is
committed goes to the store; what every member holds leaves the log.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from twisted.logger import Logger

from dns_node.cluster.apply import SYNC_EVERY_S, Applied, Applier, Machine
from dns_node.cluster.bindings import Bindings, find_founders
from dns_node.cluster.codec import CodecError
from dns_node.cluster.complaints import Complaints
from dns_node.cluster.consensus import Consensus
from dns_node.cluster.digests import Digests
from dns_node.cluster.executor import Executor
from dns_node.cluster.journal import Journal
from dns_node.cluster.message import (
    AppendEntries,
    Condition,
    Envelope,
    Message,
    compose,
    parse_condition,
    parse_envelope,
    parse_message,
)
from dns_node.cluster.proposer import Proposer
from dns_node.cluster.standings import Standings
from dns_node.errors import StoreError

ENTRIES_IN_FLIGHT = 8
QUORUM_CONTACT_S = 1.0
FORMING_ENTRIES = 64
"""How far from its beginning the log is searched for the command that forms the cluster."""

AWAY = "Move the data directory away and let the node join again."

_OF_MEMBERS = frozenset({"status", "forward", "refusal"})
"""Frames that have no effect when a stranger sends them.  Entries may come from a leader that this
node has yet to hear of (`Bindings.may_say`)."""

log = Logger()

Led = tuple[str | None, int, bool]
"""(leader, term, whether this node is it)."""


class Owner(Protocol):
    """What a participation needs of the replica."""

    node: str
    bindings: Bindings
    standings: Standings
    proposer: Proposer
    complaints: Complaints
    log_octets_max: int
    absent_s_max: float
    seconds: Callable[[], float]
    chance: Callable[[], float]
    send_octets: Callable[[str, bytes], bool]
    call_from_thread: Callable[..., Any]
    new_executor: Callable[[str], Executor]

    def kick(self) -> None:
        """Step soon."""
        ...

    def halt(self, why: str) -> None:
        """End this life at once."""
        ...

    def led(self, leader: str | None, term: int) -> None:
        """Another leader or term."""
        ...

    def applied(self, applied: Applied) -> None:
        """The store has applied entries."""
        ...

    def took_members(self, members: dict[str, tuple[str, str]]) -> None:
        """The member table has changed."""
        ...

    def needs_snapshot(self, node: str) -> None:
        """This leader's log can't serve *node*."""
        ...

    def received(self, node: str, kind: str, body: bytes) -> None:
        """A frame that is not of the replication itself arrived."""
        ...


class Participation:
    """Opens *directory*'s journal beside *machine*; raises StoreError when they don't fit."""

    def __init__(self, owner: Owner, directory: Path, machine: Machine):
        self._owner, self.machine = owner, machine
        self.node = owner.node
        self.journal = Journal(
            directory / "journal",
            owner.new_executor("journal"),
            owner.call_from_thread,
            owner.kick,
            self._fail,
        )
        fit_journal(self.journal, machine)
        self.applier = Applier(
            machine,
            self.journal,
            owner.new_executor("store"),
            owner.call_from_thread,
            self._applied,
            self._fail,
        )
        self.consensus = Consensus(
            owner.node,
            directory,
            self.journal,
            self._send_message,
            owner.seconds,
            owner.chance,
            owner.halt,
            self._needs_snapshot,
        )
        self.digests = Digests()
        self.complaints = owner.complaints
        self.led: Led = (None, 0, False)
        self._is_status_due = self._told_disk_low = False
        self._next_sync_s = 0.0
        self._expected_at: tuple[int, int | None] = (0, None)
        owner.standings.own_applied = owner.standings.own_durable = self.applier.applied_index

    def begin(self) -> None:
        """Take part by the membership that the journal holds."""
        self.digests.restart(self.machine.digests())
        self.consensus.begin(self.node in self.journal.voters())
        self._owner.bindings.up.clear()
        self._expect_members()
        for node in list(self._owner.bindings.peers):
            self.judge_peer(node)
        self._owner.kick()

    def install(
        self,
        swap: Callable[[], tuple[int, int]],
        voters: frozenset[str],
        on_end: Callable[[], None],
    ) -> None:
        """Replace the store by a snapshot, by `Applier.install`, and go on from it; *voters* are
        the raft members as of its index."""
        self.consensus.end()

        def installed() -> None:
            self.journal.adopt(self.applier.applied_index, self.applier.applied_term, voters)
            self.take_members()
            self.begin()
            on_end()

        # Who dies before the journal has begun anew knows the voters all the same.
        self.journal.announce(voters, lambda: self.applier.install(swap, installed))

    def close(self) -> None:
        """Stop taking part, write what is under way, close the disks."""
        self.consensus.end()
        self.applier.close()
        self.journal.close()

    def judge_peer(self, node: str) -> None:
        """A peer has come or gone, or is a member now, or no longer."""
        is_up = self._owner.bindings.judge(node)
        if is_up:
            self.consensus.connected(node, self._owner.bindings.up[node])
        elif is_up is False:
            self.consensus.disconnected(node)

    def take_members(self) -> None:
        """Read the member table."""
        members = self.machine.members()
        standings = self._owner.standings
        standings.members = {node: role for node, (_, role) in members.items()}
        if not members:
            standings.members = dict.fromkeys(self.journal.voters(), "voter")
        self.digests.keep(standings.members)
        if members != self._owner.bindings.members:
            self._owner.bindings.members = dict(members)
            for node in list(self._owner.bindings.peers):
                self.judge_peer(node)
            self._owner.took_members(members)

    def _expect_members(self) -> None:
        """Before the cluster is formed: read in the log who its members are to be."""
        if self._owner.bindings.members:
            return
        at = self.journal.last_index, self.journal.term_at(self.journal.last_index)
        if at == self._expected_at:
            return
        self._expected_at = at
        expected = find_founders(command for command, _, _ in self.journal[0:FORMING_ENTRIES])
        if expected != self._owner.bindings.expected:
            self._owner.bindings.expected = expected
            for node in list(self._owner.bindings.peers):
                self.judge_peer(node)

    # Frames

    def send(self, node: str, kind: str, body: bytes) -> bool:
        """Send one frame; False when the connection could not take it."""
        core = self.consensus.core
        facts = core.facts() if core is not None else None
        is_telling = facts is not None and facts.is_leader and kind == "status"
        envelope = Envelope(
            facts.term if facts is not None else 0,
            self.applier.applied_index,
            self.applier.durable_index,
            self._owner.standings.table() if is_telling else None,
            kind,
            body,
        )
        return self._owner.send_octets(node, compose(envelope))

    def receive(self, node: str, octets: bytes) -> None:
        """Take one frame of *node*."""
        try:
            self._take(node, parse_envelope(octets))
        except CodecError as error:
            what = f"sent a frame that is not understood, which is dropped: {error}"
            self.complaints.complain("bad_frames", f"node {node}", what)
        except Exception as error:
            log.failure("the raft core failed")
            self._owner.halt(f"a fault in the program: {error!r}")

    def _take(self, node: str, envelope: Envelope) -> None:
        owner, kind = self._owner, envelope.kind
        if owner.bindings.is_bound(node):
            owner.standings.hear(node, envelope.applied, envelope.durable_applied)
            if envelope.table is not None and not self.led[2]:
                owner.standings.learn(node, envelope.table)
        elif kind in _OF_MEMBERS:
            self._drop(node, kind)
            return
        match envelope.kind:
            case "raft":
                message = parse_message(envelope.body)
                if owner.bindings.may_say(node, message):
                    self.consensus.receive(node, envelope.term, message)
                    self._expect_members()
                    owner.kick()
                else:
                    self._drop(node, type(message).__name__)
            case "status":
                self._take_condition(node, parse_condition(envelope.body))
                self.tell_table()
            case "forward":
                owner.proposer.on_forward(node, envelope.body)
            case "refusal":
                owner.proposer.on_refusal(node, envelope.body)
            case kind:
                owner.received(node, kind, envelope.body)

    def _drop(self, node: str, kind: str) -> None:
        what = f"is no member by this node's table; its {kind} is dropped"
        self.complaints.complain("unbound_frames", f"node {node}", what)

    def _take_condition(self, node: str, condition: Condition | None) -> None:
        if condition is None:
            return
        low_on_disk = self._owner.standings.low_on_disk
        (low_on_disk.add if condition.is_disk_low else low_on_disk.discard)(node)
        if alarm := self.digests.hear(node, condition.index, condition.digest):
            self._alarm(alarm)

    def _alarm(self, text: str) -> None:
        log.error("ALARM: {text}", text=text)
        self._is_status_due = True  # The leader compares too.

    def _tell(self, node: str) -> bool:
        is_low = bool(self._owner.standings.disk_alarm)
        self._told_disk_low = is_low
        return self.send(node, "status", compose(Condition(*self.digests.newest, is_low)))

    def _send_message(self, node: str, message: Message) -> bool:
        is_sent = self.send(node, "raft", compose(message))
        return is_sent or not isinstance(message, AppendEntries)

    def _needs_snapshot(self, node: str) -> None:
        self.send(node, "behind", b"")
        self._owner.needs_snapshot(node)

    # Steps

    def step(self) -> None:
        """Do what is due; an exception is a fault of the program."""
        core = self.consensus.core
        if core is None:
            return
        if self.consensus.may_propose(QUORUM_CONTACT_S):
            self._append_proposals()
        self.consensus.step()
        if self.consensus.core is not core:
            return
        self._expect_members()
        facts = core.facts()
        self.applier.advance(min(facts.applied_index, self.journal.durable_index))
        led = (core.leader(), facts.term, facts.is_leader)
        if led != self.led:
            self._follow(led)
        if self._is_status_due and led[0] not in (None, self.node):
            self._is_status_due = not self._tell(led[0] or "")
        # A change of the membership counts as soon as it is appended (Raft section 6).
        is_voter = self.node in self.journal.voters()
        if is_voter != core.is_voter:
            core.set_voter(is_voter)

    def _append_proposals(self) -> None:
        core = self.consensus.core
        assert core is not None
        in_flight = self.journal.last_index - core.facts().commit_index
        while in_flight < ENTRIES_IN_FLIGHT and (payload := self._owner.proposer.next_entry()):
            core.submit(payload)
            in_flight += 1

    def _follow(self, led: Led) -> None:
        before, self.led = self.led, led
        self._is_status_due = True  # A new leader knows nothing of this node yet.
        if led[2] and not before[2]:
            self._owner.standings.begin_leading()
        leader = led[0] if led[0] != self.node or led[2] else None
        self._owner.led(leader, led[1])

    def keep_house(self) -> None:
        """Make the store durable, shorten the log, tell the members: ten times a second."""
        owner, standings = self._owner, self._owner.standings
        now_s = owner.seconds()
        if now_s >= self._next_sync_s:
            self._next_sync_s = now_s + SYNC_EVERY_S
            self.applier.sync()
            self.applier.collect_garbage()
        standings.own_applied = self.applier.applied_index
        standings.own_durable = self.applier.durable_index
        if self.led[2]:
            standings.find_checkpoint(self.journal.octets, owner.log_octets_max, owner.absent_s_max)
        self.journal.retain_from = standings.retained_from()
        self.journal.trim(self.journal.retain_from)
        if self._told_disk_low != bool(standings.disk_alarm):
            self._is_status_due = True
        self.tell_table()
        standings.check_waits()

    def tell_table(self) -> None:
        """On the leader: broadcast who has applied what, when that has changed."""
        standings = self._owner.standings
        if self.led[2] and standings.is_table_new():
            for node in list(self._owner.bindings.up):
                self._tell(node)
            standings.check_waits()

    def _applied(self, applied: Applied) -> None:
        self._owner.standings.own_applied = applied.index
        for alarm in self.digests.note(applied.digests):
            self._alarm(alarm)
        if applied.outcomes:
            self.take_members()
        self._is_status_due = True
        self._owner.kick()
        self._owner.applied(applied)
        self.tell_table()

    def _fail(self, error: Exception) -> None:
        self._owner.halt(str(error) or repr(error))


def fit_journal(journal: Journal, machine: Machine) -> None:
    """Make the journal fit the store; raises StoreError when one of them is lost."""
    index, term = machine.applied()
    if index == 0 and journal.first_index > 1:
        raise StoreError(f"the store is empty, but its journal is not. {AWAY}")
    if index > 0 and journal.is_new:
        raise StoreError(f"there is a store, but no journal: what this node voted is lost. {AWAY}")
    if index == 0:
        return
    if 1 < journal.first_index >= index:
        why = f"the store has applied entry {index}, and its journal begins after it"
        raise StoreError(f"{why}: what this node acknowledged is lost. {AWAY}")
    voters = journal.announced_voters
    if journal.term_at(index) != term and not voters:
        why = f"the store has applied entry {index} of term {term}, which the journal does not hold"
        raise StoreError(f"{why}: what this node acknowledged is lost. {AWAY}")
    # If a snapshot was installed and the node died before the journal began anew, it does now.
    journal.adopt(index, term, voters)
