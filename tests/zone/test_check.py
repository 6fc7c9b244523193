import pytest

from dns_node.zone.check import Limits, check_node, host_targets, node_findings, zone_findings
from dns_node.zone.names import parse_name
from dns_node.zone.rdata import make_rrset, parse_rdata, parse_type

APEX = parse_name("example.com")
WWW = parse_name("www.example.com")


def node(*records):
    """The node that (type, text) pairs make."""
    by_type = {}
    for kind, text in records:
        rrtype = parse_type(kind)
        by_type.setdefault(rrtype, []).append(parse_rdata(rrtype, text, APEX))
    return {rrtype: make_rrset(rrtype, 300, rdatas) for rrtype, rdatas in by_type.items()}


SOA = ("SOA", "ns admin 1 2 3 4 5")
GOOD_ZONE = {
    APEX: node(SOA, ("NS", "ns"), ("MX", "10 mail")),
    parse_name("ns", APEX): node(("A", "192.0.2.1")),
    parse_name("mail", APEX): node(("AAAA", "2001:db8::1")),
    parse_name("child", APEX): node(("NS", "ns.child"), ("NS", "ns.example.org.")),
    parse_name("ns.child", APEX): node(("A", "192.0.2.2")),
    parse_name("old", APEX): node(("DNAME", "example.org.")),
    parse_name("*.wild", APEX): node(("CNAME", "mail")),
}


def texts(nodes, *, warnings):
    findings = zone_findings(APEX, {**GOOD_ZONE, **nodes})
    return [finding.text for finding in findings if finding.is_warning == warnings]


def test_a_good_zone_has_no_findings():
    assert zone_findings(APEX, GOOD_ZONE) == []


@pytest.mark.parametrize(
    "records",
    [
        [("A", "192.0.2.1"), ("TXT", "a"), ("MX", "10 mail")],
        [("CNAME", "mail")],
        [("CNAME", "mail"), ("NSEC", "a.example.com. CNAME NSEC")],
        [("DNAME", "example.org."), ("A", "192.0.2.1")],
        [("MX", "0 .")],
        [("A", f"192.0.2.{number}") for number in range(100)],
    ],
)
def test_a_good_node_has_no_findings(records):
    assert check_node(WWW, node(*records), False) == []


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([("CNAME", "a"), ("A", "192.0.2.1")], "www.example.com. has a CNAME and an A record"),
        ([("CNAME", "a"), ("CNAME", "b")], "RFC 2181 section 10.1"),
        ([("DNAME", "a"), ("DNAME", "b")], "RFC 6672"),
        ([("DNAME", "a"), ("NS", "b")], "RFC 6672 section 2.3"),
        ([SOA], "only be at the zone's apex"),
        ([("NS", "192.0.2.1.")], "192.0.2.1 is an address"),
        ([("MX", "5 192.0.2.1.")], "192.0.2.1 is an address"),
        ([("NS", ".")], "the root is no server"),
        ([("A", f"192.0.2.{number}") for number in range(101)], "at most 100"),
        ([(f"TYPE{65_280 + number}", "\\# 0") for number in range(101)], "at most 100"),
        ([("TXT", str(number) + "x" * 1000) for number in range(66)], "a message holds"),
    ],
)
def test_a_bad_node_is_refused_with_the_reason(records, message):
    (text,) = check_node(WWW, node(*records), False)
    assert message in text


def test_limits_are_settings():
    two = node(("A", "192.0.2.1"), ("A", "192.0.2.2"))
    assert check_node(WWW, two, False, Limits(records_per_type=1))
    assert check_node(WWW, node(("A", "192.0.2.1"), ("TXT", "a")), False, Limits(types_per_name=1))


def test_cname_beside_other_data_is_marked_for_the_legacy_format():
    (finding,) = node_findings(WWW, node(("CNAME", "a"), ("TXT", "b")), False)
    assert finding.is_cname_clash


def test_the_apex_may_hold_one_soa():
    two = node(SOA, ("SOA", "ns admin 2 2 3 4 5"), ("NS", "ns"))
    assert check_node(APEX, two, True) == [
        "example.com. SOA: 2 records; one is allowed (RFC 2181 section 6.1)"
    ]


def test_a_zone_needs_soa_and_ns():
    errors = texts({APEX: node(("A", "192.0.2.1"))}, warnings=False)
    assert len(errors) == 2
    assert "no SOA record" in errors[0]
    assert "no NS record" in errors[1]


def test_a_name_outside_the_zone_is_refused():
    (error,) = texts({parse_name("www.example.org"): node(("A", "192.0.2.1"))}, warnings=False)
    assert error == "www.example.org. is outside the zone example.com."


def test_rfc6672_2_4_nothing_may_lie_below_a_dname():
    (error,) = texts({parse_name("a.old", APEX): node(("A", "192.0.2.1"))}, warnings=False)
    assert "below the DNAME at old.example.com." in error


def test_data_below_a_delegation_is_said_to_be_hidden_but_glue_is_not():
    (warning,) = texts({parse_name("a.child", APEX): node(("TXT", "a"))}, warnings=True)
    assert "below the delegation child.example.com." in warning


def test_servers_without_an_address_are_said():
    (warning,) = texts({parse_name("ns", APEX): node(("TXT", "a"))}, warnings=True)
    assert "ns.example.com. has no address" in warning
    (warning,) = texts({parse_name("ns.child", APEX): node(("TXT", "a"))}, warnings=True)[:1]
    assert "ns.child.example.com. has no address" in warning


def test_rfc2181_10_3_mx_and_ns_to_a_cname_are_said():
    (warning,) = texts({parse_name("mail", APEX): node(("CNAME", "ns"))}, warnings=True)
    assert "mail.example.com. is a CNAME" in warning


def test_host_targets_are_the_names_that_records_point_to():
    name = parse_name("mail", APEX)
    for kind, text in (("NS", "mail"), ("CNAME", "mail"), ("MX", "1 mail"), ("SRV", "1 2 3 mail")):
        (rrset,) = node((kind, text)).values()
        assert host_targets(rrset) == [name]
