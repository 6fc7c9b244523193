"""The protocol around the answer: RFC 1035, 6891, 7873, 8490, 8906, 9619."""

import struct

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from dns_node.answer.access import Networks
from dns_node.answer.query import parse
from dns_node.answer.respond import AnswerSettings, Client, respond_servfail
from dns_node.errors import WireError
from tests.answer.ask import SETTINGS, TCP, UDP, ask, ask_octets, rcode
from tests.answer.dict_view import view_of
from tests.answer.example_zones import EXAMPLE, OTHER

VIEW = view_of(example=EXAMPLE, other=OTHER)
QUESTION = b"\x03web\x07example\0" + struct.pack("!HH", 1, 1)
OPT = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
FORMERR, NOTIMP, REFUSED, NOTAUTH = 1, 4, 5, 9


def header(flags=0, qd=1, an=0, ns=0, ar=0, opcode=0):
    return struct.pack("!HHHHHH", 0x1234, flags | opcode << 11, qd, an, ns, ar)


def rcode_of(octets, client=UDP):
    reply = ask_octets(VIEW, octets, client)
    assert reply[:2] == octets[:2] and reply[2] & 0x80
    return reply[3] & 15


def option(code, data=b""):
    return dns.edns.GenericOption(code, data)


def test_a_response_is_never_answered():
    assert ask_octets(VIEW, header(0x8000) + QUESTION) is None


def test_fewer_than_twelve_octets_are_not_answered():
    assert ask_octets(VIEW, header()[:11]) is None


def test_a_query_from_port_0_is_not_answered():
    assert ask_octets(VIEW, header() + QUESTION, Client("192.0.2.1", 0)) is None


@pytest.mark.parametrize("opcode", [1, 2, 3, 6, 7, 15])
def test_rfc8906_8_1_4_an_unknown_opcode_is_notimp_and_never_silence(opcode):
    for octets in (header(opcode=opcode, qd=0), header(opcode=opcode) + QUESTION):
        reply = ask_octets(VIEW, octets)
        assert reply[3] & 15 == NOTIMP
        assert reply[2] >> 3 & 15 == opcode
        assert not reply[2] & 0x04 and not reply[3] & 0x20


@pytest.mark.parametrize("opcode", [4, 5])
def test_notify_and_update_are_answered_with_an_error(opcode):
    foreign = b"\x07foreign\0" + struct.pack("!HH", 6, 1)
    own = b"\x07example\0" + struct.pack("!HH", 6, 1)
    assert rcode_of(header(opcode=opcode) + foreign) == NOTAUTH
    assert rcode_of(header(opcode=opcode) + own) == REFUSED


@pytest.mark.parametrize("count", [0, 2, 65535])
def test_rfc9619_another_number_of_questions_than_one_is_formerr(count):
    assert rcode_of(header(qd=count) + QUESTION * min(count, 2)) == FORMERR


@pytest.mark.parametrize(
    "octets",
    [
        header() + QUESTION[:-3],
        header() + QUESTION[:4],
        header() + b"\xc0\x0c\0\1\0\1",
        header() + b"\x80abc\0\0\1\0\1",
        header() + b"\x40abc\0\0\1\0\1",
        header() + b"\x3f" + b"x" * 63 + b"\x3f" + b"x" * 63 + b"\x3f" + b"x" * 63 + b"\x3f"
        + b"x" * 63 + b"\0\0\1\0\1",
        header() + QUESTION + b"\0",
        header(an=1) + QUESTION + OPT,
        header(ar=1) + QUESTION,
        header(ar=2) + QUESTION + OPT,
        header(ar=2) + QUESTION + OPT + OPT,
        header(ar=1) + QUESTION + b"\x01a" + OPT,
        header(ar=1) + QUESTION + b"\0" + struct.pack("!HHIH", 41, 1232, 0, 9),
        header(ar=1) + QUESTION + b"\0" + struct.pack("!HHIH", 41, 1232, 0, 3) + b"\0\3\0",
        header(ar=1) + QUESTION + b"\0" + struct.pack("!HHIH", 41, 1232, 0, 4) + b"\0\3\0\1",
        header(ar=17) + QUESTION + (b"\0" + struct.pack("!HHIH", 1, 1, 0, 0)) * 17,
        header(ar=1) + QUESTION + b"\xff\xff" + struct.pack("!HHIH", 1, 1, 0, 0),
    ],
)  # fmt: skip
def test_a_message_that_is_out_of_form_is_formerr(octets):
    assert rcode_of(octets) == FORMERR


def test_33_options_are_formerr_and_32_are_not():
    for number, expected in ((32, 0), (33, FORMERR)):
        rdata = b"\xfd\xe9\0\0" * number
        opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, len(rdata)) + rdata
        assert rcode_of(header(ar=1) + QUESTION + opt) == expected


def test_rfc6891_no_opt_unless_asked():
    assert ask(VIEW, "web.example.").edns == -1
    assert ask(VIEW, "web.example.", use_edns=0).edns == 0


def test_rfc6891_badvers_carries_opt_version_0_and_no_answer():
    for options in ({}, {"ednsflags": 0x40}, {"want_dnssec": True}, {"options": [option(100)]}):
        reply = ask(VIEW, "web.example.", use_edns=1, **options)
        assert (rcode(reply), reply.edns, reply.answer) == ("BADVERS", 0, [])
        assert not reply.ednsflags & 0x7FFF and not reply.options


def test_do_is_echoed_and_other_flags_and_options_are_not():
    reply = ask(VIEW, "web.example.", use_edns=0, ednsflags=0x8040, options=[option(100, b"x")])
    assert (reply.ednsflags, list(reply.options)) == (0x8000, [])
    assert not ask(VIEW, "web.example.", use_edns=0).ednsflags


def test_rd_and_cd_are_copied_and_z_ad_ra_are_not():
    octets = ask_octets(VIEW, header(0x0100 | 0x0070) + QUESTION)
    assert struct.unpack("!H", octets[2:4])[0] == 0x8000 | 0x0400 | 0x0100 | 0x0010


@pytest.mark.parametrize(
    ("payload", "size"), [(0, 512), (512, 512), (600, 600), (1232, 1232), (4096, 1232)]
)
def test_a_udp_reply_is_at_most_what_the_client_takes_and_1232(payload, size):
    text = "@ SOA . . 1 2 3 4 5\n" + "\n".join(f"n{n} TXT {'x' * n}" for n in range(1, 256))
    text += "".join(f"\nbig TXT {chr(97 + n) * 255}" for n in range(5))
    view = view_of(example=text)
    for qname in ("n1.example.", "n255.example.", "big.example."):
        query = dns.message.make_query(qname, "TXT", use_edns=0, payload=payload)
        octets = ask_octets(view, query.to_wire())
        assert len(octets) <= size
        assert dns.message.from_wire(octets).edns == 0


def test_nsid_is_told_to_who_asks():
    reply = ask(VIEW, "web.example.", use_edns=0, options=[option(3)])
    assert [(int(o.otype), o.nsid) for o in reply.options] == [(3, b"node-0")]


@pytest.mark.parametrize("size", range(42))
def test_rfc7873_a_cookie_of_impossible_length_is_formerr(size):
    reply = ask(VIEW, "web.example.", use_edns=0, options=[option(10, b"x" * size)])
    is_possible = size == 8 or 16 <= size <= 40
    assert (rcode(reply), reply.edns) == ("NOERROR" if is_possible else "FORMERR", 0)


def test_rfc7828_keepalive_is_answered_over_tcp_alone():
    options = {"use_edns": 0, "options": [option(11)]}
    assert not ask(VIEW, "web.example.", **options).options
    (found,) = ask(VIEW, "web.example.", client=TCP, **options).options
    assert (int(found.otype), found.to_wire()) == (11, b"\0\x64")
    wrong = {"use_edns": 0, "options": [option(11, b"\0\1")]}
    assert rcode(ask(VIEW, "web.example.", client=TCP, **wrong)) == "FORMERR"


def test_several_known_options_at_once_are_tolerated():
    known = [option(3), option(8, b"\0\1\0\0"), option(9), option(10, b"12345678")]
    assert rcode(ask(VIEW, "web.example.", use_edns=0, options=known)) == "NOERROR"


def test_rfc8906_an_unknown_type_is_nodata():
    reply = ask(VIEW, "example.", "TYPE1000")
    assert (rcode(reply), reply.answer) == ("NOERROR", [])


@pytest.mark.parametrize(
    ("qtype", "expected"),
    [(0, "FORMERR"), (41, "FORMERR"), (128, "FORMERR"), (250, "FORMERR"), (249, "REFUSED"),
     (251, "REFUSED"), (252, "REFUSED"), (253, "NOTIMP"), (254, "NOTIMP")],
)  # fmt: skip
def test_types_that_no_zone_can_hold(qtype, expected):
    octets = header() + b"\x07example\0" + struct.pack("!HH", qtype, 1)
    for client in (UDP, TCP):
        assert rcode(dns.message.from_wire(ask_octets(VIEW, octets, client))) == expected


@pytest.mark.parametrize("rdclass", ["HS", "ANY", "NONE", "CLASS999"])
def test_another_class_is_refused(rdclass):
    assert rcode(ask(VIEW, "example.", rdclass=rdclass)) == "REFUSED"


def test_chaos_tells_version_and_identity():
    for qname, text in (
        ("version.bind.", "dns-node"),
        ("version.server.", "dns-node"),
        ("id.server.", "node-0"),
        ("HostName.Bind.", "node-0"),
    ):
        reply = ask(VIEW, qname, "TXT", rdclass="CH")
        assert (rcode(reply), str(reply.answer[0][0])) == ("NOERROR", f'"{text}"')
        assert (reply.answer[0].rdclass, reply.answer[0].ttl) == (3, 0)
    assert rcode(ask(VIEW, "other.bind.", "TXT", rdclass="CH")) == "REFUSED"
    silent = AnswerSettings()
    assert rcode(ask(VIEW, "version.bind.", "TXT", settings=silent, rdclass="CH")) == "REFUSED"


def test_who_is_not_in_the_access_list_is_refused_and_told_why():
    closed = AnswerSettings(query=Networks(["192.0.2.0/25", "2001:db8::/32"]))
    for address, expected in (
        ("192.0.2.53", "NOERROR"),
        ("192.0.2.253", "REFUSED"),
        ("2001:db8::1", "NOERROR"),
        ("2001:db9::1", "REFUSED"),
        ("::ffff:192.0.2.9", "NOERROR"),
    ):
        reply = ask(VIEW, "web.example.", client=Client(address, 9), settings=closed, use_edns=0)
        assert rcode(reply) == expected
        assert [int(o.code) for o in reply.options] == ([] if expected == "NOERROR" else [18])


def test_without_a_store_the_answer_is_refused_not_ready():
    reply = ask(None, "web.example.", use_edns=0)
    assert (rcode(reply), [int(o.code) for o in reply.options]) == ("REFUSED", [14])


def test_a_fault_of_ours_is_servfail_with_the_question():
    reply = respond_servfail(header(ar=1) + QUESTION + OPT, UDP, 0.0, SETTINGS).octets
    assert rcode(dns.message.from_wire(reply)) == "SERVFAIL"
    assert QUESTION in reply


@given(st.binary(min_size=12, max_size=600))
def test_parse_returns_or_raises_wire_error_on_any_octets(octets):
    try:
        query = parse(octets)
    except WireError as error:
        assert error.rcode in (FORMERR, NOTIMP)
    else:
        assert query.qname == query.question[:-4].lower()


names = st.sampled_from(
    ["example.", "web.example.", "www.example.", "c0.example.", "x.child.example.",
     "WWW.Tree.Example.", "x.wild.example.", "deep.example.", "many.example.", "no.such.",
     "*.wild.example.", "."]
)  # fmt: skip


@settings(max_examples=300)
@given(
    names,
    st.sampled_from(["A", "NS", "MX", "TXT", "ANY", "DS", "HTTPS", "RRSIG", "TYPE65400"]),
    st.one_of(st.none(), st.integers(0, 65535)),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 20), st.binary(max_size=40)), max_size=3),
    st.booleans(),
    st.data(),
)
def test_every_reply_parses_and_is_no_larger_than_allowed(
    qname, qtype, payload, is_do, options, is_tcp, data
):
    query = dns.message.make_query(qname, qtype, want_dnssec=False)
    if payload is not None:
        query.use_edns(0, 0x8000 if is_do else 0, payload, options=[option(*o) for o in options])
    octets = bytearray(query.to_wire())
    for _ in range(data.draw(st.integers(0, 2))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    reply = ask_octets(VIEW, bytes(octets), TCP if is_tcp else UDP)
    event("no answer" if reply is None else f"rcode {reply[3] & 15}")
    if reply is not None:
        limit = 512 if payload is None else min(max(512, payload), 1232)
        assert is_tcp or len(reply) <= max(512, limit) or bytes(octets) != query.to_wire()
        assert is_tcp or len(reply) <= 1232
        if reply[2] >> 3 & 15 != dns.opcode.UPDATE:
            # dnspython reads no UPDATE whose zone section, which came from the query, has no SOA.
            dns.message.from_wire(reply)
