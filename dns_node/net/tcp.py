"""Answering over TCP (RFC 7766): pipelined, bounded in every direction."""

import time
from functools import partial
from typing import Any, Final

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from dns_node.answer.access import Networks
from dns_node.answer.respond import Client, Recurse
from dns_node.errors import WireError
from dns_node.metrics import INDEX
from dns_node.net.answering import Answering
from dns_node.net.connection_limits import ConnectionLimits, TcpLimits
from dns_node.net.proxy import SIGNATURE, begins_header, parse_header

QUERIES_PER_TURN_MAX: Final = 64
"""Queries of one connection before others have their turn."""

NATIVE_QUERIES_PER_TURN_MAX: Final = 256
"""The same where the core answers, which takes a tenth of the time."""

QUERIES_MAX: Final = 1000
"""Queries of one connection; then it is closed, and the client opens another."""

PENDING_MAX: Final = 100
"""Questions of one connection that are being resolved at once; more are not read before then."""

_QUERIES_TCP: Final = INDEX["queries_tcp"]
_REPLIES_TCP: Final = INDEX["replies_tcp"]
_BATCHES: Final = INDEX["batches"]
_ACCEPTED: Final = INDEX["tcp_accepted"]
_REFUSED: Final = INDEX["tcp_refused"]
_IDLE_CLOSED: Final = INDEX["tcp_idle_closed"]
_OPEN: Final = INDEX["tcp_open"]
_PROXY_REFUSED: Final = INDEX["proxy_refused"]


@implementer(IHalfCloseableProtocol, IPushProducer)
class TcpConnection(Protocol):
    """One client's connection.

    Memory is bounded: while more than 64 KiB of replies wait for the client, nothing is read or
    answered, so that a connection holds two messages and two buffers of the reactor at most
    (below 256 KiB).  A connection without a whole query for the idle time is closed, however many
    single octets came, and so is one whose client does not take its replies for that long.
    Questions that have to be resolved are answered when they are, in any order (RFC 7766 section
    6.2.1.1), and before the connection is closed.
    """

    factory: "TcpFactory"
    transport: Any

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._queries = 0
        self._pending = 0
        self._peer = ""
        self._is_counted = False
        self._is_paused = False
        self._is_input_ended = False
        self._is_closing = False
        self._is_ending = False
        self._may_have_header = False
        self._next_turn: Any = None
        self._idle_timer: Any = None
        self._active_s = 0.0
        self._client = Client("", 0, True)
        self._local = ("", 0)

    # ---- Twisted's side

    def connectionMade(self) -> None:  # noqa: N802
        """Called when the connection stands."""
        peer, host = self.transport.getPeer(), self.transport.getHost()
        self._client = Client(peer.host, peer.port, True)
        self._peer = peer.host
        self._local = (host.host, host.port)
        self._may_have_header = True
        if not self.factory.admit(self):
            self._is_closing = True
            self.transport.abortConnection()
            return
        self._is_counted = True
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self._active_s = self.factory.clock.seconds()
        self._idle_timer = self.factory.clock.callLater(self._idle_s, self._check_idle)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Called with octets of the client."""
        if self._is_closing or self._is_ending:
            return
        self._buffer += data
        if self._next_turn is None and self._may_answer:
            self._answer_some()

    def readConnectionLost(self) -> None:  # noqa: N802
        """Called when the client will send no more; its answers still go out."""
        self._is_input_ended = True
        if self._next_turn is None and self._may_answer:
            self._close()

    def writeConnectionLost(self) -> None:  # noqa: N802
        """Called when the client will read no more."""
        self._is_closing = True
        self.transport.abortConnection()

    def connectionLost(self, reason: object = None) -> None:  # noqa: N802
        """Called when the connection is gone."""
        self._is_closing = True
        for call in (self._next_turn, self._idle_timer):
            if call is not None and call.active():
                call.cancel()
        if self._is_counted:
            self.factory.forget(self)
        self._buffer.clear()

    def pauseProducing(self) -> None:  # noqa: N802
        """Called when the client takes its replies more slowly than they come."""
        self._is_paused = True
        self._pause_reading(True)

    def resumeProducing(self) -> None:  # noqa: N802
        """Called when the client has taken its replies."""
        self._is_paused = False
        self._active_s = self.factory.clock.seconds()
        if not self._is_closing and self._next_turn is None:
            # Not at once: this is called from within a write.
            self._next_turn = self.factory.clock.callLater(0, self._take_turn)

    def stopProducing(self) -> None:  # noqa: N802
        """Called when the connection ends while replies wait."""
        self._is_closing = True

    # ---- ours

    @property
    def peer(self) -> str:
        """The address at the other end of the connection: the client's or a proxy's."""
        return self._peer

    @property
    def _idle_s(self) -> float:
        return self.factory.limits.idle_s

    @property
    def _may_answer(self) -> bool:
        """Whether a further query may be answered now."""
        is_open = not (self._is_paused or self._is_closing or self._is_ending)
        return is_open and self._pending < PENDING_MAX

    def finish(self) -> None:
        """Close as soon as the replies are out."""
        self._close()

    def _take_turn(self) -> None:
        self._next_turn = None
        self._answer_some()

    def _answer_some(self) -> None:
        """Answer whole queries of the buffer, up to a turn's share."""
        if self._may_have_header and not self._read_header():
            return
        began_s = time.perf_counter()
        if self.factory.answering.native is not None:
            done, is_share_used = self._answer_natively(began_s)
        else:
            done = self._answer_by_definition(QUERIES_PER_TURN_MAX, began_s)
            is_share_used = done == QUERIES_PER_TURN_MAX
            self.factory.answering.counters.add(_QUERIES_TCP, done)
            self.factory.answering.counters.add(_BATCHES, 1 if done else 0)
        if done:
            self._active_s = self.factory.clock.seconds()
        if self._is_closing or self._is_paused:
            return
        if self._pending >= PENDING_MAX:
            self._pause_reading(True)
        elif is_share_used:
            self._pause_reading(True)
            self._next_turn = self.factory.clock.callLater(0, self._take_turn)
        elif self._is_input_ended:
            self._close()
        else:
            self._pause_reading(False)

    def _answer_by_definition(self, queries_max: int, began_s: float) -> int:
        """Answer at most *queries_max* queries; return how many."""
        answering = self.factory.answering
        done = replies = 0
        try:
            while done < queries_max and self._may_answer:
                query = self._take_query()
                if query is None:
                    break
                if not done:
                    answering.begin()
                done += 1
                replies += self._answer(query)
        finally:
            if done:
                answering.end()
        if replies:
            answering.counters.add_latency(time.perf_counter() - began_s, replies)
        return done

    def _answer_natively(self, began_s: float) -> tuple[int, bool]:
        """Answer by the core, and what it hands up by the definition; return how many queries that
        were, and whether others have their turn now."""
        answering = self.factory.answering
        done, end = 0, "punt"
        while end == "punt" and self._may_answer:
            share = min(NATIVE_QUERIES_PER_TURN_MAX - done, QUERIES_MAX - self._queries)
            if share <= 0:
                return done, True
            consumed, queries, replies, end = answering.serve_stream(
                bytes(self._buffer), self._client, self._local, share
            )
            del self._buffer[:consumed]
            done += queries
            self._queries += queries
            if replies:
                self._send(replies)
            if end == "punt" and self._answer_by_definition(1, began_s):
                answering.counters.add(_QUERIES_TCP)
                done += 1
        if end == "drop" or self._queries >= QUERIES_MAX:
            self._close()
        return done, end in ("share", "lost")

    def _send(self, octets: bytes) -> None:
        """Write replies: at once where nothing waits, for a way through the reactor costs as much
        as a dozen answers."""
        transport = self.transport
        # A transport without these two (a test's, another release's) gets all of it to write.
        waiting = getattr(transport, "dataBuffer", b"?") or getattr(
            transport, "_tempDataBuffer", b"?"
        )
        if not waiting:
            sent = transport.writeSomeData(octets)
            if isinstance(sent, int):
                octets = octets[sent:]
        if octets:
            transport.write(octets)

    def _take_query(self) -> bytes | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        end = 2 + (buffer[0] << 8 | buffer[1])
        if len(buffer) < end:
            return None
        query = bytes(buffer[2:end])
        del buffer[:end]
        return query

    def _answer(self, query: bytes) -> int:
        """Answer one query; return how many replies that made."""
        self._queries += 1
        reply = self.factory.answering.answer(query, self._client, self._local)
        if reply is None:
            # No DNS client sends this; over TCP silence would only hold the connection.
            self._close()
            return 0
        if isinstance(reply, Recurse):
            self._pending += 1
            send = partial(self._send_later, time.perf_counter())
            self.factory.answering.resolve(reply, query, self._local, send)
            made = 0
        else:
            self.factory.answering.counters.add(_REPLIES_TCP)
            self.transport.write(len(reply).to_bytes(2, "big") + reply)
            made = 1
        if self._queries >= QUERIES_MAX:
            self._close()
        return made

    def _send_later(self, began_s: float, reply: bytes | None) -> None:
        """Send what a question was resolved to, or nothing."""
        self._pending -= 1
        if self._is_closing:
            return
        if reply is not None:
            counters = self.factory.answering.counters
            counters.add(_REPLIES_TCP)
            counters.add_latency(time.perf_counter() - began_s, 1)
            self._send(len(reply).to_bytes(2, "big") + reply)
        self._active_s = self.factory.clock.seconds()
        if self._is_ending or (self._is_input_ended and not self._buffer):
            if not self._pending:
                self._close()
        elif self._pending == PENDING_MAX - 1 and self._next_turn is None and not self._is_paused:
            self._next_turn = self.factory.clock.callLater(0, self._take_turn)

    def _read_header(self) -> bool:
        """Read the PROXY header that may stand at the beginning; False: wait for more, or over."""
        start = bytes(self._buffer[: len(SIGNATURE)])
        if not SIGNATURE.startswith(start):
            self._may_have_header = False
            return True
        if not begins_header(start):
            return False
        is_listed = self.factory.proxies.lists(self._peer)
        try:
            proxied = parse_header(bytes(self._buffer)) if is_listed else None
        except WireError:
            is_listed, proxied = False, None
        if not is_listed:
            self.factory.answering.counters.add(_PROXY_REFUSED)
            self._is_closing = True
            self.transport.abortConnection()
            return False
        if proxied is None:
            return False
        self._may_have_header = False
        del self._buffer[: proxied.size_octets]
        if proxied.source is not None:
            self._client = Client(*proxied.source, True)
        return True

    def _pause_reading(self, is_pausing: bool) -> None:
        if self._is_input_ended or self._is_closing:
            return
        if is_pausing:
            self.transport.pauseProducing()
        elif not self._is_paused:
            self.transport.resumeProducing()

    def _check_idle(self) -> None:
        clock = self.factory.clock
        if self._pending and not self._is_paused:
            self._active_s = clock.seconds()
        left_s = self._active_s + self._idle_s - clock.seconds()
        if left_s <= 0 and (self._is_paused or self._is_closing):
            # Who does not take its replies gets no more time to do so.
            self._idle_timer = None
            self._is_closing = True
            self.transport.abortConnection()
            return
        if left_s <= 0:
            self.factory.answering.counters.add(_IDLE_CLOSED)
            self._active_s, left_s = clock.seconds(), self._idle_s
            self._close()
        self._idle_timer = clock.callLater(left_s, self._check_idle)

    def _close(self) -> None:
        if self._pending:
            self._is_ending = True
            self._pause_reading(True)
        elif not self._is_closing:
            self._is_closing = True
            self.transport.unregisterProducer()
            self.transport.loseConnection()


class TcpFactory(Factory):
    """Makes and counts the connections of one worker.  *clock* is the reactor (or a test's)."""

    protocol = TcpConnection  # type: ignore[assignment]
    noisy = False

    def __init__(self, answering: Answering, clock: Any):
        self.answering = answering
        self.clock = clock
        self.limits = TcpLimits()
        self.proxies = Networks(())
        self.connections: set[TcpConnection] = set()
        self._counted = ConnectionLimits(answering.block)

    def admit(self, connection: TcpConnection) -> bool:
        """Count a new connection; False when there are too many."""
        address = connection.peer
        counters = self.answering.counters
        counted = self._counted
        is_full = counted.connections() >= self.limits.connections
        is_proxy = bool(self.proxies.texts) and self.proxies.lists(address)
        if is_full or (
            not is_proxy and counted.connections_of(address) >= self.limits.connections_per_address
        ):
            counters.add(_REFUSED)
            return False
        counters.add(_ACCEPTED)
        counters.add(_OPEN)
        counted.add(address)
        self.connections.add(connection)
        return True

    def forget(self, connection: TcpConnection) -> None:
        """Count a connection's end."""
        self.connections.discard(connection)
        self.answering.counters.add(_OPEN, -1)
        self._counted.remove(connection.peer)

    def finish_all(self) -> None:
        """Close every connection once its replies are out."""
        for connection in list(self.connections):
            connection.finish()
