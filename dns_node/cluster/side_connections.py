"""The side connections of a link: those that wait to be accepted, and the channels of the rest."""

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from dns_node.cluster.channel import Channel, ChannelClosedError
from dns_node.cluster.complaints import Complaints
from dns_node.cluster.connection import Connection


class SideConnections:
    """Finds a connection's channel; ``len`` is the number of channels."""

    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints
        self._channels: dict[int, Channel] = {}
        self._dialed: dict[int, Deferred[Channel]] = {}

    def __len__(self) -> int:
        return len(self._channels)

    def channel(self, connection: Connection) -> Channel | None:
        """Return the channel over *connection*, None when it isn't an accepted side connection."""
        return self._channels.get(connection.number)

    async def dialed(self, connection: Connection) -> Channel:
        """Return the channel over *connection*, which we dialed, once the peer is accepted; raises
        ChannelClosedError when that does not come about."""
        if connection.is_closed:
            raise ChannelClosedError("the peer closed the connection")
        accepted: Deferred[Channel] = Deferred()
        self._dialed[connection.number] = accepted
        return await accepted

    def accepted(
        self,
        connection: Connection,
        kind: str,
        token: str,
        on_request: Callable[[str, Channel], Any],
    ) -> None:
        """Make the channel over *connection*, whose peer was accepted, and hand it to who dialed;
        when the peer dialed, to *on_request*."""
        assert connection.peer is not None
        channel = Channel(connection, connection.peer, kind, token)
        self._channels[connection.number] = channel
        waiting = self._dialed.pop(connection.number, None)
        if waiting is not None:
            waiting.callback(channel)
            return
        served = on_request(kind, channel)
        if isinstance(served, Coroutine):
            Deferred.fromCoroutine(served).addErrback(self._failed, channel)

    def ended(self, connection: Connection, why: str) -> None:
        """Tell whoever uses *connection*, or waits for it, that nothing more comes, and *why*."""
        channel = self._channels.pop(connection.number, None)
        if channel is not None:
            channel.connection_ended(why)
        waiting = self._dialed.pop(connection.number, None)
        if waiting is not None:
            waiting.errback(ChannelClosedError(why))

    def _failed(self, failure: Failure, channel: Channel) -> None:
        channel.abort()
        if failure.check(ChannelClosedError):
            who = f"node {channel.peer.node} at {channel.peer.address}"
            self._complaints.complain("requests_ended", who, f"({channel.kind}): {failure.value}")
        else:
            self._complaints.log.failure("a side connection failed", failure)
