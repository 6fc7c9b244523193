"""The bounds of what questions do to the servers of a cut."""

from dns_node.resolver.cut_load import FRUITLESS_MAX, OUTSTANDING_MAX, CutLoad
from dns_node.resolver.name_servers import NameServer
from dns_node.resolver.question import Server
from tests.resolver.world import NOW_S


def test_questions_that_bring_nothing_are_bounded_and_time_forgives_them():
    load = CutLoad()
    for _ in range(int(FRUITLESS_MAX)):
        load.note_fruitless(NOW_S)
    assert not load.is_flooded([], NOW_S)
    load.note_fruitless(NOW_S)
    assert load.is_flooded([], NOW_S)
    assert not load.is_flooded([], NOW_S + 1)


def test_at_silent_servers_fewer_questions_wait_than_at_slow_ones():
    load, known = CutLoad(), NameServer(Server("192.0.2.1", 53))
    load.begin(NOW_S)
    load.outstanding = 10 * OUTSTANDING_MAX
    assert not load.is_flooded([known], NOW_S + 1), "nothing is known of it yet"
    known.note_failure(NOW_S, NOW_S)
    assert load.is_flooded([known], NOW_S + 1)
    load.outstanding = OUTSTANDING_MAX - 1
    assert not load.is_flooded([known], NOW_S + 1)


def test_a_quick_server_is_silent_when_it_says_nothing_for_a_while_though_it_is_asked():
    load, known = CutLoad(), NameServer(Server("192.0.2.1", 53))
    known.note_reply(0.001)
    known.replied_s = NOW_S - 3600
    load.begin(NOW_S)
    load.outstanding = 10 * OUTSTANDING_MAX
    assert not load.is_flooded([known], NOW_S + 0.1)
    assert load.is_flooded([known], NOW_S + 0.3)
    known.replied_s = NOW_S + 0.29
    assert not load.is_flooded([known], NOW_S + 0.3)
    for _ in range(200):
        known.note_reply(2.0)
    assert not load.is_flooded([known], NOW_S + 3), "two seconds each"
