"""Queries on their way: equal ones are one, a slow server is no silent one, all is bounded."""

from typing import Any

import pytest
from twisted.internet.task import Clock

from dns_node.net.recursion.asks import LINGER_S, RESEND_S, SERVER_DATAGRAMS_MAX, Asks
from dns_node.net.recursion.datagrams import Inquiry
from dns_node.resolver.message import compose_query
from dns_node.resolver.question import Ask, Event, Failed, Question, Replied, Server, Transport

SERVER = Server("192.0.2.1")
OTHER = Server("192.0.2.2")


class Wire:
    """In place of the sockets: what was sent and not forgotten, oldest first."""

    def __init__(self) -> None:
        self.open: list[tuple[Server, Inquiry]] = []
        self.sent = 0

    def send(self, server: Server, query: bytes, on_reply: Any, on_failure: Any) -> Inquiry:
        inquiry = Inquiry(query, on_reply, on_failure)
        self.open.append((server, inquiry))
        self.sent += 1
        return inquiry

    def forget(self, inquiry: Inquiry) -> None:
        self.open = [one for one in self.open if one[1] is not inquiry]

    def reply(self, number: int = 0) -> None:
        inquiry = self.open[number][1]
        inquiry.on_reply(bytes((inquiry.query[0], inquiry.query[1], 0x80)) + inquiry.query[3:])

    def fail(self, number: int = 0) -> None:
        self.open[number][1].on_failure("connection refused")


class World:
    def __init__(self) -> None:
        self.clock, self.wire = Clock(), Wire()
        self.asks = Asks(self.wire, None, self.clock)  # type: ignore[arg-type]
        self.events: list[Event] = []
        self._number = 0

    def ask(self, name: bytes = b"\1a\0", server: Server = SERVER, timeout_s: float = 0.4) -> Any:
        self._number += 1
        query = compose_query(
            Question(name, 1), self._number, is_rd=False, is_do=True, is_cd=False, payload=1232,
            case_bits=self._number,
        )  # fmt: skip
        ask = Ask(self._number, server, Transport.UDP, query, timeout_s)
        return self.asks.put(ask, self.events.append)


@pytest.fixture()
def world() -> World:
    return World()


def test_equal_questions_to_one_server_are_one_and_each_has_its_id_and_letters(
    world: World,
) -> None:
    world.ask()
    world.ask()
    assert (world.wire.sent, len(world.asks)) == (1, 1)
    world.wire.reply()
    first, second = world.events
    assert isinstance(first, Replied) and isinstance(second, Replied)
    assert (first.octets[:2], second.octets[:2]) == (b"\0\1", b"\0\2")
    assert first.octets[13:14] != second.octets[13:14]
    assert (len(world.asks), world.wire.open) == (0, [])


def test_a_reply_after_the_deadline_is_for_who_asks_again(world: World) -> None:
    world.ask()
    world.clock.advance(0.4)
    assert isinstance(world.events[0], Failed) and world.events[0].is_timeout
    world.clock.advance(0.5)
    world.wire.reply()
    assert len(world.events) == 1
    world.ask()
    assert len(world.events) == 1, "never from within put"
    world.clock.advance(0)
    late = world.events[1]
    assert isinstance(late, Replied) and late.number == 2
    assert late.rtt_s == pytest.approx(0.9), "so that the server is known to be slow"
    assert world.wire.sent == 1


def test_who_asks_again_is_served_by_the_reply_to_either_query(world: World) -> None:
    for number in (0, 1):
        world.ask()
        world.clock.advance(0.4)
        world.ask(timeout_s=2)
        assert len(world.wire.open) == 1, "nearly always it is slow"
        world.clock.advance(RESEND_S - 0.4)
        assert len(world.wire.open) == 2
        world.wire.reply(number)
        assert isinstance(world.events.pop(), Replied)
        assert world.wire.open == []
        world.events.clear()


def test_what_nobody_asks_for_again_is_over_after_its_time(world: World) -> None:
    world.ask()
    world.clock.advance(0.4)
    assert (len(world.asks), len(world.wire.open)) == (0, 1)
    world.clock.advance(LINGER_S)
    assert world.wire.open == []
    assert world.clock.getDelayedCalls() == []
    world.ask()
    assert world.wire.sent == 2


def test_a_server_has_so_many_queries_without_a_reply_and_no_more(world: World) -> None:
    for number in range(SERVER_DATAGRAMS_MAX):
        world.ask(b"\3%03d\0" % number)
    world.ask(b"\1z\0")
    world.clock.advance(0)
    [refused] = world.events
    assert isinstance(refused, Failed) and not refused.is_timeout
    assert "too many queries wait for this server" in refused.reason
    world.ask(b"\1z\0", OTHER)
    assert world.wire.sent == SERVER_DATAGRAMS_MAX + 1
    world.clock.advance(0.4)
    world.ask(b"\x03000\0", timeout_s=2)
    world.clock.advance(RESEND_S)
    assert world.wire.sent == SERVER_DATAGRAMS_MAX + 1, "nothing is sent a second time"
    world.wire.reply()
    assert isinstance(world.events[-1], Replied)
    world.ask(b"\1z\0")
    assert world.wire.sent == SERVER_DATAGRAMS_MAX + 2, "there is room again"


def test_one_query_that_can_not_arrive_leaves_the_other_one_waiting(world: World) -> None:
    world.ask()
    world.clock.advance(0.4)
    world.ask(timeout_s=2)
    world.clock.advance(RESEND_S)
    world.events.clear()
    world.wire.fail(0)
    assert world.events == []
    world.wire.fail(0)
    assert isinstance(world.events[0], Failed)
    assert (len(world.asks), world.wire.open) == (0, [])


def test_where_somebody_guesses_nothing_lingers(world: World) -> None:
    world.ask()
    world.wire.open[0][1].near_misses = 1
    world.clock.advance(0.4)
    assert isinstance(world.events[0], Failed) and world.events[0].near_misses == 1
    assert world.wire.open == []


def test_what_is_forgotten_is_not_waited_for(world: World) -> None:
    world.asks.forget(world.ask())
    assert world.wire.open == []
    world.clock.advance(1)
    assert (world.events, world.clock.getDelayedCalls()) == ([], [])
