"""A side connection: frames in order, awaited in both directions; for snapshots and joins."""

from collections import deque
from typing import Any

from twisted.internet.defer import Deferred

from dns_node.cluster.connection import Connection
from dns_node.cluster.hello import Peer

RECEIVE_OCTETS_MAX = 4 * 1024 * 1024


class ChannelClosedError(Exception):
    """The side connection has ended, or the peer said nothing for too long; ``str`` says why."""


class Channel:
    """An accepted side connection to *peer*; *kind* is ``snapshot``, ``join`` or ``key``, *token*
    the join token that the dialing side said, if any."""

    def __init__(self, connection: Connection, peer: Peer, kind: str, token: str) -> None:
        self.peer = peer
        self.kind = kind
        self.token = token
        self._connection = connection
        self._received: deque[bytes] = deque()
        self._received_octets = 0
        self._reading: Deferred[None] | None = None
        self._writing: Deferred[None] | None = None
        self._why_closed = ""
        connection.on_drained = self._on_drained

    async def receive(self, timeout_s: float = 30.0) -> bytes:
        """Return the next frame; raises ChannelClosedError at the end or after *timeout_s*."""
        if not self._received:
            self._check_open()
            assert self._reading is None, "two readers of one channel"
            self._reading = Deferred()
            reactor: Any = self._connection.owner.reactor
            timer = reactor.callLater(timeout_s, self._on_timeout, timeout_s)
            try:
                await self._reading
            finally:
                self._reading = None
                if timer.active():
                    timer.cancel()
        if not self._received:
            self._check_open()
        octets = self._received.popleft()
        self._received_octets -= len(octets)
        if self._connection.is_reading_paused and self._received_octets < RECEIVE_OCTETS_MAX // 2:
            self._connection.resume_reading()
        return octets

    async def send(self, octets: bytes) -> None:
        """Send one frame, and wait while the socket's buffer is full; raises
        ChannelClosedError when the connection has ended."""
        self._check_open()
        if not self._connection.send(octets):
            raise ChannelClosedError("the connection is closing")
        while self._connection.is_paused and not self._why_closed:
            self._writing = Deferred()
            await self._writing
        self._check_open()

    def close(self) -> None:
        """Close after what was sent has gone out; closing twice is harmless."""
        self._connection.close()

    def abort(self) -> None:
        """Close at once."""
        self._connection.abort()

    def frame_received(self, octets: bytes) -> None:
        """Take one frame from the connection; the peer waits when 4 MiB lie unread."""
        self._received.append(octets)
        self._received_octets += len(octets)
        if self._received_octets > RECEIVE_OCTETS_MAX and not self._connection.is_reading_paused:
            self._connection.pause_reading()
        self._wake_reader()

    def connection_ended(self, why: str) -> None:
        """Let whoever waits know that nothing more comes."""
        self._why_closed = self._why_closed or why
        self._wake_reader()
        self._on_drained()

    def _check_open(self) -> None:
        if self._why_closed:
            raise ChannelClosedError(self._why_closed)

    def _on_timeout(self, timeout_s: float) -> None:
        self._why_closed = f"the peer said nothing for {timeout_s:g} s"
        self._connection.abort()
        self._wake_reader()

    def _wake_reader(self) -> None:
        # The reader may run, and wait again, inside the callback.
        waiting, self._reading = self._reading, None
        if waiting is not None:
            waiting.callback(None)

    def _on_drained(self) -> None:
        waiting, self._writing = self._writing, None
        if waiting is not None:
            waiting.callback(None)
