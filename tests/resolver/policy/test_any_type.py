"""Questions for ANY (RFC 8482)."""

from dns_node.resolver.policy.policy import Policy
from tests.resolver.policy.outcomes import negative, positive
from tests.resolver.policy.policy_zones import BAD, play, shown


def test_rfc8482_any_is_answered_with_one_rrset():
    given = {f"{BAD} A": negative(), f"{BAD} AAAA": positive(f"{BAD} 9 AAAA 2001:db8::1")}
    verdict, resolved = play(Policy(), f"{BAD} ANY", given)
    assert shown(verdict) == (0, [f"{BAD} 9 AAAA 2001:db8::1"])
    nothing = {f"{BAD} A": negative(), f"{BAD} AAAA": negative()}
    assert shown(play(Policy(), f"{BAD} ANY", nothing)[0]) == (
        0,
        [f'{BAD} 3600 HINFO "RFC8482" ""'],
    )
    gone = {f"{BAD} A": negative(rcode=3)}
    assert shown(play(Policy(), f"{BAD} ANY", gone)[0]) == (3, [])


def test_rfc8482_any_of_an_alias_is_the_alias_alone():
    chain = {f"{BAD} A": positive(f"{BAD} 9 CNAME b.example.", "b.example. 9 A 192.0.2.1")}
    verdict, _ = play(Policy(), f"{BAD} ANY", chain)
    assert shown(verdict) == (0, [f"{BAD} 9 CNAME b.example."])
