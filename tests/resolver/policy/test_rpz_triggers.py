"""The triggers of response policy zones: names, addresses, clients and name servers."""

import pytest

from dns_node.answer.respond import Client
from tests.resolver.policy.outcomes import negative, positive
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


def test_a_wildcard_is_about_all_below_and_not_the_name_itself():
    for asked, rcode in (("bad.example.", 0), ("a.bad.example.", 3), ("b.a.bad.example.", 3)):
        given = {f"{asked} A": positive(f"{asked} 9 A 192.0.2.1")}
        assert rewrite("*.bad.example 60 CNAME .", f"{asked} A", given)[0][0] == rcode


def test_letters_of_either_case_are_the_same_to_a_rule():
    assert rewrite("WWW.Bad.EXAMPLE 60 CNAME .") == ((3, []), [])


def test_an_address_in_the_answer_triggers():
    rule = "24.0.2.0.192.rpz-ip 60 CNAME ."
    assert rewrite(rule) == ((3, []), [f"{BAD} A"])
    other = {f"{BAD} A": positive(f"{BAD} 300 A 192.0.3.1")}
    assert rewrite(rule, outcomes=other)[0] == (0, [f"{BAD} 300 A 192.0.3.1"])
    six = {f"{BAD} AAAA": positive(f"{BAD} 300 AAAA 2001:db8::1")}
    assert rewrite("32.zz.db8.2001.rpz-ip 60 CNAME .", f"{BAD} AAAA", six)[0] == (3, [])


def test_a_client_triggers_and_its_answers_are_its_own():
    policy = policy_of(zone_of("24.0.2.0.192.rpz-client-ip 60 CNAME ."))
    verdict, resolved = play(policy, BAD, REAL)
    assert shown(verdict) == (3, []) and resolved == [] and not verdict.is_shared
    verdict, _ = play(policy, BAD, REAL, client=Client("198.51.100.1", 5))
    assert shown(verdict)[0] == 0 and verdict.is_shared
    assert policy.depends_on_client
    assert policy.names_client("192.0.2.1") and not policy.names_client("192.0.3.1")
    verdict, _ = play(policy, BAD, REAL, client=None)
    assert shown(verdict)[0] == 0, "a refresh is for nobody in particular"


@pytest.mark.parametrize(
    "rule", ["ns.evil.net.rpz-nsdname", "*.evil.net.rpz-nsdname", "32.5.113.0.203.rpz-nsip"]
)
def test_the_servers_of_the_zone_trigger_by_name_and_address(rule):
    policy = policy_of(zone_of(f"{rule} 60 CNAME ."), find_name_servers=known_servers)
    verdict, _ = play(policy, BAD, REAL)
    assert shown(verdict) == (3, []) and verdict.rule == f"{rule}.rpz.example."


@pytest.mark.parametrize("rule", ["a.tld.rpz-nsdname", "24.0.100.51.198.rpz-nsip"])
def test_the_servers_of_a_tld_do_not_trigger(rule):
    policy = policy_of(zone_of(f"{rule} 60 CNAME ."), find_name_servers=known_servers)
    assert shown(play(policy, BAD, REAL)[0])[0] == 0


def test_an_address_of_a_name_server_that_is_not_known_is_looked_up_within_a_limit():
    def servers(_name):
        return (servers_of("bad.example.", *(f"ns{number}.evil.net." for number in range(9))),)

    given = REAL | {
        f"ns{number}.evil.net. {rrtype}": positive(f"ns{number}.evil.net. 9 A 203.0.113.{number}")
        for number in range(9)
        for rrtype in ("A", "AAAA")
    }
    policy = policy_of(zone_of("32.1.113.0.203.rpz-nsip 60 CNAME ."), find_name_servers=servers)
    verdict, resolved = play(policy, BAD, given)
    assert shown(verdict) == (3, [])
    assert len(resolved) == 5


def test_name_servers_that_nobody_knows_are_asked_for():
    given = REAL | {
        f"{BAD} NS": negative(),
        "bad.example. NS": positive("bad.example. 9 NS ns.evil.net."),
        "ns.evil.net. A": positive("ns.evil.net. 9 A 203.0.113.5"),
    }
    for rule, last in (
        ("ns.evil.net.rpz-nsdname", "bad.example. NS"),
        ("32.5.113.0.203.rpz-nsip", "ns.evil.net. A"),
    ):
        verdict, resolved = play(
            policy_of(zone_of(f"{rule} 60 CNAME .")), BAD, given | {"ns.evil.net. AAAA": negative()}
        )
        assert shown(verdict) == (3, []) and last in resolved
