"""The link between nodes: one live connection per peer, frames in order, side connections.

Runs in the reactor's thread; nothing here blocks.  Callbacks are never made from inside `send`.
Frames are opaque octets here.  No connection, and nothing that a stranger sends, makes this node
hold more than a bounded number of octets or do more than log and count.
"""

import random
from collections.abc import Callable
from typing import Any

import msgspec
from OpenSSL import SSL
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred, succeed
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from dns_node import __version__
from dns_node.cluster.channel import Channel, ChannelClosedError
from dns_node.cluster.complaints import Complaints
from dns_node.cluster.connection import Connection
from dns_node.cluster.dialer import PATIENCE_S, Dialer
from dns_node.cluster.hello import (
    Hello,
    Peer,
    Refusal,
    id_order,
    is_newer_kept,
    judge_hello,
    peer_of,
)
from dns_node.cluster.location import join_location, split_location
from dns_node.cluster.side_connections import SideConnections
from dns_node.cluster.sockets import Credentials, connect, listen

STRANGERS_MAX = 64
PEERS_MAX = 256
CHANNELS_MAX = 32
TICK_S = 1.0


class _Accepting(Factory):
    noisy = False

    def __init__(self, owner: "Transport", kind: str, node: str | None, token: str) -> None:
        self._make = lambda: owner.make_connection(kind, node, token)

    def buildProtocol(self, addr: Any) -> Connection:
        """Return the protocol of one new connection."""
        return self._make()


class Transport:
    """Listens at *listen* ('host:port', or port 0 for any), dials peers, carries frames.

    *hello* returns what this node says of itself (a Hello, or its fields as a dict: ``node``,
    ``uuid``, and what differs from the defaults of `Hello`).  Without *tls* (a `Credentials`)
    ids are taken on trust, which is for loopback only.

    Assign the callbacks before `start`:

    * ``on_connected(peer)``, ``on_disconnected(peer)``: in turns for each node id; a newer
      connection first disconnects the older.
    * ``on_hello(peer)``: a connected peer has said a new hello.
    * ``on_frame(peer, octets)``: in the order sent; none after ``on_disconnected``.
    * ``on_request(kind, channel)``: a side connection was accepted; may be a coroutine function.
    * ``on_refused(node_or_location, refusal)``: a peer refused us, such as code ``removed``.
    * ``admit(peer, kind) -> Refusal | None``: the last word on whom to accept.

    ``counts`` counts by name what happened, for the metrics.
    """

    def __init__(
        self,
        reactor: Any,
        listen: str,
        hello: Callable[[], Hello | dict[str, Any]],
        tls: Credentials | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.reactor = reactor
        self.tls = tls
        self.complaints = Complaints(reactor)
        self.counts = self.complaints.counts
        self.on_connected: Callable[[Peer], None] = lambda peer: None
        self.on_disconnected: Callable[[Peer], None] = lambda peer: None
        self.on_hello: Callable[[Peer], None] = lambda peer: None
        self.on_frame: Callable[[Peer, bytes], None] = lambda peer, octets: None
        self.on_request: Callable[[str, Channel], Any] = lambda kind, channel: channel.close()
        self.on_refused: Callable[[str, Refusal], None] = lambda node, refusal: None
        self.admit: Callable[[Peer, str], Refusal | None] = lambda peer, kind: None
        self._listen = listen
        self._hello = hello
        self._chance = chance or random.Random()
        self._port: Any = None
        self._location = listen
        self._numbers = 0
        self._is_stopped = False
        self._connections: dict[int, Connection] = {}
        self._live: dict[str, Connection] = {}
        self._sides = SideConnections(self.complaints)
        self._dialers: dict[str, Dialer] = {}
        self._dials: set[Deferred[Any]] = set()
        self._ended: Deferred[None] | None = None
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = reactor

    # Life.

    def start(self) -> "Deferred[None]":
        """Listen, then dial.  The Deferred fails with InputError when the address can't be had."""
        port = listen(self.reactor, self._listen, _Accepting(self, "raft", None, ""), self.tls)
        return port.addCallback(self._listening)

    @property
    def location(self) -> str:
        """The 'host:port' that is listened at; the real port when 0 was asked for."""
        return self._location

    def stop(self) -> "Deferred[None]":
        """Close everything; the Deferred fires when the last connection has ended.  Callbacks for
        the connected peers are made before this returns, and none afterwards."""
        if self._is_stopped:
            return succeed(None)
        self._is_stopped = True
        if self._ticking.running:
            self._ticking.stop()
        for dialer in self._dialers.values():
            dialer.stop()
        for dial in list(self._dials):
            dial.cancel()
        waits = [maybeDeferred(self._port.stopListening)] if self._port is not None else []
        for connection in list(self._live.values()):
            self._leave(connection)
        for connection in list(self._connections.values()):
            connection.abort()
        if self._connections:
            self._ended = Deferred()
            waits.append(self._ended)
        return DeferredList(waits).addCallback(lambda _: None)

    # What users of the link call.

    def set_peers(self, peers: dict[str, str]) -> None:
        """Dial the *peers* (id -> 'host:port') from now on, and nobody else; an entry for this
        node itself is ignored.  Connections that exist stay."""
        ours = self.our_hello("raft")
        wanted = {node: location for node, location in peers.items() if node != ours.node}
        for node in list(self._dialers):
            if wanted.get(node) != self._dialers[node].location:
                self._dialers.pop(node).stop()
        for node, location in wanted.items():
            if node not in self._dialers and not self._is_stopped:
                self._dialers[node] = self._new_dialer(ours, node, location)

    def send(self, node: str, octets: bytes) -> bool:
        """Send one frame of at most 8 MiB to *node*; return False when it was dropped: not
        connected, or more than 8 MiB wait for the peer already."""
        connection = self._live.get(node)
        if connection is None:
            return False
        if not connection.send(octets):
            self.counts["frames_dropped"] += 1
            return False
        self.counts["frames_sent"] += 1
        self.counts["octets_sent"] += len(octets)
        return True

    def peers(self) -> dict[str, Peer]:
        """Return the connected peers by node id."""
        return {node: connection.peer for node, connection in self._live.items() if connection.peer}

    def say_hello(self) -> None:
        """Tell every connected peer what has changed about this node (role, cluster uuid)."""
        hello = self.our_hello("raft")
        for connection in list(self._live.values()):
            connection.say_hello(hello)

    def refuse(self, node: str, code: str, text: str) -> None:
        """Disconnect *node* and tell it why; `admit` has to keep it out afterwards."""
        connection = self._live.get(node)
        if connection is not None:
            self._leave(connection)
            connection.refuse(Refusal(code, text))

    async def request(
        self, kind: str, location: str, node: str | None = None, token: str = ""
    ) -> Channel:
        """Open a side connection of *kind* to *location* and return its channel once the peer was
        accepted on both sides' hello; *node* is who must answer (None: anybody).

        Raises ChannelClosedError, with the peer's refusal when it gave one, or that it can't be
        reached.
        """
        factory = _Accepting(self, kind, node or "", token)
        try:
            connection: Connection = await self._connect(location, factory)
        except Exception as error:
            raise ChannelClosedError(f"{location} can't be reached: {error}") from error
        return await self._sides.dialed(connection)

    def our_hello(self, kind: str, token: str = "") -> Hello:
        """Return what this node says of itself on a connection of *kind*."""
        said = self._hello()
        fields = msgspec.structs.asdict(said) if isinstance(said, Hello) else dict(said)
        fields.update(kind=kind, token=token, version=__version__)
        if not fields.get("raft_loc"):
            fields["raft_loc"] = self._location
        return Hello(**fields)

    # What connections call.

    def make_connection(self, kind: str, node: str | None, token: str) -> Connection:
        """Return the protocol for a new connection."""
        self._numbers += 1
        return Connection(self, self._numbers, node, self.our_hello(kind, token))

    def connection_made(self, connection: Connection) -> None:
        """Keep count; strangers beyond 64 push out the one that has waited longest."""
        if self._is_stopped:
            connection.abort()
        self._connections[connection.number] = connection
        strangers = [
            other
            for other in self._connections.values()
            if other.peer is None and other.dialed_node is None and not other.is_closed
        ]
        if len(strangers) > STRANGERS_MAX:
            self.counts["strangers_pushed_out"] += 1
            strangers[0].abort()

    def connection_lost(self, connection: Connection, reason: Failure) -> None:
        """Forget the connection, tell whoever used it, dial again."""
        self._connections.pop(connection.number, None)
        if reason.check(SSL.Error):
            cure = "Are both certificates of one CA, and valid?"
            what = f"fails the TLS handshake: {reason.value}. {cure}"
            self.complain(connection, "tls_failed", what)
        self._leave(connection)
        self._sides.ended(connection, f"the connection has ended: {reason.getErrorMessage()}")
        if connection.dialed_node in self._dialers and connection.hello.kind == "raft":
            self._dialers[connection.dialed_node].failed()
        if self._ended is not None and not self._connections:
            ended, self._ended = self._ended, None
            ended.callback(None)

    def hello_received(self, connection: Connection, theirs: Hello) -> None:
        """Accept or refuse the peer; a later hello of an accepted peer updates what it is."""
        certified = None if self.tls is None else self.tls.certified_node(connection.transport)
        ours = self.our_hello(connection.hello.kind)
        refusal = judge_hello(ours, theirs, connection.dialed_node or None, certified)
        peer = peer_of(theirs, connection.address, certified is not None)
        if connection.peer is not None and refusal is None:
            self._on_later_hello(connection, peer)
            return
        # The dialing side says what the connection is for.
        kind = theirs.kind if connection.dialed_node is None else ours.kind
        refusal = refusal or self.admit(peer, kind) or self._room_for(peer, kind)
        if refusal is not None:
            self._refuse(connection, theirs, refusal)
        elif kind == "raft":
            self._join(connection, peer)
        else:
            connection.accept(peer)
            self._sides.accepted(connection, kind, theirs.token, self.on_request)

    def data_received(self, connection: Connection, octets: bytes) -> None:
        """Hand one frame over; a frame of a connection that is live no more has no effect."""
        peer = connection.peer
        if (channel := self._sides.channel(connection)) is not None:
            channel.frame_received(octets)
        elif peer is not None and self._live.get(peer.node) is connection:
            self.counts["frames_received"] += 1
            self.counts["octets_received"] += len(octets)
            self.on_frame(peer, octets)

    def refused(self, connection: Connection, refusal: Refusal) -> None:
        """Say what the peer said, and let who asked for the connection know."""
        who = self._name_of(connection)
        self.complaints.complain("refused_us", who, f"refused this node: {refusal.text!r}")
        self._sides.ended(connection, refusal.text)
        self.on_refused(connection.dialed_node or who, refusal)

    def complain(self, connection: Connection, name: str, what: str) -> None:
        """Count *name* and say what is wrong with the connection, which ends."""
        what = f"{what}; the connection is closed"
        self.complaints.complain(name, self._name_of(connection), what)

    # Listening and dialing.

    def _listening(self, port: Any) -> None:
        self._port = port
        self._location = join_location(split_location(self._listen)[0], port.getHost().port)
        self._ticking.start(TICK_S, now=False)

    def _new_dialer(self, ours: Hello, node: str, location: str) -> Dialer:
        dials_all = ours.role in ("learner", "edge", "joiner")
        is_ours = dials_all or id_order(ours.node) > id_order(node)
        dialer = Dialer(
            self.reactor,
            self._chance,
            location,
            lambda: self._dial(node, location),
            0.0 if is_ours else PATIENCE_S,
        )
        if node in self._live:
            dialer.connected()
        return dialer

    def _dial(self, node: str, location: str) -> None:
        self.counts["dials"] += 1
        dial = self._connect(location, _Accepting(self, "raft", node, ""))
        dial.addErrback(lambda _: self._dialers[node].failed() if node in self._dialers else None)

    def _connect(self, location: str, factory: Factory) -> "Deferred[Any]":
        dial = connect(self.reactor, location, factory, self.tls)
        self._dials.add(dial)

        def ended(result: Any) -> Any:
            self._dials.discard(dial)
            return result

        return dial.addBoth(ended)

    def _tick(self) -> None:
        for connection in list(self._connections.values()):
            connection.tick()

    # Accepting and leaving.

    def _join(self, connection: Connection, peer: Peer) -> None:
        older = self._live.get(peer.node)
        if older is not None:
            assert older.peer is not None
            if older.peer.uuid == peer.uuid and not is_newer_kept(
                connection.hello.node,
                peer.node,
                newer=(connection.number, connection.dialed_node is not None),
                older=(older.number, older.dialed_node is not None),
            ):
                self.counts["duplicates"] += 1
                connection.abort()
                return
            self._leave(older)
            older.abort()
        connection.accept(peer)
        self._live[peer.node] = connection
        if peer.node in self._dialers:
            self._dialers[peer.node].connected()
        self.counts["connected"] += 1
        self.on_connected(peer)

    def _leave(self, connection: Connection) -> None:
        peer = connection.peer
        if peer is None or self._live.get(peer.node) is not connection:
            return
        del self._live[peer.node]
        if peer.node in self._dialers and not self._is_stopped:
            self._dialers[peer.node].disconnected()
        self.on_disconnected(peer)

    def _on_later_hello(self, connection: Connection, peer: Peer) -> None:
        assert connection.peer is not None
        if self._live.get(peer.node) is connection and peer.uuid == connection.peer.uuid:
            connection.peer = peer
            self.on_hello(peer)
        elif self._sides.channel(connection) is None:
            connection.abort()

    def _room_for(self, peer: Peer, kind: str) -> Refusal | None:
        if kind == "raft":
            is_full = len(self._live) >= PEERS_MAX and peer.node not in self._live
        else:
            is_full = len(self._sides) >= CHANNELS_MAX
        return Refusal("busy", "too many connections; try again later") if is_full else None

    def _refuse(self, connection: Connection, theirs: Hello, refusal: Refusal) -> None:
        who = f"node {theirs.node} at {connection.address}"
        self.complaints.complain(f"refused_{refusal.code}", who, f"is refused: {refusal.text}")
        self._sides.ended(connection, refusal.text)
        self._leave(connection)
        connection.refuse(refusal)

    # Words.

    def _name_of(self, connection: Connection) -> str:
        node = connection.peer.node if connection.peer else connection.dialed_node
        return f"node {node} at {connection.address}" if node else connection.address
