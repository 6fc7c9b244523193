"""Replicas over real threads, disks and sockets."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults
from twisted.internet.task import deferLater
from twisted.trial import unittest

from dns_node.cluster.command import Command, Done, PutKey
from dns_node.cluster.machine import StoreMachine
from dns_node.cluster.replica import Replica
from dns_node.cluster.transport import Transport


class Node:
    """One node on 127.0.0.1: link, journal and store."""

    def __init__(self, node: str, directory: Path):
        self.node = node
        directory.mkdir(exist_ok=True)
        hello = {"node": node, "uuid": "uuid-" + node}
        self.transport = Transport(reactor, "127.0.0.1:0", lambda: hello)
        self.replica = Replica(node, directory, self.transport.send, reactor, StoreMachine)
        self.transport.on_connected = self.replica.peer_connected
        self.transport.on_hello = self.replica.peer_changed
        self.transport.on_disconnected = self.replica.peer_disconnected
        self.transport.on_frame = self.replica.frame_received

    def stop(self):
        self.replica.stop()
        return self.transport.stop()


def command(key: str, size: int = 1) -> Command:
    now_ms = int(time.time() * 1000)
    return Command(os.urandom(16), now_ms, "test", "test", (PutKey(key, "v" * size),))


async def wait_for(condition, seconds_max: float = 15.0):
    end = reactor.seconds() + seconds_max
    while not condition():
        assert reactor.seconds() < end, "not in time"
        await deferLater(reactor, 0.01)


class ReplicaTest(unittest.TestCase):
    timeout = 60

    async def start(self, size: int) -> list[Node]:
        base = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, base)
        return await self.start_in(base, size)

    async def start_in(self, base: Path, size: int) -> list[Node]:
        self.base = base
        nodes = [Node(str(number), base / str(number)) for number in range(size)]
        for node in nodes:
            await node.transport.start()
        locations = {node.node: node.transport.location for node in nodes}
        for node in nodes:
            node.replica.start()
            if not node.replica.is_formed:
                node.replica.form(frozenset(locations))
            node.transport.set_peers(locations)
        await wait_for(lambda: any(n.replica.status().role == "leader" for n in nodes))
        leader = next(n.node for n in nodes if n.replica.status().role == "leader")
        await wait_for(lambda: all(n.replica.status().leader == leader for n in nodes))
        return nodes

    async def stop(self, nodes: list[Node]):
        await gatherResults([node.stop() for node in nodes])

    def test_three_nodes_on_disk_apply_alike_and_restart(self):
        return self.deferred(self.apply_alike_and_restart())

    async def apply_alike_and_restart(self):
        nodes = await self.start(3)
        for number in range(6):
            answer = await nodes[number % 3].replica.propose(command(f"k{number}"))
            assert isinstance(answer, Done), answer
        visible = await nodes[0].replica.wait_visible(answer.revision, "all", 5.0)
        assert visible == (("0", "1", "2"), (), ())
        await wait_for(lambda: all(n.replica.status().log_entries == 0 for n in nodes))
        await self.stop(nodes)
        nodes = await self.start_in(self.base, 3)
        answer = await nodes[1].replica.propose(command("again"))
        assert isinstance(answer, Done)
        assert answer.revision == 7
        await nodes[1].replica.wait_visible(7, "all", 5.0)
        assert len({self.digest(node) for node in nodes}) == 1
        await self.stop(nodes)

    def digest(self, node: Node) -> str:
        reader = node.replica._life.machine.writer.reader()
        try:
            return reader.digest()
        finally:
            reader.reset()

    def test_a_command_larger_than_an_entry_is_applied_at_once(self):
        return self.deferred(self.apply_large())

    async def apply_large(self):
        nodes = await self.start(1)
        operations = tuple(PutKey(f"large{number}", "x" * 60_000) for number in range(20))
        large = Command(os.urandom(16), int(time.time() * 1000), "test", "test", operations)
        answer = await nodes[0].replica.propose(large)
        assert isinstance(answer, Done), answer
        assert answer.changed
        assert await nodes[0].replica.propose(large) == answer
        await self.stop(nodes)

    def deferred(self, coroutine) -> Deferred:
        return ensureDeferred(coroutine)
