"""Whole replicas in one process: fake clock and network, disks that lose what is not synced."""

import copy
import random
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from twisted.internet.task import Clock

from dns_node.cluster.command import Command, Done, Outcome, PutKey, parse_entry
from dns_node.cluster.executor import Executor, SynchronousExecutor
from dns_node.cluster.replica import Replica, ReplicaSettings
from dns_node.errors import StoreError


class FakeReactor(Clock):
    """A clock that runs calls "from threads" at the next turn, as a reactor does."""

    def callFromThread(self, function, *arguments):
        self.callLater(0, function, *arguments)


@dataclass
class Disk:
    """What a machine has made durable."""

    index: int = 0
    term: int = 0
    revision: int = 0
    outcomes: dict[bytes, Outcome] = field(default_factory=dict)
    applied: list[bytes] = field(default_factory=list)
    members: dict[str, tuple[str, str]] = field(default_factory=dict)


class FakeMachine:
    """A state machine that remembers the order of operation ids."""

    def __init__(self, disk: Disk):
        self.disk = disk
        self.state = copy.deepcopy(disk)
        self.is_full = False

    def applied(self):
        return self.state.index, self.state.term

    def revision(self):
        return self.state.revision

    def apply(self, entries):
        if self.is_full:
            raise StoreError("no space left on device")
        outcomes = []
        state = self.state
        for index, term, payload in entries:
            assert index == state.index + 1, f"entry {index} after {state.index}"
            state.index, state.term = index, term
            for command in parse_entry(payload) if payload is not None else ():
                if command.operation_id not in state.outcomes:
                    state.revision += 1
                    state.applied.append(command.operation_id)
                    state.outcomes[command.operation_id] = Done(state.revision, True)
                outcomes.append((command.operation_id, state.outcomes[command.operation_id]))
        return outcomes

    def digests(self):
        return [(self.state.index, bytes([len(self.state.applied) % 256]))]

    def sync(self):
        self.disk.__dict__.update(copy.deepcopy(self.state.__dict__))

    def collect_garbage(self):
        return False

    def find_outcome(self, operation_id):
        return self.state.outcomes.get(operation_id)

    def members(self):
        return self.state.members

    def close(self):
        pass


@dataclass(frozen=True)
class FakePeer:
    node: str
    uuid: str


class Simulation:
    """*size* nodes "0", "1", …; `run_until` passes time."""

    def __init__(
        self,
        directory: Path,
        size: int,
        seed: int = 1,
        new_executor=lambda name: SynchronousExecutor(),
        settings: ReplicaSettings | None = None,
    ):
        self.reactor = FakeReactor()
        self.directory, self.random = directory, random.Random(seed)
        self.nodes = [str(number) for number in range(size)]
        self.disks = {node: Disk() for node in self.nodes}
        self.machines: dict[str, FakeMachine] = {}
        self.replicas: dict[str, Replica] = {}
        self.links: set[frozenset[str]] = set()
        self.frames: dict[tuple[str, str], deque[bytes]] = {}
        self.executors: dict[str, list[Executor]] = {}
        self.new_executor, self.settings = new_executor, settings
        self.failures: list[str] = []
        self.may_fail = False
        self.on_behind = lambda node, leader: None
        for node in self.nodes:
            self.boot(node)

    def boot(self, node: str, voters: frozenset[str] | None = None):
        """Start *node* from its disk and connect it to all the others that run."""

        def open_machine(directory):
            self.machines[node] = FakeMachine(self.disks[node])
            return self.machines[node]

        def new_executor(name):
            executor = self.new_executor(name)
            self.executors.setdefault(node, []).append(executor)
            return executor

        self.executors[node] = []
        replica = Replica(
            node,
            self.directory / node,
            lambda to, octets: self.send(node, to, octets),
            self.reactor,
            open_machine,
            self.settings,
            chance=self.random.random,
            new_executor=new_executor,
        )
        self.replicas[node] = replica
        replica.on_stopped = lambda why: self.failures.append(f"{node}: {why}") if why else None
        replica.on_behind = lambda leader: self.on_behind(node, leader)
        replica.start()
        if not replica.is_formed:
            replica.form(frozenset(self.nodes) if voters is None else voters)
        for other in self.replicas:
            if other != node:
                self.connect(node, other)
        return replica

    def crash(self, node: str):
        """End *node* as `kill -9` does: what its executors have not written is lost."""
        replica = self.replicas.pop(node)
        for other in list(self.replicas):
            self.cut(node, other)
        for loop in (replica._ticking, replica._housekeeping):
            loop.stop()
        journal = replica.journal
        replica._is_stopped, replica._life = True, None
        for executor in self.executors[node]:
            getattr(executor, "crash", executor.stop)()
        journal._disk.close()

    def connect(self, one: str, other: str):
        link = frozenset((one, other))
        if link in self.links or not link <= self.replicas.keys():
            return
        self.links.add(link)
        self.frames[one, other], self.frames[other, one] = deque(), deque()
        self.replicas[one].peer_connected(FakePeer(other, "uuid-" + other))
        self.replicas[other].peer_connected(FakePeer(one, "uuid-" + one))

    def cut(self, one: str, other: str):
        link = frozenset((one, other))
        if link not in self.links:
            return
        self.links.discard(link)
        for source, target in ((one, other), (other, one)):
            self.frames.pop((source, target), None)
            if source in self.replicas:
                self.replicas[source].peer_disconnected(FakePeer(target, "uuid-" + target))

    def isolate(self, node: str):
        for other in self.nodes:
            self.cut(node, other)

    def heal(self):
        for one in self.replicas:
            for other in self.replicas:
                if one != other:
                    self.connect(one, other)

    def send(self, source: str, target: str, octets: bytes) -> bool:
        queue = self.frames.get((source, target))
        if queue is None:
            return False
        queue.append(octets)
        return True

    def deliver(self):
        for (source, target), queue in list(self.frames.items()):
            for _ in range(len(queue)):
                if not queue or self.frames.get((source, target)) is not queue:
                    break
                octets = queue.popleft()
                self.replicas[target].frame_received(FakePeer(source, "uuid-" + source), octets)

    def turn(self, seconds: float = 0.005):
        """Pass a little time: frames arrive, due calls run."""
        self.deliver()
        self.reactor.advance(seconds)
        assert self.may_fail or not self.failures, self.failures

    def run_until(self, condition, seconds_max: float = 30.0):
        """Pass time until *condition()* holds; fails after *seconds_max* of fake time."""
        end = self.reactor.seconds() + seconds_max
        while not condition():
            assert self.reactor.seconds() < end, f"not within {seconds_max} s: {self.describe()}"
            self.turn()

    def run(self, seconds: float):
        end = self.reactor.seconds() + seconds
        while self.reactor.seconds() < end:
            self.turn()

    def describe(self) -> str:
        return "\n".join(str(replica.status()) for replica in self.replicas.values())

    def leader(self) -> str | None:
        leaders = [n for n, r in self.replicas.items() if r.status().role == "leader"]
        terms = {n: self.replicas[n].status().term for n in leaders}
        return max(leaders, key=terms.__getitem__) if leaders else None

    def elect(self) -> str:
        """Wait for a leader whom every running node follows."""

        def is_followed():
            leader = self.leader()
            return leader is not None and all(
                replica.status().leader == leader for replica in self.replicas.values()
            )

        self.run_until(is_followed)
        return self.leader()

    def propose(self, node: str, number: int, size: int = 1) -> list:
        """Propose at *node*; the list gets the answer."""
        answers: list = []
        self.replicas[node].propose(make_command(number, size)).addCallback(answers.append)
        return answers

    def is_equal(self) -> bool:
        """Whether every running node has applied the same."""
        states = [self.machines[node].state for node in self.replicas]
        return all(state.applied == states[0].applied for state in states) and (
            len({state.index for state in states}) == 1
        )


def make_command(number: int, size: int = 1) -> Command:
    return Command(
        number.to_bytes(16, "big"), 0, "test", "test", (PutKey(f"k{number}", "v" * size),)
    )
