"""What the native core makes of a server's reply, against what the definition makes of it.

The core may hand any reply up; what it takes, the resolver and `resolver.reply` have to make the
same message of, to be kept for the same time.
"""

import struct

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from dns_node.answer.query import Query
from dns_node.answer.respond import AnswerSettings, Client, Recurse
from dns_node.answer.sections import Sections
from dns_node.resolver.question import Ask, Outcome, Question, Replied, Server
from dns_node.resolver.reply import compose_reply
from dns_node.resolver.resolver import Resolver
from dns_node.resolver.settings import CacheSettings, Mode, ResolverSettings, Route
from tests.model.native import native

pytestmark = pytest.mark.skipif(native is None, reason="no native core was built")

ZONE = b"\7example\0"
QNAME = b"\3www" + ZONE
ALIAS = b"\3cdn\1x" + ZONE
OTHER = b"\2ns\5other\0"
NAMES = [
    QNAME,
    b"\3WwW\7eXample\0",
    ALIAS,
    ZONE,
    b"\2ns" + ZONE,
    b"\1a" + QNAME,
    OTHER,
    b"\0",
]
A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, DNAME, OPT, RRSIG, NSEC, HTTPS = (
    1, 2, 5, 6, 12, 15, 16, 28, 33, 39, 41, 46, 47, 65,
)  # fmt: skip
QTYPES = [A, A, AAAA, CNAME, SOA, PTR, MX, TXT, SRV, HTTPS]
SERVER = Server("192.0.2.53")
CACHE = CacheSettings(ttl_max_s=5000, negative_ttl_max_s=700)
BASE = {"validates": False, "has_cookies": False, "cache": CACHE}
STUB = ResolverSettings(routes=(Route(ZONE, (SERVER,), is_stub=True),), **BASE)
FORWARD = ResolverSettings(mode=Mode.FORWARDING, upstreams=(SERVER,), falls_back=False, **BASE)
NOW_S = 1_000_000.0


class Writer:
    """Writes a message as a server may: names with pointers to where they stood before."""

    def __init__(self, qname, qtype):
        self.octets = bytearray(12)
        self.offsets = {}
        self.name(qname, True)
        self.octets += struct.pack(">HH", qtype, 1)

    def name(self, name, is_compressed):
        """Append *name*."""
        offset = 0
        while name[offset]:
            suffix = name[offset:]
            if is_compressed and suffix in self.offsets:
                self.octets += (0xC000 | self.offsets[suffix]).to_bytes(2, "big")
                return
            self.offsets.setdefault(suffix, len(self.octets))
            self.octets += suffix[: suffix[0] + 1]
            offset += suffix[0] + 1
        self.octets.append(0)

    def record(self, owner, rrtype, ttl_s, rdata, rrclass=1, is_compressed=True):
        """Append a record; *rdata* is octets and, as tuples of one, names."""
        self.name(owner, is_compressed)
        self.octets += struct.pack(">HHIH", rrtype, rrclass, ttl_s, 0)
        start = len(self.octets)
        for part in rdata:
            if isinstance(part, tuple):
                self.name(part[0], is_compressed)
            else:
                self.octets += part
        self.octets[start - 2 : start] = (len(self.octets) - start).to_bytes(2, "big")

    def finish(self, flags, counts):
        """Return the message."""
        self.octets[:12] = struct.pack(">HHHHHH", 0, flags, 1, *counts)
        return bytes(self.octets)


names = st.sampled_from(NAMES)
wire_names = names.map(lambda name: (name,))
numbers = st.binary(min_size=20, max_size=20)
ttls_s = st.sampled_from([60, 300, 1, 4000, 6000, 60, 300, 1, 4000, 0x7FFF_FFFF, 0, 0x8000_0000])


@st.composite
def rdatas(draw, rrtype):
    """Parts of the rdata of one record."""
    match rrtype:
        case 1:
            return [
                draw(st.sampled_from([bytes([192, 0, 2, n % 8]) for n in range(40)] + [b"123"]))
            ]
        case 28:
            return [draw(st.binary(min_size=16, max_size=16))]
        case 2 | 5 | 12 | 39:
            return [draw(wire_names)]
        case 6:
            return [
                draw(wire_names),
                draw(wire_names),
                bytes(16) + b"\0\0\2" + draw(numbers)[:1],
            ]
        case 15:
            return [b"\0\1", draw(wire_names)]
        case 33:
            return [b"\0\1\0\2\0\3", draw(wire_names)]
        case _:
            return [draw(st.binary(max_size=30))]


@st.composite
def replies(draw):
    """(qtype, is_forward, message): a reply as it may be, most often one that makes sense."""
    qtype = draw(st.sampled_from(QTYPES))
    writer = Writer(QNAME, qtype)
    counts = []
    shape = draw(st.sampled_from(["answer", "alias", "negative"] * 3 + ["any"]))
    for section in range(3):
        number = 0
        for owner, rrtype in draw(_shaped(shape, section, qtype)):
            parts = draw(rdatas(rrtype))
            if shape == "alias" and rrtype == CNAME:
                parts = [(ALIAS,)]
            is_odd = draw(st.integers(0, 99)) == 99
            writer.record(
                owner,
                rrtype,
                draw(ttls_s),
                parts,
                3 if is_odd else 1,
                draw(st.booleans()),
            )
            number += 1
        if section == 2 and draw(st.booleans()):
            options = draw(
                st.sampled_from([b"", b"\0\3\0\2ab"] * 5 + [b"\0\x0f\0\2\0\3", b"\0\1\0\5a"])
            )
            ttl = draw(st.sampled_from([0] * 9 + [0x8000] * 3 + [0x01000000, 0x00010000]))
            writer.record(b"\0", OPT, ttl, [options], 1232)
            number += 1
        counts.append(number)
    rcode = draw(
        st.sampled_from([3, 3, 0]) if shape == "negative" else st.sampled_from([0] * 9 + [3, 2, 6])
    )
    flags = (
        0x8000 | draw(st.sampled_from([0x0400] * 8 + [0, 0x0480, 0x0080, 0x0600, 0x0420])) | rcode
    )
    return qtype, draw(st.booleans()), writer.finish(flags, counts)


def _shaped(shape, section, qtype):
    """Return a strategy of the (owner, type) of the records of a section."""
    anything = st.lists(
        st.tuples(names, st.sampled_from([qtype, CNAME, SOA, NS, A, TXT, DNAME, RRSIG, NSEC])),
        max_size=3,
    )
    noise = st.lists(st.tuples(names, st.sampled_from([NS, A, AAAA])), max_size=2)
    if shape == "any":
        return anything
    if section == 2:
        return noise
    if section == 1:
        if shape == "negative":
            return st.sampled_from(
                [[(ZONE, SOA)]] * 6 + [[(OTHER, SOA)], [(b"\0", SOA)], [(ZONE, SOA)] * 2]
            )
        return st.sampled_from([[], [], [(ZONE, NS)] * 2, [(QNAME, NS)], [(ZONE, SOA)]])
    if shape == "negative":
        return st.sampled_from([[]] * 4 + [[(QNAME, CNAME)]])
    ends = st.lists(st.just((QNAME if shape == "answer" else ALIAS, qtype)), max_size=4)
    if shape == "answer":
        return ends
    return ends.map(lambda end: [(QNAME, CNAME), *end])


def damaged(message, how):
    """Return *message* with one octet changed, or cut."""
    if how is None:
        return message
    at, octet = how
    start = 12 + len(QNAME) + 4
    at = start + at % max(1, len(message) - start)
    if octet == 256:
        return message[:at]
    return message[:at] + bytes([octet]) + message[at + 1 :]


def define(qtype, is_forward, message):
    """Return what the definition keeps of *message*: (message, TTL); None when the server's reply
    is not all of it."""
    resolver = Resolver(FORWARD if is_forward else STUB, lambda bits: 0)
    question = Question(QNAME, qtype)
    resolution = resolver.resolve(question, NOW_S)
    [ask] = resolution.begin(NOW_S)
    assert isinstance(ask, Ask)
    # No letter is in upper case: the chance is none.
    assert ask.query[12 : 12 + len(QNAME) + 4] == message[12 : 12 + len(QNAME) + 4]
    actions = resolution.feed(Replied(ask.number, ask.query[:2] + message[2:], 0.01), NOW_S)
    outcomes = [action for action in actions if isinstance(action, Outcome)]
    if not outcomes or resolution.budget.spent.queries > 1:
        return None
    asked = QNAME + struct.pack(">HH", qtype, 1)
    query = Query(0, 0x0100, 0, asked, QNAME, qtype, 1, None, 0)
    recurse = Recurse(query, QNAME, Sections(), Client("127.0.0.1", 5300))
    resolved = compose_reply(recurse, outcomes[0], AnswerSettings())
    assert resolved.error is None
    return resolved.message, resolved.ttl_s


CORE = native and native.Core()
RECURSION = native and native.Recursion(CORE)
if RECURSION:
    RECURSION.configure(CACHE.ttl_max_s, CACHE.negative_ttl_max_s, [], [])


def judge(qtype, is_forward, message):
    """Return what the core keeps of *message*: (message, TTL); None when it hands it up."""
    zone_octets = 1 if is_forward else len(ZONE)
    return RECURSION.judge(message, QNAME, qtype, zone_octets, is_forward)


@settings(max_examples=400)
@given(
    replies(),
    st.none() | st.none() | st.none() | st.tuples(st.integers(0, 2000), st.integers(0, 256)),
)
def test_what_the_core_keeps_of_a_reply_is_what_the_definition_keeps(reply, damage):
    qtype, is_forward, message = reply
    message = damaged(message, damage)
    kept = judge(qtype, is_forward, message)
    event("handed up" if kept is None else "taken")
    if kept is not None:
        assert kept == define(qtype, is_forward, message)


def plain(qtype, answer=(), authority=(), additional=(), rcode=0):
    """Return a reply with AA of these records, as (owner, type, TTL, parts of the rdata)."""
    writer = Writer(QNAME, qtype)
    for section in (answer, authority, additional):
        for owner, rrtype, ttl_s, *parts in section:
            writer.record(owner, rrtype, ttl_s, parts, 1232 if rrtype == OPT else 1)
    return writer.finish(0x8400 | rcode, [len(answer), len(authority), len(additional)])


ADDRESS = (QNAME, A, 300, bytes([192, 0, 2, 1]))
SERVERS = [(ZONE, NS, 3600, (b"\2ns" + ZONE,)), (ZONE, NS, 3600, (OTHER,))]
GLUE = (b"\2ns" + ZONE, A, 3600, bytes([192, 0, 2, 53]))
START = (
    ZONE,
    SOA,
    3600,
    (b"\2ns" + ZONE,),
    (b"\1h" + ZONE,),
    struct.pack(">IIIII", 1, 2, 3, 4, 300),
)
EDNS = (b"\0", OPT, 0, b"")
EVERYDAY = {
    "address": plain(A, [ADDRESS]),
    "with EDNS": plain(A, [ADDRESS], [], [EDNS]),
    "addresses": plain(A, [(*ADDRESS[:3], bytes([192, 0, 2, n])) for n in range(30, 0, -1)]),
    "with servers and glue": plain(A, [ADDRESS], SERVERS, [GLUE, EDNS]),
    "mixed letters": plain(A, [(b"\3wWW\7EXAMPLE\0", *ADDRESS[1:])]),
    "mail": plain(MX, [(QNAME, MX, 60, b"\0\x0a", (b"\4mail" + ZONE,))], [], [GLUE, EDNS]),
    "text": plain(TXT, [(QNAME, TXT, 60, b"\x05hello"), (QNAME, TXT, 60, b"\x03a b")]),
    "alias": plain(A, [(QNAME, CNAME, 60, (ALIAS,)), (ALIAS, *ADDRESS[1:])]),
    "service": plain(SRV, [(QNAME, SRV, 60, b"\0\0\0\0\1\xbb", (OTHER,))]),
    "https": plain(HTTPS, [(QNAME, HTTPS, 60, b"\0\1\0\0\1\0\3\2h2")]),
    "no such type": plain(AAAA, [], [START], [EDNS]),
    "no such name": plain(A, [], [START], [EDNS], rcode=3),
    "alias without the type": plain(AAAA, [(QNAME, CNAME, 60, (ALIAS,))], [START]),
}


@pytest.mark.parametrize("is_forward", [False, True])
@pytest.mark.parametrize("what", EVERYDAY)
def test_everyday_replies_are_not_handed_up(what, is_forward):
    message = EVERYDAY[what]
    qtype = message[12 + len(QNAME)] << 8 | message[13 + len(QNAME)]
    kept = judge(qtype, is_forward, message)
    assert kept is not None and kept == define(qtype, is_forward, message)


SIGNATURE = (QNAME, RRSIG, 300, b"\0\1\x0d\2" + bytes(14), (ZONE,), bytes(64))
ODD = {
    "truncated": plain(A, [ADDRESS])[:2] + b"\x86" + plain(A, [ADDRESS])[3:],
    "not authoritative": plain(A, [ADDRESS])[:2] + b"\x80" + plain(A, [ADDRESS])[3:],
    "referral": plain(A, [], [(QNAME, NS, 300, (OTHER,))]),
    "signed": plain(A, [ADDRESS, SIGNATURE]),
    "alias that leads outside": plain(A, [(QNAME, CNAME, 60, (OTHER,)), (OTHER, *ADDRESS[1:])]),
    "no records at all": plain(A),
    "another zone's SOA": plain(A, [], [(b"\0", *START[1:])]),
    "not to be kept": plain(A, [(QNAME, A, 0, bytes(4))]),
    "server failure": plain(A, rcode=2),
    "octets behind it": plain(A, [ADDRESS]) + b"\0",
}


@pytest.mark.parametrize("what", ODD)
def test_odd_replies_are_handed_up(what):
    assert judge(A, False, ODD[what]) is None
