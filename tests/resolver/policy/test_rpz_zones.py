"""Response policy zones as wholes: overridden, watched, counted, not loaded, and changed."""

from dns_node.resolver.policy.rpz_rules import Action, Kind
from dns_node.resolver.policy.verdict import Answered, Dropped, Request, Truncated
from tests.resolver.policy.outcomes import positive, question
from tests.resolver.policy.policy_zones import BAD, REAL, play, policy_of, shown, zone_of


def test_a_zone_can_be_overridden_and_only_watched():
    garden = zone_of("www.bad.example 60 CNAME garden.", override=Action(Kind.DROP, 60))
    assert play(policy_of(garden), BAD)[0] == Dropped("www.bad.example.rpz.example.")
    watched = zone_of(
        "32.1.2.0.192.rpz-ip 60 CNAME .", "www.bad.example 60 CNAME .", is_applied=False
    )
    verdict, _ = play(policy_of(watched), BAD, REAL)
    assert shown(verdict)[0] == 0 and verdict.rule == ""
    assert watched.hits == {Kind.NXDOMAIN: 2}


def test_rules_that_are_followed_are_counted():
    zone = zone_of("www.bad.example 60 CNAME rpz-tcp-only.")
    assert isinstance(play(policy_of(zone), BAD)[0], Truncated)
    assert zone.hits == {Kind.TCP_ONLY: 1}


def test_a_zone_that_was_never_loaded_has_no_rules():
    zone = zone_of("www.bad.example 60 CNAME .")
    zone.table = None
    assert shown(play(policy_of(zone), BAD, REAL)[0])[0] == 0


def test_a_ruling_knows_that_the_rules_have_changed_since_it_began():
    zone = zone_of("www.bad.example 60 CNAME .")
    policy = policy_of(zone)
    ruling = policy.rule(Request(question("www.good.example.")))
    ruling.begin()
    assert ruling.is_current
    zone.table = zone_of("www.good.example 60 CNAME .").table
    policy.rules_changed()
    assert isinstance(ruling.take(positive("www.good.example. 9 A 192.0.2.1")), Answered)
    assert not ruling.is_current, "its verdict is of the old rules, and not to be kept"
