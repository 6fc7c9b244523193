"""Names and record data for the properties of the zone room."""

from hypothesis import strategies as st

from dns_node.zone.names import BadName, from_labels
from dns_node.zone.rrset import WireName

LABEL_OCTETS = st.one_of(
    st.binary(min_size=1, max_size=12),
    st.binary(min_size=63, max_size=63),
    st.from_regex(rb"[a-z0-9_-]{1,10}", fullmatch=True),
)


@st.composite
def wire_names(draw: st.DrawFn) -> WireName:
    """Any name that fits 255 octets, the root too."""
    parts = draw(st.lists(LABEL_OCTETS, max_size=8))
    while True:
        try:
            return from_labels(parts)
        except BadName:
            parts.pop()


HOST_TEXTS = st.from_regex(r"[A-Za-z0-9_-]{1,9}(\.[A-Za-z0-9_-]{1,9}){0,3}\.?", fullmatch=True)
ADDRESSES = st.ip_addresses(v=4).map(str)
ADDRESSES_6 = st.ip_addresses(v=6).map(str)
STRINGS = st.from_regex(r'"[A-Za-z0-9_=:/+,. ;()-]{0,60}"', fullmatch=True)
U16 = st.integers(0, 65_535)

EVERYDAY_DATA = st.one_of(
    st.tuples(st.just("A"), ADDRESSES),
    st.tuples(st.just("AAAA"), ADDRESSES_6),
    st.tuples(st.sampled_from(["NS", "CNAME", "PTR"]), st.one_of(HOST_TEXTS, st.just("@"))),
    st.tuples(st.just("MX"), st.builds("{} {}".format, U16, HOST_TEXTS)),
    st.tuples(st.just("TXT"), STRINGS),
    st.tuples(st.just("SRV"), st.builds("{} {} {} {}".format, U16, U16, U16, HOST_TEXTS)),
    st.tuples(st.just("TYPE65534"), st.just("\\# 2 abcd")),
)
"""(type, rdata text) as people write them."""
