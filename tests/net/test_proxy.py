"""PROXY headers, version 2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.errors import WireError
from dns_node.net.proxy import SIGNATURE, compose_header, parse_header

ports = st.integers(0, 65535)
ends = st.one_of(
    st.tuples(*[st.tuples(st.ip_addresses(v=4).map(str), ports)] * 2),
    st.tuples(*[st.tuples(st.ip_addresses(v=6).map(str), ports)] * 2),
)


@given(ends, st.booleans(), st.binary(max_size=20))
def test_parse_undoes_compose(found, is_tcp, rest):
    header = compose_header(*found, is_tcp)
    proxied = parse_header(header + rest)
    assert (proxied.source, proxied.destination) == found
    assert proxied.size_octets == len(header)


@given(ends, st.booleans(), st.data())
def test_a_part_of_a_header_asks_for_more(found, is_tcp, data):
    header = compose_header(*found, is_tcp)
    assert parse_header(header[: data.draw(st.integers(0, len(header) - 1))]) is None


@given(st.binary(max_size=80), st.booleans())
def test_any_octets_are_a_header_or_none_or_a_wire_error(octets, is_signed):
    try:
        proxied = parse_header(SIGNATURE + octets if is_signed else octets)
    except WireError:
        return
    assert proxied is None or proxied.size_octets >= 16


def test_additions_of_the_proxy_are_stepped_over_and_too_many_refused():
    header = bytearray(compose_header(("192.0.2.1", 1), ("192.0.2.2", 2), True))
    header[14:16] = (12 + 5).to_bytes(2, "big")
    assert parse_header(bytes(header) + b"\x04\0\2xx" + b"query").size_octets == 33
    header[14:16] = (2000).to_bytes(2, "big")
    with pytest.raises(WireError):
        parse_header(bytes(header))
