"""The reply to a client whose question was resolved."""

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.answer.edns import compose_opt, payload_size_octets_max
from dns_node.answer.query import parse
from dns_node.answer.respond import AnswerSettings, Client, Recurse
from dns_node.answer.sections import ANSWER, Sections
from dns_node.resolver.message_cache import MessageCache
from dns_node.resolver.question import ExtendedError, Held, Outcome, Security
from dns_node.resolver.reply import Resolved, compose_reply
from dns_node.zone.rrset import RRset
from tests.resolver.wire import held, name, names, rdata_of, rrset

SECURE = Security.SECURE
UDP, TCP = Client("127.0.0.1", 5353), Client("127.0.0.1", 5353, is_tcp=True)
SETTINGS = AnswerSettings(identity=b"ns1")
SIGNED = Held(name("www.example.com"), rrset("A", "192.0.2.1", signatures=(bytes(30),)), SECURE)
ADDRESS = held("www.example.com", "A", "192.0.2.1")
SOA = held("example.com", "SOA", "ns1.example.com. h.example.com. 1 2 3 4 60", ttl_s=900)
NSEC = Held(
    name("example.com"), rrset("NSEC", "z.example.com. NS SOA", signatures=(bytes(30),)), SECURE
)


def ask(
    text: str = "www.example.com A", *, flags="RD", local=None, client=UDP, onward=None, **how
) -> Recurse:
    """What is to be resolved for a client; *how* as of `dns.message.make_query`."""
    owner, rrtype = text.split()
    how["flags"] = dns.flags.from_text(flags)
    query = parse(dns.message.make_query(owner, rrtype, **how).to_wire(), client.is_tcp)
    sections = Sections() if local is None else local
    return Recurse(query, onward or query.qname, sections, client)


def reply_to(recurse: Recurse, outcome: Outcome) -> dns.message.Message:
    return dns.message.from_wire(compose_reply(recurse, outcome, SETTINGS).reply.octets)


def flags_of(message: dns.message.Message) -> str:
    return dns.flags.to_text(message.flags)


def test_a_reply_has_the_answer_and_ra_and_nothing_else():
    recurse = ask(id=77)
    reply = reply_to(recurse, Outcome(0, (SIGNED,), (NSEC,), Security.INDETERMINATE, 300))
    assert reply.id == 77 and flags_of(reply) == "QR RD RA"
    assert [each.to_text() for each in reply.answer] == ["www.example.com. 300 IN A 192.0.2.1"]
    assert reply.authority == [] and reply.additional == [] and reply.edns == -1


def test_the_question_keeps_its_letters():
    recurse = ask("WWW.Example.com A")
    resolved = compose_reply(recurse, Outcome(0, (ADDRESS,), ttl_s=300), SETTINGS)
    assert resolved.reply.octets[12:29] == b"\3WWW\7Example\3com\0"
    assert resolved.key.qname == name("www.example.com")


def test_do_brings_signatures_and_proofs():
    reply = reply_to(ask(want_dnssec=True), Outcome(0, (SIGNED,), (NSEC,), SECURE, 300))
    assert [each.rdtype for each in reply.answer] == [1, 46]
    assert [each.rdtype for each in reply.authority] == [47, 46]
    assert reply.ednsflags & dns.flags.DO


def test_an_absence_is_told_with_its_soa_and_with_do_its_proofs():
    outcome = Outcome(3, (), (SOA, NSEC), SECURE, 60)
    reply = reply_to(ask(), outcome)
    assert reply.rcode() == 3 and [each.rdtype for each in reply.authority] == [6]
    assert reply.authority[0].ttl == 60, "it is not to be kept for longer than the outcome"
    assert [each.rdtype for each in reply_to(ask(want_dnssec=True), outcome).authority] == [
        6,
        47,
        46,
    ]


def test_nsec_is_told_without_do_to_who_asks_for_it():
    reply = reply_to(ask("example.com NSEC"), Outcome(0, (NSEC,), (), SECURE, 300))
    assert [each.rdtype for each in reply.answer] == [47]


@pytest.mark.parametrize(("how", "has_ad"), [
    ({}, False), ({"flags": "RD AD"}, True), ({"want_dnssec": True}, True),
    ({"flags": "RD CD"}, False), ({"flags": "RD CD", "want_dnssec": True}, True),
])  # fmt: skip
def test_rfc6840_5_8_ad_is_for_clients_that_show_that_they_know_it(how, has_ad):
    outcome = Outcome(0, (SIGNED,), (), SECURE, 300)
    reply = reply_to(ask(**how), outcome)
    assert bool(reply.flags & dns.flags.AD) == has_ad
    for security in (Security.INSECURE, Security.INDETERMINATE):
        reply = reply_to(ask(**how), msgspec.structs.replace(outcome, security=security))
        assert not reply.flags & dns.flags.AD


def test_cd_is_copied_and_never_invented():
    outcome = Outcome(0, (ADDRESS,), ttl_s=300)
    assert "CD" in flags_of(reply_to(ask(flags="RD CD"), outcome))
    assert "CD" not in flags_of(reply_to(ask(), outcome))


def test_bogus_data_never_leaks():
    errors = (ExtendedError(6, "bad signature"),)
    outcome = Outcome(0, (ADDRESS,), (SOA,), Security.BOGUS, 60, errors)
    resolved = compose_reply(ask(use_edns=0), outcome, SETTINGS)
    reply = dns.message.from_wire(resolved.reply.octets)
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert reply.answer == [] and reply.authority == []
    assert [option.code for option in reply.options] == [6]
    assert b"\xc0\0\2\1" not in resolved.message
    # Who checks itself gets it, and under another key.
    resolved = compose_reply(ask(flags="RD CD"), outcome, SETTINGS)
    assert dns.message.from_wire(resolved.reply.octets).answer and resolved.key.is_cd


def test_local_aliases_come_first_and_are_not_kept_nor_called_secure():
    local = Sections()
    local.put(ANSWER, name("a.local"), rrset("CNAME", "www.example.com."), ttl_s=77)
    recurse = ask("a.local A", local=local, onward=name("www.example.com"), want_dnssec=True)
    resolved = compose_reply(recurse, Outcome(0, (SIGNED,), (), SECURE, 300), SETTINGS)
    reply = dns.message.from_wire(resolved.reply.octets)
    assert [(each.rdtype, each.ttl) for each in reply.answer] == [(5, 77), (1, 300), (46, 300)]
    assert flags_of(reply) == "QR RD RA", "neither AA nor AD"
    assert (resolved.message, resolved.ttl_s) == (b"", 0)


def test_what_has_no_time_is_not_kept():
    assert not compose_reply(ask(), Outcome(2, ttl_s=0), SETTINGS).message
    assert compose_reply(ask(), Outcome(2, ttl_s=5), SETTINGS).ttl_s == 5


def test_opt_tells_the_first_error_nsid_and_the_cookie():
    option = dns.edns.GenericOption(dns.edns.NSID, b"")
    recurse = ask(use_edns=0, options=[option])
    recurse = msgspec.structs.replace(recurse, cookie=bytes(24), has_good_cookie=True)
    errors = (ExtendedError(3, "stale"), ExtendedError(22))
    resolved = compose_reply(recurse, Outcome(0, (ADDRESS,), ttl_s=30, errors=errors), SETTINGS)
    reply = dns.message.from_wire(resolved.reply.octets)
    assert [option.otype for option in reply.options] == [3, 10, 15]
    assert reply.options[2].code == resolved.error == 3
    assert resolved.reply.has_cookie and resolved.reply.has_good_cookie
    assert b"ns1" not in resolved.message


def test_what_a_policy_tells_beside_stands_in_the_additional_section():
    reply = reply_to(ask(), Outcome(3, (), (), additional=(SOA,), ttl_s=60))
    assert reply.authority == [] and [each.rdtype for each in reply.additional] == [6]


def texts(number: int) -> tuple[Held, ...]:
    return tuple(
        Held(name(f"n{at}.example.com"), RRset(16, 300, (bytes([99]) + bytes(99),)))
        for at in range(number)
    )


def test_what_does_not_fit_udp_is_cut_and_tcp_gets_it_whole():
    outcome = Outcome(0, texts(10), ttl_s=300)
    for how, size_max in (({}, 512), ({"use_edns": 0, "payload": 1000}, 1000)):
        resolved = compose_reply(ask(**how), outcome, SETTINGS)
        reply = dns.message.from_wire(resolved.reply.octets)
        assert reply.flags & dns.flags.TC and reply.answer == [] and len(reply.question) == 1
        assert len(resolved.reply.octets) <= size_max and len(resolved.message) > 1000
        assert not resolved.message[2] & 2, "the cache keeps it whole"
    whole = reply_to(ask(client=TCP), outcome)
    assert len(whole.answer) == 10 and not whole.flags & dns.flags.TC


def test_the_additional_section_goes_first():
    reply = reply_to(ask(), Outcome(0, texts(2), additional=texts(5), ttl_s=300))
    assert len(reply.answer) == 2 and not reply.flags & dns.flags.TC
    # Two of the texts are in the answer already.
    assert reply.additional == []


def test_what_fits_no_message_is_told_with_tc_even_over_tcp_and_not_kept():
    large = tuple(
        Held(name(f"n{at}.example.com"), RRset(16, 300, (bytes(9000),))) for at in range(9)
    )
    resolved = compose_reply(ask(client=TCP), Outcome(0, large, ttl_s=300), SETTINGS)
    assert dns.message.from_wire(resolved.reply.octets).flags & dns.flags.TC
    assert resolved.message == b""


# The first reply and those of the cache


@st.composite
def helds(draw) -> Held:
    rrtype = draw(st.sampled_from([1, 28, 2, 5, 15, 16, 6, 47]))
    data = tuple(sorted({draw(rdata_of(rrtype)) for _ in range(draw(st.integers(1, 3)))}))
    signatures = draw(st.sampled_from([(), (bytes(40),)]))
    return Held(
        draw(names(labels_max=3)), RRset(rrtype, draw(st.integers(1, 999)), data, signatures)
    )


OUTCOMES = st.builds(
    Outcome,
    rcode=st.sampled_from([0, 0, 2, 3]),
    answer=st.lists(helds(), max_size=6).map(tuple),
    authority=st.lists(helds(), max_size=4).map(tuple),
    security=st.sampled_from([Security.INSECURE, SECURE, Security.BOGUS]),
    ttl_s=st.integers(1, 999),
    errors=st.sampled_from([(), (ExtendedError(3),)]),
    additional=st.lists(helds(), max_size=4).map(tuple),
)


@given(
    OUTCOMES,
    st.sampled_from(["RD", "RD AD", "RD CD"]),
    st.sampled_from([{}, {"want_dnssec": True}, {"use_edns": 0, "payload": 600}]),
    st.sampled_from([UDP, TCP]),
)
def test_the_first_reply_is_the_one_that_the_cache_gives(outcome, flags, how, client):
    recurse = ask("wWw.example.com A", flags=flags, client=client, **how)
    resolved: Resolved = compose_reply(recurse, outcome, SETTINGS)
    query, cache = recurse.query, MessageCache(1 << 20)
    assert cache.put(resolved.key, resolved.message, resolved.ttl_s, 0.0, resolved.error)
    opt = b""
    if query.edns is not None:
        rcode = resolved.message[3] & 15
        opt = compose_opt(query.edns, rcode, nsid=b"ns1", error=resolved.error)
    found = cache.find(resolved.key, 0.5)
    size_octets_max = payload_size_octets_max(query.edns, client.is_tcp)
    assert found.compose(query, opt, size_octets_max) == resolved.reply.octets
    assert len(resolved.reply.octets) <= size_octets_max
