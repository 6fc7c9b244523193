"""Between the sockets and `answer.respond`: the read transaction of a batch, faults, counters."""

import time
from collections.abc import Callable
from typing import Final, Protocol

from dns_node.answer.respond import AnswerSettings, Client, Drop, respond, respond_servfail
from dns_node.metrics import INDEX, Counters
from dns_node.net.events import Event, EventRing
from dns_node.zone.view import View


class Reader(View, Protocol):
    """What is asked of the store's reader beside the view."""

    def renew(self) -> None:
        """See the newest revision."""
        ...

    def reset(self) -> None:
        """Let go of the pages of the revision."""
        ...


_NOERROR: Final = INDEX["noerror"]
_OTHER_RCODES: Final = INDEX["other_rcodes"]
_BY_RCODE: Final = [
    INDEX[name] for name in ("noerror", "formerr", "servfail", "nxdomain", "notimp", "refused")
] + [_OTHER_RCODES] * 10
_DROPPED: Final = INDEX["dropped"]
_TRUNCATED: Final = INDEX["truncated"]
_NODATA: Final = INDEX["nodata"]
_QUERIES_IPV6: Final = INDEX["queries_ipv6"]
_EDNS: Final = INDEX["edns_queries"]
_FAULTS: Final = INDEX["answer_faults"]
_LOG_DROPPED: Final = INDEX["log_dropped"]
_BATCHES: Final = INDEX["batches"]
_RECEIVED: Final = INDEX["received_octets"]
_SENT: Final = INDEX["sent_octets"]

Local = tuple[str, int]
"""The address and port that was asked."""


class Answering:
    """Answers requests from the store in batches: ``begin``, any number of ``answer``, ``end``.

    What is committed when a batch begins is served to all of it; so a batch begins after its
    requests were received.  It never raises: a store that can't be read, or a fault in the
    program, is SERVFAIL to the client and a call of *report* with the exception.
    """

    def __init__(self, counters: Counters, report: Callable[[str, BaseException], None]):
        self.settings = AnswerSettings()
        self.reader: Reader | None = None
        self.counters = counters
        self.sinks: list[EventRing] = []
        self._report = report
        self._view: View | None = None
        self._has_store_fault = False
        self._now_s = 0.0

    def begin(self) -> None:
        """Move to the newest revision of the store."""
        self._now_s = time.time()
        self.counters.add(_BATCHES)
        self._has_store_fault = False
        self._view = self.reader
        if self.reader is not None:
            try:
                self.reader.renew()
            except Exception as error:
                self._has_store_fault = True
                self._report("the store can't be read", error)

    def end(self) -> None:
        """Let go of the revision, so that an idle worker pins no pages."""
        self._view = None
        if self.reader is not None and not self._has_store_fault:
            try:
                self.reader.reset()
            except Exception as error:
                self._report("the store can't be let go of", error)

    def answer(self, octets: bytes, client: Client, local: Local) -> bytes | None:
        """Return the octets of the reply, or None when nothing is to be sent."""
        counters = self.counters
        counters.add(_RECEIVED, len(octets))
        if ":" in client.address:
            counters.add(_QUERIES_IPV6)
        try:
            if self._has_store_fault:
                reply = respond_servfail(octets, client, self.settings)
            else:
                reply = respond(octets, self._view, client, self._now_s, self.settings)
        except Exception as error:
            # One query must never end a worker: it would come back, and end the next.
            counters.add(_FAULTS)
            self._report(f"a query of {client.address} could not be answered", error)
            reply = respond_servfail(octets, client, self.settings)
        if isinstance(reply, Drop):
            counters.add(_DROPPED)
            return None
        self._count(octets, reply.octets)
        for sink in self.sinks:
            if not sink.put(Event(self._now_s, client, local, octets, reply.octets)):
                counters.add(_LOG_DROPPED)
        return reply.octets

    def _count(self, octets: bytes, reply: bytes) -> None:
        counters = self.counters
        rcode = reply[3] & 15
        if reply[10:12] != b"\0\0" and octets[10:12] != b"\0\0":
            counters.add(_EDNS)
        counters.add(_BY_RCODE[rcode])
        if reply[2] & 2:
            counters.add(_TRUNCATED)
        elif not rcode and reply[6:8] == b"\0\0":
            counters.add(_NODATA)
        counters.add(_SENT, len(reply))
