"""What becomes of a question when the validator calls what servers say bogus."""

from types import SimpleNamespace

import pytest

from dns_node.resolver.dnssec.verdict import Need, Verdict
from dns_node.resolver.question import ExtendedError, Held, Question, Security
from dns_node.zone.names import parse_name
from dns_node.zone.rrset import RRset
from tests.resolver.test_resolution import small_world
from tests.resolver.world import Host, World, Zone, question

BOGUS = ExtendedError(6, "for the test")
LIE = bytes((203, 0, 113, 66))


def signed(rrset: RRset) -> RRset:
    return RRset(rrset.rrtype, rrset.ttl_s, rrset.rdatas, (bytes(20),))


class Judge:
    """A validator that calls bogus what holds an address that lies, and all the rest secure.

    *needs* are asked for before each verdict.
    """

    def __init__(self, needs: tuple[Question, ...] = ()):
        self.needs = needs
        self.met: list[object] = []
        self.is_strict = False
        self.anchors = SimpleNamespace(closest=lambda name: b"\0")

    def validate(self, claim, budget, now_s):
        for need in self.needs:
            self.met.append((yield Need(need)))
        is_lie = any(LIE in held.rrset.rdatas for held in claim.answer)
        if is_lie or self.is_strict:
            return Verdict(Security.BOGUS, errors=(BOGUS,), rcode=2)
        answer, authority = (
            tuple(Held(held.owner, signed(held.rrset), Security.SECURE) for held in helds)
            for helds in (claim.answer, claim.authority)
        )
        return Verdict(Security.SECURE, answer, authority, rcode=claim.rcode)

    def synthesize(self, question, now_s):
        return None

    def explain(self, name, now_s):
        return ()


def judged_world(lying: int, servers: int) -> World:
    """Return a world whose zone ``many.`` has so many servers, some of which lie."""
    world = small_world()
    root = world.hosts["192.0.2.1"].zones[0]
    for number in range(servers):
        root.add(f"many. NS ns{number}.many.")
        root.add(f"ns{number}.many. A 10.1.0.{number}")
        address = "203.0.113.66" if number < lying else "203.0.113.1"
        zone = Zone("many.", f"many. NS ns0.many.\nwww.many. 60 A {address}\n")
        world.hosts[f"10.1.0.{number}"] = Host([zone])
    return world


def judged_resolver(world: World, judge: Judge):
    resolver = world.resolver("192.0.2.1", validates=True)
    resolver.validator = judge
    return resolver


@pytest.mark.parametrize("seed", range(5))
def test_where_one_server_lies_another_one_is_asked(seed):
    world = judged_world(1, 2)
    world.random.seed(seed)
    played = world.play(judged_resolver(world, Judge()), question("www.many."))
    assert played.addresses == ["203.0.113.1"]
    assert played.outcome.security is Security.SECURE
    assert played.codes == []


def test_where_all_servers_lie_three_are_asked_and_nothing_of_it_is_told():
    world = judged_world(8, 8)
    resolver = judged_resolver(world, Judge())
    played = world.play(resolver, question("www.many."))
    assert played.rcode == "SERVFAIL"
    assert played.outcome.answer == ()
    assert played.outcome.security is Security.BOGUS
    assert played.codes[0] == BOGUS.code
    assert sum(each.startswith("10.1.0.") for each in played.asked) == 3
    again = world.play(resolver, question("www.many."))
    assert again.asked == []
    assert again.outcome.security is Security.BOGUS


def test_with_cd_a_lie_is_told_and_kept_from_those_without():
    world = judged_world(2, 2)
    resolver = judged_resolver(world, Judge())
    played = world.play(resolver, question("www.many."), is_cd=True)
    assert played.addresses == ["203.0.113.66"]
    assert world.play(resolver, question("www.many.")).rcode == "SERVFAIL"
    again = world.play(resolver, question("www.many."), is_cd=True)
    assert again.addresses == ["203.0.113.66"]
    assert again.asked == []


def test_what_was_true_before_does_not_stand_for_what_is_bogus_now():
    world = judged_world(0, 2)
    judge = Judge()
    resolver = judged_resolver(world, judge)
    assert world.play(resolver, question("www.many.")).addresses == ["203.0.113.1"]
    world.now_s += 100
    judge.is_strict = True
    for _ in range(2):
        played = world.play(resolver, question("www.many."))
        assert played.rcode == "SERVFAIL"
        assert not played.outcome.is_stale


def test_the_validator_is_given_ds_from_the_referral_and_keys_from_the_zone():
    world = small_world()
    world.hosts["192.0.2.2"].zones[0].add("example. DNSKEY 257 3 13 " + "A" * 86 + "==")
    name = parse_name("example.")
    judge = Judge((Question(name, 43), Question(name, 48)))
    played = world.play(judged_resolver(world, judge), question("www.example."))
    assert played.addresses == ["203.0.113.1"]
    ds, keys = judge.met
    assert ds.zone == b"\0" and ds.answer == ()
    assert keys.zone == name and keys.answer[0].rrset.rrtype == 48
    assert played.asked[-2:] == ["192.0.2.1 example. DS", "192.0.2.2 example. DNSKEY"]


def test_a_need_that_nobody_meets_is_none():
    world = small_world()
    judge = Judge((Question(parse_name("zone.test."), 48),))
    resolver = judged_resolver(world, judge)
    for address in ("192.0.2.4", "192.0.2.5"):
        world.hosts[address].is_dead = True
    world.play(resolver, question("www.example."))
    assert judge.met == [None]
