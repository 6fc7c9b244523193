"""Whom a worker asks, and how."""

import socket
import time

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset

from tests.net.recursion.clients import addresses, ask
from tests.net.recursion.upstream import Upstream, forward, section, stub
from tests.net.worker_process import WorkerProcess


def test_every_query_comes_from_a_port_of_its_own(own_zones):
    with Upstream() as server, WorkerProcess(own_zones, **stub(server)) as worker:
        for number in range(60):
            ask(worker, f"n{number}.example.")
        ports = server.ports
        assert len(set(ports)) > len(ports) * 0.95
        # Over the whole range: 60 and more in a half of it have a chance of 2^-60.
        assert min(ports) < 33_280 < max(ports) and min(ports) >= 1024


def test_forwarders_are_asked_with_rd_and_their_failure_is_ours(own_zones):
    with Upstream() as good, Upstream(rcode=2) as bad:
        with WorkerProcess(own_zones, **forward(good)) as worker:
            assert addresses(ask(worker, "web.elsewhere.test-zone.")) == ["192.0.2.1"]
        with WorkerProcess(own_zones, **forward(bad)) as worker:
            assert ask(worker, "web.elsewhere.test-zone.").rcode() == dns.rcode.SERVFAIL


def test_of_parallel_upstreams_the_first_good_answer_counts(own_zones):
    with Upstream() as fast, Upstream(delay_s=2.0) as slow, Upstream(rcode=2) as failing:
        slow.address = "192.0.2.2"
        settings = forward(slow, failing, fast, mode="parallel")
        with WorkerProcess(own_zones, **settings) as worker:
            began_s = time.monotonic()
            assert addresses(ask(worker, "web.elsewhere.test-zone.")) == ["192.0.2.1"]
            assert time.monotonic() - began_s < 1.5


def test_other_settings_hold_at_once(own_zones):
    with Upstream() as one, Upstream() as other, WorkerProcess(own_zones, **stub(one)) as worker:
        other.address = "192.0.2.2"
        assert addresses(ask(worker, "web.example.")) == ["192.0.2.1"]
        worker.send({"do": "settings", "settings": stub(other)})
        assert addresses(ask(worker, "web.example.")) == ["192.0.2.2"]
        worker.send({"do": "settings", "settings": {}})
        assert ask(worker, "web.example.").rcode() == dns.rcode.REFUSED


def test_a_server_that_refuses_connections_is_no_reason_to_wait(own_zones):
    dead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dead.bind(("127.0.0.1", 0))
    port = dead.getsockname()[1]
    dead.close()
    routes = [{"suffix": "example", "servers": [f"127.0.0.1:{port}"], "kind": "stub"}]
    with WorkerProcess(own_zones, **section(routes=routes)) as worker:
        began_s = time.monotonic()
        assert ask(worker, "web.example.").rcode() == dns.rcode.SERVFAIL
        assert time.monotonic() - began_s < 2
