"""Answers that are in use are asked for again before they end."""

from tests.net.recursion.clients import addresses, ask, outlive, until
from tests.net.recursion.upstream import Upstream, stub
from tests.net.worker_process import WorkerProcess


def test_a_used_answer_is_asked_for_again_before_it_ends(own_zones):
    with Upstream(ttl_s=10) as server, WorkerProcess(own_zones, **stub(server)) as worker:
        first = ask(worker, "web.example.")
        server.address = "192.0.2.2"
        outlive(first, but_s=0.9)
        assert addresses(ask(worker, "web.example.")) == ["192.0.2.1"]
        until(lambda: server.asked.count(("web.example.", 1)) == 2, "it is refreshed")
        until(lambda: addresses(ask(worker, "web.example.")) == ["192.0.2.2"], "it is kept")
        assert server.asked.count(("web.example.", 1)) == 2
        assert worker.count()["recursion_prefetches"] == 1
