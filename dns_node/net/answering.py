"""Between the sockets and `answer.respond`: the read transaction of a batch, faults, counters."""

import time
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from dns_node.answer.cookies import NO_SECRETS
from dns_node.answer.rate_limit import RateLimiter, RateLimits, Verdict
from dns_node.answer.respond import (
    AnswerSettings,
    Client,
    Drop,
    Reply,
    respond,
    respond_limited,
    respond_servfail,
)
from dns_node.answer.shared_block import SharedBlock, changes_s, secrets_at
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
_BY_RCODE[7] = INDEX["badcookie"]  # the low four bits of 23
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
_RATE_DROPPED: Final = INDEX["rate_dropped"]
_RATE_SLIPPED: Final = INDEX["rate_slipped"]
_RATE_NOTED: Final = INDEX["rate_noted"]
_COOKIE_QUERIES: Final = INDEX["cookie_queries"]
_COOKIE_GOOD: Final = INDEX["cookie_good"]

Local = tuple[str, int]
"""The address and port that was asked."""


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
        self._block = SharedBlock.private() if block is None else block
        self.limiter = RateLimiter(self._block, RateLimits())
        self._secrets_version = -1
        self._secrets_change_s = 0
        self.has_cookies = True
        self.settings = AnswerSettings()
        self.reader: Reader | None = None
        self.counters = counters
        self.sinks: list[EventRing] = []
        self._report = report
        self._view: View | None = None
        self._has_store_fault = False
        self._now_s = 0.0
        self._now_us = 0

    def begin(self) -> None:
        """Move to the newest revision of the store."""
        self._now_s = time.time()
        self._now_us = time.monotonic_ns() // 1000
        version = self._block.secrets_version
        if version != self._secrets_version or self._now_s >= self._secrets_change_s:
            self._take_secrets(version)
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

    def _take_secrets(self, version: int) -> None:
        """Take the cookies' secrets from the block; they are right until the next change."""
        secrets = self._block.secrets()
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

    def answer(self, octets: bytes, client: Client, local: Local) -> bytes | None:
        """Return the octets of the reply, or None when nothing is to be sent."""
        counters = self.counters
        counters.add(_RECEIVED, len(octets))
        if ":" in client.address:
            counters.add(_QUERIES_IPV6)
        try:
            if self._has_store_fault:
                reply = respond_servfail(octets, client, self._now_s, self.settings)
            else:
                reply = respond(octets, self._view, client, self._now_s, self.settings)
        except Exception as error:
            # One query must never end a worker: it would come back, and end the next.
            counters.add(_FAULTS)
            self._report(f"a query of {client.address} could not be answered", error)
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
        for sink in self.sinks:
            if not sink.put(Event(self._now_s, client, local, octets, reply.octets)):
                counters.add(_LOG_DROPPED)
        return reply.octets

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
