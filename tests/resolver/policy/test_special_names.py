"""Names that are answered here (RFC 6303, 6761 and their like)."""

import pytest

from dns_node.resolver.policy.special_names import SpecialNames
from dns_node.zone.names import parse_name
from tests.resolver.policy.outcomes import lines, question

NAMES = SpecialNames()


def ask(text, qtype="A", names=NAMES):
    """(rcode, answer, owner of the SOA) or None when it is resolved."""
    outcome = names.answer(question(text, qtype))
    if outcome is None:
        return None
    return (
        outcome.rcode,
        lines(outcome.answer),
        [line.split()[0] for line in lines(outcome.authority)],
    )


@pytest.mark.parametrize("name", ["localhost.", "a.b.localhost."])
def test_rfc6761_6_3_localhost_and_all_below_are_the_loopback_addresses(name):
    assert ask(name, "A") == (0, [f"{name} 10800 A 127.0.0.1"], [])
    assert ask(name, "AAAA") == (0, [f"{name} 10800 AAAA ::1"], [])
    assert ask(name, "MX") == (0, [], ["localhost."])


@pytest.mark.parametrize("tld", ["invalid.", "test.", "local.", "onion.", "alt."])
def test_names_that_never_exist_in_the_dns_are_nxdomain_without_asking(tld):
    for name in (tld, f"a.b.{tld}"):
        for qtype in ("A", "TXT", "DS", "ANY"):
            assert ask(name, qtype) == (3, [], ["."])


@pytest.mark.parametrize(
    "apex",
    ["10.in-addr.arpa.", "16.172.in-addr.arpa.", "31.172.in-addr.arpa.", "168.192.in-addr.arpa.",
     "100.51.198.in-addr.arpa.", "64.100.in-addr.arpa.", "127.100.in-addr.arpa.",
     "255.255.255.255.in-addr.arpa.", "d.f.ip6.arpa.", "b.e.f.ip6.arpa.", "home.arpa.",
     "8.b.d.0.1.0.0.2.ip6.arpa.", "default.service.arpa."],
)  # fmt: skip
def test_rfc6303_a_locally_served_zone_is_empty_but_for_its_apex(apex):
    assert ask(f"1.{apex}", "PTR") == (3, [], [apex])
    assert ask(apex, "PTR") == (0, [], [apex])
    assert ask(apex, "NS") == (0, [f"{apex} 10800 NS {apex}"], [])
    rcode, answer, _ = ask(apex, "SOA")
    assert (rcode, len(answer)) == (0, 1)
    assert ask(apex, "ANY")[1]


@pytest.mark.parametrize("apex", ["home.arpa.", "10.in-addr.arpa.", "resolver.arpa."])
def test_rfc8375_4_the_ds_of_a_locally_served_zone_is_asked_of_its_parent(apex):
    assert ask(apex, "DS") is None
    assert ask(f"a.{apex}", "DS")[0] == 3


def test_rfc6303_3_neighbours_of_the_private_networks_are_resolved():
    for name in ("1.15.172.in-addr.arpa.", "1.32.172.in-addr.arpa.", "63.100.in-addr.arpa."):
        assert ask(name, "PTR") is None
    for name in ("128.100.in-addr.arpa.", "c.e.f.ip6.arpa.", "in-addr.arpa.", "arpa.", "."):
        assert ask(name, "PTR") is None


def test_the_loopback_addresses_are_called_localhost():
    name = "1.0.0.127.in-addr.arpa."
    assert ask(name, "PTR") == (0, [f"{name} 10800 PTR localhost."], [])
    assert ask("0.127.in-addr.arpa.", "PTR")[0] == 0, "an empty non-terminal is no NXDOMAIN"
    assert ask("2.0.0.127.in-addr.arpa.", "PTR")[0] == 3
    six = "1." + "0." * 31 + "ip6.arpa."
    assert ask(six, "PTR") == (0, [f"{six} 10800 PTR localhost."], [])


def test_rfc9462_4_resolver_arpa_has_no_designated_resolvers_to_tell():
    assert ask("_dns.resolver.arpa.", "SVCB") == (0, [], ["resolver.arpa."])
    assert ask("x.resolver.arpa.", "A")[0] == 3


def test_names_that_only_end_like_special_ones_are_resolved():
    for name in (
        "mylocalhost.",
        "contest.",
        "test.example.",
        "onion.example.com.",
        "110.in-addr.arpa.",
    ):
        assert ask(name) is None


def test_a_route_takes_its_names_out_and_leaves_the_rest():
    routes = [parse_name(text) for text in ("1.10.in-addr.arpa.", "test.", "example.com.", ".")]
    names = SpecialNames(routes=routes)
    assert ask("5.1.10.in-addr.arpa.", "PTR", names) is None
    assert ask("5.2.10.in-addr.arpa.", "PTR", names)[0] == 3
    assert ask("a.test.", "A", names) is None
    assert ask("a.invalid.", "A", names)[0] == 3, "a route for all names is not one for these"


def test_the_configuration_may_leave_names_out():
    names = SpecialNames(without=[parse_name("local.")])
    assert ask("printer.local.", "A", names) is None
    assert ask("printer.invalid.", "A", names)[0] == 3


def test_rfc8880_ipv4only_arpa_is_local_with_dns64_and_asked_for_without():
    assert ask("ipv4only.arpa.", "A") is None
    names = SpecialNames(has_dns64=True)
    rcode, answer, _ = ask("ipv4only.arpa.", "A", names)
    assert (rcode, [line.split()[-1] for line in answer]) == (0, ["192.0.0.170", "192.0.0.171"])
    assert ask("ipv4only.arpa.", "AAAA", names) == (0, [], ["ipv4only.arpa."])
    assert "ipv4only.arpa." in ask("170.0.0.192.in-addr.arpa.", "PTR", names)[1][0]


def test_what_is_answered_here_is_not_told_as_authentic():
    outcome = NAMES.answer(question("localhost."))
    assert outcome.security.name == "INSECURE" and outcome.ttl_s == 10_800
