"""The actions of response policy zones: what becomes of the answer."""

from dns_node.answer.respond import Client
from dns_node.resolver.question import Outcome, Security
from tests.resolver.policy.outcomes import lines, positive
from tests.resolver.policy.policy_zones import BAD, REAL, play, policy_of, rewrite, shown, zone_of


def test_nxdomain_is_answered_without_asking_anybody():
    assert rewrite("www.bad.example 60 CNAME .") == ((3, []), [])


def test_nodata_is_answered_without_asking_anybody():
    assert rewrite("www.bad.example 60 CNAME *.") == ((0, []), [])


def test_passthru_answers_what_is_so():
    seen, _ = rewrite("www.bad.example 60 CNAME rpz-passthru.")
    assert seen == (0, [f"{BAD} 300 A 192.0.2.1"])


def test_drop_answers_nothing():
    assert rewrite("www.bad.example 60 CNAME rpz-drop.") == ("Dropped", [])


def test_tcp_only_truncates_over_udp_and_answers_over_tcp():
    rule = "www.bad.example 60 CNAME rpz-tcp-only."
    assert rewrite(rule) == ("Truncated", [])
    verdict, _ = play(policy_of(zone_of(rule)), BAD, REAL, client=Client("192.0.2.9", 1, True))
    assert shown(verdict) == (0, [f"{BAD} 300 A 192.0.2.1"])
    assert not verdict.is_shared, "else a UDP client would get it from the cache"


def test_local_data_is_answered_by_type():
    rule = "www.bad.example 60 A 198.51.100.1"
    assert rewrite(rule) == ((0, [f"{BAD} 60 A 198.51.100.1"]), [])
    assert rewrite(rule, f"{BAD} MX") == ((0, []), [])


def test_a_cname_leads_to_the_walled_garden():
    garden = {"garden.example. A": positive("garden.example. 30 A 198.51.100.7")}
    rule = "www.bad.example 60 CNAME garden.example."
    answer = [f"{BAD} 60 CNAME garden.example.", "garden.example. 30 A 198.51.100.7"]
    assert rewrite(rule, outcomes=garden) == ((0, answer), ["garden.example. A"])
    assert rewrite(rule, f"{BAD} CNAME") == ((0, answer[:1]), [])


def test_a_wildcard_cname_tells_the_garden_who_was_asked_for():
    target = "a.bad.example.garden."
    seen, resolved = rewrite(
        "*.bad.example 60 CNAME *.garden.",
        "a.bad.example. A",
        {f"{target} A": positive(f"{target} 30 A 198.51.100.7")},
    )
    assert resolved == [f"{target} A"]
    assert seen[1][0] == f"a.bad.example. 60 CNAME {target}"
    seen, _ = rewrite("*.bad.example 60 CNAME *.garden.", "a.bad.example. CNAME")
    assert seen == (0, [f"a.bad.example. 60 CNAME {target}"])


def test_a_target_that_gets_too_long_is_nxdomain():
    long_name = ".".join(["x" * 60] * 4) + "."
    rule = "* 60 CNAME *.garden.example."
    assert rewrite(rule, f"{long_name} A") == ((3, []), [])


def test_an_alias_that_comes_back_is_servfail():
    loop = {"garden. A": positive("garden. 9 CNAME www.bad.example.", f"{BAD} 9 A 192.0.2.1")}
    assert rewrite("www.bad.example 60 CNAME garden.", outcomes=loop)[0] == (2, [])


def test_a_bogus_garden_is_servfail():
    bogus = {"garden. A": Outcome(2, security=Security.BOGUS)}
    assert rewrite("www.bad.example 60 CNAME garden.", outcomes=bogus)[0] == (2, [])


def test_what_was_rewritten_tells_its_zone_and_is_not_authentic():
    verdict, _ = play(policy_of(zone_of("www.bad.example 60 CNAME .")), BAD)
    outcome = verdict.outcome
    assert lines(outcome.additional)[0].startswith("rpz.example. 900 SOA")
    assert outcome.security is Security.INSECURE and outcome.errors[0].code == 15
    assert verdict.rule == "www.bad.example.rpz.example."
    verdict, _ = play(policy_of(zone_of("www.bad.example 60 A 192.0.2.7")), BAD)
    assert verdict.outcome.errors[0].code == 4


def test_the_ttl_of_what_was_rewritten_is_the_rule_s_within_a_limit():
    for ttl_s, seen in ((60, 60), (9000, 300)):
        verdict, _ = play(policy_of(zone_of(f"www.bad.example {ttl_s} A 192.0.2.7")), BAD)
        assert verdict.outcome.ttl_s == seen == verdict.outcome.answer[0].rrset.ttl_s
