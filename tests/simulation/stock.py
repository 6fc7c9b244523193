"""The raft core as it is published: its own guardless messages, journal and dumps, on a fake clock.

For showing the defects that `dns_node.cluster.guard` and its neighbours are there for.
"""

import pickle
import random
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pysyncobj.journal
import pysyncobj.pickle as core_pickle
import pysyncobj.syncobj as core_module
from pysyncobj import FAIL_REASON, SyncObj, SyncObjConf, replicated
from pysyncobj.node import Node
from pysyncobj.transport import Transport

import dns_node.cluster.raft  # noqa: F401 - what it replaces in the core is put back here

HEARTBEAT_S = 0.1


class StockNetwork:
    """Queues of messages that a test delivers by hand."""

    def __init__(self):
        self.now_s = 1000.0
        self.queues: dict[tuple[str, str], deque[bytes]] = {}
        self.ports: dict[str, _Port] = {}
        self.links: set[frozenset[str]] = set()

    def connect(self, *nodes: str):
        for one in nodes:
            for other in nodes:
                if one < other and frozenset((one, other)) not in self.links:
                    self.links.add(frozenset((one, other)))
                    self.ports[one]._onNodeConnected(Node(other))
                    self.ports[other]._onNodeConnected(Node(one))

    def isolate(self, node: str):
        for link in [link for link in self.links if node in link]:
            self.cut(*link)

    def cut(self, one: str, other: str):
        self.links.discard(frozenset((one, other)))
        for source, target in ((one, other), (other, one)):
            self.queue(source, target).clear()
            if source in self.ports:
                self.ports[source]._onNodeDisconnected(Node(target))

    def queue(self, source: str, target: str) -> deque[bytes]:
        return self.queues.setdefault((source, target), deque())

    def deliver(self, source: str, target: str, limit: int = 1_000_000) -> int:
        queue, count = self.queue(source, target), 0
        while queue and count < limit:
            count += 1
            self.receive(source, target, queue.popleft())
        return count

    def receive(self, source: str, target: str, octets: bytes):
        self.ports[target]._onMessageReceived(Node(source), pickle.loads(octets))

    def deliver_all(self):
        while sum(self.deliver(*pair) for pair in list(self.queues)):
            pass


class _Port(Transport):
    network: StockNetwork

    def __init__(self, core, node, others):
        super().__init__(core, node, others)
        self.node = node.id
        self.network.ports[self.node] = self

    def send(self, node, message):
        if frozenset((self.node, node.id)) not in self.network.links:
            return False
        self.network.queue(self.node, node.id).append(pickle.dumps(message))
        return True


class StockNode(SyncObj):
    """One node; *applied* is its state."""

    def __init__(self, network: StockNetwork, node: str, others: str, **options):
        options = {"raftMinTimeout": 1.0, "raftMaxTimeout": 1.001, **options}
        conf = SyncObjConf(
            autoTick=False, appendEntriesPeriod=HEARTBEAT_S, leaderFallbackTimeout=30.0,
            logCompactionMinTime=10**9, logCompactionMinEntries=10**9,
            dynamicMembershipChange=True, **options,
        )  # fmt: skip
        self.network, self.node = network, node
        port = type("Port", (_Port,), {"network": network})
        peers = [Node(other) for other in others]
        super().__init__(Node(node), peers, conf, nodeClass=Node, transportClass=port)
        self.applied: list = []
        self.fails = 0

    @replicated
    def put(self, value):
        if self.fails:
            self.fails -= 1
            raise OSError(28, "No space left on device")
        self.applied.append(value)
        return value

    def private(self, name: str):
        return getattr(self, "_SyncObj__" + name)

    def log(self) -> list[tuple[int, int]]:
        """Return (index, term) of the entries."""
        return [(index, term) for _, index, term in self.private("raftLog")[:]]

    def elect(self):
        """Stand for election at once."""
        self._SyncObj__raftElectionDeadline = self.network.now_s - 1
        self.doTick()

    def write(self, values, answers: list):
        for value in values:
            self.put(value, callback=lambda _, why, value=value: answers.append((value, why)))


def tick(*nodes: StockNode):
    """Let a heartbeat's time pass; followers don't stand for election."""
    nodes[0].network.now_s += HEARTBEAT_S * 1.1
    for node in nodes:
        if not node._isLeader():
            node._SyncObj__raftElectionDeadline = node.network.now_s + 100
        node.doTick()


def done(answers: list) -> list:
    """Return the values whose writers were told of success."""
    return [value for value, why in answers if why == FAIL_REASON.SUCCESS]


@contextmanager
def stock_core() -> Iterator[StockNetwork]:
    """Within it the core is the published one."""
    network = StockNetwork()
    with (
        patch.multiple(
            core_pickle, dumps=pickle.dumps, loads=pickle.loads, dump=pickle.dump, load=pickle.load
        ),
        patch.multiple(
            core_module,
            random=random,
            monotonicTime=lambda: network.now_s,
            createJournal=pysyncobj.journal.createJournal,
        ),
    ):
        yield network


def three(network: StockNetwork, **options) -> list[StockNode]:
    """Return three connected nodes, of which the first leads."""
    names = "ABC"
    nodes = [
        StockNode(network, name, names.replace(name, ""), **_named(options, name)) for name in names
    ]
    network.connect(*names)
    nodes[0].elect()
    for _ in range(4):
        network.deliver_all()
        tick(*nodes)
    network.deliver_all()
    assert nodes[0]._isLeader()
    return nodes


def _named(options: dict, name: str) -> dict:
    return {key: str(Path(value) / name) + "." + key if isinstance(value, Path) else value
            for key, value in options.items()}  # fmt: skip
