"""`find` against a naive reading of the RFCs over a dictionary, and the example of RFC 4592."""

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from dns_node.zone.find import (
    Alias,
    DNameFound,
    Match,
    NoData,
    NxDomain,
    Referral,
    find,
    is_below,
    names_below,
)
from dns_node.zone.rrset import RRset
from tests.answer.dict_view import DictView, DictZone, canonical_key, wire, zone_from_text
from tests.answer.example_zones import RFC4592

APEX = wire("example.")
A, NS, CNAME, SOA, TXT, DNAME, DS, ANY = 1, 2, 5, 6, 16, 39, 43, 255

SOA_RDATA = b"\0\0" + bytes(20)


def find_in(zone, qname, qtype):
    return find(DictView(zone), zone.apex, zone.header, qname, qtype)


labels = st.sampled_from([b"*", b"a", b"b", b"c", b"\xff"])
owners = st.lists(labels, max_size=4).map(
    lambda found: b"".join(bytes([len(label)]) + label for label in found) + APEX
)
RDATA = {
    A: b"\x7f\0\0\1",
    NS: wire("ns.test."),
    CNAME: wire("to.test."),
    TXT: b"\1x",
    DNAME: wire("d.test."),
    DS: b"\0\1\x0d\2",
}
nodes = st.lists(st.sampled_from(sorted(RDATA)), min_size=1, max_size=2, unique=True)


@st.composite
def zones(draw):
    found = draw(st.dictionaries(owners, nodes, max_size=8))
    rows = {
        owner: {rrtype: RRset(rrtype, 60, (RDATA[rrtype],)) for rrtype in types}
        for owner, types in found.items()
    }
    rows.setdefault(APEX, {})[SOA] = RRset(SOA, 60, (SOA_RDATA,))
    return DictZone(APEX, rows, 1)


def naive_find(zone, qname, qtype):
    """Return what `find` should: by looking at every owner name, with no cursor."""
    rows = zone.nodes
    for name in [APEX, *names_below(APEX, qname)]:
        node = rows.get(name, {})
        if name != APEX and NS in node and not (name == qname and qtype == DS):
            return "referral", name
        if name != APEX and NS in node:
            break
        if name != qname and DNAME in node:
            return "dname", name

    def exists(name):
        return any(owner == name or is_below(owner, name) for owner in rows)

    def within(name, wildcard):
        node = rows.get(name, {})
        if qtype in node or (qtype == ANY and node):
            return "match", wildcard
        return ("alias", wildcard) if node.keys() == {CNAME} else ("nodata", wildcard)

    if exists(qname):
        return within(qname, None)
    encloser = qname
    while not exists(encloser):
        encloser = encloser[encloser[0] + 1 :]
    if exists(b"\1*" + encloser):
        return within(b"\1*" + encloser, b"\1*" + encloser)
    return "nxdomain", encloser


def plain(found):
    match found:
        case Match(_, wildcard):
            return "match", wildcard
        case Alias(_, _, wildcard):
            return "alias", wildcard
        case NoData(_, wildcard):
            return "nodata", wildcard
        case Referral(cut, _):
            return "referral", cut
        case DNameFound(owner, _, _):
            return "dname", owner
        case NxDomain(encloser):
            return "nxdomain", encloser


@settings(max_examples=400)
@given(zones(), owners, st.sampled_from([A, TXT, DS, CNAME, DNAME, NS, ANY]))
def test_find_agrees_with_a_reader_of_every_owner_name(zone, qname, qtype):
    found = plain(find_in(zone, qname, qtype))
    event(found[0])
    assert found == naive_find(zone, qname, qtype)


@given(zones(), owners)
def test_rfc8020_nxdomain_means_nothing_at_or_below(zone, qname):
    assume(isinstance(find_in(zone, qname, A), NxDomain))
    assert not any(owner == qname or is_below(owner, qname) for owner in zone.nodes)


@given(st.lists(owners, unique=True))
def test_the_test_zones_are_in_canonical_order(names):
    ordered = sorted(names, key=canonical_key)
    for name in ordered:
        below = [other for other in ordered if is_below(other, name)]
        index = ordered.index(name)
        assert ordered[index + 1 : index + 1 + len(below)] == below


RFC4592_ANSWERS = [
    ("host3.example.", "MX", "match", "*.example."),
    ("host3.example.", "A", "nodata", "*.example."),
    ("foo.bar.example.", "TXT", "match", "*.example."),
    ("host1.example.", "MX", "nodata", None),
    ("sub.*.example.", "MX", "nodata", None),
    ("_telnet._tcp.host1.example.", "SRV", "nxdomain", "_tcp.host1.example."),
    ("host.subdel.example.", "A", "referral", "subdel.example."),
    ("ghost.*.example.", "MX", "nxdomain", "*.example."),
]
TYPES = {"A": 1, "MX": 15, "TXT": 16, "SRV": 33}


@pytest.mark.parametrize(("qname", "qtype", "kind", "name"), RFC4592_ANSWERS)
def test_rfc4592_2_2_1_table_of_answers(qname, qtype, kind, name):
    zone = zone_from_text("example.", RFC4592)
    expected = (kind, None if name is None else wire(name))
    assert plain(find_in(zone, wire(qname), TYPES[qtype])) == expected


def test_rfc4592_2_1_1_an_asterisk_label_is_found_literally():
    zone = zone_from_text("example.", RFC4592)
    assert plain(find_in(zone, wire("*.example."), 16)) == ("match", None)
    assert plain(find_in(zone, wire("sub.*.example."), 16)) == ("match", None)


def test_rfc4592_2_2_2_empty_non_terminal_gives_nodata_not_nxdomain():
    zone = zone_from_text("example.", RFC4592)
    assert plain(find_in(zone, wire("_tcp.host2.example."), 33)) == ("nodata", None)
    assert plain(find_in(zone, wire("host2.example."), 15)) == ("nodata", None)


def test_an_asterisk_that_is_an_empty_non_terminal_synthesizes_nodata():
    zone = zone_from_text("example.", "@ SOA . . 1 2 3 4 5\nfoo.* A 192.0.2.1")
    assert plain(find_in(zone, wire("x.example."), 1)) == ("nodata", wire("*.example."))


def test_cname_beside_other_data_is_no_alias():
    zone = zone_from_text("example.", "@ SOA . . 1 2 3 4 5\n@ A 192.0.2.1\n@ CNAME fizzbuzz.com.")
    assert plain(find_in(zone, APEX, 1)) == ("match", None)
    assert plain(find_in(zone, APEX, 5)) == ("match", None)
    assert plain(find_in(zone, APEX, 16)) == ("nodata", None)


def test_an_octet_suffix_that_is_no_name_suffix_is_not_below():
    assert not is_below(b"\x0aabc\x07example\0", b"\x07example\0")
    assert is_below(b"\x01a\x07example\0", b"\x07example\0")
