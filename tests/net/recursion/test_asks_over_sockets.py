"""What resolutions ask, over real sockets: replies, near misses, deadlines, equal questions."""

import select
import socket

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from dns_node.net.recursion.asks import Asks
from dns_node.net.recursion.chance import PORT_MIN, Chance
from dns_node.net.recursion.datagrams import NEAR_MISSES_MAX, Datagrams
from dns_node.net.recursion.streams import Streams
from dns_node.resolver.message import compose_query, is_reply
from dns_node.resolver.question import Ask, Failed, Question, Replied, Server, Transport

chance = Chance()


class World:
    """Asks over real sockets to a server that a test plays, under a clock that it moves."""

    def __init__(self):
        self.clock = Clock()
        self.datagrams = Datagrams(chance)
        self.asks = Asks(self.datagrams, Streams(self.clock), self.clock)
        self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.server.bind(("127.0.0.1", 0))
        self.server.settimeout(5)
        self.events = []

    def ask(self, name=b"\3www\7example\0", timeout_s=1.0, number=0):
        query = compose_query(
            Question(name, 1), chance(16), is_rd=False, is_do=True, is_cd=False, payload=1232,
            case_bits=chance(64),
        )  # fmt: skip
        server = Server("127.0.0.1", self.server.getsockname()[1])
        ask = Ask(number, server, Transport.UDP, query, timeout_s)
        return query, self.asks.put(ask, self.events.append)

    def receive(self):
        return self.server.recvfrom(4096)

    def pump(self, wait_s=2.0):
        """Take what waits, at most *wait_s* from now on."""
        while select.select([self.datagrams], [], [], wait_s)[0]:
            self.datagrams.doRead()
            wait_s = 0.05

    def close(self):
        self.datagrams.close()
        self.server.close()


@pytest.fixture()
def world():
    made = World()
    yield made
    made.close()


def reply_to(query):
    return dns.message.make_response(dns.message.from_wire(query)).to_wire()


def test_the_reply_comes_with_the_time_it_took(world):
    query, _ = world.ask()
    octets, peer = world.receive()
    assert octets == query
    world.clock.advance(0.25)
    world.server.sendto(reply_to(query), peer)
    world.pump()
    assert world.events == [Replied(0, reply_to(query), 0.25, 0)]
    assert len(world.asks) == len(world.datagrams) == 0


def test_what_is_not_the_reply_is_counted_and_the_waiting_goes_on(world):
    query, _ = world.ask()
    _, peer = world.receive()
    good = reply_to(query)
    other_id = bytes([good[0] ^ 1]) + good[1:]
    other_case = good[:13] + bytes([good[13] ^ 0x20]) + good[14:]
    for octets in (b"", b"x", good[:11], query, other_id, other_case, good):
        world.server.sendto(octets, peer)
    world.pump()
    assert world.events == [Replied(0, good, 0.0, 6)]


def test_datagrams_from_elsewhere_do_not_even_count(world):
    query, _ = world.ask()
    _, peer = world.receive()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(10):
            stranger.sendto(reply_to(query), peer)
    world.server.sendto(reply_to(query), peer)
    world.pump()
    [event] = world.events
    assert event.near_misses == 0


def test_a_flood_of_near_misses_ends_the_waiting(world):
    world.ask()
    _, peer = world.receive()
    for _ in range(NEAR_MISSES_MAX + 20):
        world.server.sendto(b"guess", peer)
    world.pump()
    [event] = world.events
    assert isinstance(event, Failed) and not event.is_timeout
    assert event.near_misses == NEAR_MISSES_MAX and len(world.datagrams) == 0


def test_when_its_time_is_over_there_is_one_event_and_soon_no_socket(world):
    world.ask(timeout_s=0.5)
    world.clock.advance(0.4)
    assert world.events == []
    world.clock.advance(0.2)
    assert world.events == [Failed(0, True, "", 0)] and len(world.asks) == 0
    world.clock.advance(10)
    assert len(world.events) == 1 and len(world.datagrams) == 0


def test_equal_questions_to_one_server_are_sent_once_and_each_gets_a_reply_of_its_own(world):
    queries = [world.ask(number=number)[0] for number in range(5)]
    world.ask(b"\5other\7example\0", number=5)
    first, peer = world.receive()
    assert first == queries[0] and len(world.asks) == 2
    assert world.asks.sent == 2 and world.asks.joined == 4
    world.server.sendto(reply_to(first), peer)
    world.pump()
    assert [event.number for event in world.events] == [0, 1, 2, 3, 4]
    for query, event in zip(queries, world.events, strict=True):
        assert is_reply(query, event.octets), "id and letters are those of its own query"


def test_one_of_equal_questions_may_be_forgotten_and_the_others_wait_on(world):
    tickets = [world.ask(number=number)[1] for number in range(3)]
    octets, peer = world.receive()
    world.asks.forget(tickets[0])
    world.asks.forget(tickets[0])
    world.server.sendto(reply_to(octets), peer)
    world.pump()
    assert [event.number for event in world.events] == [1, 2]
    ticket = world.ask(number=3)[1]
    world.asks.forget(ticket)
    assert len(world.asks) == len(world.datagrams) == 0


def test_a_closed_port_is_known_at_once(world):
    port = world.server.getsockname()[1]
    world.server.close()
    query = compose_query(
        Question(b"\1a\0", 1), 1, is_rd=False, is_do=False, is_cd=False, payload=None, case_bits=0
    )
    ask = Ask(7, Server("127.0.0.1", port), Transport.UDP, query, 1.0)
    world.asks.put(ask, world.events.append)
    world.pump()
    assert world.events == [Failed(7, False, "connection refused", 0)]


def test_a_server_that_can_not_be_reached_fails_later_and_not_within_the_call(world):
    query = compose_query(
        Question(b"\1a\0", 1), 1, is_rd=False, is_do=False, is_cd=False, payload=None, case_bits=0
    )
    ask = Ask(8, Server("255.255.255.255", 53), Transport.UDP, query, 1.0)
    world.asks.put(ask, world.events.append)
    assert world.events == []
    world.clock.advance(0)
    [event] = world.events
    assert isinstance(event, Failed) and event.reason and len(world.datagrams) == 0


@given(st.integers(1, 512))
def test_chance_gives_as_many_bits_as_are_asked_for(bits):
    numbers = [chance(bits) for _ in range(64)]
    assert all(0 <= number < 1 << bits for number in numbers)
    assert max(numbers) >= 1 << (bits - 1), "the highest bit is set in half of them"


def test_ports_come_from_the_whole_range_and_from_each_part_alike():
    parts = [0] * 63
    for _ in range(20_000):
        port = chance.port()
        assert PORT_MIN <= port <= 65535
        parts[(port - PORT_MIN) // 1024] += 1
    # 317 each on average; the chance of one in this test beyond these is far below 10^-9.
    assert min(parts) > 180 and max(parts) < 480
