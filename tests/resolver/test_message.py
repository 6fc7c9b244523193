"""Messages to servers and from them."""

import dns.edns
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dns_node.answer.sections import ANSWER, Entry, Message
from dns_node.errors import WireError
from dns_node.resolver.message import (
    NAMES_SIZE_OCTETS_MAX,
    Record,
    compose_query,
    is_reply,
    parse_response,
)
from dns_node.resolver.question import ExtendedError, Question
from dns_node.zone.rrset import RRset
from tests.resolver.wire import TYPES, name, names, question, rdata_of, response, response_octets

QR_AA = 0x8400


def header(answers: int = 0, authorities: int = 0, additionals: int = 0, flags=QR_AA) -> bytes:
    counts = (1, answers, authorities, additionals)
    return b"\0\7" + flags.to_bytes(2, "big") + b"".join(n.to_bytes(2, "big") for n in counts)


WWW = b"\3www\7example\3com\0"
ASKED = WWW + b"\0\1\0\1"


def record(owner: bytes, rrtype: int, rdata: bytes, ttl_s: int = 300, rrclass: int = 1) -> bytes:
    fixed = rrtype << 64 | rrclass << 48 | ttl_s << 16 | len(rdata)
    return owner + fixed.to_bytes(10, "big") + rdata


# Queries


@given(
    names(),
    st.sampled_from(TYPES),
    st.integers(0, 65535),
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(512, 4096),
    st.sampled_from([0, 8, 16, 40]).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    st.integers(0, 1 << 256),
)
def test_a_query_says_what_it_was_made_of(
    qname, qtype, message_id, is_rd, is_cd, payload, cookie, case_bits
):
    asked = Question(qname, qtype)
    octets = compose_query(
        asked, message_id, is_rd=is_rd, is_do=True, is_cd=is_cd, payload=payload, cookie=cookie,
        case_bits=case_bits,
    )  # fmt: skip
    parsed = dns.message.from_wire(octets)
    [asked_again] = parsed.question
    assert asked_again.name.to_digestable() == qname and asked_again.rdtype == qtype
    assert parsed.id == message_id
    assert bool(parsed.flags & dns.flags.RD) == is_rd
    assert bool(parsed.flags & dns.flags.CD) == is_cd
    if payload is None:
        assert parsed.edns == -1
    else:
        assert (parsed.edns, parsed.payload, parsed.ednsflags) == (0, payload, 0x8000)
        options = [(option.otype, option.to_wire()) for option in parsed.options]
        assert [data for code, data in options if code == 10] == ([cookie] if cookie else [])


def test_each_bit_of_case_bits_is_the_case_of_one_letter():
    asked = question("www.example.com A")
    spellings = {compose_query(asked, 1, case_bits=1 << bit)[12:-4] for bit in range(len(WWW))}
    assert len(spellings) == 1 + len("wwwexamplecom")
    assert compose_query(asked, 1, case_bits=(1 << len(WWW)) - 1)[12:-4] == (
        b"\3WWW\7EXAMPLE\3COM\0"
    )


def test_octets_that_are_no_letters_have_no_case():
    asked = Question(b"\5a-1_{\0", 1)
    assert compose_query(asked, 1, case_bits=-1 & 0xFF)[12:-4] == b"\5A-1_{\0"


# Replies


def test_a_reply_has_the_id_and_the_question_to_the_letter():
    query = compose_query(question("www.example.com A"), 7, case_bits=0b1010101010101)
    reply = b"\0\7\x84\0" + query[4:12] + query[12:]
    assert is_reply(query, reply)
    assert not is_reply(query, b"\0\x08" + reply[2:])
    assert not is_reply(query, b"\0\7\x04" + reply[3:]), "QR is not set"
    assert not is_reply(query, b"\0\7\x8c" + reply[3:]), "another opcode"
    assert not is_reply(query, reply[:12] + reply[12:].swapcase())
    assert not is_reply(query, reply[:-1] + b"\3")
    assert not is_reply(query, reply[:-3])


def test_a_reply_may_have_other_letters_where_case_is_not_checked():
    query = compose_query(question("www.example.com A"), 7, case_bits=0b1010101010101)
    reply = b"\0\7\x84\0" + query[4:12] + query[12:].lower()
    assert not is_reply(query, reply)
    assert is_reply(query, reply, checks_case=False)
    assert not is_reply(query, reply[:-1] + b"\3", checks_case=False)
    # 0x41 in a type is no letter: A and a differ there.
    asked = compose_query(Question(WWW, 0x41), 7)
    other = compose_query(Question(WWW, 0x61), 7)
    assert not is_reply(asked, b"\0\7\x84\0" + other[4:], checks_case=False)


def test_a_server_that_could_not_read_the_query_may_leave_the_question_out():
    query = compose_query(question("www.example.com A"), 7, payload=1232)
    assert is_reply(query, b"\0\7\x80\1" + bytes(8))
    assert is_reply(query, b"\0\7\x80\4" + bytes(8))
    assert not is_reply(query, b"\0\7\x80\0" + bytes(8)), "no error"
    assert not is_reply(query, b"\0\7\x80\3" + bytes(8)), "NXDOMAIN of nothing"
    assert not is_reply(query, b"\0\7\x80\1" + b"\0\0\0\1\0\0\0\0")
    parsed = parse_response(b"\0\7\x80\1" + bytes(8))
    assert parsed.question is None and parsed.question_octets == b"" and parsed.rcode == 1


@given(st.binary(max_size=80))
def test_is_reply_takes_any_octets(octets):
    query = compose_query(question("www.example.com A"), 7)
    assert not is_reply(query, octets) or octets[:2] == b"\0\7"


# Parsing


@given(st.binary(max_size=300))
@example(b"")
def test_parse_returns_or_raises_wire_error_on_any_octets(octets):
    for at in (octets, header() + octets, header(1, 1, 1) + ASKED + octets):
        try:
            parse_response(at)
        except WireError as error:
            assert error.rcode == 1


@st.composite
def broken_responses(draw) -> bytes:
    octets = bytearray(
        response_octets(
            "www.example.com A",
            "answer www.example.com 300 CNAME a.b.example.com",
            "answer a.b.example.com 300 A 192.0.2.1",
            "authority example.com 300 SOA ns1.example.com h.example.com 1 2 3 4 5",
            "authority example.com 300 NAPTR 1 2 s http !a! b.example.com",
            "additional ns1.example.com 300 RRSIG A 8 3 300 20300101000000 20200101000000 1 "
            "example.com AAAA",
        )
    )
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(octets) - 1))
        octets[at] = draw(st.integers(0, 255) | st.just(0xC0))
    return bytes(octets[: draw(st.integers(0, len(octets)) | st.just(len(octets)))])


@given(broken_responses())
def test_a_broken_response_is_read_or_refused(octets):
    try:
        parsed = parse_response(octets)
    except WireError:
        return
    for each in (*parsed.answer, *parsed.authority, *parsed.additional):
        assert len(each.owner) <= 255 and each.owner == each.owner.lower()
        assert 0 <= each.ttl_s < 1 << 31


@given(st.lists(st.tuples(names(), st.sampled_from(TYPES)), max_size=12), st.data())
def test_parse_undoes_compose(keys, data):
    written = Message(ASKED, WWW, 65535)
    expected = []
    for owner, rrtype in keys:
        rdata = data.draw(rdata_of(rrtype))
        entry = Entry(owner, RRset(rrtype, 60, (rdata,)), 60, True)
        assert written.add(ANSWER, entry, with_signatures=False)
        expected.append(Record(owner, rrtype, 1, 60, rdata))
    parsed = parse_response(written.finish(7, QR_AA, b""))
    assert parsed.question == Question(WWW, 1) and parsed.question_octets == ASKED
    assert list(parsed.answer) == expected


NAMED_TYPES = {
    "NS": "NS1.Example.COM.", "CNAME": "A.Example.COM.", "PTR": "A.Example.COM.",
    "SOA": "A.Example.COM. B.Example.COM. 1 2 3 4 5", "MX": "5 A.Example.COM.",
    "RP": "A.Example.COM. B.Example.COM.", "AFSDB": "1 A.Example.COM.", "RT": "1 A.Example.COM.",
    "PX": "1 A.Example.COM. B.Example.COM.", "SRV": "1 2 3 A.Example.COM.",
    "NAPTR": '1 2 "S" "HTTP" "!A!" A.Example.COM.', "KX": "1 A.Example.COM.",
    "DNAME": "A.Example.COM.", "NSEC": "A.Example.COM. A NS", "TXT": '"Text"',
    "RRSIG": "A 8 3 300 20300101000000 20200101000000 1 Example.COM. AAAA",
    "HTTPS": "1 A.Example.COM. alpn=h2", "DS": "1 8 2 " + "ab" * 32,
}  # fmt: skip


@pytest.mark.parametrize("rrtype", NAMED_TYPES)
def test_rfc4034_6_2_rdata_is_canonical_compressed_or_not(rrtype):
    rdata = dns.rdata.from_text("IN", rrtype, NAMED_TYPES[rrtype])
    number = dns.rdatatype.from_text(rrtype)
    plain = parse_response(header(1) + ASKED + record(b"\xc0\x0c", number, rdata.to_wire()))
    assert plain.answer[0].rdata == rdata.to_digestable()
    if rrtype in ("NSEC", "HTTPS"):
        return  # their names are never compressed, and are data like other data
    # All of the type's names, as a careless server would compress them: example.com. stands at 16.
    squeezed = rdata.to_wire().replace(b"\7Example\3COM\0", b"\xc0\x10")
    parsed = parse_response(header(1) + ASKED + record(b"\xc0\x0c", number, squeezed))
    assert parsed.answer[0].rdata == rdata.to_digestable()


@pytest.mark.parametrize(("rrtype", "rdata"), [
    (1, b"\1\2\3"), (1, b"\1\2\3\4\5"), (1, b""), (28, bytes(15)), (2, b""), (2, b"\1a\0\0"),
    (2, b"\1a"), (15, b"\0\1"), (15, b"\0"), (6, b"\0\0" + bytes(19)), (6, b"\0\0" + bytes(21)),
    (46, bytes(18) + b"\0"), (33, bytes(5) + b"\0"), (35, b"\0\1\0\1\1a\1b\5c\0"),
])  # fmt: skip
def test_rdata_that_is_not_of_its_form_is_refused(rrtype, rdata):
    with pytest.raises(WireError):
        parse_response(header(1) + ASKED + record(b"\xc0\x0c", rrtype, rdata))


@pytest.mark.parametrize("owner", [
    b"\xc0\x1d\xc0\x0c",  # to behind itself
    b"\xc0\x21",  # to itself: the first record begins at 33
    b"\xc0\xff",
    b"\1a\xc0\x21",  # to the label before it
    b"\x41a\0",
    b"\x80a\0",
])  # fmt: skip
def test_a_pointer_points_backwards_and_a_label_is_of_a_known_type(owner):
    assert len(header() + ASKED) == 33
    with pytest.raises(WireError):
        parse_response(header(1) + ASKED + record(owner, 1, bytes(4)))


def test_a_pointer_to_a_name_further_on_is_refused():
    later = header(2) + ASKED + record(b"\xc0\x2f", 1, bytes(4)) + record(b"\1a\0", 1, bytes(4))
    assert later[0x31:0x34] == b"\1a\0"
    with pytest.raises(WireError, match="backwards"):
        parse_response(later.replace(b"\xc0\x2f", b"\xc0\x31"))


def test_a_name_has_at_most_255_octets():
    longest = b"\x3f" + b"a" * 63
    longest = longest * 3 + b"\x3d" + b"b" * 61 + b"\0"
    assert len(longest) == 255
    parsed = parse_response(header(1) + ASKED + record(longest, 1, bytes(4)))
    assert parsed.answer[0].owner == longest
    with pytest.raises(WireError):
        parse_response(header(1) + ASKED + record(b"\1a" + longest, 1, bytes(4)))
    # The same by way of a pointer.
    first = record(longest, 1, bytes(4))
    with pytest.raises(WireError):
        parse_response(header(2) + ASKED + first + record(b"\1a\xc0\x21", 1, bytes(4)))


def test_a_chain_of_pointers_is_followed_for_a_while_only():
    def chain(pointers: int) -> bytes:
        # The rdata of the first record holds pointers, each to the one before it.
        start = 33 + 12
        links = b"\xc0\x0c" + b"".join(
            (0xC000 | start + 2 * number).to_bytes(2, "big") for number in range(pointers - 1)
        )
        first = record(b"\xc0\x0c", 16, links)
        last = (0xC000 | start + 2 * (pointers - 1)).to_bytes(2, "big")
        return header(2) + ASKED + first + record(last, 1, bytes(4))

    assert parse_response(chain(30)).answer[1].owner == WWW
    with pytest.raises(WireError):
        parse_response(chain(40))


def test_the_names_of_a_message_have_a_budget_together():
    longest = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"b" * 61 + b"\0"
    first = record(longest, 16, b"")
    # Few octets that each name a long name: two in a MINFO.
    bomb = record(b"\xc0\x21", 14, b"\xc0\x21\xc0\x21")
    few = NAMES_SIZE_OCTETS_MAX // (2 * 255) - 60
    message = header(1 + few // 2, few // 2) + ASKED + first + bomb * (few // 2 * 2)
    with pytest.raises(WireError):
        parse_response(message + b"\0")  # too many MINFO for one RRset, at least
    mixed = b"".join(record(b"\xc0\x21", 14, b"\xc0\x21\xc0\x21") for _ in range(90))
    third = header(91, 90, 90) + ASKED + first + mixed * 3
    with pytest.raises(WireError, match="long together"):
        parse_response(third)
    assert parse_response(header(91) + ASKED + first + mixed)


def test_a_section_has_at_most_256_records_and_an_rrset_100():
    def addresses(number: int, step: int) -> bytes:
        return b"".join(
            record(bytes([1, 97 + at // step]) + b"\xc0\x0c", 1, at.to_bytes(4, "big"))
            for at in range(number)
        )

    assert len(parse_response(header(256) + ASKED + addresses(256, 100)).answer) == 256
    with pytest.raises(WireError, match="section"):
        parse_response(header(257) + ASKED + addresses(257, 50))
    assert parse_response(header(100) + ASKED + addresses(100, 100))
    with pytest.raises(WireError, match="RRset"):
        parse_response(header(101) + ASKED + addresses(101, 101))


def test_rfc2181_8_a_ttl_with_the_highest_bit_set_is_0():
    for ttl_s, expected in ((0x7FFF_FFFF, 0x7FFF_FFFF), (0x8000_0000, 0), (0xFFFF_FFFF, 0)):
        octets = header(1) + ASKED + record(b"\xc0\x0c", 1, bytes(4), ttl_s)
        assert parse_response(octets).answer[0].ttl_s == expected


def test_what_is_no_response_to_one_question_is_refused():
    good = response_octets("www.example.com A", "answer www.example.com 300 A 192.0.2.1")
    assert parse_response(good)
    for bad in (
        good[:2] + b"\x04" + good[3:],  # a query
        good[:2] + b"\xac" + good[3:],  # an UPDATE
        good[:4] + b"\0\2" + good[6:],
        good + b"\0",
        good[:-1],
        good[:11],
    ):
        with pytest.raises(WireError):
            parse_response(bad)


# EDNS


def opt(options: bytes = b"", ttl: int = 0, owner: bytes = b"\0", payload: int = 1232) -> bytes:
    return record(owner, 41, options, ttl, payload)


def option(code: int, data: bytes) -> bytes:
    return code.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


def test_opt_says_payload_do_extended_rcode_cookie_and_errors():
    options = option(10, bytes(16)) + option(15, b"\0\6no \0signature") + option(3, b"nsid")
    parsed = parse_response(header(0, 0, 1) + ASKED + opt(options, 0x0100_8000))
    assert parsed.rcode == 16 and parsed.additional == ()
    edns = parsed.edns
    assert (edns.payload_size_octets, edns.version, edns.is_do) == (1232, 0, True)
    assert edns.cookie == bytes(16)
    assert edns.errors == (ExtendedError(6, "no signature"),)


def test_a_payload_below_512_is_512_and_a_cookie_of_a_wrong_size_is_none():
    parsed = parse_response(header(0, 0, 1) + ASKED + opt(option(10, bytes(8)), payload=0))
    assert parsed.edns.payload_size_octets == 512 and parsed.edns.cookie == b""


def test_options_of_a_later_edns_version_are_not_read():
    parsed = parse_response(header(0, 0, 1) + ASKED + opt(b"\0", 0x0101_0000))
    assert parsed.edns.version == 1 and parsed.rcode == 16


@pytest.mark.parametrize("octets", [
    header(0, 0, 2) + ASKED + opt() + opt(),
    header(1) + ASKED + opt(),
    header(0, 1) + ASKED + opt(),
    header(0, 0, 1) + ASKED + opt(owner=b"\1a\0"),
    header(0, 0, 1) + ASKED + opt(option(3, b"abc")[:-1]),
    header(0, 0, 1) + ASKED + opt(b"\0\3\0"),
    header(0, 0, 1) + ASKED + opt(option(3, b"") * 33),
])  # fmt: skip
def test_an_opt_that_is_doubled_misplaced_or_broken_is_refused(octets):
    with pytest.raises(WireError):
        parse_response(octets)


def test_names_come_in_lower_case_and_the_question_as_it_was_spelt():
    octets = response_octets("WWW.Example.com A", "answer Www.EXAMPLE.com 300 A 192.0.2.1")
    parsed = parse_response(octets)
    assert parsed.question == question("www.example.com A")
    assert parsed.question_octets[:4] == b"\3WWW"
    assert parsed.answer[0].owner == name("www.example.com")


def test_aa_and_tc_are_told():
    assert response("a.example A", flags="AA").is_authoritative
    assert not response("a.example A", flags="TC").is_authoritative
    assert response("a.example A", flags="TC").is_truncated
