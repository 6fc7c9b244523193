"""How one server is asked: cookies, guesses by others, what is remembered of it."""

import dns.edns
import dns.message
import dns.name
import dns.rcode
import pytest

from dns_node.resolver.budget import Budget, BudgetExceeded
from dns_node.resolver.message import parse_response
from dns_node.resolver.name_servers import (
    LAME_ZONES_MAX,
    SERVERS_MAX,
    TIMEOUT_MAX_S,
    TIMEOUT_MIN_S,
    TIMEOUTS_MAX,
    NameServer,
    NameServers,
    choose,
)
from dns_node.resolver.question import Ask, Failed, Outcome, Replied, Server, Transport
from dns_node.resolver.settings import Limits
from tests.resolver.test_resolution import small_world
from tests.resolver.world import NOW_S, question

COOKIE = dns.edns.OptionType.COOKIE


def cookie_of(query) -> bytes:
    return next((bytes(o.to_wire()) for o in query.options if o.otype == COOKIE), b"")


class WithCookies:
    """A server that gives cookies, and with *is_strict* answers nobody without a good one."""

    def __init__(self, *, is_strict: bool = False, server_cookie: bytes = b"12345678"):
        self.is_strict, self.server_cookie = is_strict, server_cookie
        self.seen: list[bytes] = []

    def __call__(self, query, reply):
        cookie = cookie_of(query)
        self.seen.append(cookie)
        is_bad = self.is_strict and cookie[8:] != self.server_cookie
        if is_bad:
            reply = dns.message.make_response(query)
        option = dns.edns.GenericOption(COOKIE, cookie[:8] + self.server_cookie)
        reply.use_edns(0, 0, 1232, options=[option])
        if is_bad:
            reply.set_rcode(dns.rcode.BADCOOKIE)
        return reply


def test_rfc7873_a_server_hears_the_cookie_that_it_gave_last():
    world = small_world()
    server = world.hosts["192.0.2.2"].behave = WithCookies()
    resolver = world.resolver("192.0.2.1")
    world.play(resolver, question("www.example."))
    world.play(resolver, question("a.b.c.example."))
    assert len(server.seen[0]) == 8
    assert {cookie[8:] for cookie in server.seen[1:]} == {b"12345678"}
    assert len({cookie[:8] for cookie in server.seen}) == 1


def test_rfc7873_servers_hear_different_client_cookies():
    world = small_world()
    servers = []
    for address in ("192.0.2.1", "192.0.2.2"):
        servers.append(WithCookies())
        world.hosts[address].behave = servers[-1]
    world.play(world.resolver("192.0.2.1"), question("www.example."))
    assert servers[0].seen[0][:8] != servers[1].seen[0][:8]


def test_rfc7873_badcookie_brings_the_good_cookie():
    world = small_world()
    world.hosts["192.0.2.2"].behave = WithCookies(is_strict=True)
    played = world.play(world.resolver("192.0.2.1"), question("www.example."))
    assert played.addresses == ["203.0.113.1"]
    assert [ask.transport for ask in played.asks] == [Transport.UDP] * 4


@pytest.mark.parametrize("forged", [b"", bytes(16)])
def test_rfc7873_a_reply_without_our_cookie_is_asked_for_again_over_tcp(forged):
    world = small_world()
    good = WithCookies()
    world.hosts["192.0.2.2"].behave = good
    resolver = world.resolver("192.0.2.1")
    world.play(resolver, question("www.example."))

    def forge(query, reply):
        options = [dns.edns.GenericOption(COOKIE, forged)] if forged else []
        reply.use_edns(0, 0, 1232, options=options)
        return reply

    world.hosts["192.0.2.2"].behave = forge
    played = world.play(resolver, question("c.example.", "TXT"))
    assert Transport.TCP in [ask.transport for ask in played.asks]


def test_rfc5452_one_near_miss_is_enough_to_ask_again_over_tcp():
    world = small_world()
    resolver = world.resolver("192.0.2.1")
    world.play(resolver, question("www.example."))
    resolution = resolver.resolve(question("alias.example.", "CNAME"), world.now_s)
    [first] = resolution.begin(world.now_s)
    assert first.transport is Transport.UDP
    forged = world.hosts["192.0.2.2"].answer(first.query, Transport.UDP)
    [second] = resolution.feed(Replied(first.number, forged, 0.01, near_misses=1), world.now_s)
    assert isinstance(second, Ask) and second.transport is Transport.TCP
    octets = world.hosts["192.0.2.2"].answer(second.query, Transport.TCP)
    [outcome] = resolution.feed(Replied(second.number, octets, 0.02), world.now_s)
    assert isinstance(outcome, Outcome) and outcome.answer


def test_rfc5452_ids_and_letters_differ_from_query_to_query():
    world = small_world()
    queries = []
    for number in range(40):
        asked = question(f"aname-{number:02}-of-letters.example.")
        queries.append(world.play(world.resolver("192.0.2.1"), asked).asks[-1].query)
    assert len({query[:2] for query in queries}) > 35
    assert len({bytes(octet & 0x20 for octet in query[22:32]) for query in queries}) > 35


def test_a_reply_to_another_question_is_no_reply_whoever_hands_it_over():
    world = small_world()
    resolver = world.resolver("192.0.2.1")
    world.play(resolver, question("www.example."))
    resolution = resolver.resolve(question("no.example."), world.now_s)
    [ask] = resolution.begin(world.now_s)
    other = dns.message.from_wire(ask.query)
    other.question[0].name = dns.name.from_text("www.example.")
    octets = world.hosts["192.0.2.2"].answer(other.to_wire(), Transport.UDP)
    [action] = resolution.feed(Replied(ask.number, octets, 0.01), world.now_s)
    assert isinstance(action, Ask)


def test_what_was_not_even_sent_is_no_fault_of_the_server():
    world = small_world()
    resolver = world.resolver("192.0.2.1")
    resolution = resolver.resolve(question("www.example."), world.now_s)
    actions = resolution.begin(world.now_s)
    for _ in range(20):
        [ask] = [action for action in actions if isinstance(action, Ask)] or [None]
        if ask is None:
            break
        failed = Failed(ask.number, False, "too many queries wait for this server")
        actions = resolution.feed(failed, world.now_s)
    assert resolution.outcome.rcode == dns.rcode.SERVFAIL
    assert not any(known.timeouts for known in resolver.name_servers)


def test_an_event_of_no_ask_is_ignored():
    world = small_world()
    resolution = world.resolver("192.0.2.1").resolve(question("www.example."), world.now_s)
    [ask] = resolution.begin(world.now_s)
    assert resolution.feed(Replied(ask.number + 1, b"", 0.1), world.now_s) == []
    assert not resolution.is_over


def test_a_resolution_that_is_given_up_forgets_its_asks_and_says_servfail():
    world = small_world()
    resolver = world.resolver("192.0.2.1")
    resolution = resolver.resolve(question("www.example."), world.now_s)
    resolution.begin(world.now_s)
    forget, outcome = resolution.stop(world.now_s)
    assert forget.number == 0
    assert outcome.rcode == dns.rcode.SERVFAIL
    assert resolution.is_over
    assert resolution.stop(world.now_s) == []
    assert not any(known.in_flight for known in resolver.name_servers)


def test_a_reply_may_not_have_more_octets_than_the_budget_leaves():
    budget = Budget(Limits(octets_max=100), NOW_S)
    budget.draw_octets(99)
    with pytest.raises(BudgetExceeded, match="octets_max"):
        budget.draw_octets(2)
    assert budget.spent.octets == 99


def test_a_server_that_was_silent_several_times_is_left_alone_for_a_while():
    known = NameServer(Server("192.0.2.1"))
    now_s = NOW_S
    for _ in range(TIMEOUTS_MAX):
        assert not known.is_paused(now_s)
        known.note_failure(now_s + 1, now_s)
        now_s += 1.0
    assert known.is_paused(now_s)
    assert choose([known], {}, b"\0", now_s, lambda bits: 1) is None
    assert choose([known], {}, b"\0", now_s + 20, lambda bits: 1) is known
    known.note_reply(0.01)
    assert not known.is_paused(now_s)


def test_a_family_without_a_way_comes_last_until_there_is_one():
    known = NameServers()
    here, there = known.of(Server("192.0.2.1")), known.of(Server("2001:db8::1"))
    for _ in range(3):
        there.family.note_unreachable(NOW_S)
    assert choose([here, there], {here: 2}, b"\0", NOW_S, lambda bits: 1) is here
    assert choose([there], {}, b"\0", NOW_S, lambda bits: 1) is there
    there.note_reply(0.01)
    assert choose([here, there], {here: 2}, b"\0", NOW_S, lambda bits: 1) is there


def test_what_is_asked_together_fails_together():
    known = NameServer(Server("192.0.2.1"))
    for _ in range(500):
        known.note_failure(NOW_S + 1, NOW_S)
    assert known.timeouts == 1


def test_timeouts_follow_the_round_trip_within_bounds():
    known = NameServer(Server("192.0.2.1"))
    for _ in range(50):
        known.note_reply(0.001)
    assert known.timeout_s(0) == TIMEOUT_MIN_S
    assert known.timeout_s(1) == 2 * TIMEOUT_MIN_S
    assert known.timeout_s(30) <= TIMEOUT_MAX_S
    for _ in range(50):
        known.note_reply(1.0)
    assert 1.0 <= known.timeout_s(0) <= 2.0


def test_the_quickest_is_asked_mostly_and_the_others_now_and_then():
    world = small_world()
    servers = [NameServer(Server(f"192.0.2.{number}")) for number in range(3)]
    for server, rtt_s in zip(servers, (0.2, 0.01, 0.3), strict=True):
        server.note_reply(rtt_s)
    chosen = [choose(servers, {}, b"\0", NOW_S, world.random.getrandbits) for _ in range(1000)]
    assert 900 < chosen.count(servers[1]) < 1000
    assert chosen.count(servers[0]) and chosen.count(servers[2])


def test_what_is_known_of_servers_is_bounded():
    known = NameServers()
    for number in range(SERVERS_MAX + 5000):
        known.of(Server(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"))
    assert len(known) <= SERVERS_MAX
    lame = known.of(Server("192.0.2.1"))
    for number in range(1000):
        lame.note_lame(b"\x04%04d\0" % number, NOW_S)
    assert len(lame.lame_until_s) <= LAME_ZONES_MAX
    assert lame.is_lame(b"\x040999\0", NOW_S)


def test_replies_of_the_world_can_be_read():
    world = small_world()
    played = world.play(world.resolver("192.0.2.1"), question("www.example."))
    octets = world.hosts["192.0.2.2"].answer(played.asks[-1].query, Transport.UDP)
    assert parse_response(octets).is_authoritative
