"""Asking over UDP: each query from a socket of its own, which no other has had (RFC 5452).

The port is any of 1024 to 65535, in every worker.  The socket is connected: what comes from
elsewhere never reaches it, and what comes from the server's address and is not the reply is counted
and passed over (TuDoor: an odd packet must not end the waiting).
"""

import contextlib
import errno
import select
import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IReadDescriptor
from zope.interface import implementer

from dns_node.net.recursion.chance import Chance
from dns_node.resolver.message import is_reply
from dns_node.resolver.question import Server

BINDS_MAX: Final = 16
"""Ports that are tried where one is taken."""

NEAR_MISSES_MAX: Final = 100
"""Who sends so many datagrams that are not the reply gets no more of our time."""

EVENTS_MAX: Final = 256
"""Sockets that are read before others have their turn."""

_RECEIVE_OCTETS: Final = 65_535
_MTU_DISCOVER: Final = {
    socket.AF_INET: (socket.IPPROTO_IP, 10),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 23),
}
_PMTUDISC_OMIT: Final = 5

OnReply = Callable[[bytes], None]
OnFailure = Callable[[str], None]


class Inquiry:
    """A query on its way; *near_misses* are the datagrams that were not its reply so far."""

    __slots__ = ("near_misses", "on_failure", "on_reply", "query", "socket")

    def __init__(self, query: bytes, on_reply: OnReply, on_failure: OnFailure):
        self.query = query
        self.on_reply = on_reply
        self.on_failure = on_failure
        self.near_misses = 0
        self.socket: socket.socket | None = None


@implementer(IReadDescriptor)
class Datagrams:
    """The queries of one worker that wait for a reply over UDP."""

    def __init__(self, chance: Chance):
        self._chance = chance
        self._epoll = select.epoll()
        self._by_descriptor: dict[int, Inquiry] = {}

    def __len__(self) -> int:
        return len(self._by_descriptor)

    def start(self, reactor: Any) -> None:
        """Take replies from now on."""
        reactor.addReader(self)

    def send(
        self, server: Server, query: bytes, on_reply: OnReply, on_failure: OnFailure
    ) -> Inquiry:
        """Send *query* to *server*; one of the two is called later, unless it is forgotten.

        Raises OSError when it can't be sent.
        """
        inquiry = Inquiry(query, on_reply, on_failure)
        made = self._bound(socket.AF_INET6 if ":" in server.address else socket.AF_INET)
        try:
            made.connect((server.address, server.port))
            made.send(query)
            descriptor = made.fileno()
            self._epoll.register(descriptor, select.EPOLLIN)
        except OSError:
            made.close()
            raise
        inquiry.socket = made
        self._by_descriptor[descriptor] = inquiry
        return inquiry

    def forget(self, inquiry: Inquiry) -> None:
        """Wait no longer for a reply."""
        made, inquiry.socket = inquiry.socket, None
        if made is not None:
            del self._by_descriptor[made.fileno()]
            made.close()

    def close(self) -> None:
        """Forget everything."""
        for inquiry in list(self._by_descriptor.values()):
            self.forget(inquiry)
        self._epoll.close()

    def fileno(self) -> int:
        """Return the descriptor that says when replies wait."""
        return -1 if self._epoll.closed else self._epoll.fileno()

    def logPrefix(self) -> str:  # noqa: N802
        """Return what Twisted's log calls this."""
        return "recursion"

    def connectionLost(self, reason: object) -> None:  # noqa: N802
        """Called when the reactor ends."""

    def doRead(self) -> None:  # noqa: N802
        """Called when replies wait."""
        for descriptor, _ in self._epoll.poll(0, EVENTS_MAX):
            inquiry = self._by_descriptor.get(descriptor)
            if inquiry is not None:  # else it was forgotten because of one before
                self._read(inquiry)

    def _read(self, inquiry: Inquiry) -> None:
        made = inquiry.socket
        assert made is not None
        try:
            while True:
                octets = made.recv(_RECEIVE_OCTETS, socket.MSG_DONTWAIT)
                if is_reply(inquiry.query, octets):
                    self.forget(inquiry)
                    inquiry.on_reply(octets)
                    return
                inquiry.near_misses += 1
                if inquiry.near_misses >= NEAR_MISSES_MAX:
                    self.forget(inquiry)
                    inquiry.on_failure("too many datagrams that are not the reply")
                    return
        except BlockingIOError:
            return
        except OSError as error:  # what an ICMP message said
            self.forget(inquiry)
            inquiry.on_failure((error.strerror or str(error)).lower())

    def _bound(self, family: socket.AddressFamily) -> socket.socket:
        made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            with contextlib.suppress(OSError):
                # What a forged ICMP message says of the path is left out.
                made.setsockopt(*_MTU_DISCOVER[family], _PMTUDISC_OMIT)
            for left in range(BINDS_MAX, 0, -1):
                try:
                    made.bind(("", self._chance.port()))
                    return made
                except OSError as error:
                    if error.errno not in (errno.EADDRINUSE, errno.EACCES) or left == 1:
                        raise
        except OSError:
            made.close()
            raise
        raise AssertionError("a bind succeeds or fails")
