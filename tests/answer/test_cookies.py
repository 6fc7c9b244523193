"""Server cookies: RFC 7873, RFC 9018."""

import struct

import dns.edns
import dns.message
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.answer.access import Networks, address_octets
from dns_node.answer.cookies import CookieSecrets, answer_cookie, make_server_cookie
from dns_node.answer.respond import Client, Reply, respond, respond_limited, respond_servfail
from tests.answer.ask import SETTINGS, TCP, UDP
from tests.answer.dict_view import view_of
from tests.answer.example_zones import EXAMPLE

VIEW = view_of(example=EXAMPLE)
OLD = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
NEW = bytes.fromhex("445536bcd2513298075a5d379663c962")
SECRETS = CookieSecrets(OLD)
WITH_COOKIES = msgspec.structs.replace(SETTINGS, cookie_secrets=SECRETS)
CLIENT_COOKIE = b"clientck"
NOW_S = 1_700_000_000
NOERROR, FORMERR, BADVERS, BADCOOKIE = 0, 1, 16, 23

ADDRESS = st.ip_addresses().map(lambda address: address.packed)
EIGHT = st.binary(min_size=8, max_size=8)


@pytest.mark.parametrize(
    ("told", "address", "now_s", "secrets", "answer", "is_good"),
    [
        ("2464c4abcf10c957", "198.51.100.100", 1559731985, SECRETS,
         "2464c4abcf10c957010000005cf79f111f8130c3eee29480", False),
        ("2464c4abcf10c957010000005cf79f111f8130c3eee29480", "198.51.100.100", 1559734385, SECRETS,
         "2464c4abcf10c957010000005cf7a871d4a564a1442aca77", True),
        # Older than an hour by then: renewed, and no proof of anything.
        ("fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", "203.0.113.203", 1559734700, SECRETS,
         "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e", False),
        ("22681ab97d52c298010000005cf7c57926556bd0934c72f8", "2001:db8:220:1:59de:d0f4:8769:82b8",
         1559741961, CookieSecrets(NEW, (bytes.fromhex("dd3bdf9344b678b185a6f5cb60fca715"),)),
         "22681ab97d52c298010000005cf7c609a6bb79d16625507a", True),
    ],
)  # fmt: skip
def test_rfc9018_appendix_a(told, address, now_s, secrets, answer, is_good):
    found = answer_cookie(bytes.fromhex(told), address_octets(address), now_s, secrets)
    assert (found[0].hex(), found[1]) == (answer, is_good)


def test_rfc9018_appendix_a_3_the_reserved_octets_are_hashed_and_may_be_anything():
    told = bytes.fromhex("fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5")
    address = address_octets("203.0.113.203")
    assert answer_cookie(told, address, 1559727985, SECRETS) == (told, True)


@given(EIGHT, ADDRESS, st.integers(0, 2**33), st.integers(-400, 4000))
def test_rfc9018_4_3_a_cookie_is_good_for_an_hour_and_echoed_for_half_of_it(
    client_cookie, address, made_s, age_s
):
    told = client_cookie + make_server_cookie(client_cookie, address, made_s, OLD)
    answer, is_good = answer_cookie(told, address, made_s + age_s, SECRETS)
    assert is_good == (-300 <= age_s <= 3600)
    assert (answer == told) == (-300 <= age_s <= 1800 or age_s == 0)
    assert answer_cookie(answer, address, made_s + age_s, SECRETS) == (answer, True)


@given(EIGHT, ADDRESS, ADDRESS, st.integers(0, 23), st.integers(1, 255))
def test_a_cookie_is_good_for_its_address_alone_and_every_octet_of_it_counts(
    client_cookie, address, other, at, change
):
    told = client_cookie + make_server_cookie(client_cookie, address, NOW_S, OLD)
    assert answer_cookie(told, other, NOW_S, SECRETS)[1] == (other == address)
    wrong = told[:at] + bytes((told[at] ^ change,)) + told[at + 1 :]
    answer, is_good = answer_cookie(wrong, address, NOW_S, SECRETS)
    assert not is_good and answer[:8] == wrong[:8] and len(answer) == 24


@given(EIGHT, ADDRESS, st.binary(min_size=8, max_size=32))
def test_no_other_server_cookie_is_good(client_cookie, address, server_cookie):
    _, is_good = answer_cookie(client_cookie + server_cookie, address, NOW_S, SECRETS)
    assert not is_good


@given(EIGHT, ADDRESS)
def test_a_staged_and_a_former_secret_are_good_and_their_cookies_are_replaced(cookie, address):
    secrets = CookieSecrets(NEW, (OLD,))
    told = cookie + make_server_cookie(cookie, address, NOW_S, OLD)
    fresh = cookie + make_server_cookie(cookie, address, NOW_S, NEW)
    assert answer_cookie(told, address, NOW_S, secrets) == (fresh, True)
    assert answer_cookie(fresh, address, NOW_S, CookieSecrets(OLD, (NEW,))) == (told, True)


# ---- in requests and replies


def query(*options, name="web.example.", **more):
    return dns.message.make_query(
        name, "A", use_edns=0, options=[dns.edns.GenericOption(*o) for o in options], **more
    )


def answer_to(octets, client=UDP, settings=WITH_COOKIES):
    """Return (rcode, the COOKIE option's data or None, the Reply)."""
    reply = respond(octets, VIEW, client, NOW_S, settings)
    assert isinstance(reply, Reply)
    message = dns.message.from_wire(reply.octets)
    cookies = [option.to_wire() for option in message.options if int(option.otype) == 10]
    assert len(cookies) <= 1
    return message.rcode(), cookies[0] if cookies else None, reply


def learn(client=UDP):
    """Return the cookie that the client gets."""
    _, cookie, _ = answer_to(query((10, CLIENT_COOKIE)).to_wire(), client)
    return cookie


@pytest.mark.parametrize("client", [UDP, TCP])
def test_rfc7873_5_2_3_a_client_cookie_alone_gets_an_answer_and_a_server_cookie(client):
    rcode, cookie, reply = answer_to(query((10, CLIENT_COOKIE)).to_wire(), client)
    assert rcode == NOERROR and dns.message.from_wire(reply.octets).answer
    assert cookie[:8] == CLIENT_COOKIE and len(cookie) == 24
    assert (reply.has_cookie, reply.has_good_cookie) == (True, False)


def test_rfc7873_5_2_5_a_good_server_cookie_comes_back_and_is_known_to_be_good():
    cookie = learn()
    rcode, again, reply = answer_to(query((10, cookie)).to_wire())
    assert (rcode, again, reply.has_good_cookie) == (NOERROR, cookie, True)


def test_rfc7873_5_2_4_a_bad_server_cookie_is_like_none():
    for wrong in (learn(Client("192.0.2.54", 4000)), CLIENT_COOKIE + bytes(8), learn() + b"x"):
        rcode, cookie, reply = answer_to(query((10, wrong)).to_wire())
        assert (rcode, cookie, reply.has_good_cookie) == (NOERROR, learn(), False)


def test_the_address_of_an_ipv4_client_is_the_same_over_an_ipv6_socket():
    cookie = learn(Client("192.0.2.53", 4000))
    _, _, reply = answer_to(query((10, cookie)).to_wire(), Client("::ffff:192.0.2.53", 5000))
    assert reply.has_good_cookie


@pytest.mark.parametrize("size", [0, 1, 7, 9, 15, 41, 100])
def test_rfc7873_5_2_2_a_malformed_cookie_is_formerr_without_a_cookie(size):
    rcode, cookie, reply = answer_to(query((10, bytes(size))).to_wire())
    assert (rcode, cookie, reply.has_cookie) == (FORMERR, None, False)


def test_of_two_cookies_the_first_counts():
    cookie = learn()
    _, again, reply = answer_to(query((10, cookie), (10, b"x")).to_wire())
    assert (again, reply.has_good_cookie) == (cookie, True)


def test_errors_have_a_cookie_too():
    for name in ("nosuch.invalid.", "nosuch.example."):
        assert answer_to(query((10, CLIENT_COOKIE), name=name).to_wire())[1] == learn()
    closed = msgspec.structs.replace(WITH_COOKIES, query=Networks(()))
    assert answer_to(query((10, CLIENT_COOKIE)).to_wire(), settings=closed)[1] == learn()
    reply = respond_servfail(query((10, CLIENT_COOKIE)).to_wire(), UDP, NOW_S, WITH_COOKIES)
    assert learn() in reply.octets and reply.octets[3] & 15 == 2


def test_an_unknown_version_of_edns_gets_no_cookie():
    octets = query((10, CLIENT_COOKIE)).to_wire().replace(
        b"\0\0\x29\x04\xd0\0\0", b"\0\0\x29\x04\xd0\0\x01"
    )
    rcode, cookie, _ = answer_to(octets)
    assert (rcode, cookie) == (BADVERS, None)


def test_the_options_come_in_the_order_of_their_codes():
    octets = query((15, b""), (11, b""), (10, CLIENT_COOKIE), (3, b""), name="x.").to_wire()
    reply = dns.message.from_wire(answer_to(octets, TCP)[2].octets)
    assert [int(option.otype) for option in reply.options] == [3, 10, 11, 15]


def test_without_secrets_a_cookie_is_like_an_unknown_option():
    rcode, cookie, reply = answer_to(query((10, CLIENT_COOKIE)).to_wire(), settings=SETTINGS)
    assert (rcode, cookie, reply.has_cookie) == (NOERROR, None, False)


# ---- asking for nothing but a cookie


def cookie_request(cookie, opcode=0):
    option = struct.pack("!HH", 10, len(cookie)) + cookie
    opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, len(option)) + option
    return struct.pack("!HHHHHH", 7, opcode << 11, 0, 0, 0, 1) + opt


def test_rfc7873_5_4_a_request_without_a_question_gets_a_cookie_and_says_whether_its_own_is_good():
    for told, wanted in ((CLIENT_COOKIE, NOERROR), (learn(), NOERROR),
                         (CLIENT_COOKIE + bytes(16), BADCOOKIE)):  # fmt: skip
        rcode, cookie, reply = answer_to(cookie_request(told))
        assert (rcode, cookie) == (wanted, learn())
        assert reply.octets[4:12] == bytes(7) + b"\1", "an OPT and nothing else"


def test_rfc9619_without_a_cookie_or_without_secrets_no_question_is_formerr():
    for octets, settings in (
        (cookie_request(b"short"), WITH_COOKIES),
        (cookie_request(CLIENT_COOKIE), SETTINGS),
        (cookie_request(CLIENT_COOKIE, opcode=4), WITH_COOKIES),
        (struct.pack("!HHHHHH", 7, 0, 0, 0, 0, 0), WITH_COOKIES),
    ):
        reply = respond(octets, VIEW, UDP, NOW_S, settings)
        assert len(reply.octets) == 12 and reply.octets[3] & 15 == FORMERR


# ---- in place of an answer


def test_in_place_of_an_answer_a_client_with_cookies_gets_badcookie_and_a_good_one():
    for told in (CLIENT_COOKIE, CLIENT_COOKIE + bytes(16)):
        octets = query((10, told), name="big.example.").to_wire()
        reply = respond_limited(octets, UDP, NOW_S, WITH_COOKIES)
        message = dns.message.from_wire(reply.octets)
        assert message.rcode() == BADCOOKIE and not message.answer
        assert len(reply.octets) <= len(octets) + 16
        assert answer_to(query((10, message.options[0].to_wire())).to_wire())[2].has_good_cookie


@pytest.mark.parametrize("use_edns", [False, 0])
def test_in_place_of_an_answer_others_get_tc_and_no_more_octets_than_they_sent(use_edns):
    octets = dns.message.make_query("web.example.", "A", use_edns=use_edns).to_wire()
    reply = respond_limited(octets, UDP, NOW_S, WITH_COOKIES)
    message = dns.message.from_wire(reply.octets)
    assert message.flags & dns.flags.TC and message.rcode() == NOERROR and not message.answer
    assert len(reply.octets) == len(octets)
