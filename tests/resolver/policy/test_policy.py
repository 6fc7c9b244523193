"""The parts of policy beside each other: which is looked at first."""

from dns_node.resolver.policy.policy import Policy, PolicySettings
from dns_node.resolver.policy.verdict import Answered
from tests.resolver.policy.outcomes import negative, positive
from tests.resolver.policy.policy_zones import BAD, REAL, play, policy_of, shown, zone_of


def test_dns64_can_not_get_around_a_rule_about_an_ipv4_address():
    settings = PolicySettings(dns64_prefixes=("64:ff9b::/96",))
    policy = Policy(settings, (zone_of("24.0.2.0.192.rpz-ip 60 CNAME *."),))
    verdict, _ = play(policy, f"{BAD} AAAA", REAL | {f"{BAD} AAAA": negative()})
    assert shown(verdict) == (0, [])


def test_rebinding_is_looked_at_after_the_rules_and_not_for_what_they_say():
    settings = PolicySettings(private_networks=("10.0.0.0/8",))
    inside = {f"{BAD} A": positive(f"{BAD} 9 A 10.0.0.1")}
    policy = Policy(settings, (zone_of("other.example 60 A 10.0.0.2"),))
    assert shown(play(policy, BAD, inside)[0]) == (0, [])
    assert shown(play(policy, "other.example.")[0]) == (0, ["other.example. 60 A 10.0.0.2"])


def test_special_names_come_before_everything():
    policy = policy_of(zone_of("* 60 CNAME ."))
    assert shown(play(policy, "localhost.")[0]) == (0, ["localhost. 10800 A 127.0.0.1"])


def test_without_rules_one_question_is_resolved_as_it_is():
    policy = Policy()
    verdict, resolved = play(policy, BAD, REAL)
    assert verdict == Answered(REAL[f"{BAD} A"]) and resolved == [f"{BAD} A"]
    assert policy.allows_shortcut and not policy.depends_on_client
