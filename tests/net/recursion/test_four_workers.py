"""Four workers on one port: the limits are those of the node."""

import contextlib
import os

import pytest

from dns_node.supervise.block import make_block
from tests.net.recursion.clients import addresses, replies_of, send_many, until
from tests.net.recursion.upstream import Upstream, stub
from tests.net.worker_process import WorkerProcess


@contextlib.contextmanager
def four(own_zones, server, **limits):
    """Yield four workers on one port, of which the kernel chooses one for each socket."""
    block = make_block(4)
    settings = stub(server, limits={"discard_ms": 60_000, "time_ms": 60_000, **limits})
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, block)
        first = stack.enter_context(WorkerProcess(own_zones, block_fd=block, **settings))
        others = [
            stack.enter_context(
                WorkerProcess(own_zones, number=number, block_fd=block, port=first.port, **settings)
            )
            for number in (1, 2, 3)
        ]
        yield [first, *others]


def total(workers, name):
    return sum(worker.count()[name] for worker in workers)


def test_a_hundred_equal_questions_are_at_most_one_of_each_worker(own_zones):
    with Upstream(delay_s=0.9) as server, four(own_zones, server) as workers:
        replies = replies_of(send_many(workers[0], ["web.example."] * 100))
        assert all(addresses(reply) == ["192.0.2.1"] for reply in replies)
        assert 1 <= server.asked.count(("web.example.", 1)) <= 4


@pytest.mark.parametrize(
    ("limit", "names", "counter"),
    [
        ("questions_per_client", [f"n{number}.example." for number in range(150)], "client"),
        ("questions_per_name", ["web.example."] * 150, "name"),
    ],
)
def test_a_limit_holds_for_all_of_them_together(own_zones, limit, names, counter):
    over, taken = f"recursion_over_{counter}", "recursion_questions"
    with Upstream() as server, four(own_zones, server, **{limit: 40}) as workers:
        server.holds = True
        sockets = send_many(workers[0], names)
        until(lambda: total(workers, over) + total(workers, taken) == 150, "all have come")
        # Two workers that take a question at the same moment may take one too many.
        assert 40 <= total(workers, taken) <= 43
        server.holds = False
        until(lambda: total(workers, "recursion_in_flight") == 0, "all are answered")
        answered = sum(reply is not None for reply in replies_of(sockets, 0.1))
        assert 40 <= answered <= 43 and answered + total(workers, over) == 150
