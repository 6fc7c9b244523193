"""Octets of keys and values: parse undoes compose, and keys lie in canonical order."""

import dns.name
from hypothesis import given
from hypothesis import strategies as st

from dns_node.store import layout
from dns_node.zone.change import SourceKey
from dns_node.zone.rrset import RRset
from dns_node.zone.view import SourceHeader, ZoneHeader

LABEL = st.one_of(
    st.binary(min_size=1, max_size=63),
    st.text("ab\0\1\2*", min_size=1, max_size=4).map(str.encode),
).map(lambda label: label.lower())


def compose_name(labels):
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


NAME = st.lists(LABEL, max_size=8).map(compose_name).filter(lambda name: len(name) <= 255)
RRSET = st.builds(
    RRset,
    st.integers(1, 65_535),
    st.integers(0, 2**31 - 1),
    st.lists(st.binary(max_size=40), min_size=1, max_size=5).map(tuple),
    st.lists(st.binary(max_size=40), max_size=2).map(tuple),
)
NODE = st.lists(RRSET, min_size=1, max_size=4).map(lambda found: {r.rrtype: r for r in found})
U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
DIGEST = st.binary(min_size=32, max_size=32)


@given(NAME, U32)
def test_parse_undoes_compose_of_name_keys(owner, zone_id):
    key = layout.compose_name_key(zone_id, owner)
    assert layout.parse_name_key(key) == (zone_id, owner)
    assert layout.parse_zone_key(layout.compose_zone_key(owner)) == owner
    assert len(key) <= 508


def test_the_longest_name_of_the_worst_octets_has_a_key_of_508_octets():
    owner = compose_name([b"\0" * 63, b"\1" * 63, b"\0" * 63, b"\1" * 61])
    assert len(owner) == 255
    assert len(layout.compose_name_key(7, owner)) == 508


@given(NAME, NAME)
def test_rfc4034_6_1_octet_order_of_keys_is_the_canonical_order_of_names(one, other):
    names = [dns.name.from_wire(name, 0)[0] for name in (one, other)]
    keys = [layout.owner_key(name) for name in (one, other)]
    assert (keys[0] < keys[1]) == (names[0] < names[1])
    assert keys[0].startswith(keys[1]) == names[0].is_subdomain(names[1])


@given(NAME, NODE)
def test_parse_undoes_compose_of_nodes(owner, node):
    value = layout.compose_node(owner, node)
    assert layout.parse_node(value) == node
    flags, count, records = layout.parse_node_header(value)
    assert (count, records) == (len(node), sum(len(rrset.rdatas) for rrset in node.values()))
    assert bool(flags & layout.FLAG_APEX) == (6 in node)
    assert bool(flags & layout.FLAG_CUT) == (2 in node and 6 not in node)
    assert bool(flags & layout.FLAG_WILDCARD) == owner.startswith(b"\1*")


@given(
    st.builds(
        ZoneHeader, U32, U32, st.integers(0, 65_535), st.text(max_size=20), U32, U32, U64, U32,
        U32, U32, DIGEST, st.text(max_size=50),
    )
)  # fmt: skip
def test_parse_undoes_compose_of_zone_headers(header):
    assert layout.parse_zone(layout.compose_zone(header)) == header


@given(
    st.builds(SourceKey, st.text(max_size=20), st.text(max_size=99), NAME),
    st.builds(SourceHeader, U32, DIGEST, U64),
)
def test_parse_undoes_compose_of_source_rows(key, header):
    assert layout.parse_source(layout.compose_source(key, header)) == (key, header)
    assert len(layout.compose_source_key(key)) == 32


@given(st.tuples(U64, U64, U64, U32, U64, U64, DIGEST))
def test_parse_undoes_compose_of_the_state(state):
    assert layout.parse_state(layout.compose_state(*state)) == (layout.STORE_SCHEMA, *state)


@given(st.dictionaries(NAME, NODE, max_size=5), st.randoms())
def test_the_rows_digest_does_not_depend_on_the_order(rows, random):
    shuffled = list(rows.items())
    random.shuffle(shuffled)
    assert layout.rows_digest(shuffled) == layout.rows_digest(rows)
