"""Plays a scenario: a client's questions, the resolver's asks, the servers' replies, in a time of
its own.  No socket, no clock; equal scenarios give equal dialogs."""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import msgspec

from dns_node.answer.lookup import look_up
from dns_node.answer.sections import Sections
from dns_node.resolver.message import is_reply
from dns_node.resolver.question import (
    Ask,
    Failed,
    Forget,
    Held,
    Outcome,
    Question,
    Replied,
    Transport,
)
from dns_node.resolver.resolution import Resolution
from dns_node.resolver.resolver import Resolver
from dns_node.resolver.settings import CacheSettings, Limits, ResolverSettings
from dns_node.zone.names import parse_name
from tests.answer.dict_view import DictView, zone_from_text
from tests.resolver.scenario import signed
from tests.resolver.scenario.behaviour import Query, Servers
from tests.resolver.scenario.meter import Meter
from tests.resolver.scenario.script import Script, ScriptError, Statement
from tests.resolver.scenario.zones import Zone, delegate, parent_of, zone_of

BEGIN_S = 1_800_000_000.0
EVENTS_MAX = 20_000
"""What one question may cause before the player calls it endless."""


@dataclass
class Cost:
    """What one client question cost, counted outside of the resolver wherever that is possible."""

    queries: int = 0
    octets: int = 0
    seconds: float = 0.0
    checks: int = 0
    hashes: int = 0
    restarts: int = 0
    near_misses: int = 0
    in_flight: int = 0
    to: dict[str, int] = field(default_factory=dict)

    def measure(self, name: str) -> float:
        """Return what the word of a `limit` line stands for."""
        if name.startswith("queries-to-"):
            return self.to.get(name.removeprefix("queries-to-"), 0)
        return round(float(getattr(self, name.replace("-", "_"))), 3)


@dataclass
class Asked:
    """One ask that is outstanding."""

    ask: Ask
    sent_s: float
    near_misses: int = 0


class Exchange:
    """One question from the client to the outcome (and beyond it, while it is refreshed)."""

    def __init__(self, resolution: Resolution, now_s: float):
        self.resolution, self.began_s = resolution, now_s
        self.outstanding: dict[int, Asked] = {}
        self.outcome: Outcome | None = None
        self.cost = Cost()
        self.log: list[tuple[str, str, str, str]] = []


class Traffic:
    """What all questions together send to each server: how many asks are outstanding at once, and
    how many are sent within one second."""

    def __init__(self) -> None:
        self.open: dict[str, int] = {}
        self.open_most: dict[str, int] = {}
        self.sent_s: dict[str, deque[float]] = {}
        self.rate_most: dict[str, int] = {}

    def begin(self, address: str, now_s: float) -> None:
        """An ask is sent."""
        self.open[address] = self.open.get(address, 0) + 1
        self.open_most[address] = max(self.open_most.get(address, 0), self.open[address])
        sent_s = self.sent_s.setdefault(address, deque())
        sent_s.append(now_s)
        while sent_s[0] <= now_s - 1.0:
            sent_s.popleft()
        self.rate_most[address] = max(self.rate_most.get(address, 0), len(sent_s))

    def end(self, address: str) -> None:
        """An ask is over."""
        self.open[address] -= 1

    def measure(self, name: str) -> float | None:
        """Return what the word of a `limit` line stands for, None when it is none of ours."""
        if name.startswith("outstanding-at-"):
            return self.open_most.get(name.removeprefix("outstanding-at-"), 0)
        if name.startswith("per-second-at-"):
            return self.rate_most.get(name.removeprefix("per-second-at-"), 0)
        return None


class Player:
    """Plays one scenario; `play` raises AssertionError where it does not go as it is written."""

    def __init__(self, script: Script):
        self.script = script
        self.now_s = BEGIN_S
        self.zones: list[Zone] = []
        self.servers = Servers()
        self.settings: dict[str, object] = {}
        self.limits: dict[str, object] = {}
        self.cache: dict[str, object] = {}
        self.anchors: list[str] = []
        self.resolver: Resolver | None = None
        self.exchanges: list[Exchange] = []
        self.last: Exchange | None = None
        self.events: list[tuple[float, int, Exchange, object]] = []
        self.traffic = Traffic()
        self.random = random.Random(script.name)
        self._numbers = 0
        self._zones_changed = True
        self.own_zones: dict[str, str] = {}
        """The text of our own zones, by name."""

    def play(self) -> dict[str, float]:
        """Play all statements; return what was measured for each `limit` of the scenario."""
        from tests.resolver.scenario.statements import perform  # it needs the player's type

        for statement in self.script.statements:
            try:
                perform(self, statement)
            except AssertionError as error:
                raise AssertionError(f"{self._place(statement)}: {error}") from error
        self.settle(60.0)
        return {limit.measure: self._measure(limit.measure) for limit in self.script.limits}

    def _measure(self, name: str) -> float:
        found = self.traffic.measure(name)
        if found is None:
            costs = [exchange.cost.measure(name) for exchange in self.exchanges]
            found = max(costs, default=0)
        return found

    def _place(self, statement: Statement) -> str:
        words = " ".join(statement.words)
        return f"{self.script.name}.scenario:{statement.line} ({statement.verb} {words})"

    # The stage.

    def put_zone(self, zone: Zone) -> None:
        """Add a zone, or put it in the place of the one with its name."""
        self.zones = [other for other in self.zones if other.apex != zone.apex] + [zone]
        self._zones_changed = True

    def build_zones(self) -> None:
        """Delegate, sign, and give the zones to their servers, when something changed."""
        if not self._zones_changed:
            return
        self._zones_changed = False
        # Built anew from their text: what delegations and signing add is not there yet.
        self.zones = [zone_of(zone.statement) for zone in self.zones]
        delegate(self.zones)
        self.anchors = []
        for zone in sorted(self.zones, key=lambda zone: -len(zone.apex)):
            if "signed" not in zone.options:
                continue
            parent = parent_of(zone, self.zones)
            for rdata in signed.ds_records(zone):
                if parent is None:
                    self.anchors.append(f"{zone.apex} DS {rdata}")
                elif not {"no-ds", "undelegated"} & set(zone.options):
                    parent.put(zone.apex, 3600, dns.rdatatype.DS, rdata.to_text())
            signed.sign(zone, self.now_s)
        self.servers.zones = {}
        for zone in self.zones:
            for address in zone.addresses:
                self.servers.zones.setdefault(address, []).append(zone)

    def ready(self) -> Resolver:
        """Return the resolver, made with the settings so far at the first question."""
        self.build_zones()
        if self.resolver is None:
            settings = self._settings()
            self.resolver = Resolver(settings, self.random.getrandbits)
        return self.resolver

    def _settings(self) -> ResolverSettings:
        roots = [zone for zone in self.zones if zone.apex == dns.name.root]
        hints = tuple(
            (parse_name(f"{chr(97 + number)}.root-servers.net."), address)
            for zone in roots
            for number, address in enumerate(zone.addresses)
        )
        anchors = tuple(_anchor(text) for text in self.anchors)
        values = {"hints": hints, "trust_anchors": anchors, "validates": bool(anchors)}
        values |= self.settings
        return ResolverSettings(
            limits=_convert(self.limits, Limits),
            cache=_convert(self.cache, CacheSettings),
            **values,
        )

    # The dialog.

    def ask(self, name: str, rrtype: str, *, is_cd: bool = False, is_refresh: bool = False):
        """The client asks; returns the exchange, begun."""
        resolver = self.ready()
        question = Question(parse_name(name), int(dns.rdatatype.from_text(rrtype)))
        resolution = resolver.resolve(
            question,
            self.now_s,
            is_cd=is_cd,
            wants_steps=True,
            is_refresh=is_refresh,
            local=self._look_up_own if self.own_zones else None,
        )
        exchange = self.last = Exchange(resolution, self.now_s)
        self.exchanges.append(exchange)
        self._drive(exchange, lambda: resolution.begin(self.now_s))
        return exchange

    def _look_up_own(self, question: Question) -> Sections | None:
        """Return what our own zones say, as the worker's shell asks them."""
        zones = [
            zone_from_text(name, text, number)
            for number, (name, text) in enumerate(self.own_zones.items(), 1)
        ]
        view = DictView(*zones)
        if view.enclosing_zone(question.qname) is None:
            return None
        return look_up(view, question.qname, question.qtype, True)

    def finish(self, exchange: Exchange) -> Outcome:
        """Let time pass until the exchange has its outcome."""
        for _ in range(EVENTS_MAX):
            if exchange.outcome is not None:
                return exchange.outcome
            assert self._step(None), "the resolution waits for nothing and has no outcome"
        raise AssertionError("the resolution does not end")

    def settle(self, seconds: float) -> None:
        """Let so much time pass, and happen what happens in it."""
        until_s = self.now_s + seconds
        for _ in range(EVENTS_MAX):
            if not self._step(until_s):
                break
        self.now_s = until_s

    def _step(self, until_s: float | None) -> bool:
        """Let the next thing happen (not later than *until_s*); returns whether there was one."""
        wakes = [
            (exchange.resolution.next_wake_s, exchange)
            for exchange in self.exchanges
            if not exchange.resolution.is_over and exchange.resolution.next_wake_s is not None
        ]
        wake = min(wakes, key=lambda item: item[0], default=None)
        event = self.events[0] if self.events else None
        times = [item[0] for item in (wake, event) if item is not None]
        if not times or (until_s is not None and min(times) > until_s):
            return False
        if event is not None and (wake is None or event[0] <= wake[0]):
            at_s, _, exchange, what = heapq.heappop(self.events)
            self.now_s = max(self.now_s, at_s)
            self._arrive(exchange, what)
        else:
            assert wake is not None
            self.now_s = max(self.now_s, wake[0])
            woken = wake[1]
            self._drive(woken, lambda: woken.resolution.wake(self.now_s))
        return True

    def _drive(self, exchange: Exchange, step: Callable[[], list]) -> None:
        """Let the resolution do a step, and do what it decides."""
        meter, cost = Meter(), exchange.cost
        with meter.counting():
            actions = step()
        cost.checks += meter.checks
        cost.hashes += meter.hashes
        self._take(exchange, actions)

    def _take(self, exchange: Exchange, actions: list) -> None:
        for action in actions:
            match action:
                case Ask():
                    self._send(exchange, action)
                case Forget(number):
                    asked = exchange.outstanding.pop(number, None)
                    if asked is not None:
                        self.traffic.end(asked.ask.server.address)
                case Outcome():
                    assert exchange.outcome is None, "there are two outcomes"
                    exchange.outcome = action
                    exchange.cost.seconds = self.now_s - exchange.began_s
        cost, spent = exchange.cost, exchange.resolution.budget.spent
        cost.restarts, cost.octets = spent.restarts, spent.octets
        if exchange.resolution.is_over:
            assert exchange.outcome is not None, "it is over and has no outcome"
            assert not exchange.outstanding, "it is over and asks are outstanding"

    def _send(self, exchange: Exchange, ask: Ask) -> None:
        assert ask.number not in exchange.outstanding, "two asks have one number"
        message = dns.message.from_wire(ask.query)
        asked = exchange.outstanding[ask.number] = Asked(ask, self.now_s)
        question = message.question[0]
        exchange.log.append(
            (
                ask.server.address,
                ask.transport.value,
                question.name.to_text().lower(),
                dns.rdatatype.to_text(question.rdtype),
            )
        )
        self.traffic.begin(ask.server.address, self.now_s)
        cost = exchange.cost
        cost.queries += 1
        cost.to[ask.server.address] = cost.to.get(ask.server.address, 0) + 1
        cost.in_flight = max(cost.in_flight, len(exchange.outstanding))
        is_udp = ask.transport is Transport.UDP
        query = Query(ask.server.address, is_udp, ask.query, message, self.now_s)
        for sent in self.servers.serve(query):
            self._later(self.now_s + sent.after_s, exchange, (asked, sent))
        self._later(self.now_s + ask.timeout_s, exchange, (asked, None))

    def _later(self, at_s: float, exchange: Exchange, what: object) -> None:
        self._numbers += 1
        heapq.heappush(self.events, (at_s, self._numbers, exchange, what))

    def _arrive(self, exchange: Exchange, what: object) -> None:
        """What comes back, as the socket's owner hands it on: only the reply reaches the
        resolution, everything else is counted."""
        asked, sent = what  # type: ignore[misc]
        number = asked.ask.number
        if exchange.outstanding.get(number) is not asked:
            return
        if sent is None:
            event = Failed(number, True, near_misses=asked.near_misses)
        elif sent.octets is None:
            event = Failed(number, False, "connection refused", asked.near_misses)
        elif is_reply(asked.ask.query, sent.octets):
            rtt_s = self.now_s - asked.sent_s
            event = Replied(number, sent.octets, rtt_s, asked.near_misses)
        else:
            asked.near_misses += 1
            exchange.cost.near_misses += 1
            return
        del exchange.outstanding[number]
        self.traffic.end(asked.ask.server.address)
        self._drive(exchange, lambda: exchange.resolution.feed(event, self.now_s))


def _anchor(text: str) -> tuple[bytes, int, bytes]:
    owner, rrtype, rdata = text.split(" ", 2)
    number = dns.rdatatype.from_text(rrtype)
    return parse_name(owner), int(number), dns.rdata.from_text("IN", number, rdata).to_wire()


def _convert(values: dict[str, object], into: type) -> object:
    """Return the settings of words; unknown keys are refused."""
    fields = {item.name for item in msgspec.structs.fields(into)}
    unknown = set(values) - fields
    if unknown:
        raise ScriptError(f"there is no setting {', '.join(sorted(unknown))}")
    return msgspec.convert(values, into, strict=False)


def spelt(held: Held) -> list[str]:
    """Return the records of an RRset as lines of a scenario (owner, type, data; no signatures)."""
    owner = dns.name.from_wire(held.owner, 0)[0]
    rrtype = dns.rdatatype.to_text(held.rrset.rrtype)
    return [
        f"{owner} {held.rrset.ttl_s} {rrtype} "
        + dns.rdata.from_wire(1, held.rrset.rrtype, rdata, 0, len(rdata)).to_text()
        for rdata in held.rrset.rdatas
    ]


def rcode_of(outcome: Outcome) -> str:
    """Return the rcode's mnemonic."""
    return dns.rcode.to_text(outcome.rcode)
