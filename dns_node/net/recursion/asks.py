"""What resolutions ask, on its way: over UDP or a stream, each with its deadline.

Equal questions to one server that are asked at the same time are asked once (RFC 5452 section 5):
the reply that the others get has their own id and letters.

A slow server is no silent one: after the deadline of an ask over UDP its reply is still taken for
`LINGER_S`, for who asks the same again.  So what counts as being on its way is what the server may
be working at, and of that each server has `SERVER_DATAGRAMS_MAX` at most: beyond that nothing is
sent a second time, and what is new is refused.
"""

import contextlib
import heapq
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from dns_node.net.recursion.datagrams import Datagrams, Inquiry
from dns_node.net.recursion.streams import StreamInquiry, Streams
from dns_node.resolver.question import Ask, Event, Failed, Replied, Server, Transport

FLIGHTS_MAX: Final = 4096
"""Queries of one worker that wait for a reply at once: each has a socket."""

FLIGHT_JOINERS_MAX: Final = 1000
"""Asks that wait for one reply."""

SERVER_DATAGRAMS_MAX: Final = 512
"""Datagrams that one server has not replied to, those of asks whose time is over included."""

RESEND_S: Final = 0.9
"""A server is not sent the same question again before that, however impatient who asks is: nearly
always it is slow, and seldom was a datagram lost (RFC 1035 section 4.2.1 has seconds)."""

LINGER_S: Final = 3.0
"""How long after the last ask its reply over UDP is still taken."""

Take = Callable[[Event], None]

_HEADER_OCTETS: Final = 12


class Ticket:
    """One ask, from `Asks.put` until its event comes or it is forgotten."""

    __slots__ = ("ask", "flight", "take")

    def __init__(self, ask: Ask, flight: "_Flight", take: Take):
        self.ask = ask
        self.flight: _Flight | None = flight
        self.take = take


class _Sent:
    """One query of a flight: its octets, when it left, and what waits for the reply."""

    __slots__ = ("inquiry", "query", "sent_s")

    def __init__(self, query: bytes, sent_s: float):
        self.query = query
        self.sent_s = sent_s
        self.inquiry: Inquiry | StreamInquiry | None = None


class _Flight:
    """One question on its way, and the asks that wait for its reply.

    *sent* holds the queries without a reply; *is_overdue* says that an ask waited in vain since it
    was last asked for, *resend* is the timer of the next query; *replied* is a reply that came when
    nobody waited.  *linger* is the timer that ends a flight that nobody waits for.
    """

    __slots__ = (
        "is_overdue", "key", "linger", "replied", "resend", "sent", "server", "tickets",
    )  # fmt: skip

    def __init__(self, key: object, server: Server):
        self.key = key
        self.server = server
        self.sent: list[_Sent] = []
        self.tickets: list[Ticket] = []
        self.is_overdue = False
        self.replied: tuple[_Sent, bytes, float] | None = None
        self.linger: Any = None
        self.resend: Any = None


class Asks:
    """The asks of one worker.  *clock* is the reactor (or a test's)."""

    def __init__(self, datagrams: Datagrams, streams: Streams, clock: Any):
        self._datagrams = datagrams
        self._streams = streams
        self._clock = clock
        self._flights: dict[object, _Flight] = {}
        self._lingering = 0
        self._unanswered: dict[Server, int] = {}
        self._deadlines: list[tuple[float, int, Ticket]] = []
        self._number = 0
        self._timer: Any = None
        self._timer_s = 0.0
        self.sent = 0
        self.joined = 0

    def __len__(self) -> int:
        """How many questions wait for a reply."""
        return len(self._flights) - self._lingering

    def put(self, ask: Ask, take: Take) -> Ticket:
        """Send *ask*; *take* gets its event later, never from within this call."""
        key = (ask.server, ask.transport, _question_key(ask.query))
        flight = self._flights.get(key)
        if flight is None or len(flight.tickets) >= FLIGHT_JOINERS_MAX:
            flight = _Flight(key, ask.server)
            if len(self._flights) >= FLIGHTS_MAX:
                return self._refused(ask, flight, take, "too many queries are on their way")
            if not self._may_send(ask.server):
                return self._refused(ask, flight, take, "too many queries wait for this server")
            try:
                self._send(ask, flight)
            except OSError as error:
                return self._refused(ask, flight, take, (error.strerror or str(error)).lower())
            self._flights[key] = flight
        else:
            self._join(ask, flight)
        ticket = Ticket(ask, flight, take)
        flight.tickets.append(ticket)
        self._expect(self._clock.seconds() + ask.timeout_s, ticket)
        return ticket

    def _join(self, ask: Ask, flight: _Flight) -> None:
        if flight.linger is not None:
            flight.linger.cancel()
            flight.linger = None
            self._lingering -= 1
        if flight.replied is not None:
            self._clock.callLater(0, self._hand_over, flight)
        elif flight.is_overdue:
            flight.is_overdue = False
            if flight.resend is None:
                last_s = max((sent.sent_s for sent in flight.sent), default=0.0)
                wait_s = max(0.0, last_s + RESEND_S - self._clock.seconds())
                flight.resend = self._clock.callLater(wait_s, self._send_again, flight, ask)
        else:
            self.joined += 1

    def _send_again(self, flight: _Flight, ask: Ask) -> None:
        """Send once more: the first datagram may have been lost."""
        flight.resend = None
        if flight.tickets and flight.replied is None and self._may_send(ask.server):
            with contextlib.suppress(OSError):
                self._send(ask, flight)

    def forget(self, ticket: Ticket) -> None:
        """The event of *ticket* is not wanted any more."""
        flight, ticket.flight = ticket.flight, None
        if flight is None:
            return
        flight.tickets.remove(ticket)
        if not flight.tickets:
            self._land(flight)

    # ---- flights

    def _may_send(self, server: Server) -> bool:
        return self._unanswered.get(server, 0) < SERVER_DATAGRAMS_MAX

    def _send(self, ask: Ask, flight: _Flight) -> None:
        sent = _Sent(ask.query, self._clock.seconds())
        on_reply = partial(self._on_reply, flight, sent)
        on_failure = partial(self._on_failure, flight, sent)
        if ask.transport is Transport.UDP:
            sent.inquiry = self._datagrams.send(ask.server, ask.query, on_reply, on_failure)
        else:
            is_tls, timeout_s = ask.transport is Transport.TLS, ask.timeout_s
            sent.inquiry = self._streams.send(
                ask.server, is_tls, ask.query, timeout_s, on_reply, on_failure
            )
        flight.sent.append(sent)
        self.sent += 1
        self._unanswered[ask.server] = self._unanswered.get(ask.server, 0) + 1

    def _refused(self, ask: Ask, flight: _Flight, take: Take, reason: str) -> Ticket:
        ticket = Ticket(ask, flight, take)
        flight.tickets.append(ticket)
        self._clock.callLater(0, self._on_failure, flight, None, reason)
        return ticket

    def _land(self, flight: _Flight) -> None:
        """Wait for nothing of *flight* any more."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
        if flight.linger is not None:
            flight.linger.cancel()
            flight.linger = None
            self._lingering -= 1
        if flight.resend is not None:
            flight.resend.cancel()
            flight.resend = None
        for sent in list(flight.sent):
            self._take_off(flight, sent)

    def _take_off(self, flight: _Flight, sent: _Sent) -> None:
        """Wait no longer for the reply to one query."""
        flight.sent.remove(sent)
        left = self._unanswered[flight.server] - 1
        if left:
            self._unanswered[flight.server] = left
        else:
            del self._unanswered[flight.server]
        inquiry = sent.inquiry
        if isinstance(inquiry, Inquiry):
            self._datagrams.forget(inquiry)
        elif inquiry is not None:
            self._streams.forget(inquiry)

    def _on_reply(self, flight: _Flight, sent: _Sent, octets: bytes) -> None:
        flight.replied = (sent, octets, max(0.0, self._clock.seconds() - sent.sent_s))
        near_misses = _near_misses(flight)
        for each in list(flight.sent):
            self._take_off(flight, each)
        if flight.linger is None:
            self._hand_over(flight, near_misses)
        elif near_misses:
            # Somebody guesses, and nobody waits: let who asks again ask.
            self._land(flight)

    def _hand_over(self, flight: _Flight, near_misses: int = 0) -> None:
        """Tell those who wait what came."""
        if flight.replied is None or not flight.tickets:
            return
        sent, octets, rtt_s = flight.replied
        self._land(flight)
        for ticket in _tickets_of(flight):
            own = octets
            if ticket.ask.query is not sent.query:
                own = _as_reply_to(ticket.ask.query, octets)
            ticket.take(Replied(ticket.ask.number, own, rtt_s, near_misses))

    def _on_failure(self, flight: _Flight, sent: _Sent | None, reason: str) -> None:
        near_misses = _near_misses(flight)
        if sent is not None:
            self._take_off(flight, sent)
            if flight.sent:
                return  # another query of it may be answered
        self._land(flight)
        for ticket in _tickets_of(flight):
            ticket.take(Failed(ticket.ask.number, False, reason, near_misses))

    # ---- deadlines

    def _let_linger(self, ticket: Ticket, flight: _Flight) -> None:
        """*ticket* waits no longer; what comes is kept for who asks again."""
        ticket.flight = None
        flight.tickets.remove(ticket)
        if not flight.tickets:
            self._lingering += 1
            flight.linger = self._clock.callLater(LINGER_S, self._end_linger, flight)

    def _end_linger(self, flight: _Flight) -> None:
        flight.linger = None
        self._lingering -= 1
        self._land(flight)

    def _expect(self, deadline_s: float, ticket: Ticket) -> None:
        self._number += 1
        heapq.heappush(self._deadlines, (deadline_s, self._number, ticket))
        if self._timer is None:
            self._set_timer(deadline_s)
        elif deadline_s < self._timer_s:
            self._timer.cancel()
            self._set_timer(deadline_s)

    def _set_timer(self, deadline_s: float) -> None:
        self._timer_s = deadline_s
        delay_s = max(0.0, deadline_s - self._clock.seconds())
        self._timer = self._clock.callLater(delay_s, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        now_s = self._clock.seconds()
        deadlines = self._deadlines
        while deadlines and (deadlines[0][0] <= now_s or deadlines[0][2].flight is None):
            ticket = heapq.heappop(deadlines)[2]
            flight = ticket.flight
            if flight is None:
                continue  # its event has come
            near_misses = _near_misses(flight)
            flight.is_overdue = True
            if near_misses or ticket.ask.transport is not Transport.UDP:
                self.forget(ticket)
            else:
                self._let_linger(ticket, flight)
            ticket.take(Failed(ticket.ask.number, True, "", near_misses))
        if deadlines and self._timer is None:
            self._set_timer(deadlines[0][0])


def _near_misses(flight: _Flight) -> int:
    return sum(sent.inquiry.near_misses for sent in flight.sent if sent.inquiry is not None)


def _tickets_of(flight: _Flight) -> list[Ticket]:
    """Return those who wait, who do so no longer."""
    tickets, flight.tickets = flight.tickets, []
    for ticket in tickets:
        ticket.flight = None
    return tickets


def _question_key(query: bytes) -> bytes:
    """Return what equal questions have in common: all but the id and the letters' case."""
    end = _name_end(query)
    return query[2:_HEADER_OCTETS] + query[_HEADER_OCTETS:end].lower() + query[end:]


def _as_reply_to(query: bytes, octets: bytes) -> bytes:
    """Return a reply to an equal question as the reply to *query*."""
    if octets[4:6] == b"\0\0":
        return query[:2] + octets[2:]  # a server that could not read the question
    end = _name_end(query)
    return query[:2] + octets[2:_HEADER_OCTETS] + query[_HEADER_OCTETS:end] + octets[end:]


def _name_end(query: bytes) -> int:
    end = _HEADER_OCTETS
    while query[end]:
        end += query[end] + 1
    return end
