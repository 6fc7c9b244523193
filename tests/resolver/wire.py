"""Names, records and responses for the tests of messages, made by dnspython, and strategies."""

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset
from hypothesis import strategies as st

from dns_node.resolver.message import Response, parse_response
from dns_node.resolver.question import Held, Question, Security
from dns_node.zone.names import from_labels, parse_name
from dns_node.zone.rdata import canonical_rdata
from dns_node.zone.rrset import RRset, WireName


def name(text: str) -> WireName:
    """``name("www.example.com")``, and "." for the root."""
    return parse_name(text) if text != "." else b"\0"


def rdatas(rrtype: str, *texts: str) -> tuple[bytes, ...]:
    """The canonical rdata of *texts*, sorted."""
    return tuple(sorted({_rdata(rrtype, text).to_digestable() for text in texts}))


def _rdata(rrtype: str, text: str) -> dns.rdata.Rdata:
    return dns.rdata.from_text("IN", rrtype, text, origin=dns.name.root, relativize=False)


def rrset(rrtype: str, *texts: str, ttl_s: int = 300, signatures: tuple[bytes, ...] = ()) -> RRset:
    return RRset(dns.rdatatype.from_text(rrtype), ttl_s, rdatas(rrtype, *texts), signatures)


def held(
    owner: str, rrtype: str, *texts: str, ttl_s: int = 300, security=Security.INDETERMINATE
) -> Held:
    return Held(name(owner), rrset(rrtype, *texts, ttl_s=ttl_s), security)


def question(text: str) -> Question:
    """``question("www.example.com A")``"""
    owner, rrtype = text.split()
    return Question(name(owner), int(dns.rdatatype.from_text(rrtype)))


def response(
    asked: str,
    *lines: str,
    flags: str = "AA",
    rcode: str = "NOERROR",
    message_id: int = 7,
) -> Response:
    """The parsed response to *asked*; every line is a section and a record::

    response("www.example.com A", "answer www.example.com 300 A 192.0.2.1", flags="AA RA")
    """
    return parse_response(
        response_octets(asked, *lines, flags=flags, rcode=rcode, message_id=message_id)
    )


def response_octets(
    asked: str, *lines: str, flags: str = "AA", rcode: str = "NOERROR", message_id: int = 7
) -> bytes:
    owner, rrtype = asked.split()
    query = dns.message.make_query(owner, rrtype, id=message_id, flags=0)
    made = dns.message.make_response(query)
    made.flags |= dns.flags.from_text(flags)
    made.set_rcode(dns.rcode.from_text(rcode))
    for line in lines:
        section, owner, ttl_s, rrtype, text = line.split(maxsplit=4)
        part = getattr(made, section)
        rdata = _rdata(rrtype, text)
        part.append(dns.rrset.from_rdata(dns.name.from_text(owner), int(ttl_s), rdata))
    return made.to_wire(max_size=65535, want_shuffle=False)


LABELS = st.binary(min_size=1, max_size=8) | st.sampled_from([b"www", b"a", b"b", b"com", b"ns1"])


@st.composite
def names(draw, labels_max: int = 6) -> WireName:
    """Names in lower case; they often have suffixes in common."""
    parts = draw(st.lists(LABELS, max_size=labels_max))
    tail = draw(st.sampled_from([(), (b"com",), (b"example", b"com"), (b"example", b"org")]))
    return from_labels((*parts, *tail))


@st.composite
def rdata_of(draw, rrtype: int) -> bytes:
    """Canonical rdata of some types, opaque octets for the others."""
    if rrtype == 1:
        return draw(st.binary(min_size=4, max_size=4))
    if rrtype == 28:
        return draw(st.binary(min_size=16, max_size=16))
    if rrtype in (2, 5, 12, 39):
        return draw(names())
    if rrtype == 15:
        return draw(st.binary(min_size=2, max_size=2)) + draw(names())
    if rrtype == 33:
        return draw(st.binary(min_size=6, max_size=6)) + draw(names())
    if rrtype == 6:
        return draw(names()) + draw(names()) + draw(st.binary(min_size=20, max_size=20))
    return draw(st.binary(max_size=40))


TYPES = (1, 28, 2, 5, 39, 15, 33, 6, 16, 65280)

__all__ = [
    "TYPES", "canonical_rdata", "held", "name", "names", "question", "rdata_of", "rdatas",
    "response", "response_octets", "rrset",
]  # fmt: skip
