"""A small world of name servers in memory, and a shell that has no sockets.

Zones are text; servers have addresses and serve zones as RFC 1034 section 4.3.2 says.  `World.play`
drives a resolution: it hands each ask to the server at its address, and time passes only there.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from dns_node.resolver.message import is_reply
from dns_node.resolver.question import Ask, Failed, Forget, Outcome, Question, Replied, Transport
from dns_node.resolver.resolution import Resolution
from dns_node.resolver.resolver import Resolver
from dns_node.resolver.settings import ResolverSettings
from dns_node.zone.names import parse_name

NOW_S = 1_800_000_000.0
RTT_S = 0.010
SOA = "ns.invalid. hostmaster.invalid. 1 3600 600 86400 300"
Name = dns.name.Name


def question(name: str, rrtype: str = "A") -> Question:
    """Return the question as the resolver takes it."""
    return Question(parse_name(name), int(dns.rdatatype.from_text(rrtype)))


class Zone:
    """RRsets by owner and type."""

    def __init__(self, apex: str, text: str, *, ttl_s: int = 3600):
        self.apex = dns.name.from_text(apex)
        self.nodes: dict[Name, dict[int, dns.rrset.RRset]] = {}
        for line in text.splitlines():
            if line.strip() and not line.strip().startswith(";"):
                self.add(line, ttl_s)
        if dns.rdatatype.SOA not in self.nodes.get(self.apex, {}):
            self.add(f"{apex} SOA {SOA}", ttl_s)

    def add(self, line: str, ttl_s: int = 3600) -> None:
        """Add a record: owner, TTL if any, type and data."""
        owner, *rest = line.split()
        if rest[0].isdigit():
            ttl_s = int(rest.pop(0))
        name = dns.name.from_text(owner, self.apex)
        made = dns.rrset.from_text_list(
            name, ttl_s, "IN", rest[0], [" ".join(rest[1:])], origin=self.apex, relativize=False
        )
        node = self.nodes.setdefault(name, {})
        held = node.setdefault(made.rdtype, dns.rrset.RRset(name, made.rdclass, made.rdtype))
        held.update_ttl(ttl_s)
        held.update(made)

    def exists(self, name: Name) -> bool:
        """Whether the name is in the zone, as an empty non-terminal too."""
        return any(owner.is_subdomain(name) for owner in self.nodes)

    def cut_above(self, name: Name, rrtype: int) -> Name | None:
        """Return the highest zone cut at or above the name; for a DS above it."""
        labels = len(name.labels)
        for depth in range(len(self.apex.labels) + 1, labels + 1):
            _, ancestor = name.split(depth)
            if dns.rdatatype.NS in self.nodes.get(ancestor, {}):
                if ancestor == name and rrtype == dns.rdatatype.DS:
                    return None
                return ancestor
        return None


@dataclass
class Host:
    """A server at one address.

    *delay_s* is its round trip, *is_dead* says nothing.  *behave* may change or replace a reply:
    None is silence.
    """

    zones: list[Zone] = field(default_factory=list)
    delay_s: float = RTT_S
    is_dead: bool = False
    has_tcp: bool = True
    size_max: int = 65535
    aliases_max: int = 8
    behave: Callable[[dns.message.Message, dns.message.Message], object] | None = None

    def answer(self, octets: bytes, transport: Transport) -> bytes | None:
        """Return the reply to a query, None for silence."""
        if self.is_dead or (transport is not Transport.UDP and not self.has_tcp):
            return None
        query = dns.message.from_wire(octets)
        reply = self.reply(query)
        if self.behave is not None:
            made = self.behave(query, reply)
            if made is None or isinstance(made, bytes):
                return made
            reply = made
        size = min(self.size_max, query.payload or 512) if transport is Transport.UDP else 65535
        octets = reply.to_wire(max_size=65535)
        if len(octets) > size:
            short = dns.message.make_response(query)
            short.flags |= dns.flags.TC
            octets = short.to_wire()
        return octets

    def reply(self, query: dns.message.Message) -> dns.message.Message:
        """Return the reply by RFC 1034 section 4.3.2."""
        reply = dns.message.make_response(query)
        asked = query.question[0]
        name, seen = asked.name, set()
        while name not in seen and len(seen) < self.aliases_max:
            seen.add(name)
            zones = [zone for zone in self.zones if name.is_subdomain(zone.apex)]
            if asked.rdtype == dns.rdatatype.DS:
                above = [zone for zone in zones if zone.apex != name]
                zones = above or zones
            if not zones:
                if not reply.answer:
                    reply.set_rcode(dns.rcode.REFUSED)
                return reply
            zone = max(zones, key=lambda zone: len(zone.apex.labels))
            target = self._within(zone, name, asked.rdtype, reply)
            if target is None:
                return reply
            name = target
        return reply

    def _within(
        self, zone: Zone, name: Name, rrtype: int, reply: dns.message.Message
    ) -> Name | None:
        cut = zone.cut_above(name, rrtype)
        if cut is not None:
            ns = zone.nodes[cut][dns.rdatatype.NS]
            reply.authority.append(ns)
            for target in sorted(rdata.target for rdata in ns):
                for glue in (dns.rdatatype.A, dns.rdatatype.AAAA):
                    if glue in zone.nodes.get(target, {}):
                        reply.additional.append(zone.nodes[target][glue])
            return None
        reply.flags |= dns.flags.AA
        for depth in range(len(zone.apex.labels), len(name.labels)):
            _, ancestor = name.split(depth)
            dname = zone.nodes.get(ancestor, {}).get(dns.rdatatype.DNAME)
            if dname is not None:
                reply.answer.append(dname)
                try:
                    target = name.relativize(ancestor) + dname[0].target
                except dns.name.NameTooLong:
                    reply.set_rcode(dns.rcode.YXDOMAIN)
                    return None
                reply.answer.append(
                    dns.rrset.from_text(name, dname.ttl, "IN", "CNAME", target.to_text())
                )
                # Who asks for an alias has it now.
                return None if rrtype == dns.rdatatype.CNAME else target
        node = zone.nodes.get(name)
        if node is None and not zone.exists(name):
            node = self._wildcard(zone, name)
            if node is None:
                reply.set_rcode(dns.rcode.NXDOMAIN)
        node = node or {}
        if rrtype in node:
            reply.answer.append(_renamed(node[rrtype], name))
            return None
        if dns.rdatatype.CNAME in node:
            reply.answer.append(_renamed(node[dns.rdatatype.CNAME], name))
            return node[dns.rdatatype.CNAME][0].target
        reply.authority.append(zone.nodes[zone.apex][dns.rdatatype.SOA])
        return None

    def _wildcard(self, zone: Zone, name: Name) -> dict[int, dns.rrset.RRset] | None:
        while name != zone.apex:
            name = name.parent()
            if zone.exists(name):
                return zone.nodes.get(dns.name.from_text("*", name))
        return None


def _renamed(rrset: dns.rrset.RRset, name: Name) -> dns.rrset.RRset:
    copy = rrset.copy()
    copy.name = name
    return copy


@dataclass
class Played:
    """What came of a question."""

    outcome: Outcome
    asks: list[Ask]
    seconds: float
    resolution: Resolution

    @property
    def rcode(self) -> str:
        """The rcode as text."""
        return dns.rcode.to_text(self.outcome.rcode)

    @property
    def addresses(self) -> list[str]:
        """The IPv4 addresses at the end of the answer."""
        return [
            ".".join(map(str, rdata))
            for held in self.outcome.answer
            if held.rrset.rrtype == 1
            for rdata in held.rrset.rdatas
        ]

    @property
    def codes(self) -> list[int]:
        """The codes of the extended errors."""
        return [error.code for error in self.outcome.errors]

    @property
    def asked(self) -> list[str]:
        """Whom was asked for what: ``192.0.2.1 www.example. A``."""
        return [f"{ask.server.address} {asked_for(ask)}" for ask in self.asks]


def asked_for(ask: Ask) -> str:
    """Return the name, in lower case, and the type of an ask."""
    entry = dns.message.from_wire(ask.query).question[0]
    return f"{entry.name.to_text().lower()} {dns.rdatatype.to_text(entry.rdtype)}"


class World:
    """Servers by address, and the clock.  *log* holds every ask that was sent."""

    def __init__(self, hosts: dict[str, Host], *, seed: int = 1):
        self.hosts = hosts
        self.now_s = NOW_S
        self.random = random.Random(seed)
        self.log: list[Ask] = []

    def resolver(self, *hints: str, **settings: object) -> Resolver:
        """Return a resolver whose root servers are at *hints*; without validation by default."""
        settings.setdefault("validates", False)
        settings.setdefault("does_ipv6", False)
        made = tuple(
            (parse_name(f"{letter}.root."), address)
            for letter, address in zip("abcdefghijklm", hints, strict=False)
        )
        return Resolver(ResolverSettings(hints=made, **settings), self.random.getrandbits)

    def play(self, resolver: Resolver, asked: Question, **options: object) -> Played:
        """Resolve the question to the end of the resolution."""
        return self.play_all(resolver, [asked], **options)[0]

    def play_all(
        self, resolver: Resolver, questions: list[Question], **options: object
    ) -> list[Played]:
        """Resolve all questions, begun at the same moment."""
        begun_s, order = self.now_s, itertools.count()
        due: list[tuple[float, int, Played, object]] = []
        played = []

        def take(one: Played, actions: list[object], open_: dict[int, Ask]) -> None:
            for action in actions:
                match action:
                    case Ask():
                        assert action.number not in open_
                        assert action.timeout_s > 0
                        open_[action.number] = action
                        one.asks.append(action)
                        self.log.append(action)
                        at_s, event = self._send(action)
                        heapq.heappush(due, (at_s, next(order), one, event))
                    case Forget(number):
                        assert open_.pop(number, None) is not None, "it was asked"
                    case Outcome():
                        assert one.outcome is None, "the outcome comes once"
                        one.outcome = action
                        one.seconds = self.now_s - begun_s

        opens: dict[int, dict[int, Ask]] = {}
        for asked in questions:
            resolution = resolver.resolve(asked, self.now_s, **options)
            one = Played(None, [], 0.0, resolution)  # type: ignore[arg-type]
            opens[id(one)] = {}
            take(one, resolution.begin(self.now_s), opens[id(one)])
            played.append(one)
        while due or any(self._wake_s(one) is not None for one in played):
            wakes = [(at_s, one) for one in played if (at_s := self._wake_s(one)) is not None]
            at_s, woken = min(wakes, default=(float("inf"), None), key=lambda each: each[0])
            if due and due[0][0] <= at_s:
                at_s, _, one, event = heapq.heappop(due)
                self.now_s = max(self.now_s, at_s)
                if opens[id(one)].pop(event.number, None) is not None:
                    take(one, one.resolution.feed(event, self.now_s), opens[id(one)])
            else:
                assert woken is not None
                self.now_s = max(self.now_s, at_s)
                take(woken, woken.resolution.wake(self.now_s), opens[id(woken)])
        for one in played:
            assert one.outcome is not None, "every resolution ends"
            assert one.resolution.is_over
            assert not opens[id(one)], "no ask is left behind"
        return played

    def _wake_s(self, one: Played) -> float | None:
        return one.resolution.next_wake_s

    def _send(self, ask: Ask) -> tuple[float, Replied | Failed]:
        host = self.hosts.get(ask.server.address)
        octets = None if host is None else host.answer(ask.query, ask.transport)
        if host is None or octets is None or host.delay_s >= ask.timeout_s:
            return self.now_s + ask.timeout_s, Failed(ask.number, is_timeout=True)
        if not is_reply(ask.query, octets, checks_case=ask.transport is Transport.UDP):
            return self.now_s + ask.timeout_s, Failed(ask.number, True, near_misses=1)
        delay_s = host.delay_s * (1 if ask.transport is Transport.UDP else 2)
        return self.now_s + delay_s, Replied(ask.number, octets, delay_s)
