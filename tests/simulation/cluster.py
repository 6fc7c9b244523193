"""Whole nodes in one process: fake clocks and network, disks that lose what is not durable."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from twisted.internet.task import Clock

from dns_node.cluster.command import Command, FormCluster, Member, Operation, PutKey
from dns_node.cluster.executor import Executor, SynchronousExecutor
from dns_node.cluster.replica import Replica, ReplicaSettings
from tests.simulation.disk import Crashed, Disk, mount
from tests.simulation.network import Network
from tests.simulation.oracle import Oracle, Violation, WatchedMachine
from tests.simulation.promises import Promises

NOW_MS = 1_790_000_000_000


class NodeReactor(Clock):
    """A node's clock; calls "from threads" run at the next turn, as in a reactor."""

    def callFromThread(self, function, *arguments):
        self.callLater(0, function, *arguments)


@dataclass(frozen=True)
class FakePeer:
    node: str
    uuid: str


class Host:
    """One machine: its disk stays, what runs on it comes and goes."""

    def __init__(self, node: str, disk: Disk):
        self.node, self.disk = node, disk
        self.uuid = f"uuid-{node}"
        self.reactor: NodeReactor | None = None
        self.replica: Replica | None = None
        self.machine: WatchedMachine | None = None
        self.executors: list[Executor] = []
        self.lives = 0
        self.paused_until_s = 0.0
        self.behind_s = 0.0
        """How much time has passed that its clock does not show yet (it is paused)."""
        self.is_wiped = False
        self.clock_ms = 0
        """How wrong its wall clock is."""


class Cluster:
    """*size* nodes "0", "1", …; `turn` and `run_until` pass time."""

    def __init__(
        self,
        directory: Path,
        size: int,
        seed: int = 1,
        new_executor: Callable[[str], Executor] = lambda name: SynchronousExecutor(),
        settings: ReplicaSettings | None = None,
        spare: int = 0,
    ):
        self.directory, self.random = directory, random.Random(seed)
        self.now_s = 0.0
        self.oracle = Oracle()
        self.promises = Promises(self)
        self.trace: list[tuple[float, str]] = []
        self.voters = frozenset(str(number) for number in range(size))
        self.hosts = {str(number): self._host(str(number)) for number in range(size + spare)}
        self.network = Network(
            self.random, self._deliver, self._peer_up, self._peer_down, self._is_listening
        )
        self.new_executor, self.settings = new_executor, settings
        self.failures: list[str] = []
        self.may_fail = False
        self.on_behind: Callable[[str, str], None] = lambda node, leader: None
        self.on_failure: Callable[[str, str], None] = lambda node, why: None
        self.on_turn: Callable[[], None] = lambda: None
        self._number = 0
        for node in sorted(self.voters):
            self.boot(node)

    # Machines

    def _host(self, node: str) -> Host:
        disk = mount(self.directory / node, self.random)
        return Host(node, disk)

    @property
    def nodes(self) -> list[str]:
        return list(self.hosts)

    @property
    def replicas(self) -> dict[str, Replica]:
        """The replicas of the nodes that run."""
        return {n: host.replica for n, host in self.hosts.items() if host.replica is not None}

    @property
    def machines(self) -> dict[str, WatchedMachine]:
        return {n: host.machine for n, host in self.hosts.items() if host.replica is not None}

    def note(self, text: str):
        self.trace.append((self.now_s, text.replace(f"{self.directory}/", "")))

    def boot(self, node: str, voters: frozenset[str] | None = None) -> Replica | None:
        """Start *node* from its disk and connect it to all that run; None when it died at once."""
        host = self.hosts[node]
        assert host.replica is None
        host.lives += 1
        host.executors = []
        host.behind_s = host.paused_until_s = 0.0
        host.reactor = NodeReactor()
        host.reactor.rightNow = self.now_s
        self.note(f"{node} starts")

        def open_machine(directory):
            host.machine = WatchedMachine(directory, node, self.oracle)
            return host.machine

        def new_executor(name):
            executor = self.new_executor(name)
            host.executors.append(executor)
            return executor

        replica = host.replica = Replica(
            node,
            host.disk.directory,
            lambda to, octets: self._send(node, to, octets),
            host.reactor,
            open_machine,
            self.settings,
            chance=self.random.random,
            new_executor=new_executor,
        )
        replica.on_stopped = lambda why: self._stopped(node, why)
        replica.on_behind = lambda leader: self.on_behind(node, leader)
        with self.dying(node):
            replica.start()
            if not replica.is_formed and (not host.is_wiped or voters is not None):
                replica.form(self.voters if voters is None else voters)
        if host.replica is None:
            return None
        for other in self.replicas:
            if other != node:
                self.connect(node, other)
        return replica

    def _stopped(self, node: str, why: str):
        if why:
            self.failures.append(f"{node}: {why}")
            self.note(f"{node} stops: {why}")
            self.on_failure(node, why)
        else:
            self.note(f"{node} goes on")

    def crash(self, node: str, is_power_lost: bool = False):
        """End *node* as `kill -9` does, or as a power loss: what its executors have not written is
        lost, and with the power what is not durable."""
        host = self.hosts[node]
        host.replica = host.machine = host.reactor = None
        for executor in host.executors:
            getattr(executor, "crash", executor.stop)()
        host.executors = []
        host.disk.crash_in = None
        self.network.forget(node)
        lost = host.disk.lose_power() if is_power_lost else None
        how = "is killed" if lost is None else f"loses power ({lost} steps lost)"
        at, host.disk.crashed_at = host.disk.crashed_at, ""
        self.note(f"{node} {how}{' ' + at if at else ''}")

    def dying(self, node: str):
        """Within it a `Crashed` of *node*'s disk ends the node."""
        return _Dying(self, node)

    def wipe(self, node: str):
        """Replace the disk of *node*, which is down, by an empty one."""
        host = self.hosts[node]
        assert host.replica is None
        host.disk.wipe()
        host.uuid += "'"
        host.is_wiped = True
        self.note(f"{node} has an empty disk")

    def pause(self, node: str, seconds: float):
        self.hosts[node].paused_until_s = self.now_s + seconds
        self.note(f"{node} pauses for {seconds:.1f} s")

    def is_paused(self, node: str) -> bool:
        return self.hosts[node].paused_until_s > self.now_s

    # The network

    def _is_listening(self, node: str) -> bool:
        return self.hosts[node].replica is not None and not self.is_paused(node)

    def _deliver(self, source: str, target: str, octets: bytes):
        replica = self.hosts[target].replica
        if replica is not None:
            with self.dying(target):
                replica.frame_received(FakePeer(source, self.hosts[source].uuid), octets)

    def _send(self, source: str, target: str, octets: bytes) -> bool:
        self.promises.check_frame(source, target, octets)
        return self.network.send(source, target, octets)

    def _peer_up(self, node: str, peer: str):
        replica = self.hosts[node].replica
        if replica is not None:
            replica.peer_connected(FakePeer(peer, self.hosts[peer].uuid))

    def _peer_down(self, node: str, peer: str):
        replica = self.hosts[node].replica
        if replica is not None:
            replica.peer_disconnected(FakePeer(peer, self.hosts[peer].uuid))

    def connect(self, one: str, other: str):
        if one in self.replicas and other in self.replicas:
            self.network.connect(one, other)

    def cut(self, one: str, other: str, known_to: str | None = None):
        self.network.cut(one, other, known_to)

    def isolate(self, node: str):
        for other in self.hosts:
            if other != node:
                self.cut(node, other)

    def heal(self):
        self.network.blocked.clear()
        for one in self.replicas:
            for other in self.replicas:
                if one < other:
                    self.connect(one, other)

    # Time

    def turn(self, seconds: float = 0.005):
        """Pass a little time: frames arrive, due calls run."""
        self.now_s += seconds
        self.network.step(self.now_s)
        for node, host in self.hosts.items():
            if host.reactor is None:
                continue
            host.behind_s += seconds
            if not self.is_paused(node):
                passed, host.behind_s = host.behind_s, 0.0
                with self.dying(node):
                    host.reactor.advance(passed)
                if host.replica is not None and host.replica._life is not None:
                    self.promises.check_node(node, host.replica._life)
        self.on_turn()
        if self.oracle.problem:
            raise Violation(self.oracle.problem)
        assert self.may_fail or not self.failures, self.failures

    def run_until(self, condition: Callable[[], bool], seconds_max: float = 30.0):
        """Pass time until *condition()* holds; a Violation after *seconds_max* of fake time."""
        end = self.now_s + seconds_max
        while not condition():
            if self.now_s >= end:
                raise Violation(f"not within {seconds_max} s:\n{self.describe()}")
            self.turn()

    def run(self, seconds: float):
        end = self.now_s + seconds
        while self.now_s < end:
            self.turn()

    def run_disks(self):
        """Let every executor that waits for it do all that it has to do."""
        for node, host in self.hosts.items():
            for executor in list(host.executors):
                with self.dying(node):
                    executor.run()

    # What is to be seen, and done

    def describe(self) -> str:
        return "\n".join(str(replica.status()) for replica in self.replicas.values())

    def leader(self) -> str | None:
        """The node that leads the newest term that a node leads."""
        found = []
        for node, replica in self.replicas.items():
            if replica._life is not None and replica._life.consensus.core is not None:
                facts = replica._life.consensus.facts()
                if facts.is_leader and not replica.failure:
                    found.append((facts.term, node))
        return max(found)[1] if found else None

    def elect(self) -> str:
        """Wait for a leader whom every running node follows."""

        def is_followed():
            leader = self.leader()
            return leader is not None and all(
                replica.status().leader == leader for replica in self.replicas.values()
            )

        self.run_until(is_followed)
        return self.leader()

    def form(self):
        """Have the cluster's first command bind the nodes' data directories."""
        members = tuple(Member(n, self.hosts[n].uuid, "voter", "") for n in sorted(self.voters))
        self.do(self.elect(), FormCluster("cluster", members))

    def command(self, *operations: Operation, **fields) -> Command:
        """Return a command with an operation id of its own."""
        self._number += 1
        operation_id = self._number.to_bytes(16, "big")
        now_ms = NOW_MS + int(self.now_s * 1000)
        return Command(operation_id, now_ms, "test", "test", operations, **fields)

    def propose(self, node: str, number: int, size: int = 1) -> list:
        """Propose to set a key at *node*; the list gets the answer."""
        return self.submit(node, make_command(number, size))

    def submit(self, node: str, command: Command) -> list:
        answers: list = []
        self.replicas[node].propose(command).addCallback(answers.append)
        return answers

    def do(self, node: str, *operations: Operation):
        """Propose at *node* and return the answer."""
        answers = self.submit(node, self.command(*operations))
        self.run_until(lambda: answers)
        return answers[0]

    def applied(self, node: str) -> list[str]:
        """Return the values that `propose` has set, in the order of the log, as *node* has them."""
        view = self.machines[node].view()
        rows = reversed(list(view.histories(None, 100_000)))
        return [diff.key for row in rows for diff in row.keys]

    def is_equal(self) -> bool:
        """Whether every running node has applied the same."""
        return len({machine.applied() for machine in self.machines.values()}) == 1 and (
            len({machine.digest() for machine in self.machines.values()}) == 1
        )

    def is_log_empty(self) -> bool:
        journals = [r._life.journal for r in self.replicas.values() if r._life is not None]
        return all(j.last_index <= max(j.first_index + 1, 1) for j in journals)


class _Dying:
    def __init__(self, cluster: Cluster, node: str):
        self._cluster, self._node = cluster, node

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if kind is Crashed:
            is_power_lost = error.is_power_lost
            if is_power_lost is None:
                is_power_lost = self._cluster.random.random() < 0.5
            self._cluster.crash(self._node, is_power_lost)
            return True
        return False


def make_command(number: int, size: int = 1) -> Command:
    operation_id = (1 << 64 | number).to_bytes(16, "big")
    return Command(
        operation_id, NOW_MS, "test", "test", (PutKey(f"k{number}", "v" * size),)
    )
