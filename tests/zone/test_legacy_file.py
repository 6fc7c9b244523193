import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.errors import InputError
from dns_node.zone.legacy_file import read_legacy_file
from dns_node.zone.names import name_text, parse_name
from dns_node.zone.rdata import parse_rdata, rdata_text

HEAD = 'example.com SOA ["ns1.example.com.", "admin.example.com."]\nexample.com NS ns.example.org\n'
APEX = parse_name("example.com")


def read_one(text):
    (zone,) = read_legacy_file("zf.txt", HEAD + text)
    return zone


def problems_of(text):
    with pytest.raises(InputError) as refusal:
        read_legacy_file("zf.txt", text)
    return str(refusal.value).split("\n")


def test_each_type_of_the_format_is_read_with_ttl_0():
    zone = read_one(
        "# a comment\n"
        "example.com  A      1.2.3.4\n"
        "www.example.com.  CNAME  example.com\n"
        'example.com  MX     ["mx1.example.com.", 5]\n'
        'example.com  MX     ["mx2.example.com", 20]\n'
        "example.com  TXT    a text with blanks; and a # sign\n"
    )
    assert zone.origin == APEX
    assert {rrset.ttl_s for node in zone.nodes.values() for rrset in node.values()} == {0}
    apex = zone.nodes[APEX]
    assert [rdata_text(15, rdata) for rdata in apex[15].rdatas] == [
        "5 mx1.example.com.", "20 mx2.example.com.",
    ]  # fmt: skip
    assert apex[16].rdatas == (parse_rdata(16, '"a text with blanks; and a # sign"'),)
    assert rdata_text(6, apex[6].rdatas[0]).endswith(" 1 3600 600 604800 300")
    assert zone.nodes[parse_name("www", APEX)][5].rdatas == (APEX,)
    assert zone.warnings == []


def test_a_line_that_starts_with_white_space_joins_the_line_before():
    zone = read_one("example.com TXT abc\n   def\n\tghi\n# no\n   jkl\nexample.com A 1.2.3.4\n")
    assert zone.nodes[APEX][16].rdatas == (b"\x0cabcdefghijkl",)
    assert 1 in zone.nodes[APEX]


@given(st.text(alphabet="abcdefghij=;:/+", min_size=1, max_size=900), st.integers(1, 80))
def test_a_long_text_in_lines_of_any_length_is_split_at_255_octets(text, width):
    lines = [text[at : at + width] for at in range(0, len(text), width)]
    zone = read_one("example.com TXT " + "\n  ".join(lines) + "\n")
    assert zone.nodes[APEX][16].rdatas == (parse_rdata(16, text),)


def test_cname_beside_other_data_loads_with_a_warning():
    zone = read_one("example.com A 1.2.3.4\nexample.com CNAME fizzbuzz.com\n")
    assert {1, 5} <= set(zone.nodes[APEX])
    (warning,) = zone.warnings
    assert warning.startswith("zf.txt:4: example.com. has a CNAME and")


def test_a_file_with_several_soas_holds_several_zones():
    text = HEAD + (
        'sub.example.com SOA ["ns1.example.org.", "a.example.org."]\n'
        "sub.example.com NS ns1.example.org.\n"
        "a.sub.example.com A 1.2.3.4\nexample.com A 1.2.3.4\n"
    )
    zones = {name_text(zone.origin): zone for zone in read_legacy_file("zf.txt", text)}
    assert set(zones) == {"example.com.", "sub.example.com."}
    assert parse_name("a.sub.example.com") in zones["sub.example.com."].nodes


def test_without_a_soa_the_candidate_apex_is_the_zone_and_it_gets_soa_and_ns():
    (zone,) = read_legacy_file("zf.txt", "www.example.com A 1.2.3.4\n")
    assert zone.origin == APEX
    assert {2, 6} <= set(zone.nodes[APEX])
    assert len(zone.warnings) == 2


def test_a_configured_origin_is_the_apex():
    origin = parse_name("lab.example.com")
    (zone,) = read_legacy_file("zf.txt", "www.lab.example.com A 1.2.3.4\n", origin)
    assert zone.origin == origin
    with pytest.raises(InputError, match="in the file of lab.example.com"):
        read_legacy_file("zf.txt", HEAD, origin)


def test_every_bad_line_is_named():
    assert problems_of(
        HEAD + "example.com\nexample.com 300 A 1.2.3.4\nexample.com AA 1\nexample.com MX 5 \n"
        "www.example.org A 1.2.3.4\nexample.com A 1.2.3.4\na..b A 1.2.3.4\n"
    ) == [
        'zf.txt:3: a line of this format is "<host> <TYPE> <data>"; here a part is missing',
        'zf.txt:4: this format has no column for TTL or class; remove "300"',
        'zf.txt:5: "AA" is no record type; did you mean CAA?',
        "zf.txt:6: MX needs a preference and a mail server such as 10 mail.example.com.,"
        ' not "5" (expecting an identifier)',
        'zf.txt:9: "a..b" has an empty label (two dots in a row, or one first)',
        "zf.txt:7: www.example.org. is outside the zones of this file (example.com.)",
    ]


@given(st.text(max_size=200))
def test_any_text_is_zones_or_an_input_error(text):
    try:
        assert read_legacy_file("zf.txt", text)
    except InputError as error:
        assert "zf.txt" in str(error)
