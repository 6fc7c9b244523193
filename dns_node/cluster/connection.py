"""One TCP or TLS connection between two nodes: hello, frames, pings, bounded buffers."""

from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from dns_node.cluster.frames import (
    DATA,
    HELLO,
    PING,
    REFUSAL,
    FrameReader,
    compose_frame,
)
from dns_node.cluster.hello import (
    Hello,
    Peer,
    Refusal,
    compose_hello,
    compose_refusal,
    parse_hello,
    parse_refusal,
)
from dns_node.cluster.location import join_location
from dns_node.errors import WireError

if TYPE_CHECKING:
    from dns_node.cluster.transport import Transport

BUFFER_OCTETS_MAX = 8 * 1024 * 1024
HELLO_TIMEOUT_S = 5.0
REFUSAL_LINGER_S = 1.0
SILENT_TICKS_MAX = 6


@implementer(IHandshakeListener, IPushProducer)
class Connection(Protocol):
    """One connection, from its start to its end; `Transport` decides what becomes of it.

    *number* grows with each connection of this process.  *dialed_node* is whom we dialed, '' for
    whoever answers, None when the other side dialed.  *hello* is what we say.
    """

    transport: Any

    def __init__(
        self, owner: "Transport", number: int, dialed_node: str | None, hello: Hello
    ) -> None:
        self.owner = owner
        self.number = number
        self.dialed_node = dialed_node
        self.hello = hello
        self.peer: Peer | None = None
        self.peer_hello: Hello | None = None
        self.address = "?"
        self.is_closed = False
        self.is_paused = False
        self.is_reading_paused = False
        self.on_drained: Any = None
        self._reader = FrameReader()
        self._queue: deque[bytes] = deque()
        self._queued_octets = 0
        self._silent_ticks = 0
        self._timer: Any = None
        self._is_greeted = False

    # What Twisted calls.

    def connectionMade(self) -> None:
        """Start the time limit of the hello; without TLS, say hello."""
        address = self.transport.getPeer()
        self.address = join_location(address.host, address.port)
        # TLS transports offer the same options, but in-memory ones don't.
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        self.transport.registerProducer(self, True)
        self._timer = self.owner.reactor.callLater(HELLO_TIMEOUT_S, self._on_no_hello)
        self.owner.connection_made(self)
        if self.owner.tls is None:
            self._greet()

    def handshakeCompleted(self) -> None:
        """Say hello now that the certificates of both sides have been checked."""
        self._greet()

    def dataReceived(self, data: bytes) -> None:
        """Hand over each complete frame; octets that are no frame end the connection."""
        self._silent_ticks = 0
        if self.is_closed:
            return
        self._reader.feed(data)
        try:
            # A frame's effect may close this connection; what follows it is then void.
            while not self.is_closed and (frame := self._reader.next_frame()) is not None:
                self._on_frame(*frame)
        except WireError as error:
            self.owner.complain(self, "bad_octets", f"sent {error}")
            self.abort()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Tell the owner once, whoever ended the connection."""
        self.is_closed = True
        self._stop_timer()
        self._queue.clear()
        self.owner.connection_lost(self, reason)

    def pauseProducing(self) -> None:
        """Queue what is sent from now on: the socket's buffer is full."""
        self.is_paused = True

    def resumeProducing(self) -> None:
        """Write the queue until the socket's buffer is full again."""
        self.is_paused = False
        while self._queue and not self.is_paused and not self.is_closed:
            frame = self._queue.popleft()
            self._queued_octets -= len(frame)
            self.transport.write(frame)
        if not self.is_paused and self.on_drained is not None:
            self.on_drained()

    def stopProducing(self) -> None:
        """Nothing to do: connectionLost follows."""

    # What the owner calls.

    def send(self, octets: bytes) -> bool:
        """Send one data frame; return False when it was dropped (closed, or over 8 MiB wait)."""
        return self._send_frame(DATA, octets)

    def say_hello(self, hello: Hello) -> None:
        """Tell the peer what has changed about this node."""
        self.hello = hello
        self._send_frame(HELLO, compose_hello(hello))

    def accept(self, peer: Peer) -> None:
        """Take frames from now on: *peer* is whom it should be."""
        self.peer = peer
        self._reader.accept_all()
        self._stop_timer()

    def tick(self) -> None:
        """Ping, and abort after six ticks (seconds) without an octet.

        Ticks, not times, are counted: a process that was stopped for a minute finds the peer's
        octets waiting, and must read them before it judges.
        """
        if self.peer is None or self.is_closed or self.is_reading_paused:
            return
        self._silent_ticks += 1
        if self._silent_ticks > SILENT_TICKS_MAX:
            self.owner.complain(self, "silent", "has been silent for 6 s")
            self.abort()
        elif not self.is_paused:
            self._send_frame(PING, b"")

    def refuse(self, refusal: Refusal) -> None:
        """Tell the peer why and close."""
        if self.is_closed:
            return
        self._send_frame(REFUSAL, compose_refusal(refusal))
        self.close()

    def close(self) -> None:
        """Close after what has been written was sent, within a second."""
        if self.is_closed:
            return
        self.is_closed = True
        self._stop_timer()
        self.transport.unregisterProducer()
        for frame in self._queue:
            self.transport.write(frame)
        self._queue.clear()
        self.transport.loseConnection()
        self._timer = self.owner.reactor.callLater(REFUSAL_LINGER_S, self.transport.abortConnection)

    def abort(self) -> None:
        """Close at once; nothing more is delivered."""
        if self.transport is not None:
            self.is_closed = True
            self.transport.abortConnection()

    def pause_reading(self) -> None:
        """Let the peer wait: what it sent is not used up yet."""
        self.is_reading_paused = True
        self.transport.pauseProducing()

    def resume_reading(self) -> None:
        """Go on after `pause_reading`."""
        self.is_reading_paused = False
        self._silent_ticks = 0
        if not self.is_closed:
            self.transport.resumeProducing()

    # Inside.

    def _greet(self) -> None:
        if not self._is_greeted:
            self._is_greeted = True
            self._send_frame(HELLO, compose_hello(self.hello))

    def _send_frame(self, kind: int, payload: bytes) -> bool:
        if self.is_closed or self.transport is None:
            return False
        frame = compose_frame(kind, payload)
        if not self.is_paused and not self._queue:
            self.transport.write(frame)
            return True
        if self._queue and self._queued_octets + len(frame) > BUFFER_OCTETS_MAX:
            return False
        self._queue.append(frame)
        self._queued_octets += len(frame)
        return True

    def _on_frame(self, kind: int, payload: bytes) -> None:
        if kind == HELLO:
            self.peer_hello = parse_hello(payload)
            self.owner.hello_received(self, self.peer_hello)
        elif kind == DATA:
            self.owner.data_received(self, payload)
        elif kind == REFUSAL:
            self.owner.refused(self, parse_refusal(payload))
            self.abort()

    def _on_no_hello(self) -> None:
        self._timer = None
        self.owner.complain(self, "no_hello", "said no hello in time")
        self.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
