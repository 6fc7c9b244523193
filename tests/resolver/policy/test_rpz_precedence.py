"""Which rule is followed where several rules of response policy zones match."""

import pytest

from tests.resolver.policy.outcomes import positive
from tests.resolver.policy.policy_zones import (
    BAD,
    REAL,
    known_servers,
    play,
    policy_of,
    rewrite,
    servers_of,
    shown,
    zone_of,
)


def both(first, second, **options):
    """The rule that is followed of two in one zone."""
    zone = zone_of(f"{first} 60 CNAME .", f"{second} 60 CNAME *.")
    verdict, _ = play(policy_of(zone, find_name_servers=known_servers), BAD, REAL)
    return verdict.rule.removesuffix(".rpz.example.")


@pytest.mark.parametrize(
    "first, second",
    [
        ("24.0.2.0.192.rpz-client-ip", "www.bad.example"),
        ("*.bad.example", "32.1.2.0.192.rpz-ip"),
        ("8.0.0.0.192.rpz-ip", "ns.evil.net.rpz-nsdname"),
        ("*.net.rpz-nsdname", "32.5.113.0.203.rpz-nsip"),
        ("www.bad.example", "*.bad.example"),
        ("*.bad.example", "*.example"),
        ("ns.evil.net.rpz-nsdname", "*.evil.net.rpz-nsdname"),
        ("32.1.2.0.192.rpz-ip", "31.0.2.0.192.rpz-ip"),
        ("24.0.113.0.203.rpz-nsip", "16.0.0.0.203.rpz-nsip"),
    ],
)
def test_within_a_zone_triggers_and_then_closeness_decide(first, second):
    assert both(first, second) == first
    assert both(second, first) == first


def test_the_zone_that_comes_first_decides_whatever_the_trigger():
    first = zone_of("32.1.2.0.192.rpz-ip 60 CNAME rpz-passthru.", apex="one.")
    second = zone_of("www.bad.example 60 CNAME .", apex="two.")
    verdict, resolved = play(policy_of(first, second), BAD, REAL)
    assert shown(verdict)[0] == 0 and verdict.rule == "32.1.2.0.192.rpz-ip.one."
    verdict, resolved = play(policy_of(second, first), BAD, REAL)
    assert shown(verdict)[0] == 3 and resolved == []


def test_the_first_name_of_an_alias_chain_decides():
    chain = {f"{BAD} A": positive(f"{BAD} 9 CNAME b.example.", "b.example. 9 A 192.0.2.1")}
    late = zone_of("b.example 60 CNAME .", apex="one.")
    early = zone_of("www.bad.example 60 CNAME rpz-passthru.", apex="two.")
    verdict, _ = play(policy_of(late, early), BAD, chain)
    assert verdict.rule == "www.bad.example.two." and shown(verdict)[0] == 0


def test_of_an_alias_chain_what_is_before_the_rule_stays():
    chain = {
        f"{BAD} A": positive(
            f"{BAD} 90 CNAME b.example.",
            "b.example. 80 CNAME c.example.",
            "c.example. 9 A 192.0.2.1",
        )
    }
    for rule, rcode, kept in (
        ("b.example 60 CNAME .", 3, 1),
        ("c.example 60 CNAME *.", 0, 2),
        ("32.1.2.0.192.rpz-ip 60 CNAME .", 3, 2),
    ):
        seen, _ = rewrite(rule, outcomes=chain)
        assert (seen[0], len(seen[1])) == (rcode, kept)


def test_of_many_addresses_the_longest_prefix_and_then_the_smallest_address_decide():
    many = {f"{BAD} A": positive(f"{BAD} 9 A 10.0.0.9 | 10.0.0.2 | 10.9.0.1")}
    zone = zone_of(
        "32.9.0.0.10.rpz-ip 60 A 192.0.2.9",
        "32.2.0.0.10.rpz-ip 60 A 192.0.2.2",
        "16.0.0.9.10.rpz-ip 60 A 192.0.2.3",
    )
    verdict, _ = play(policy_of(zone), BAD, many)
    assert verdict.rule == "32.2.0.0.10.rpz-ip.rpz.example."


def test_of_many_name_servers_the_smallest_name_decides():
    def servers(_name):
        return (servers_of("bad.example.", "b.net.", "a.org.", "c.net."),)

    zone = zone_of(*(f"{name}.rpz-nsdname 60 CNAME ." for name in ("a.org", "c.net", "b.net")))
    verdict, _ = play(policy_of(zone, find_name_servers=servers), BAD, REAL)
    assert verdict.rule == "b.net.rpz-nsdname.rpz.example."
