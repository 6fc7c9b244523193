"""Policy zones: how triggers and actions are spelled, and the table they become."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.resolver.policy.rpz_rules import (
    Action,
    BadRule,
    Kind,
    Trigger,
    read_rules,
    read_trigger,
    redirect,
    rule_text,
)
from dns_node.resolver.policy.rpz_table import BadTable, Table, make_table
from dns_node.zone.names import BadName, from_labels, parse_name
from tests.resolver.policy.outcomes import held
from tests.resolver.policy.policy_zones import APEX, nodes_of, rules_of

SOA = held("rpz.example. 900 SOA ns.example. h.example. 7 2 3 4 60").rrset


@pytest.mark.parametrize(
    "text, trigger, network",
    [
        ("32.1.2.0.192.rpz-ip.", Trigger.IP, "192.0.2.1/32"),
        ("24.0.2.0.192.rpz-client-ip.", Trigger.CLIENT_IP, "192.0.2.0/24"),
        ("8.0.0.0.10.rpz-nsip.", Trigger.NSIP, "10.0.0.0/8"),
        ("128.57.zz.9.0.db8.2001.rpz-ip.", Trigger.IP, "2001:db8:0:9::57/128"),
        ("48.zz.1.db8.2001.rpz-nsip.", Trigger.NSIP, "2001:db8:1::/48"),
        ("128.1.zz.rpz-client-ip.", Trigger.CLIENT_IP, "::1/128"),
        ("64.0.0.0.0.4.3.2.1.rpz-ip.", Trigger.IP, "1:2:3:4::/64"),
    ],
)
def test_address_triggers_are_spelled_backwards_with_zz_for_the_zeros(text, trigger, network):
    key = read_trigger(parse_name(text))
    expected = ipaddress.ip_network(network)
    assert key == bytes((trigger, expected.prefixlen)) + expected.network_address.packed


@pytest.mark.parametrize(
    "text",
    ["33.1.2.0.192.rpz-ip.", "24.1.2.0.192.rpz-ip.", "0.0.0.0.0.rpz-ip.", "1.2.0.192.rpz-ip.",
     "rpz-ip.", "rpz-nsdname.", "129.1.zz.rpz-ip.", "64.zz.1.zz.2.rpz-ip.", "x.1.2.3.4.rpz-ip.",
     "a.rpz-unknown.", "32.256.2.0.192.rpz-ip."],
)  # fmt: skip
def test_what_is_no_trigger_is_refused(text):
    with pytest.raises(BadRule):
        read_trigger(parse_name(text))


@given(
    st.sampled_from([Trigger.CLIENT_IP, Trigger.IP, Trigger.NSIP]),
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    st.integers(1, 128),
)
def test_the_text_of_an_address_rule_is_the_name_it_was_read_from(trigger, address, length):
    network = ipaddress.ip_network((address, min(length, address.max_prefixlen)), strict=False)
    key = bytes((trigger, network.prefixlen)) + network.network_address.packed
    text = rule_text(APEX, key)
    assert text.endswith(".rpz.example.")
    assert read_trigger(parse_name(text.removesuffix("rpz.example."))) == key


def test_the_text_of_a_name_rule_is_the_name_it_was_read_from():
    for text in ("www.bad.example.", "*.bad.example.", "ns.bad.rpz-nsdname.", "*.x.rpz-nsdname."):
        assert rule_text(APEX, read_trigger(parse_name(text))) == text + "rpz.example."


@pytest.mark.parametrize(
    "target, kind",
    [(".", Kind.NXDOMAIN), ("*.", Kind.NODATA), ("rpz-passthru.", Kind.PASSTHRU),
     ("rpz-drop.", Kind.DROP), ("rpz-tcp-only.", Kind.TCP_ONLY), ("RPZ-Drop.", Kind.DROP),
     ("www.bad.example.", Kind.PASSTHRU), ("garden.example.", Kind.DATA),
     ("*.garden.example.", Kind.DATA)],
)  # fmt: skip
def test_the_target_of_a_cname_is_an_action_or_an_alias(target, kind):
    rules = rules_of(f"www.bad.example 60 CNAME {target}")
    assert [action.kind for action in rules.values()] == [kind]


def test_other_records_are_local_data_and_those_of_the_zone_itself_are_not():
    (action,) = rules_of(
        "www.bad.example 60 A 192.0.2.1",
        "www.bad.example 30 TXT hello",
        "www.bad.example 30 NS ns.example.",
        "www.bad.example 30 DS 1 13 2 " + "00" * 32,
    ).values()
    assert [rrset.rrtype for rrset in action.rrsets] == [1, 16]
    assert action.ttl_s == 30
    assert rules_of("only.example 60 DNAME elsewhere.example.") == {}


def test_what_is_no_rule_is_told_and_the_rest_is_followed():
    complaints = []
    nodes = nodes_of(
        "a 60 CNAME rpz-nonsense.",
        "b 60 CNAME rpz-drop.rpz.example.",
        "c 60 CNAME .",
        "99.1.2.3.4.rpz-ip 60 CNAME .",
    )
    rules = dict(read_rules(APEX, nodes, complaints))
    assert [key[1:] for key in rules] == [parse_name("c.")]
    assert len(complaints) == 3 and "lacks its final dot" in complaints[1]


def test_complaints_are_bounded():
    complaints = []
    nodes = nodes_of(*(f"x{number} 60 CNAME rpz-no." for number in range(100)))
    assert list(read_rules(APEX, nodes, complaints)) == []
    assert len(complaints) == 20


def test_a_wildcard_target_takes_the_name_in():
    target = parse_name("*.garden.example.")
    assert redirect(target, parse_name("www.bad.")) == parse_name("www.bad.garden.example.")
    with pytest.raises(BadName):
        redirect(target, from_labels([b"x" * 60] * 4))


names = st.lists(st.sampled_from([b"a", b"b", b"c", b"*"]), min_size=1, max_size=4).map(from_labels)
keys = st.one_of(
    st.builds(lambda name: b"\x02" + name, names),
    st.builds(lambda octets: b"\x03\x20" + octets, st.binary(min_size=4, max_size=4)),
)
actions = st.builds(Action, st.sampled_from(list(Kind)), st.integers(0, 99), st.just((SOA,)))


@given(st.dictionaries(keys, actions, max_size=50), st.lists(keys))
def test_a_table_finds_what_was_put_into_it_and_nothing_else(rules, others):
    table = Table(make_table(APEX, SOA, rules.items()))
    for key in [*rules, *others]:
        assert table.find(key) == rules.get(key)
    assert len(table) == len(rules)
    assert table.header.serial == 7 and table.header.apex == APEX


@given(st.binary(max_size=80))
def test_octets_that_are_no_table_are_refused(octets):
    with pytest.raises(BadTable):
        Table(octets)


def test_a_table_that_was_cut_short_is_refused():
    octets = make_table(APEX, SOA, rules_of("a 60 CNAME .").items())
    Table(octets)
    for size in range(len(octets)):
        with pytest.raises(BadTable):
            Table(octets[:size])


def test_a_hundred_thousand_rules_cost_their_names_and_little_more():
    drop = Action(Kind.NXDOMAIN, 60)
    rules = ((b"\x02" + parse_name(f"host{n}.bad.example."), drop) for n in range(100_000))
    octets = make_table(APEX, SOA, rules)
    table = Table(octets)
    assert table.find(b"\x02" + parse_name("host99999.bad.example.")) == drop
    assert table.find(b"\x02" + parse_name("host100000.bad.example.")) is None
    assert len(octets) < 100_000 * 50
