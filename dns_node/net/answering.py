"""Between the sockets and `answer.respond`: the read transaction of a batch, faults, counters."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from dns_node.answer.access import NOBODY
from dns_node.answer.cookies import NO_SECRETS
from dns_node.answer.rate_limit import RateLimiter, RateLimits, Verdict
from dns_node.answer.respond import (
    AnswerSettings,
    Client,
    Drop,
    Recurse,
    Reply,
    respond,
    respond_limited,
    respond_servfail,
)
from dns_node.answer.shared_block import SharedBlock, changes_s, secrets_at
from dns_node.metrics import INDEX, Counters
from dns_node.net.events import Event, EventRing
from dns_node.net.native import NativeFaultError, configure_core
from dns_node.zone.view import View

if TYPE_CHECKING:
    from dns_node._native import Answer, Core, Punt


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
_BY_RCODE[7] = INDEX["badcookie"]  # the low four bits of 23
_DROPPED: Final = INDEX["dropped"]
_TRUNCATED: Final = INDEX["truncated"]
_NODATA: Final = INDEX["nodata"]
_QUERIES_IPV6: Final = INDEX["queries_ipv6"]
_EDNS: Final = INDEX["edns_queries"]
_FAULTS: Final = INDEX["answer_faults"]
_LOG_DROPPED: Final = INDEX["log_dropped"]
_RECEIVED: Final = INDEX["received_octets"]
_SENT: Final = INDEX["sent_octets"]
_RATE_DROPPED: Final = INDEX["rate_dropped"]
_RATE_SLIPPED: Final = INDEX["rate_slipped"]
_RATE_NOTED: Final = INDEX["rate_noted"]
_COOKIE_QUERIES: Final = INDEX["cookie_queries"]
_COOKIE_GOOD: Final = INDEX["cookie_good"]

Local = tuple[str, int]
"""The address and port that was asked."""

Send = Callable[[bytes | None], None]
"""Called once with the reply to a question that was resolved; None: nothing is sent."""


class Recursion(Protocol):
    """What resolves questions (`net.recursion.pipeline`)."""

    def take(self, recurse: Recurse, octets: bytes, local: Local, send: Send) -> None:
        """Have the query *octets*, which came to *local*, resolved; *send* gets the reply."""
        ...


class LateReader(Protocol):
    """What takes queries that the core had taken, and hands up after all (`net.udp.UdpReader`)."""

    local: Local

    def take_late(self, batch: "Sequence[tuple[float, Punt]]") -> None:
        """Answer them; each with the seconds that its client has waited."""
        ...


class Answering:
    """Answers requests from the store in batches: ``begin``, any number of ``answer``, ``end``.

    What is committed when a batch begins is served to all of it; so a batch begins after its
    requests were received.  It never raises: a store that can't be read, or a fault in the
    program, is SERVFAIL to the client and a call of *report* with the exception.
    """

    def __init__(
        self,
        counters: Counters,
        report: Callable[[str, BaseException], None],
        block: SharedBlock | None = None,
    ):
        self.block = SharedBlock.private() if block is None else block
        self.limiter = RateLimiter(self.block, RateLimits())
        self.native: Core | None = None
        self._secrets_version = -1
        self._secrets_change_s = 0
        self.has_cookies = True
        self.settings = AnswerSettings()
        self.reader: Reader | None = None
        self.recursion: Recursion | None = None
        self.counters = counters
        self.sinks: list[EventRing] = []
        self.readers: dict[int, LateReader] = {}
        """The readers of UDP sockets by descriptor: the core answers some queries later."""
        self.report = report
        self._to_resolve: list[tuple[Recurse, bytes, Local, Send]] = []
        self._view: View | None = None
        self._has_store_fault = False
        self._now_s = 0.0
        self._now_us = 0

    def begin(self) -> None:
        """Move to the newest revision of the store."""
        self._now_s = time.time()
        self._now_us = time.monotonic_ns() // 1000
        version = self.block.secrets_version
        if version != self._secrets_version or self._now_s >= self._secrets_change_s:
            self._take_secrets(version)
        self._has_store_fault = False
        self._view = self.reader
        if self.reader is not None:
            try:
                self.reader.renew()
            except Exception as error:
                self._has_store_fault = True
                self.report("the store can't be read", error)

    def end(self) -> None:
        """Let go of the revision, so that an idle worker pins no pages."""
        self._view = None
        if self.reader is not None and not self._has_store_fault:
            try:
                self.reader.reset()
            except Exception as error:
                self.report("the store can't be let go of", error)
        if self._to_resolve and self.recursion is not None:
            # Only now: resolutions look into our zones at a revision of their own.
            to_resolve, self._to_resolve = self._to_resolve, []
            for recurse, octets, local, send in to_resolve:
                self.recursion.take(recurse, octets, local, send)

    def _take_secrets(self, version: int) -> None:
        """Take the cookies' secrets from the block; they are right until the next change."""
        secrets = self.block.secrets()
        if secrets is None:
            return  # they are being written: the next batch sees them
        now_s = int(self._now_s)
        self._secrets_version = version
        later = [at_s for at_s in changes_s(secrets) if at_s > now_s]
        self._secrets_change_s = min(later, default=1 << 62)
        found = secrets_at(secrets, now_s) if self.has_cookies else NO_SECRETS
        self.settings = msgspec.structs.replace(self.settings, cookie_secrets=found)

    def configure(self, settings: AnswerSettings, limits: RateLimits) -> None:
        """Answer by *settings* and *limits* from the next batch on; the secrets of cookies come
        from the block, unless *has_cookies* is false."""
        self.settings = settings
        self.limiter.limits = limits
        self._secrets_version = -1
        if self.native is not None:
            try:
                configure_core(self.native, settings, limits, self.has_cookies)
            except (ValueError, OverflowError) as error:
                self._lose_core(error)

    def answer(self, octets: bytes, client: Client, local: Local) -> bytes | Recurse | None:
        """Return the octets of the reply, None when nothing is to be sent, or what is to be
        handed to `resolve`."""
        counters = self.counters
        counters.add(_RECEIVED, len(octets))
        if ":" in client.address:
            counters.add(_QUERIES_IPV6)
        reply: Reply | Recurse | Drop
        try:
            if self._has_store_fault:
                reply = respond_servfail(octets, client, self._now_s, self.settings)
            else:
                reply = respond(octets, self._view, client, self._now_s, self.settings)
                if isinstance(reply, Recurse):
                    if self.recursion is not None:
                        return reply
                    alone = msgspec.structs.replace(self.settings, recursion=NOBODY)
                    reply = respond(octets, self._view, client, self._now_s, alone)
                    assert not isinstance(reply, Recurse)
        except Exception as error:
            # One query must never end a worker: it would come back, and end the next.
            counters.add(_FAULTS)
            self.report(f"a query of {client.address} could not be answered", error)
            reply = respond_servfail(octets, client, self._now_s, self.settings)
        if isinstance(reply, Reply) and not client.is_tcp and not reply.has_good_cookie:
            limited = self._limit(octets, client, reply)
            if limited is None:
                return None
            reply = limited
        if isinstance(reply, Drop):
            counters.add(_DROPPED)
            return None
        self._count(octets, reply)
        if self.sinks:
            self._tell(Event(self._now_s, client, local, octets, reply.octets))
        return reply.octets

    def resolve(self, recurse: Recurse, octets: bytes, local: Local, send: Send) -> None:
        """Have a question resolved that `answer` gave back, when the batch has ended; *send* is
        called with the reply, then or later, exactly once."""
        self._to_resolve.append((recurse, octets, local, send))

    def count_resolved(
        self, octets: bytes, client: Client, local: Local, reply: Reply | None
    ) -> None:
        """Count, and log, what a question was resolved to; None: it was dropped."""
        if reply is None:
            self.counters.add(_DROPPED)
            return
        self._count(octets, reply)
        if self.sinks:
            self._tell(Event(time.time(), client, local, octets, reply.octets))

    def serve(self, socket: int, is_wildcard: bool, local: Local) -> "tuple[int, list[Punt]]":
        """Have the core answer what waits at a UDP socket; return how many datagrams there were
        and those that are left to `answer`, in a batch of their own.  There is a core."""
        assert self.native is not None
        try:
            received, (punts, answers) = self.native.serve(
                socket, is_wildcard, time.time(), time.monotonic_ns() // 1000, bool(self.sinks)
            )
        except BaseException as error:
            self._lose_core(error)
            return 0, []
        if answers:
            self._tell_answers(answers, local, is_tcp=False)
        if not punts:
            return received, []
        self._report_fault()
        return received, punts

    def serve_stream(
        self, octets: bytes, client: Client, local: Local, queries_max: int
    ) -> tuple[int, int, bytes, str]:
        """Have the core answer whole queries of a stream, at most *queries_max*.

        Return the octets and queries that are consumed, their framed replies, and why it ended:
        ``empty`` (no further whole query), ``share``, ``punt`` (the next query is left to
        `answer`), ``drop`` (the last was none: the connection has to end) or ``lost``.
        """
        assert self.native is not None
        try:
            consumed, queries, replies, end, answers = self.native.serve_stream(
                octets, client.address, client.port, time.time(), queries_max, bool(self.sinks)
            )
        except BaseException as error:
            self._lose_core(error)
            return 0, 0, b"", "lost"
        if answers:
            self._tell_answers(answers, local, is_tcp=True)
        if end == "punt":
            self._report_fault()
        return consumed, queries, replies, end

    def _lose_core(self, error: BaseException) -> None:
        """Go on without the core, which failed outside of an answer."""
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
        self.native = None
        self.counters.add(_FAULTS)
        self.report("the native data path failed, Python goes on", error)

    def _report_fault(self) -> None:
        assert self.native is not None
        fault = self.native.take_fault()
        if fault is not None:
            self.report("a query could not be answered natively", NativeFaultError(fault))

    def _tell_answers(self, answers: "list[Answer]", local: Local, *, is_tcp: bool) -> None:
        now_s = time.time()
        for query, reply, address, port in answers:
            self._tell(Event(now_s, Client(address, port, is_tcp), local, query, reply))

    def tell_late(self, answers: "list[tuple[int, Answer]]") -> None:
        """Log what the core has answered later; each answer comes with its socket's descriptor."""
        for socket, answer in answers:
            self._tell_answers([answer], self.readers[socket].local, is_tcp=False)

    def _tell(self, event: Event) -> None:
        for sink in self.sinks:
            if not sink.put(event):
                self.counters.add(_LOG_DROPPED)

    def _limit(self, octets: bytes, client: Client, reply: Reply) -> Reply | Drop | None:
        """Return what is sent in place of *reply*, if anything is."""
        verdict = self.limiter.judge(
            client.address, client.port, reply.kind, reply.subject, self._now_us
        )
        match verdict:
            case Verdict.SLIP:
                self.counters.add(_RATE_SLIPPED)
                return respond_limited(octets, client, self._now_s, self.settings)
            case Verdict.DROP:
                self.counters.add(_RATE_DROPPED)
                return None
            case Verdict.NOTE:
                self.counters.add(_RATE_NOTED)
        return reply

    def _count(self, octets: bytes, answer: Reply) -> None:
        counters, reply = self.counters, answer.octets
        if answer.has_cookie:
            counters.add(_COOKIE_QUERIES)
            if answer.has_good_cookie:
                counters.add(_COOKIE_GOOD)
        rcode = reply[3] & 15
        if reply[10:12] != b"\0\0" and octets[10:12] != b"\0\0":
            counters.add(_EDNS)
        counters.add(_BY_RCODE[rcode])
        if reply[2] & 2:
            counters.add(_TRUNCATED)
        elif not rcode and reply[6:8] == b"\0\0":
            counters.add(_NODATA)
        counters.add(_SENT, len(reply))
