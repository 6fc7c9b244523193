"""The native core's lists of networks are the definition's."""

import ipaddress

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.answer.access import Networks
from tests.model.native import native

pytestmark = pytest.mark.skipif(native is None, reason="there is no native core")

REFUSED_PROHIBITED = b"\0\x0f\0\2\0\x12"
QUERY = dns.message.make_query("example.", "A", use_edns=0).to_wire()

addresses = st.one_of(
    st.ip_addresses(v=4),
    st.ip_addresses(v=6),
    st.ip_addresses(v=4).map(lambda address: ipaddress.IPv6Address(f"::ffff:{address}")),
)


@st.composite
def networks_and_addresses(draw):
    """Return a list of networks, and addresses of which some are near them."""
    texts, near = [], []
    for address in draw(st.lists(addresses, max_size=12)):
        length = draw(st.integers(0, address.max_prefixlen))
        texts.append(str(ipaddress.ip_network(f"{address}/{length}", strict=False)))
        flip = 1 << draw(st.integers(0, address.max_prefixlen - 1))
        near += [address, type(address)(int(address) ^ flip)]
    return texts, near + draw(st.lists(addresses, max_size=4))


@given(networks_and_addresses())
def test_an_address_is_listed_by_both_or_by_neither(drawn):
    texts, asked = drawn
    core = native.Core()
    core.configure(b"", b"", texts, 10)
    networks = Networks(texts)
    for address in asked:
        reply = core.respond(QUERY, str(address), 4000, False, 0.0)
        is_listed = REFUSED_PROHIBITED not in reply
        assert is_listed == networks.lists(str(address))
