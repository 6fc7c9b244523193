"""Response policy zones: which rule, and what becomes of the answer."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.answer.respond import Client
from dns_node.resolver.policy.policy import Policy, PolicySettings
from dns_node.resolver.policy.rpz_rules import Action, Kind
from dns_node.resolver.policy.verdict import Answered, Dropped, NameServers, Request, Truncated
from dns_node.resolver.question import Outcome, Security
from dns_node.zone.names import parse_name
from tests.resolver.policy.outcomes import held, lines, negative, positive, question
from tests.resolver.policy.policy_zones import play, policy_of, shown, zone_of

BAD = "www.bad.example."
REAL = {"www.bad.example. A": positive(f"{BAD} 300 A 192.0.2.1")}


def rewrite(record, asked=f"{BAD} A", outcomes=None, **options):
    """(what the client sees, what was resolved) under one rule."""
    verdict, resolved = play(policy_of(zone_of(record)), asked, outcomes or REAL, **options)
    return shown(verdict), resolved


# Actions


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


# Triggers


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


def servers_of(cut, *names, addresses=()):
    """The servers of a cut; without addresses none is known."""
    wire = tuple(map(parse_name, names))
    return NameServers(
        parse_name(cut), frozenset(wire), frozenset(addresses), wire * (not addresses)
    )


SERVERS = (
    servers_of("bad.example.", "ns.evil.net.", addresses=[bytes((203, 0, 113, 5))]),
    servers_of("example.", "a.tld.", addresses=[bytes((198, 51, 100, 5))]),
)


def known_servers(_name):
    return SERVERS


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


# Precedence


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


# DNSSEC


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


# Options and the rest of policy


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


# ANY


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


# Against the plainest implementation

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
