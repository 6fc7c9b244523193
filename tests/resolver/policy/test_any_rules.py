"""Whatever the rules: the one that is followed is that of a search through all of them."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from tests.resolver.policy.outcomes import positive
from tests.resolver.policy.policy_zones import BAD, play, policy_of, zone_of

labels = st.sampled_from(["a", "b", "c"])
plain_names = st.lists(labels, min_size=1, max_size=4).map(lambda parts: ".".join(parts) + ".")
name_rules = st.one_of(plain_names, plain_names.map(lambda name: "*." + name), st.just("*."))
networks = st.builds(
    lambda number, length: ipaddress.ip_network((number, length), strict=False),
    st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address),
    st.integers(1, 32),
)


def closest(rules, name):
    """The rule about *name*: itself, else the longest wildcard above it."""
    if name in rules:
        return name
    above = [rule for rule in rules if rule.startswith("*.") and ("." + name).endswith(rule[1:])]
    above = [rule for rule in above if len(rule) - 2 < len(name)]
    return max(above, key=len, default=None)


@given(st.sets(name_rules, min_size=1), plain_names)
def test_a_name_finds_the_rule_that_a_search_through_all_of_them_finds(rules, name):
    zone = zone_of(*(f"{rule.rstrip('.')} 60 CNAME ." for rule in rules))
    given_ = {f"{name} A": positive(f"{name} 9 A 192.0.2.1")}
    verdict, _ = play(policy_of(zone), f"{name} A", given_)
    expected = closest(rules, name)
    assert verdict.rule == ("" if expected is None else f"{expected}rpz.example.")


@given(st.sets(networks, min_size=1, max_size=8), st.lists(st.ip_addresses(v=4), min_size=1))
def test_addresses_find_the_rule_that_a_search_through_all_of_them_finds(rules, addresses):
    zone = zone_of(
        *(
            f"{rule.prefixlen}.{'.'.join(reversed(str(rule.network_address).split('.')))}.rpz-ip"
            " 60 CNAME ."
            for rule in rules
        )
    )
    rdatas = " | ".join(sorted(map(str, set(addresses))))
    verdict, _ = play(policy_of(zone), BAD, {f"{BAD} A": positive(f"{BAD} 9 A {rdatas}")})
    found = [
        (-rule.prefixlen, address, rule)
        for rule in rules
        for address in addresses
        if address in rule
    ]
    if not found:
        assert verdict.rule == ""
    else:
        best = min(found)[2]
        assert verdict.rule.startswith(f"{best.prefixlen}.")
        reverse = ".".join(reversed(str(best.network_address).split(".")))
        assert verdict.rule == f"{best.prefixlen}.{reverse}.rpz-ip.rpz.example."
