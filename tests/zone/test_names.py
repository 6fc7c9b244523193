import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.zone.names import (
    ROOT,
    BadName,
    ancestors,
    canonical_key,
    from_labels,
    is_subdomain,
    is_wildcard,
    labels,
    lower,
    name_text,
    parent,
    parse_name,
    relative_text,
)
from tests.zone.strategies import HOST_TEXTS, wire_names

EXAMPLE = parse_name("example.com")


@given(wire_names())
def test_reading_undoes_writing(name):
    assert parse_name(name_text(name)) == name


@given(wire_names(), wire_names())
def test_reading_a_relative_name_undoes_writing_it(name, origin):
    assert parse_name(relative_text(name, origin), origin) == name


@given(wire_names())
def test_labels_make_the_name(name):
    assert from_labels(labels(name)) == name


@given(HOST_TEXTS)
def test_a_name_reads_as_dnspython_reads_it(text):
    expected = dns.name.from_text(text).canonicalize().to_wire()
    assert parse_name(text) == expected


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_a_one_line_error(text):
    try:
        name = parse_name(text)
    except BadName as error:
        assert len(str(error).splitlines()) == 1 or "\n" in text or not text.isprintable()
    else:
        assert len(name) <= 255
        assert lower(name) == name
        assert from_labels(labels(name)) == name


@given(wire_names(), wire_names())
def test_a_name_is_below_exactly_its_ancestors(name, other):
    assert is_subdomain(name, other) == (other in list(ancestors(name)))


@given(wire_names(), wire_names())
def test_rfc4034_6_1_names_sort_in_canonical_order(one, two):
    ours = canonical_key(one) < canonical_key(two)
    assert ours == (dns.name.from_wire(one, 0)[0] < dns.name.from_wire(two, 0)[0])


def test_rfc4343_letters_are_lower_case_and_other_octets_stay():
    assert parse_name("EXAMPLE.Com") == b"\x07example\x03com\0"
    assert parse_name("\\196.de") == b"\x01\xc4\x02de\0"
    assert lower(b"\x03ABC\0") == b"\x03abc\0"


def test_a_relative_name_takes_the_origin_and_an_absolute_one_does_not():
    assert parse_name("www", EXAMPLE) == parse_name("www.example.com.")
    assert parse_name("www.", EXAMPLE) == b"\x03www\0"
    assert parse_name("@", EXAMPLE) == EXAMPLE


def test_ancestors_go_from_the_name_to_the_root():
    assert [name_text(name) for name in ancestors(EXAMPLE)] == ["example.com.", "com.", "."]
    assert parent(EXAMPLE) == b"\x03com\0"


def test_a_label_border_is_needed_to_be_below():
    assert not is_subdomain(parse_name("badexample.com"), EXAMPLE)
    assert is_subdomain(EXAMPLE, ROOT)


def test_a_lone_asterisk_makes_a_wildcard():
    assert is_wildcard(parse_name("*.example.com"))
    assert not is_wildcard(parse_name("*a.example.com"))
    assert is_wildcard(parse_name("\\042.example.com"))  # RFC 4592 section 2.1.1


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("bücher.example", b"\x0dxn--bcher-kva\x07example\0"),
        ("BÜCHER.example", b"\x0dxn--bcher-kva\x07example\0"),
        ("faß.de", b"\x0axn--fa-hia\x02de\0"),
        ("_sip.bücher.de", b"\x04_sip\x0dxn--bcher-kva\x02de\0"),
        ("例え。jp", b"\x0bxn--r8jz45g\x02jp\0"),
    ],
)
def test_rfc5891_other_letters_become_a_labels(text, wire):
    assert parse_name(text) == wire


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("a..b", "empty label"),
        (".a", "empty label"),
        ("a" * 64, "63 octets"),
        (".".join(["a" * 60] * 5), "255"),
        ("\\300.a", "bad escape"),
        ("a b", "backslash"),
        ('"a"', "backslash"),
        ("a\\", "backslash"),
        ("٣a.de", "internationalized"),
        ("@", "origin"),
    ],
)
def test_a_bad_name_is_refused_with_the_reason(text, reason):
    with pytest.raises(BadName, match=reason):
        parse_name(text)


def test_a_relative_name_that_only_fits_without_its_origin_is_refused():
    with pytest.raises(BadName, match="too long"):
        parse_name(".".join(["a" * 60] * 4), EXAMPLE)
