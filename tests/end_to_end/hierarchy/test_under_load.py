"""Many questions at once, dead servers, several upstreams: seen by what upstream servers log."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.flags
import dns.message
import pytest

from ..waiting import eventually
from . import plan
from .crowd import ask_all
from .expected import Expected
from .hierarchy import Hierarchy
from .nodes import ResolvingNode
from .odd import Entry
from .resolvers import ask, seen

EDE_STALE = 3
STALE = Expected("www.mutable.south.", values=("192.0.2.60",))
"""Its TTL is 2 s."""


@pytest.fixture()
def odd(hierarchy: Hierarchy) -> Iterator[Hierarchy]:
    """The hierarchy with an empty log; what a test changes is as before afterwards."""
    hierarchy.forget()
    yield hierarchy
    hierarchy.change(plan.CRAWLING, delay_s=1.0)
    hierarchy.change(plan.COUNTED, delay_s=0.0)


@pytest.fixture(scope="module")
def node(hierarchy: Hierarchy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResolvingNode]:
    """A node with one worker, over IPv4 alone, so that each server has one address."""
    started = ResolvingNode(
        hierarchy, tmp_path_factory.mktemp("loaded"), recursion={"ipv6": False}
    )  # fmt: skip
    yield started
    started.stop()
    hierarchy.change(plan.MUTABLE, is_silent=False)


@pytest.fixture(scope="module")
def stale(hierarchy: Hierarchy, node: ResolvingNode) -> tuple[dns.message.Message, float]:
    """What the node said, and after how many seconds, about a name whose time was over when its
    server died.  The server is alive again after that."""
    fresh = ask(hierarchy, node.port, STALE)
    assert errors(fresh) == []
    over_s = time.monotonic() + fresh.answer[0].ttl
    hierarchy.change(plan.MUTABLE, is_silent=True)
    eventually(lambda: time.monotonic() > over_s, what="its time is over")
    began_s = time.monotonic()
    reply = ask(hierarchy, node.port, STALE)
    waited_s = time.monotonic() - began_s
    began_s = time.monotonic()
    assert errors(ask(hierarchy, node.port, STALE)) == [EDE_STALE]
    assert time.monotonic() - began_s < 1.5, "that the server is dead is known by now"
    hierarchy.change(plan.MUTABLE, is_silent=False)
    return reply, waited_s


def errors(message: dns.message.Message) -> list[int]:
    """Return the info codes of the extended errors in *message*."""
    return [int(option.code) for option in message.options if option.otype == 15]


def resident_kib(pid: int) -> int:
    """Return the resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


def is_about(name: str) -> Callable[[Entry], bool]:
    """Whether an entry of the log is about *name*, whatever the case of its letters."""
    return lambda entry: entry.qname.lower() == name


def numbers(node: ResolvingNode) -> dict[str, int]:
    """Return the numbers of the line `recursion:` of STATUS."""
    pairs = (part.rsplit(" ", 1) for part in node.status(0)["recursion"].split(", "))
    return {name: int(number) for name, number in pairs if number.isdigit()}


def test_where_all_servers_are_dead_the_answer_is_stale_and_says_so(
    stale: tuple[dns.message.Message, float],
) -> None:
    reply, waited_s = stale
    assert seen(STALE, reply) == STALE
    assert errors(reply) == [EDE_STALE]
    assert reply.answer[0].ttl == 30
    assert 1.5 < waited_s < 4, "the client's time is 1.8 s (RFC 8767 section 5)"


def test_100_equal_questions_over_four_workers_are_4_upstream_questions_at_most(
    odd: Hierarchy, tmp_path: Path
) -> None:
    node = ResolvingNode(odd, tmp_path / "node", workers=4)
    try:
        # Until every worker knows the way: a first question may take longer than clients wait.
        ask_all(odd, node.port, [f"warm{n}.counted.south." for n in range(40)])
        odd.change(plan.COUNTED, delay_s=0.2)
        replies = ask_all(odd, node.port, ["www.counted.south."] * 100, wait_s=5)
        asked = odd.log(host=plan.COUNTED, wanted=is_about("www.counted.south."))
    finally:
        node.stop()
    assert len(replies) == 100
    assert {str(one.answer[0][0]) for one in replies.messages.values()} == {"192.0.2.56"}
    assert 1 <= len(asked) <= 4, asked
    assert len({(one.source, one.message_id) for one in asked}) == len(asked)


def test_a_hot_name_is_asked_for_again_before_it_ends_and_nobody_waits_for_that(
    odd: Hierarchy, node: ResolvingNode
) -> None:
    question = Expected("hot.counted.south.", values=("192.0.2.57",))
    waits_s, ttls = [], []
    assert seen(question, ask(odd, node.port, question)) == question
    odd.change(plan.COUNTED, delay_s=0.6)
    end_s = time.monotonic() + 5.8  # its TTL is 5 s
    while time.monotonic() < end_s:
        began_s = time.monotonic()
        reply = ask(odd, node.port, question)
        waits_s.append(time.monotonic() - began_s)
        ttls.append(reply.answer[0].ttl)
        time.sleep(0.1)
    asked = odd.log(host=plan.COUNTED, wanted=is_about(question.name))
    assert max(waits_s) < 0.6, "a client waited for the server"
    assert len(asked) == 2
    assert 3.5 < asked[1].at_s - asked[0].at_s < 5
    assert min(ttls) <= 1 and ttls[-1] >= 3


def upstreams(hierarchy: Hierarchy) -> list[str]:
    hosts = (plan.SLOW_RESOLVER, plan.FAST_RESOLVER, plan.FAILING_RESOLVER)
    return [hierarchy.place.address(host) for host in hosts]


def test_in_parallel_the_fast_upstream_wins_and_without_any_there_is_recursion(
    odd: Hierarchy, tmp_path: Path
) -> None:
    recursion = {"mode": "parallel", "upstreams": upstreams(odd), "validation": False}
    node = ResolvingNode(odd, tmp_path / "node", recursion=recursion)
    fast = Expected("www.plain.south.", values=(f"192.0.2.{plan.FAST_RESOLVER}",))
    slow = Expected("www.unsigned.north.", values=(f"192.0.2.{plan.SLOW_RESOLVER}",))
    recursed = Expected("www.lame.north.", values=("192.0.2.1",))
    try:
        odd.change(plan.SLOW_RESOLVER, delay_s=2.5)
        began_s = time.monotonic()
        assert seen(fast, ask(odd, node.port, fast)) == fast
        assert time.monotonic() - began_s < 2, "the slow one takes 2.5 s"
        asked = odd.log(wanted=is_about(fast.name))
        assert {one.address for one in asked} == set(upstreams(odd)), "at the same time"
        odd.change(plan.FAST_RESOLVER, is_silent=True)
        odd.change(plan.SLOW_RESOLVER, delay_s=0.3)
        assert seen(slow, ask(odd, node.port, slow)) == slow
        odd.change(plan.SLOW_RESOLVER, is_silent=True)
        assert seen(recursed, ask(odd, node.port, recursed)) == recursed, "from the root"
    finally:
        odd.change(plan.FAST_RESOLVER, is_silent=False)
        odd.change(plan.SLOW_RESOLVER, is_silent=False, delay_s=0.8)
        node.stop()


def test_600_questions_to_a_slow_server_stay_below_the_limit_and_memory_stays_flat(
    odd: Hierarchy, node: ResolvingNode
) -> None:
    """The limit of a worker is 512; excess is dropped and counted, and all is over afterwards."""
    ask_all(odd, node.port, [f"w{n}.crawling.south." for n in range(600)], addresses=5)
    [worker] = node.processes[0].workers()
    before_kib, before = resident_kib(worker), numbers(node)
    for turn in range(3):
        names = [f"q{turn}-{n}.crawling.south." for n in range(600)]
        replies = ask_all(odd, node.port, names, addresses=5, wait_s=2.5)
        assert 500 <= len(replies) <= 512
    _, most = odd.in_flight(plan.CRAWLING)
    assert 400 < most <= 512
    status = eventually(
        lambda: not (found := numbers(node))["in flight"] and found, 10, "nothing in flight"
    )
    assert 3 * 88 <= status["over limit"] - before["over limit"] <= 3 * 100
    assert status["upstream in flight"] == 0
    after_kib = resident_kib(worker)
    assert after_kib - before_kib < 8192, f"{before_kib} KiB before, {after_kib} KiB after"


def test_a_server_that_lives_again_is_heard_again(
    hierarchy: Hierarchy, node: ResolvingNode, stale: tuple[dns.message.Message, float]
) -> None:
    """The last test of this file: a stale answer holds for 30 s (RFC 8767 section 5)."""
    fresh = eventually(
        lambda: not errors(reply := ask(hierarchy, node.port, STALE)) and reply, 35, "recovery",
        poll_s=0.5,
    )  # fmt: skip
    assert seen(STALE, fresh) == STALE
    assert fresh.answer[0].ttl <= 2
