"""In any world the resolver says what the zones say, or that it could not find out."""

import random

import dns.message
import dns.rcode
import dns.rdatatype
from hypothesis import given, settings
from hypothesis import strategies as st

from dns_node.resolver.chain import CACHED_ERROR
from dns_node.resolver.question import Question
from tests.resolver.world import Host, World, Zone, question

LABELS = ("a", "b", "c")
TYPES = ("A", "TXT", "CNAME", "NS")


class Tree:
    """A tree of zones with servers, some of them bad; *chance* decides."""

    def __init__(self, chance: random.Random, *, has_good_servers: bool):
        self.chance = chance
        self.has_good_servers = has_good_servers
        self.hosts: dict[str, Host] = {}
        self.zones: dict[str, Zone] = {}
        self.names = list(dict.fromkeys(".".join(made) + "." for made in self._names()))
        apexes = [".", *chance.sample(self.names, min(len(self.names), chance.randint(2, 7)))]
        for apex in apexes:
            self.zones[apex] = Zone(apex, "")
        self.hints = [self._host([self.zones["."]])]
        self.zones["."].add("a.root. A " + self.hints[0])
        self.zones["."].add(". NS a.root.")
        for apex in sorted(apexes[1:], key=len):
            self._delegate(apex)
        for name in self.names:
            self._fill(name)

    def _names(self):
        for _ in range(self.chance.randint(6, 16)):
            depth = self.chance.randint(1, 4)
            yield [self.chance.choice(LABELS) for _ in range(depth)]

    def zone_of(self, name: str) -> Zone:
        """Return the zone that has the name, for a delegation of it the one above."""
        above = [apex for apex in self.zones if name.endswith("." + apex) or apex == "."]
        return self.zones[max(above, key=len)]

    def _host(self, zones: list[Zone], **options) -> str:
        address = f"192.0.2.{len(self.hosts) + 1}"
        self.hosts[address] = Host(zones, **options)
        return address

    def _delegate(self, apex: str) -> None:
        zone, above = self.zones[apex], self.zone_of(apex)
        chance = self.chance
        kinds = ["good"] if self.has_good_servers else []
        kinds += chance.choices(
            ["dead", "lame", "glueless", "circle", "slow"], k=chance.randint(0, 2)
        )
        for number, kind in enumerate(kinds or ["glueless"]):
            name = f"ns{number}.{apex}"
            if kind == "circle":
                name = f"ns.{chance.choice(self.names)}"
            elif kind == "glueless":
                name = f"ns-of-{apex.replace('.', '-')}{number}."
                self.zones["."].add(f"{name} A {self._host([zone])}")
            else:
                address = self._host(
                    [] if kind == "lame" else [zone],
                    is_dead=kind == "dead",
                    delay_s=0.3 if kind == "slow" else 0.01,
                )
                for each in (zone, above):
                    each.add(f"{name} A {address}")
            for each in (zone, above):
                each.add(f"{apex} NS {name}")

    def _fill(self, name: str) -> None:
        zone = self.zones.get(name) or self.zone_of(name)
        kind = self.chance.choice(["A", "A", "TXT", "CNAME", "wildcard", "DNAME"])
        other = self.chance.choice(self.names)
        has_data = bool(zone.nodes.get(dns.name.from_text(name)))
        if kind == "A":
            zone.add(f"{name} A 203.0.113.{self.chance.randint(1, 250)}")
        elif kind == "TXT":
            zone.add(f"{name} TXT text")
        elif kind == "wildcard":
            zone.add(f"*.{name} A 203.0.113.{self.chance.randint(1, 250)}")
        elif not has_data and name not in self.zones:
            if kind == "CNAME":
                zone.add(f"{name} CNAME {other}")
            elif not other.endswith(name) and not zone.exists(dns.name.from_text(name)):
                zone.add(f"{name} DNAME {other}")

    def truth(self, asked: Question) -> dns.message.Message:
        """Return what one server with all zones would say."""
        name = dns.name.from_wire(asked.qname, 0)[0]
        everything = Host(list(self.zones.values()), aliases_max=200)
        return everything.reply(dns.message.make_query(name, asked.qtype))


def asked_names(tree: Tree, chance: random.Random):
    for _ in range(6):
        name = chance.choice(tree.names)
        if chance.random() < 0.4:
            name = f"{chance.choice(LABELS)}.{name}"
        yield question(name, chance.choice(TYPES))


def end_of(message: dns.message.Message) -> list[bytes]:
    """Return the data of the RRset that was asked for."""
    rrtype = message.question[0].rdtype
    if not message.answer or message.answer[-1].rdtype != rrtype:
        return []
    return sorted(rdata.to_digestable() for rdata in message.answer[-1])


def is_loop(message: dns.message.Message) -> bool:
    """Whether the aliases do not end, or late."""
    return len(message.answer) > 10 or bool(
        message.answer
        and message.answer[-1].rdtype == dns.rdatatype.CNAME
        and message.question[0].rdtype != dns.rdatatype.CNAME
        and not message.authority
    )


@settings(max_examples=250)
@given(st.integers(0, 2**32), st.booleans(), st.booleans())
def test_with_a_good_server_in_every_zone_the_answer_is_what_the_zones_say(
    seed, minimises_qname, is_warm
):
    chance = random.Random(seed)
    tree = Tree(chance, has_good_servers=True)
    world = World(tree.hosts, seed=seed)
    resolver = world.resolver(*tree.hints, minimises_qname=minimises_qname)
    for asked in asked_names(tree, chance):
        if not is_warm:
            resolver = world.resolver(*tree.hints, minimises_qname=minimises_qname)
        played = world.play(resolver, asked, wants_steps=True)
        truth = tree.truth(asked)
        spent = played.resolution.budget.spent
        limits = resolver.settings.limits
        assert len(played.asks) == spent.queries <= limits.queries_max
        assert played.seconds <= limits.time_max_s
        told = "\n".join(step.text for step in played.resolution.steps)
        if played.rcode == "SERVFAIL":
            is_used_up = spent.queries == limits.queries_max or played.seconds > 5
            is_known = CACHED_ERROR in played.codes
            assert is_loop(truth) or is_used_up or is_known or spent.restarts >= 8, told
            continue
        assert played.rcode == dns.rcode.to_text(truth.rcode()), told
        found = [
            sorted(held.rrset.rdatas)
            for held in played.outcome.answer
            if held.rrset.rrtype == asked.qtype
        ]
        assert (found[-1] if found else []) == end_of(truth), told


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_with_any_servers_every_resolution_ends_within_its_budget(seed):
    chance = random.Random(seed)
    tree = Tree(chance, has_good_servers=False)
    world = World(tree.hosts, seed=seed)
    resolver = world.resolver(*tree.hints)
    for asked in asked_names(tree, chance):
        played = world.play(resolver, asked)
        assert len(played.asks) <= resolver.settings.limits.queries_max
        assert played.seconds <= resolver.settings.limits.time_max_s
        if played.rcode != "SERVFAIL":
            assert played.rcode == dns.rcode.to_text(tree.truth(asked).rcode())


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_questions_at_the_same_time_do_not_disturb_each_other(seed):
    chance = random.Random(seed)
    tree = Tree(chance, has_good_servers=True)
    world = World(tree.hosts, seed=seed)
    resolver = world.resolver(*tree.hints)
    questions = list(asked_names(tree, chance))
    for asked, played in zip(questions, world.play_all(resolver, questions), strict=True):
        truth = tree.truth(asked)
        if played.rcode != "SERVFAIL":
            assert played.rcode == dns.rcode.to_text(truth.rcode())
    assert not any(known.in_flight for known in resolver.name_servers)
    assert not any(delegation.load.outstanding for delegation in resolver.delegations)
