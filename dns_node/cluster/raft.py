"""The raft core: pysyncobj 0.3.17, unmodified, behind typed calls.  The only importer of it.

The core is used through its supported seams: our journal, our transport, our codec, our clock and
chance.  Its log is the only thing that is taken from it: the replicated method does nothing, and
the store thread reads committed entries from the journal (so an exception, a repeat or a skip of
the core's own apply can't touch the store).
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pysyncobj.pickle as core_pickle
import pysyncobj.syncobj as core_module
import pysyncobj.version
from pysyncobj import FAIL_REASON, SyncObj, SyncObjConf, replicated
from pysyncobj.node import Node
from pysyncobj.transport import Transport

from dns_node.cluster.codec import Codec, change_voters, parse_membership
from dns_node.cluster.guard import Facts
from dns_node.cluster.journal import Journal
from dns_node.cluster.message import AppendEntries, Message, from_core, to_core

VERSION = "0.3.17"
HEARTBEAT_S = 0.1
ELECTION_MIN_S, ELECTION_MAX_S = 1.0, 2.0
FALLBACK_S = 3.0
APPEND_OCTETS_MAX = 1 << 20

assert pysyncobj.version.VERSION == VERSION, (
    f"pysyncobj is {pysyncobj.version.VERSION}; this release of dns-node is proven with {VERSION}"
)

_codec = Codec(Node)
core_pickle.dumps, core_pickle.loads = _codec.dumps, _codec.loads
core_pickle.dump, core_pickle.load = _codec.dump, _codec.load


class _Chance:
    """Stands for the module `random` within the core; asks the core that runs."""

    def __init__(self) -> None:
        self.random: Callable[[], float] = lambda: 0.5


_chance = _Chance()
_seconds: Callable[[], float] = time.monotonic
core_module.random = _chance
core_module.monotonicTime = lambda: _seconds()
core_module.createJournal = lambda journal: journal
# Its pipe wakes a poller that only its own transport uses.
core_module.PIPE_NOTIFIER_ENABLED = False


class _CoreLog(logging.Handler):
    """The core logs what it swallows; the last line helps the one who looks for the reason."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        _CoreLog.last = record.getMessage()


logging.getLogger("pysyncobj").addHandler(_CoreLog())
logging.getLogger("pysyncobj").propagate = False


class _RaftCore(SyncObj):
    @replicated
    def cmd(self, payload: bytes) -> None:
        """The one replicated method, forever; the store thread reads the payload itself."""


class _Port(Transport):
    """What the core sees of the network."""

    def __init__(self, on_send: Callable[[str, Message], bool]):
        super().__init__(None, None, [])
        self._on_send = on_send

    def send(self, node: Node, message: dict[str, Any]) -> bool:
        typed = from_core(message)
        return typed is not None and self._on_send(node.id, typed)

    def addNode(self, node: Node) -> None:  # noqa: N802
        """Connections are made by the member table."""

    def dropNode(self, node: Node) -> None:  # noqa: N802
        """Connections are ended by the member table."""


class Core:
    """One life of the core on *journal* as *node*; with *is_voter* false it follows only (learner,
    edge).  Every call is made in the reactor; *on_send* is called within them.

    Who follows only never stands for election, because no connections are reported to its core;
    it does answer a candidate that counts it as a voter, whose log may know more (Raft section 6).
    """

    def __init__(
        self,
        node: str,
        is_voter: bool,
        journal: Journal,
        directory: Path,
        on_send: Callable[[str, Message], bool],
        seconds: Callable[[], float],
        chance: Callable[[], float],
    ):
        self.node, self.is_voter = node, is_voter
        self._journal, self._seconds, self._chance = journal, seconds, chance
        self._up: dict[str, bool] = {}  # connected node -> may follow without a vote
        self._reported: set[str] = set()
        self._reported_readonly: set[str] = set()
        self._promoting: set[str] = set()
        self._port = _Port(on_send)
        self._manifest = directory / "raft.manifest"
        self._load_error: BaseException | None = None
        # The core reads its manifest in the first tick, and then begins at the journal's base; a
        # log that still has its first entry is replayed from there instead.
        self._manifest.unlink(missing_ok=True)
        if journal.first_index > 1:
            self._manifest.write_bytes(b"{}")
        others = [Node(voter) for voter in sorted(journal.voters()) if voter != node]
        with self._entered():
            self._core = _RaftCore(
                Node(node),
                others,
                self._conf(),
                nodeClass=Node,
                transport=self._port,
            )
            assert self._core._SyncObj__raftLog is journal, "pysyncobj does not use our journal"
            self._core.doTick()
            while self._core.raftLastApplied < self._core.raftCommitIndex:
                before = self._core.raftLastApplied
                self._core.doTick()
                assert self._core.raftLastApplied > before, f"replay stops: {_CoreLog.last}"
            self._hold_membership()
        if self._load_error is not None or journal.violation:
            raise RuntimeError(f"the raft core did not start: {_CoreLog.last} {journal.violation}")
        self._manifest.write_bytes(b"{}")

    def _conf(self) -> SyncObjConf:
        return SyncObjConf(
            autoTick=False,
            appendEntriesUseBatch=False,
            appendEntriesPeriod=HEARTBEAT_S,
            raftMinTimeout=ELECTION_MIN_S,
            raftMaxTimeout=ELECTION_MAX_S,
            leaderFallbackTimeout=FALLBACK_S,
            connectionTimeout=6,
            commandsWaitLeader=False,
            commandsQueueSize=1024,
            appendEntriesBatchSizeBytes=APPEND_OCTETS_MAX,
            logCompactionMinEntries=10**9,
            logCompactionMinTime=10**9,
            fullDumpFile=str(self._manifest),
            serializer=self._serialize,
            deserializer=self._deserialize,
            dynamicMembershipChange=True,
            journalFile=self._journal,
        )

    def _serialize(self, name: str, data: Any) -> None:
        raise AssertionError("the log is shortened by the checkpoint, not by the core")

    def _deserialize(self, name: str) -> tuple[Any, ...]:
        """Return the core's start: the journal's own base, so that it keeps the journal."""
        try:
            base = self._journal[0:2]
            return base[1], base[0], [Node(voter) for voter in sorted(self._journal.voters())]
        except BaseException as error:
            self._load_error = error
            raise

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """Within it the core has this node's clock and chance."""
        global _seconds
        before = _seconds, _chance.random
        _seconds, _chance.random = self._seconds, self._chance
        try:
            yield
        finally:
            _seconds, _chance.random = before

    def facts(self) -> Facts:
        """Return the core's state."""
        core = self._core
        voters = frozenset(node.id for node in core.otherNodes)
        return Facts(
            self._seconds(),
            core.raftCurrentTerm,
            core.raftCommitIndex,
            core.raftLastApplied,
            core._isLeader(),
            self.is_voter,
            voters - {self.node},
            voters | self._reported_readonly,
        )

    def leader(self) -> str | None:
        """Return the leader that the core knows."""
        leader = self._core._getLeader()
        return None if leader is None else leader.id

    def match_index(self, node: str) -> int:
        """Return up to where the log of *node* is known to be this leader's (0: unknown)."""
        return self._core.getStatus().get(f"match_idx_server_{node}", 0)

    def tick(self) -> None:
        """Let time pass: elections, heartbeats, commit, queued commands."""
        with self._entered():
            self._core.doTick()
            self._hold_membership()
        self._report()

    def deliver(self, node: str, message: Message, is_rollback: bool = False) -> None:
        """Give a message to the core (the guard decided)."""
        if isinstance(message, AppendEntries):
            self._withdraw_readonly(message, is_rollback)
        self._journal.is_whole = is_rollback
        try:
            with self._entered():
                self._port._onMessageReceived(Node(node), to_core(message))
                self._hold_membership()
        finally:
            self._journal.is_whole = False
        self._report()

    def set_voter(self, is_voter: bool) -> None:
        """The membership in effect has come to name this node, or does no longer."""
        self.is_voter = is_voter
        self._report()

    def submit(self, payload: bytes) -> None:
        """Queue a payload: the next tick appends it if this node still leads."""
        self._core.cmd(payload, callback=_ignore)

    def change_voter(self, node: str, is_added: bool, on_end: Callable[[str], None]) -> None:
        """Queue the addition or removal of a voter.  ``on_end("")`` is called when it is committed,
        with a reason when it is certainly not done (or was lost with the leadership)."""

        def on_result(_result: object, reason: int) -> None:
            self._promoting.discard(node)
            on_end("" if reason == FAIL_REASON.SUCCESS else _reason_text(reason))

        if is_added:
            self._promoting.add(node)
            self._report()
            self._core.addNodeToCluster(Node(node), callback=on_result)
        else:
            self._core.removeNodeFromCluster(Node(node), callback=on_result)

    def transfer(self, node: str | None) -> bool:
        """Ask *node* (None: the one that is furthest) to lead; returns whether it was asked."""
        results: list[int] = []
        with self._entered():
            self._core.transferLeadership(
                None if node is None else Node(node),
                callback=lambda _, reason: results.append(reason),
            )
        return results == [FAIL_REASON.SUCCESS]

    def set_up(self, node: str, is_readonly: bool) -> None:
        """*node* is connected; *is_readonly*: it may follow without a vote."""
        self._up[node] = is_readonly
        self._report()

    def set_down(self, node: str) -> None:
        """*node* is no longer connected."""
        self._up.pop(node, None)
        self._report()

    def destroy(self) -> None:
        """End this life of the core; the journal stays open."""
        self._core.destroy()

    def _hold_membership(self) -> None:
        """Make the core's voters those of the whole log (Raft section 6).

        The core changes them when it applies an entry too: after a restart, or on a slow follower,
        that takes a later change of the same node back which the log holds already.
        """
        wanted = self._journal.voters() - {self.node}
        known = {node.id for node in self._core.otherNodes}
        for node in sorted(wanted - known):
            self._core._SyncObj__doChangeCluster(("add", node))
        for node in sorted(known - wanted):
            self._core._SyncObj__doChangeCluster(("rem", node))

    def _report(self) -> None:
        """Tell the core who is connected: voters only while a majority of them is (a node that
        can't win does not campaign, so its term does not rise)."""
        voters = {node.id for node in self._core.otherNodes} - {self.node}
        up = voters & self._up.keys()
        has_quorum = self.is_voter and (len(up) + 1) * 2 > len(voters) + 1
        readonly = {n for n, is_readonly in self._up.items() if is_readonly} - voters
        readonly -= self._promoting
        if not self.is_voter:
            readonly = set()
        wanted = up if has_quorum else set()
        if wanted and not self._reported:
            # While it was cut off its patience ran out; a leader that is there is heard first.
            patience_s = ELECTION_MIN_S + self._chance() * (ELECTION_MAX_S - ELECTION_MIN_S)
            self._core._SyncObj__raftElectionDeadline = self._seconds() + patience_s
        with self._entered():
            for node in self._reported_readonly - readonly:
                if node not in voters:
                    self._port._onReadonlyNodeDisconnected(Node(node))
            for node in self._reported - wanted:
                self._port._onNodeDisconnected(Node(node))
            for node in wanted - self._reported:
                self._port._onNodeConnected(Node(node))
            for node in readonly - self._reported_readonly:
                self._port._onReadonlyNodeConnected(Node(node))
        self._reported, self._reported_readonly = wanted, readonly

    def _withdraw_readonly(self, append: AppendEntries, is_rollback: bool) -> None:
        """Before a follower without a vote becomes a voter the core must forget its first role."""
        commands = [command for command, _, _ in append.entries]
        if is_rollback:
            commands += self._journal.changes_after(append.previous_index)
        for command in commands:
            change = parse_membership(command)
            if change is not None and change[1] in self._reported_readonly:
                self._port._onReadonlyNodeDisconnected(Node(change[1]))
                self._reported_readonly.discard(change[1])


def _ignore(result: object, reason: int) -> None:
    """The core's answer is not used: the store thread answers by operation id."""


def _reason_text(reason: int) -> str:
    names = {value: name for name, value in vars(FAIL_REASON).items() if isinstance(value, int)}
    return names.get(reason, str(reason)).lower().replace("_", " ")


__all__ = ["Core", "change_voters"]
