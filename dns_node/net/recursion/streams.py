"""Asking over TCP (RFC 7766) and TLS (RFC 7858): connections that are used again while they last.

Queries are pipelined, and replies may come in any order.  A connection that was used before may be
closed by the server at any moment: what was asked over it and not answered is asked once more over
a new one.
"""

from collections.abc import Callable
from typing import Any, Final

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.internet.ssl import optionsForClientTLS, platformTrust
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from dns_node.resolver.message import is_reply
from dns_node.resolver.question import Server

CONNECTIONS_MAX: Final = 256
"""Connections of one worker to servers, open or being opened."""

CONNECTIONS_PER_SERVER_MAX: Final = 4

INQUIRIES_MAX: Final = 100
"""Queries that wait for a reply over one connection."""

REPLIES_MAX: Final = 1000
"""Replies after which a connection is not used again."""

IDLE_S: Final = 5.0
"""How long a connection is kept for the next query."""

NEAR_MISSES_MAX: Final = 16
"""Messages that nobody asked for, after which a connection is closed."""

ALPN_DOT: Final = b"dot"

OnReply = Callable[[bytes], None]
OnFailure = Callable[[str], None]
_Key = tuple[Server, bool]


class StreamInquiry:
    """A query on its way over a stream."""

    __slots__ = ("connection", "is_second", "near_misses", "on_failure", "on_reply", "query")

    def __init__(self, query: bytes, on_reply: OnReply, on_failure: OnFailure):
        self.query = query
        self.on_reply = on_reply
        self.on_failure = on_failure
        self.near_misses = 0
        self.is_second = False
        self.connection: _Connection | None = None


class _Connection(Protocol):
    """One connection, from the moment it is begun; *waiting* are its queries by id."""

    transport: Any

    def __init__(self, streams: "Streams", key: _Key):
        self.streams = streams
        self.key = key
        self.waiting: dict[bytes, StreamInquiry] = {}
        self.is_open = False
        self.is_over = False
        self.replies = 0
        self.connector: Any = None
        self._near_misses = 0
        self._buffer = bytearray()
        self._idle_timer: Any = None

    @property
    def takes_more(self) -> bool:
        """Whether a further query may go over it."""
        return not self.is_over and self.replies < REPLIES_MAX and len(self.waiting) < INQUIRIES_MAX

    def put(self, inquiry: StreamInquiry) -> None:
        """Send a query, once the connection stands."""
        inquiry.connection = self
        self.waiting[inquiry.query[:2]] = inquiry
        self._rest(False)
        if self.is_open:
            self._write(inquiry.query)

    def drop(self, inquiry: StreamInquiry) -> None:
        """Wait no longer for the reply to a query."""
        if self.waiting.get(inquiry.query[:2]) is inquiry:
            del self.waiting[inquiry.query[:2]]
        inquiry.connection = None
        if not self.waiting:
            if self.is_open:
                self._rest(True)
            else:
                self.fail("forgotten")

    def connectionMade(self) -> None:  # noqa: N802
        """Called when the connection stands (TLS may still be on its way)."""
        self.is_open = True
        if self.is_over:
            self.transport.abortConnection()
            return
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)
        self.transport.write(
            b"".join(len(one.query).to_bytes(2, "big") + one.query for one in self.waiting.values())
        )

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Called with octets of the server."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= 2 and not self.is_over:
            end = 2 + (buffer[0] << 8 | buffer[1])
            if len(buffer) < end:
                return
            octets = bytes(buffer[2:end])
            del buffer[:end]
            self._take(octets)

    def connectionLost(self, reason: Any = None) -> None:  # noqa: N802
        """Called when the connection is gone."""
        self.fail(_reason(reason))

    def fail(self, reason: str) -> None:
        """End the connection; what waits is asked once more if the connection had been in use."""
        if self.is_over:
            return
        self.is_over = True
        self._rest(False)
        self.streams.gone(self)
        if self.connector is not None:
            self.connector.disconnect()
        waiting, self.waiting = list(self.waiting.values()), {}
        for inquiry in waiting:
            inquiry.connection = None
            if self.replies and not inquiry.is_second:
                inquiry.is_second = True
                self.streams.again(self.key, inquiry, reason)
            else:
                inquiry.on_failure(reason)

    def _take(self, octets: bytes) -> None:
        inquiry = self.waiting.get(octets[:2])
        if inquiry is None or not is_reply(inquiry.query, octets):
            self._near_misses += 1
            if inquiry is not None:
                inquiry.near_misses += 1
            if self._near_misses >= NEAR_MISSES_MAX:
                self.replies = 0  # no second time for such a server
                self.fail("messages that are not the reply")
            return
        self.replies += 1
        self.drop(inquiry)
        inquiry.on_reply(octets)

    def _write(self, query: bytes) -> None:
        self.transport.write(len(query).to_bytes(2, "big") + query)

    def _rest(self, is_resting: bool) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if is_resting and not self.is_over:
            self._idle_timer = self.streams.clock.callLater(IDLE_S, self._on_idle)

    def _on_idle(self) -> None:
        self._idle_timer = None
        self.fail("idle")


class _Factory(ClientFactory):
    noisy = False

    def __init__(self, connection: _Connection):
        self._connection = connection

    def buildProtocol(self, addr: object) -> _Connection:  # noqa: N802
        return self._connection

    def clientConnectionFailed(self, connector: object, reason: Any) -> None:  # noqa: N802
        self._connection.connector = None
        self._connection.fail(_reason(reason))


@implementer(IOpenSSLClientConnectionCreator)
class _Opportunistic:
    """TLS with whoever is there (RFC 8310 section 5): better than nothing, and no more."""

    def __init__(self) -> None:
        self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self._context.set_min_proto_version(SSL.TLS1_2_VERSION)
        self._context.set_alpn_protos([ALPN_DOT])

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:  # noqa: N802, N803
        return SSL.Connection(self._context, None)


class Streams:
    """The connections of one worker to servers.  *clock* is the reactor."""

    def __init__(self, clock: Any):
        self.clock = clock
        self._by_server: dict[_Key, list[_Connection]] = {}
        self._number = 0
        self._opportunistic: _Opportunistic | None = None

    def __len__(self) -> int:
        """How many connections there are."""
        return self._number

    def send(
        self,
        server: Server,
        is_tls: bool,
        query: bytes,
        timeout_s: float,
        on_reply: OnReply,
        on_failure: OnFailure,
    ) -> StreamInquiry:
        """Send *query* to *server*; one of the two is called later, unless it is forgotten.

        Raises OSError when there are too many connections already.
        """
        inquiry = StreamInquiry(query, on_reply, on_failure)
        self._find((server, is_tls), query[:2], timeout_s).put(inquiry)
        return inquiry

    def forget(self, inquiry: StreamInquiry) -> None:
        """Wait no longer for a reply."""
        if inquiry.connection is not None:
            inquiry.connection.drop(inquiry)

    def again(self, key: _Key, inquiry: StreamInquiry, reason: str) -> None:
        """Ask once more what an old connection has lost."""
        try:
            connection = self._open(key, IDLE_S)
        except OSError:
            inquiry.on_failure(reason)
            return
        connection.put(inquiry)

    def gone(self, connection: _Connection) -> None:
        """Called by a connection when it is over."""
        connections = self._by_server.get(connection.key, [])
        if connection in connections:
            connections.remove(connection)
            self._number -= 1
        if not connections:
            self._by_server.pop(connection.key, None)

    def close(self) -> None:
        """End all connections; what waits has failed."""
        for connections in list(self._by_server.values()):
            for connection in list(connections):
                connection.replies = 0
                connection.fail("the worker stops")

    def _find(self, key: _Key, message_id: bytes, timeout_s: float) -> _Connection:
        for connection in self._by_server.get(key, ()):
            if connection.takes_more and message_id not in connection.waiting:
                return connection
        return self._open(key, timeout_s)

    def _open(self, key: _Key, timeout_s: float) -> _Connection:
        connections = self._by_server.get(key, [])
        if len(connections) >= CONNECTIONS_PER_SERVER_MAX or self._number >= CONNECTIONS_MAX:
            raise OSError("too many connections to servers")
        server, is_tls = key
        connection = _Connection(self, key)
        factory: Any = _Factory(connection)
        if is_tls:
            factory = TLSMemoryBIOFactory(self._tls_to(server.tls_name), True, factory)
        self._by_server.setdefault(key, []).append(connection)
        self._number += 1
        connector = self.clock.connectTCP(server.address, server.port, factory, timeout_s)
        if not connection.is_over:
            connection.connector = connector
        return connection

    def _tls_to(self, name: str) -> Any:
        if name:
            return optionsForClientTLS(
                name, trustRoot=platformTrust(), acceptableProtocols=[ALPN_DOT]
            )
        if self._opportunistic is None:
            self._opportunistic = _Opportunistic()
        return self._opportunistic


def _reason(failure: Any) -> str:
    """Return one line that says why a connection failed."""
    error = getattr(failure, "value", failure)
    text = str(error).strip().rstrip(".")
    return text.splitlines()[0][:160].lower() if text else type(error).__name__
