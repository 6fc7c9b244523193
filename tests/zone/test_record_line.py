import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.zone.names import BadName, BadText, name_text, parse_name
from dns_node.zone.rdata import BadRdata, BadType, parse_rdata, parse_type, rdata_text, type_text
from dns_node.zone.record_line import BadTtl, ParsedRecord, parse_record, parse_ttl
from tests.zone.strategies import EVERYDAY_DATA, wire_names

NEW = parse_name("newdomain.com")
ADDRESS = bytes((1, 3, 3, 7))


@pytest.mark.parametrize(
    "line",
    [
        "newdomain.com A 1.3.3.7",
        "  newdomain.com \t A  1.3.3.7 ",
        "newdomain.com. IN A 1.3.3.7",
        "NewDomain.COM a 1.3.3.7",
        "newdomain.com TYPE1 \\# 4 01030307",
    ],
)
def test_blanks_tabs_class_final_dot_and_case_do_not_matter(line):
    assert parse_record(line) == ParsedRecord(NEW, None, 1, ADDRESS)


@pytest.mark.parametrize(
    "line", ["newdomain.com 300 IN A 1.3.3.7", "newdomain.com IN 5m A 1.3.3.7"]
)
def test_ttl_and_class_may_change_places(line):
    assert parse_record(line) == ParsedRecord(NEW, 300, 1, ADDRESS)


def test_a_type_alone_means_the_whole_rrset():
    assert parse_record("newdomain.com MX") == ParsedRecord(NEW, None, 15, None)
    assert parse_record("newdomain.com ANY") == ParsedRecord(NEW, None, 255, None)


def test_both_value_grammars_are_read():
    master = parse_record("newdomain.com MX 5 mx.example.")
    assert parse_record('newdomain.com MX ["mx.example.", 5]') == master
    quoted = parse_record('newdomain.com TXT "v=DKIM1; k=rsa"')
    assert parse_record("newdomain.com TXT v=DKIM1; k=rsa") == quoted


@given(wire_names(), st.none() | st.integers(0, 2**31 - 1), EVERYDAY_DATA)
def test_a_record_reads_back_from_its_text(owner, ttl_s, data):
    rrtype = parse_type(data[0])
    rdata = parse_rdata(rrtype, data[1], parse_name("example."))
    parts = [name_text(owner), "" if ttl_s is None else str(ttl_s), type_text(rrtype)]
    line = " ".join([*parts, rdata_text(rrtype, rdata)])
    assert parse_record(line) == ParsedRecord(owner, ttl_s, rrtype, rdata)


@given(st.text(max_size=60))
def test_any_line_is_a_record_or_an_error(line):
    try:
        assert isinstance(parse_record(line), ParsedRecord)
    except BadText as error:
        assert str(error)


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("", BadText, "empty"),
        ("x.com", BadType, "no record type"),
        ("x.com 300", BadType, "no record type"),
        ("x.com AA 1.2.3.4", BadType, "no record type"),
        ("x.com CH TXT a", BadType, "only IN"),
        ("x.com AXFR", BadType, "messages"),
        ("x.com ANY 1", BadType, "messages"),
        ("x.com RRSIG A 13", BadType, "signing"),
        ("x..com A 1.2.3.4", BadName, "empty label"),
        ("x.com A 1.2.3", BadRdata, "IPv4"),
        ("x.com A 1.2.3.4 5", BadRdata, "IPv4"),
        ("x.com 2147483648 A 1.2.3.4", BadTtl, "2147483647"),
        ("x.com 1x A 1.2.3.4", BadTtl, "1h30m"),
        ("x.com -1 A 1.2.3.4", BadType, "no record type"),
        ("x.com " + "9" * 5000 + " A 1.2.3.4", BadTtl, "2147483647"),
    ],
)
def test_a_bad_line_is_refused_with_the_reason(line, error, message):
    with pytest.raises(error, match=message):
        parse_record(line)


def test_a_ttl_may_have_units():
    assert parse_ttl("1h30m") == 5400
    assert parse_ttl("1W2D") == 604_800 + 2 * 86_400
    assert parse_ttl("0") == 0
    assert parse_ttl("2147483647") == 2**31 - 1
