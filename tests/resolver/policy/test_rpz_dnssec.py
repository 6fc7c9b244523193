"""Response policy zones beside DNSSEC: what is bogus, and what is signed."""

from dns_node.resolver.policy.policy import Policy, PolicySettings
from dns_node.resolver.policy.verdict import Answered
from dns_node.resolver.question import Outcome, Security
from tests.resolver.policy.outcomes import held
from tests.resolver.policy.policy_zones import BAD, REAL, play, policy_of, shown, zone_of


def test_what_is_bogus_stays_servfail_whatever_the_rules_about_answers_say():
    zone = zone_of("32.1.2.0.192.rpz-ip 60 CNAME .", "*.bad.example 60 A 192.0.2.7")
    bogus = Outcome(2, security=Security.BOGUS)
    first = zone_of("ns.x.rpz-nsdname 60 CNAME .", apex="one.")
    verdict, _ = play(policy_of(first, zone), BAD, {f"{BAD} A": bogus})
    assert verdict == Answered(bogus)


def test_signed_answers_stay_for_who_asks_for_signatures():
    signed = Outcome(
        0, (held(f"{BAD} 9 A 192.0.2.1", Security.SECURE, [b"x"]),), (), Security.SECURE, 9
    )
    zone = zone_of("www.bad.example 60 CNAME .")
    assert play(policy_of(zone), BAD, {f"{BAD} A": signed}, is_do=True)[0] == Answered(signed)
    assert shown(play(policy_of(zone), BAD, {}, is_do=False)[0])[0] == 3
    assert shown(play(policy_of(zone), BAD, REAL, is_do=True)[0])[0] == 3, "unsigned is rewritten"
    breaking = Policy(PolicySettings(rpz_breaks_dnssec=True), (zone,))
    assert shown(play(breaking, BAD, {}, is_do=True)[0])[0] == 3
