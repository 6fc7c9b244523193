"""Answering over UDP: a reader on a socket that was bound before (by the supervisor)."""

import socket
import struct
import time
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import repeat
from typing import Any, Final

import msgspec
from twisted.internet.interfaces import IReadDescriptor
from zope.interface import implementer

from dns_node.answer.access import Networks
from dns_node.answer.respond import Client, Recurse
from dns_node.errors import WireError
from dns_node.metrics import INDEX
from dns_node.net.answering import Answering
from dns_node.net.proxy import begins_header, parse_header
from dns_node.net.recursion.stages import Stage

BATCH_SIZE_MAX: Final = 64
"""Datagrams of one wake-up: what waits at other sockets has its turn after that."""

BUSY_DATAGRAMS: Final = 64
"""After a wake-up with so many the reactor does not watch the socket: see `UdpReader.doRead`."""

LAST_BATCHES_MAX: Final = 64
"""Batches that are answered at the stop; under a flood there would be no end."""

DATAGRAM_SIZE_OCTETS_MAX: Final = 4096
"""A longer query is cut, and then it is out of form."""

_IP_PKTINFO: Final = 8
_IPV6_PKTINFO: Final = 50
_ANCILLARY_SIZE_OCTETS: Final = socket.CMSG_SPACE(20) + socket.CMSG_SPACE(16)

_SO_MEMINFO: Final = 55
_DATAGRAM_COST_OCTETS: Final = 832
"""What a small datagram that waits takes of the socket's buffer."""

_QUERIES_UDP: Final = INDEX["queries_udp"]
_REPLIES_UDP: Final = INDEX["replies_udp"]
_BATCHES: Final = INDEX["batches"]
_SEND_FAILURES: Final = INDEX["send_failures"]
_PROXY_REFUSED: Final = INDEX["proxy_refused"]

Peer = tuple[str, int] | tuple[str, int, int, int]
Ancillary = list[tuple[int, int, bytes]]
Datagram = tuple[bytes, Peer, Ancillary]
"""Octets, who sent them, and the ancillary data that their reply needs."""


@implementer(IReadDescriptor)
class UdpReader:
    """Reads batches of datagrams, answers them and sends the replies.

    *is_wildcard* says that the socket is bound to every address: then a reply leaves from the
    address that was asked, which the kernel tells with each datagram (IP_PKTINFO is switched on
    already).  *proxies* may be replaced at any time.
    """

    def __init__(self, udp: socket.socket, answering: Answering, *, is_wildcard: bool):
        self.proxies = Networks(())
        self._socket = udp
        self._answering = answering
        self._is_wildcard = is_wildcard
        self._listener = Stage(answering.counters, "listener")
        self._zone_manager = Stage(answering.counters, "zone_manager")
        name = udp.getsockname()
        self.local = (str(name[0]), int(name[1]))
        self._reactor: Any = None
        self._next_turn: Any = None
        answering.readers[udp.fileno()] = self

    def start(self, reactor: Any) -> None:
        """Answer from now on."""
        self._reactor = reactor
        reactor.addReader(self)

    def stop(self, reactor: Any) -> None:
        """Answer what waits, and no more after that."""
        reactor.removeReader(self)
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None
        for _ in range(LAST_BATCHES_MAX):
            if not self._answer_batch():
                return

    def waiting(self) -> int:
        """Return about how many datagrams wait to be received."""
        octets = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4)
        return -(-int.from_bytes(octets, "little") // _DATAGRAM_COST_OCTETS)

    def fileno(self) -> int:
        """Return the descriptor, -1 when it is closed."""
        return self._socket.fileno()

    def take_late(self, batch: Sequence[tuple[float, Datagram]]) -> None:
        """Answer queries that the core had taken, and hands up after all, with the seconds that
        their clients have waited."""
        waited_s = [waited_s for waited_s, _ in batch]
        self._answer_all([late for _, late in batch], time.perf_counter(), waited_s)

    def logPrefix(self) -> str:  # noqa: N802 (Twisted's name)
        """Return what Twisted's log calls this."""
        return "udp"

    def connectionLost(self, reason: object) -> None:  # noqa: N802
        """Called when the reactor ends; the socket is closed with the process."""

    def doRead(self) -> None:  # noqa: N802
        """Called when datagrams wait.

        As long as there are many, the socket has a turn in each round of the reactor in place of
        being watched: for each datagram that a watched socket sends, the kernel looks who waits
        for room in it, which is a twentieth of the cost of an answer.
        """
        if self._is_busy():
            self._reactor.removeReader(self)
            self._next_turn = self._reactor.callLater(0, self._take_turn)
        # Nothing is returned: that would be an error to the reactor.

    def _take_turn(self) -> None:
        self._next_turn = None
        if self._is_busy():
            self._next_turn = self._reactor.callLater(0, self._take_turn)
        else:
            self._reactor.addReader(self)

    def _is_busy(self) -> bool:
        """Answer one batch; return whether it was a large one.  A fault is reported: it must never
        leave the socket unwatched."""
        try:
            return self._answer_batch() >= BUSY_DATAGRAMS
        except Exception as error:
            self._answering.report("a batch of datagrams could not be answered", error)
            return False

    def _answer_batch(self) -> int:
        """Answer one batch; return how many datagrams it had."""
        answering = self._answering
        began_s = time.perf_counter()
        if answering.native is not None:
            received, batch = answering.serve(self.fileno(), self._is_wildcard, self.local)
        else:
            batch = self._receive_with_address() if self._is_wildcard else self._receive()
            received = len(batch)
            answering.counters.add(_QUERIES_UDP, received)
            answering.counters.add(_BATCHES, 1 if received else 0)
            if received:
                self._listener.done(time.perf_counter() - began_s, received)
        if batch:
            self._answer_all(batch, began_s)
        return received

    def _answer_all(
        self, batch: Sequence[Datagram], began_s: float, waited_s: Iterable[float] = repeat(0.0)
    ) -> None:
        """Answer *batch*, which was received at *began_s*, by the definition."""
        answering = self._answering
        replies, deciding_s = 0, time.perf_counter()
        # Only now: a record that was committed before a query came must be seen by its answer.
        answering.begin()
        try:
            for (octets, peer, ancillary), waiting_s in zip(batch, waited_s, strict=False):
                replies += self._answer(octets, peer, ancillary, waiting_s)
        finally:
            answering.end()
        self._zone_manager.done(time.perf_counter() - deciding_s, len(batch))
        if replies:
            answering.counters.add(_REPLIES_UDP, replies)
            answering.counters.add_latency(time.perf_counter() - began_s, replies)

    def _receive(self) -> list[Datagram]:
        batch: list[Datagram] = []
        receive = self._socket.recvfrom
        try:
            while len(batch) < BATCH_SIZE_MAX:
                octets, peer = receive(DATAGRAM_SIZE_OCTETS_MAX)
                batch.append((octets, peer, []))
        except OSError:  # nothing more waits, or an error of an earlier send (ICMP)
            return batch
        return batch

    def _receive_with_address(self) -> list[Datagram]:
        batch: list[Datagram] = []
        receive = self._socket.recvmsg
        try:
            while len(batch) < BATCH_SIZE_MAX:
                octets, ancillary, _, peer = receive(
                    DATAGRAM_SIZE_OCTETS_MAX, _ANCILLARY_SIZE_OCTETS
                )
                batch.append((octets, peer, _reply_ancillary(ancillary)))
        except OSError:
            return batch
        return batch

    def _answer(self, octets: bytes, peer: Peer, ancillary: Ancillary, waited_s: float) -> int:
        source = (peer[0], peer[1])
        # The plainest check first: nearly no installation has proxies.
        if octets[:4] == b"\r\n\r\n" and begins_header(octets):
            if not self.proxies.lists(peer[0]):
                self._answering.counters.add(_PROXY_REFUSED)
            else:
                try:
                    proxied = parse_header(octets)
                except WireError:
                    proxied = None
                if proxied is None:
                    self._answering.counters.add(_PROXY_REFUSED)
                    return 0
                source = proxied.source or source
                octets = octets[proxied.size_octets :]
        reply = self._answering.answer(octets, Client(source[0], source[1]), self.local)
        if reply is None or not peer[1]:
            return 0
        if isinstance(reply, Recurse):
            if waited_s:
                reply = msgspec.structs.replace(reply, waited_s=waited_s)
            send = partial(self._send_later, peer, ancillary, time.perf_counter() - waited_s)
            self._answering.resolve(reply, octets, self.local, send)
            return 0
        return self._send(reply, peer, ancillary)

    def _send_later(
        self, peer: Peer, ancillary: Ancillary, began_s: float, reply: bytes | None
    ) -> None:
        """Send what a question was resolved to, or nothing."""
        if reply is not None and self._send(reply, peer, ancillary):
            counters = self._answering.counters
            counters.add(_REPLIES_UDP)
            counters.add_latency(time.perf_counter() - began_s, 1)

    def _send(self, reply: bytes, peer: Peer, ancillary: Ancillary) -> int:
        try:
            if ancillary:
                self._socket.sendmsg((reply,), ancillary, 0, peer)
            else:
                self._socket.sendto(reply, peer)
        except OSError:
            self._answering.counters.add(_SEND_FAILURES)
            return 0
        return 1


def _reply_ancillary(ancillary: list[tuple[int, int, bytes]]) -> Ancillary:
    """Return what makes a reply leave from the address that *ancillary* says was asked."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            # interface 0: the way back is the routing table's business, only the source is ours
            local = data[4:8]
            return [(level, kind, struct.pack("=I4s4s", 0, local, local))]
        if level == socket.IPPROTO_IPV6 and kind == _IPV6_PKTINFO:
            # A link-local address means something on its own interface alone.
            is_link_local = data[0] == 0xFE and data[1] & 0xC0 == 0x80
            return [(level, kind, data if is_link_local else data[:16] + bytes(4))]
    return []
