"""Transports on the loopback interface, and waiting for what they report."""

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.trial.unittest import TestCase

from dns_node.cluster.hello import Peer
from dns_node.cluster.transport import Transport

DEADLINE_S = 20.0


async def until(is_so: Callable[[], Any], what: str = "") -> None:
    """Return when *is_so()* is true; raises AssertionError after ten seconds."""
    if is_so():
        return
    looking = LoopingCall(lambda: looking.stop() if is_so() else None)
    ended = looking.start(0.005)
    timer = reactor.callLater(DEADLINE_S, looking.stop)
    await ended
    if timer.active():
        timer.cancel()
    assert is_so(), what or "it did not become so in time"


class Link:
    """A transport that notes its callbacks in `events`."""

    def __init__(self, node: str, tls: Any = None, listen: str = "127.0.0.1:0", **hello: Any):
        self.node = node
        self.hello = {"node": node, "uuid": f"uuid-{node}", "role": "voter", **hello}
        self.transport = Transport(reactor, listen, lambda: self.hello, tls)
        self.events: list[tuple[str, str]] = []
        self.frames: list[tuple[str, bytes]] = []
        self.refusals: list[tuple[str, str]] = []
        self.transport.on_connected = self._note("up")
        self.transport.on_disconnected = self._note("down")
        self.transport.on_frame = lambda peer, octets: self.frames.append((peer.node, octets))
        self.transport.on_refused = lambda who, refusal: self.refusals.append((who, refusal.code))

    def _note(self, event: str) -> Callable[[Peer], None]:
        return lambda peer: self.events.append((event, peer.node))

    @property
    def connected(self) -> set[str]:
        """Return the ids of the connected peers."""
        return set(self.transport.peers())


class LinkCase(TestCase):
    """A test with some links, which are stopped at its end."""

    timeout = 30

    async def link(self, node: str, **settings: Any) -> Link:
        """Return a started link."""
        link = Link(node, **settings)
        await link.transport.start()
        self.addCleanup(link.transport.stop)
        return link

    async def connected_pair(self, **settings: Any) -> tuple[Link, Link]:
        """Return two links that are connected to each other."""
        low, high = await self.link("0", **settings), await self.link("1", **settings)
        introduce(low, high)
        await until(lambda: low.connected and high.connected)
        return low, high


def introduce(*links: Link) -> None:
    """Tell each of *links* where the others are."""
    where = {link.node: link.transport.location for link in links}
    for link in links:
        link.transport.set_peers(where)


def free_locations(count: int) -> list[str]:
    """Return *count* loopback addresses that nobody listens at just now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    locations = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return locations


def coroutine(method: Any) -> Any:
    """Make a test method of a coroutine method."""

    def run(self: Any, *arguments: Any) -> "Deferred[None]":
        return Deferred.fromCoroutine(method(self, *arguments))

    run.__name__ = method.__name__
    run.__doc__ = method.__doc__
    return run
