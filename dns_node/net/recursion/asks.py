"""What resolutions ask, on its way: over UDP or a stream, each with its deadline.

Equal questions to one server that are asked at the same time are asked once (RFC 5452 section 5):
the reply that the others get has their own id and letters.
"""

import heapq
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from dns_node.net.recursion.datagrams import Datagrams, Inquiry
from dns_node.net.recursion.streams import StreamInquiry, Streams
from dns_node.resolver.question import Ask, Event, Failed, Replied, Transport

FLIGHTS_MAX: Final = 4096
"""Queries of one worker that wait for a reply at once: each has a socket."""

FLIGHT_JOINERS_MAX: Final = 1000
"""Asks that wait for one reply."""

Take = Callable[[Event], None]

_HEADER_OCTETS: Final = 12


class Ticket:
    """One ask, from `Asks.put` until its event comes or it is forgotten."""

    __slots__ = ("ask", "flight", "take")

    def __init__(self, ask: Ask, flight: "_Flight", take: Take):
        self.ask = ask
        self.flight: _Flight | None = flight
        self.take = take


class _Flight:
    """One query on its way, and the asks that wait for its reply."""

    __slots__ = ("inquiry", "key", "query", "sent_s", "tickets")

    def __init__(self, key: object, query: bytes, sent_s: float):
        self.key = key
        self.query = query
        self.sent_s = sent_s
        self.inquiry: Inquiry | StreamInquiry | None = None
        self.tickets: list[Ticket] = []


class Asks:
    """The asks of one worker.  *clock* is the reactor (or a test's)."""

    def __init__(self, datagrams: Datagrams, streams: Streams, clock: Any):
        self._datagrams = datagrams
        self._streams = streams
        self._clock = clock
        self._flights: dict[object, _Flight] = {}
        self._deadlines: list[tuple[float, int, Ticket]] = []
        self._number = 0
        self._timer: Any = None
        self._timer_s = 0.0
        self.sent = 0
        self.joined = 0

    def __len__(self) -> int:
        """How many queries wait for a reply."""
        return len(self._flights)

    def put(self, ask: Ask, take: Take) -> Ticket:
        """Send *ask*; *take* gets its event later, never from within this call."""
        key = (ask.server, ask.transport, _question_key(ask.query))
        flight = self._flights.get(key)
        now_s = self._clock.seconds()
        if flight is not None and len(flight.tickets) < FLIGHT_JOINERS_MAX:
            self.joined += 1
        else:
            flight = _Flight(key, ask.query, now_s)
            if len(self._flights) >= FLIGHTS_MAX:
                return self._refused(ask, flight, take, "too many queries are on their way")
            try:
                flight.inquiry = self._send(ask, flight)
            except OSError as error:
                return self._refused(ask, flight, take, (error.strerror or str(error)).lower())
            self.sent += 1
            self._flights[key] = flight
        ticket = Ticket(ask, flight, take)
        flight.tickets.append(ticket)
        self._expect(now_s + ask.timeout_s, ticket)
        return ticket

    def forget(self, ticket: Ticket) -> None:
        """The event of *ticket* is not wanted any more."""
        flight, ticket.flight = ticket.flight, None
        if flight is None:
            return
        flight.tickets.remove(ticket)
        if not flight.tickets:
            self._land(flight)
            self._stop_waiting(flight)

    # ---- flights

    def _send(self, ask: Ask, flight: _Flight) -> Inquiry | StreamInquiry:
        on_reply = partial(self._on_reply, flight)
        on_failure = partial(self._on_failure, flight)
        if ask.transport is Transport.UDP:
            return self._datagrams.send(ask.server, ask.query, on_reply, on_failure)
        is_tls = ask.transport is Transport.TLS
        timeout_s = ask.timeout_s
        return self._streams.send(ask.server, is_tls, ask.query, timeout_s, on_reply, on_failure)

    def _refused(self, ask: Ask, flight: _Flight, take: Take, reason: str) -> Ticket:
        ticket = Ticket(ask, flight, take)
        flight.tickets.append(ticket)
        self._clock.callLater(0, self._on_failure, flight, reason)
        return ticket

    def _land(self, flight: _Flight) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    def _stop_waiting(self, flight: _Flight) -> None:
        inquiry, flight.inquiry = flight.inquiry, None
        if isinstance(inquiry, Inquiry):
            self._datagrams.forget(inquiry)
        elif inquiry is not None:
            self._streams.forget(inquiry)

    def _take_off(self, flight: _Flight) -> list[Ticket]:
        self._land(flight)
        tickets, flight.tickets = flight.tickets, []
        for ticket in tickets:
            ticket.flight = None
        return tickets

    def _on_reply(self, flight: _Flight, octets: bytes) -> None:
        rtt_s = max(0.0, self._clock.seconds() - flight.sent_s)
        near_misses = _near_misses(flight)
        for ticket in self._take_off(flight):
            own = octets
            if ticket.ask.query is not flight.query:
                own = _as_reply_to(ticket.ask.query, octets)
            ticket.take(Replied(ticket.ask.number, own, rtt_s, near_misses))

    def _on_failure(self, flight: _Flight, reason: str) -> None:
        near_misses = _near_misses(flight)
        for ticket in self._take_off(flight):
            ticket.take(Failed(ticket.ask.number, False, reason, near_misses))

    # ---- deadlines

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
            self.forget(ticket)
            ticket.take(Failed(ticket.ask.number, True, "", near_misses))
        if deadlines and self._timer is None:
            self._set_timer(deadlines[0][0])


def _near_misses(flight: _Flight) -> int:
    return flight.inquiry.near_misses if flight.inquiry is not None else 0


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
