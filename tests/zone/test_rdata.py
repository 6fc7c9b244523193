import re

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.zone.names import BadText, parse_name
from dns_node.zone.rdata import (
    SOA_TIMERS,
    BadRdata,
    BadType,
    canonical_rdata,
    is_meta_type,
    make_rrset,
    parse_master_rdata,
    parse_rdata,
    parse_type,
    rdata_text,
    type_text,
)
from dns_node.zone.rdata_forms import AAAA, A
from tests.zone.strategies import ADDRESSES, ADDRESSES_6, EVERYDAY_DATA

ORIGIN = parse_name("Example.com")

ONE_OF_EACH = [
    ("A", "192.0.2.1"),
    ("AAAA", "2001:db8::1"),
    ("NS", "ns1.example.com."),
    ("CNAME", "www.example.com."),
    ("SOA", "ns1.example.com. admin.example.com. 1 2 3 4 5"),
    ("MX", "0 ."),
    ("TXT", '"a" "b;c" "\\226\\130\\172"'),
    ("SRV", "10 5 5060 sip.example.com."),
    ("CAA", '0 issue "ca.example.net"'),
    ("SSHFP", "4 2 " + "0a" * 32),
    ("TLSA", "3 1 1 " + "0b" * 32),
    ("HTTPS", "1 . alpn=h2,h3 ipv4hint=192.0.2.1"),
    ("SVCB", "16 foo.example.org. mandatory=alpn alpn=h2 key65333=ex"),
    ("NAPTR", '100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .'),
    ("DS", "12345 13 2 " + "0c" * 32),
    ("DNSKEY", "257 3 13 " + "A" * 86 + "=="),
    ("LOC", "52 22 23.000 N 4 53 32.000 E -2.00m 1.00m 10000.00m 10.00m"),
    ("URI", '10 1 "https://example.com/"'),
    ("HINFO", '"CPU" "OS"'),
    ("RP", "admin.example.com. info.example.com."),
    ("APL", "1:192.0.2.0/24 !2:2001:db8::/32"),
    ("OPENPGPKEY", "AQIDBA=="),
    ("CSYNC", "66 3 A NS AAAA"),
    ("ZONEMD", "2018031500 1 1 " + "0d" * 48),
    ("NSEC3PARAM", "1 0 0 -"),
    ("EUI48", "00-00-5e-00-53-2a"),
    ("DNAME", "example.net."),
    ("CERT", "PKIX 1 8 AQID"),
    ("TYPE65534", "\\# 4 0a000001"),
    ("TYPE65534", "\\# 0"),
]


@pytest.mark.parametrize(("kind", "text"), ONE_OF_EACH)
def test_reading_undoes_writing_for_each_type(kind, text):
    rrtype = parse_type(kind)
    rdata = parse_rdata(rrtype, text)
    assert parse_rdata(rrtype, rdata_text(rrtype, rdata)) == rdata
    assert parse_master_rdata(rrtype, rdata_text(rrtype, rdata)) == rdata
    assert canonical_rdata(rrtype, rdata) == rdata


@pytest.mark.parametrize(("kind", "text"), ONE_OF_EACH)
def test_rfc3597_5_each_type_may_be_written_as_unknown(kind, text):
    rrtype = parse_type(kind)
    rdata = parse_rdata(rrtype, text)
    unknown = f"\\# {len(rdata)} {rdata.hex()}"
    assert parse_rdata(parse_type(f"TYPE{rrtype}"), unknown) == rdata


@given(EVERYDAY_DATA)
def test_reading_undoes_writing(data):
    kind, text = data
    rrtype = parse_type(kind)
    rdata = parse_master_rdata(rrtype, text, ORIGIN)
    assert parse_rdata(rrtype, rdata_text(rrtype, rdata)) == rdata


ADDRESS_TEXTS = st.one_of(
    ADDRESSES, ADDRESSES_6, ADDRESSES.map("::ffff:{}".format), st.from_regex("[0-9a-f:. ]{2,20}")
)


@given(st.sampled_from([A, AAAA]), ADDRESS_TEXTS)
def test_the_short_way_of_addresses_is_that_of_the_master_file(rrtype, text):
    try:
        rdata = parse_master_rdata(rrtype, text)
    except BadText as error:
        with pytest.raises(BadText, match=f"^{re.escape(str(error))}$"):
            parse_rdata(rrtype, text)
        return
    assert parse_rdata(rrtype, text) == rdata
    parsed = dns.rdata.from_wire(dns.rdataclass.IN, rrtype, rdata, 0, len(rdata))
    assert rdata_text(rrtype, rdata) == parsed.to_text()


@given(st.integers(0, 65_535), st.binary(max_size=40))
def test_writing_never_fails_and_reads_back_what_is_well_formed(rrtype, octets):
    text = rdata_text(rrtype, octets)
    if is_meta_type(rrtype):
        return
    try:
        rdata = canonical_rdata(rrtype, octets)
    except BadRdata:
        return
    assert parse_master_rdata(rrtype, rdata_text(rrtype, rdata), signatures=True) == rdata
    assert text


@given(st.sampled_from(sorted(dns.rdatatype.RdataType)), st.text(max_size=60))
def test_any_text_is_data_or_a_one_line_error(rrtype, text):
    try:
        rdata = parse_rdata(int(rrtype), text, ORIGIN)
    except BadText as error:
        assert str(error)
    else:
        assert canonical_rdata(int(rrtype), rdata) == rdata


@given(st.binary(min_size=1, max_size=700))
def test_any_octets_survive_as_quoted_text_and_are_split_at_255(octets):
    text = '"' + "".join(f"\\{octet:03d}" for octet in octets) + '"'
    rdata = parse_rdata(16, text)
    strings = dns.rdata.from_wire(dns.rdataclass.IN, 16, rdata, 0, len(rdata)).strings
    assert b"".join(strings) == octets
    assert all(len(string) == 255 for string in strings[:-1])


@pytest.mark.parametrize("kind", ["NS", "CNAME", "PTR", "DNAME"])
def test_rfc4034_6_2_names_inside_are_lower_case(kind):
    assert parse_rdata(parse_type(kind), "WWW.Example.COM.") == parse_name("www.example.com")


def test_rfc4034_6_2_names_in_mx_srv_and_soa_are_lower_case_and_newer_types_keep_theirs():
    assert parse_rdata(15, "5 MX.Com.").endswith(b"\x02mx\x03com\0")
    assert parse_rdata(33, "1 2 3 SIP.Com.").endswith(b"\x03sip\x03com\0")
    assert parse_rdata(6, "NS.Com. H.Com. 1 2 3 4 5").startswith(b"\x02ns\x03com\0\x01h\x03com\0")
    assert parse_rdata(65, "1 Foo.Com.").endswith(b"\x03Foo\x03Com\0")


def test_names_are_absolute_without_an_origin_and_relative_with_one():
    assert parse_rdata(2, "ns1.example.com") == parse_name("ns1.example.com")
    assert parse_rdata(2, "ns1", ORIGIN) == parse_name("ns1.example.com")


def test_mx_and_soa_may_be_lists():
    assert parse_rdata(15, '["MX.example.", 5]') == parse_rdata(15, "5 mx.example.")
    short = parse_rdata(6, '["ns.example.", "admin.example"]')
    assert short == parse_rdata(6, "ns.example. admin.example. " + " ".join(map(str, SOA_TIMERS)))
    long = parse_rdata(6, '["ns.example.", "admin.example", 1, 2, 3, 4, 5]')
    assert long == parse_rdata(6, "ns.example. admin.example. 1 2 3 4 5")


def test_text_without_quotes_is_one_string_as_it_stands():
    assert parse_rdata(16, "v=DKIM1; k=rsa") == b"\x0ev=DKIM1; k=rsa"
    assert parse_rdata(16, "\\# 4 03616263") == b"\x03abc"
    assert parse_rdata(16, "ü") == b"\x02\xc3\xbc"


def test_quoted_texts_are_strings_and_a_comment_may_follow():
    assert parse_rdata(16, '"a;b" "c" ; comment') == b"\x03a;b\x01c"
    assert parse_rdata(16, '""') == b"\0"


def test_a_master_file_parts_words_without_quotes_into_strings():
    assert parse_master_rdata(16, "a b") == b"\x01a\x01b"


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("A", "300.1.1.1", 'A needs an IPv4 address such as 192.0.2.1, not "300.1.1.1"'),
        ("AAAA", "1.2.3.4", 'AAAA needs an IPv6 address such as 2001:db8::1, not "1.2.3.4"'),
        ("MX", "mail", "MX needs a preference and a mail server such as 10 mail.example.com."),
        ("MX", '["a"]', 'MX as a list looks like ["mx.example.", 10], not ["a"]'),
        ("MX", '["a", 70000]', "no number of 0 to 65535"),
        ("MX", '["a"', "MX as a list looks like"),
        ("SOA", "ns. admin@example.com 1 2 3 4 5", "SOA: write the mailbox with a dot"),
        ("SOA", '["ns.", "a@b.c"]', "write the mailbox with a dot: a.b.c"),
        ("TXT", '"abc', "a quote is not closed"),
        ("CAA", "0 issue", 'such as 0 issue "ca.example.net"'),
        ("HTTPS", "0 . alpn=h2", "AliasMode"),
        ("A", "\\# 5 0102030405", "A needs"),
        ("TYPE65534", "abc", "RFC 3597"),
        ("NS", "", "there is nothing after the type"),
        ("TXT", "", "there is nothing after the type"),
    ],
)
def test_bad_data_are_refused_with_an_example_of_the_right_form(kind, text, message):
    with pytest.raises(BadRdata) as refusal:
        parse_rdata(parse_type(kind), text)
    assert message in str(refusal.value)


@pytest.mark.parametrize("kind", ["ANY", "AXFR", "OPT", "TSIG", "TYPE0", "NXNAME", "RRSIG"])
def test_types_of_messages_and_signatures_are_no_data_by_hand(kind):
    with pytest.raises(BadType):
        parse_rdata(parse_type(kind), "\\# 0")


def test_an_unknown_type_is_refused_with_the_nearest_one():
    with pytest.raises(BadType, match="did you mean CNAME"):
        parse_type("CNAM")
    with pytest.raises(BadType, match="TYPE65534"):
        parse_type("TYPE99999")


def test_types_read_back_and_case_does_not_matter():
    assert parse_type("aaaa") == parse_type("TYPE28") == 28
    assert type_text(28) == "AAAA"
    assert type_text(65_534) == "TYPE65534"


def test_names_inside_may_not_be_compressed():
    with pytest.raises(BadRdata):
        canonical_rdata(15, b"\x00\x05\xc0\x00")


@given(st.lists(st.binary(max_size=4), max_size=6))
def test_an_rrset_is_the_same_in_whatever_order_and_number_its_records_come(rdatas):
    assert make_rrset(65_000, 60, rdatas) == make_rrset(65_000, 60, rdatas[::-1] + rdatas)
