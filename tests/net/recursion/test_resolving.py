"""A worker that resolves, as its clients and the servers that it asks see it."""

import resource
import socket
import threading
import time

import dns.flags
import dns.message
import dns.query
import dns.rcode

from tests.answer.dict_view import zone_from_text
from tests.net.recursion.clients import WAIT_S, addresses, ask, codes, replies_of, send_many, until
from tests.net.recursion.conftest import OURS
from tests.net.recursion.upstream import Upstream, forward, section, stub
from tests.net.worker_process import WorkerProcess, fill, framed, receive_messages


def test_a_question_outside_our_zones_is_resolved_once_and_kept(own_zones):
    with Upstream() as server, WorkerProcess(own_zones, **stub(server)) as worker:
        for _ in range(3):
            reply = ask(worker, "web.example.")
            assert addresses(reply) == ["192.0.2.1"]
            assert reply.flags & dns.flags.RA and not reply.flags & dns.flags.AA
        assert server.asked.count(("web.example.", 1)) == 1
        count = worker.count()
        assert count["recursion_questions"] == 1 and count["message_cache_hits"] == 2
        assert count["recursion_in_flight"] == 0


def test_an_absent_name_is_absent_and_kept_too(own_zones):
    with Upstream() as server, WorkerProcess(own_zones, **stub(server)) as worker:
        for _ in range(2):
            assert ask(worker, "nothing.example.").rcode() == dns.rcode.NXDOMAIN
        assert server.asked.count(("nothing.example.", 1)) == 1


def test_our_zones_answer_first_and_lead_on(own_zones):
    with Upstream() as server, WorkerProcess(own_zones, **stub(server)) as worker:
        reply = ask(worker, "www.ours.")
        assert addresses(reply) == ["192.0.2.80"] and reply.flags & dns.flags.AA
        reply = ask(worker, "away.ours.")
        assert addresses(reply) == ["192.0.2.1"] and not reply.flags & dns.flags.AA
        assert [rrset.rdtype for rrset in reply.answer] == [5, 1]


def test_a_change_of_our_zones_is_seen_at_once(tmp_path):
    fill(tmp_path, zone_from_text("ours.", OURS, 1))
    with Upstream() as server, WorkerProcess(tmp_path, **stub(server)) as worker:
        assert addresses(ask(worker, "web.example.")) == ["192.0.2.1"]
        fill(tmp_path, zone_from_text("example.", "@ SOA . . 1 2 3 4 5\nweb A 192.0.2.99", 2))
        assert addresses(ask(worker, "web.example.")) == ["192.0.2.99"]
        assert addresses(ask(worker, "away.ours.")) == ["192.0.2.99"]


def test_who_may_not_have_questions_resolved_never_sees_what_is_kept(own_zones):
    settings = stub(server := Upstream())
    settings["recursion"]["clients"] = ["127.0.0.2"]
    with server, WorkerProcess(own_zones, **settings) as worker:
        query = dns.message.make_query("web.example.", "A")
        reply = dns.query.udp(query, "127.0.0.1", WAIT_S, worker.port, source="127.0.0.2")
        assert addresses(reply) == ["192.0.2.1"]
        reply = ask(worker, "web.example.")
        assert reply.rcode() == dns.rcode.REFUSED and not reply.flags & dns.flags.RA
        assert ask(worker, "x.sub.ours.").authority
        without_rd = ask(worker, "web.example.", flags=0)
        assert without_rd.rcode() == dns.rcode.REFUSED


def test_every_query_comes_from_a_port_of_its_own(own_zones):
    with Upstream() as server, WorkerProcess(own_zones, **stub(server)) as worker:
        for number in range(60):
            ask(worker, f"n{number}.example.")
        ports = server.ports
        assert len(set(ports)) > len(ports) * 0.95
        # Over the whole range: 60 and more in a half of it have a chance of 2^-60.
        assert min(ports) < 33_280 < max(ports) and min(ports) >= 1024


def test_a_worker_may_have_a_socket_for_each_of_its_queries(own_zones):
    with Upstream() as server, WorkerProcess(own_zones, **stub(server)) as worker:
        soft, hard = resource.prlimit(worker.child.pid, resource.RLIMIT_NOFILE)
        assert soft >= min(hard, 8192) if hard >= 0 else soft >= 8192


def test_a_truncated_reply_is_asked_for_again_over_tcp(own_zones):
    with Upstream(truncates=True) as server, WorkerProcess(own_zones, **stub(server)) as worker:
        assert addresses(ask(worker, "web.example.")) == ["192.0.2.1"]
        assert addresses(ask(worker, "web2.example.")) == ["192.0.2.1"]
        assert server.over_tcp >= 2


def test_questions_over_tcp_are_resolved_and_answered_when_they_are(own_zones):
    with Upstream(delay_s=0.3) as server, WorkerProcess(own_zones, **stub(server)) as worker:
        assert addresses(ask(worker, "web.example.", tcp=True)) == ["192.0.2.1"]
        with worker.connect() as connection:
            slow = dns.message.make_query("slow.example.", "A")
            quick = dns.message.make_query("www.ours.", "A")
            connection.sendall(framed(slow.to_wire()) + framed(quick.to_wire()))
            connection.shutdown(socket.SHUT_WR)
            ids = [int.from_bytes(one[:2], "big") for one in receive_messages(connection)]
            assert ids == [quick.id, slow.id]


def test_equal_questions_at_one_time_are_one(own_zones):
    with Upstream(delay_s=0.25) as server, WorkerProcess(own_zones, **stub(server)) as worker:
        sockets = send_many(worker, ["web.example."] * 80)
        assert sum(bool(reply) for reply in replies_of(sockets)) == 80
        assert server.asked.count(("web.example.", 1)) == 1
        assert worker.count()["recursion_joined"] == 79


def test_what_is_beyond_the_limit_is_dropped_counted_and_never_asked(own_zones):
    limits = {"limits": {"questions": 40, "questions_per_client": 1000}}
    with (
        Upstream(delay_s=0.3) as server,
        WorkerProcess(own_zones, **stub(server, **limits)) as worker,
    ):
        sockets = send_many(worker, [f"n{number}.example." for number in range(120)])
        replies = replies_of(sockets, 1)
        assert sum(reply is not None for reply in replies) == 40
        assert server.in_flight_max <= 40
        count = worker.count()
        assert count["recursion_over_worker"] == 80 and count["recursion_in_flight"] == 0
        assert addresses(ask(worker, "after.example.")) == ["192.0.2.1"]


def test_one_client_and_one_name_have_limits_of_their_own(own_zones):
    limits = {"limits": {"questions_per_client": 30, "questions_per_name": 10}}
    with (
        Upstream(delay_s=0.3) as server,
        WorkerProcess(own_zones, **stub(server, **limits)) as worker,
    ):
        sockets = send_many(worker, ["web.example."] * 15)
        sockets += send_many(worker, [f"n{number}.example." for number in range(30)])
        assert sum(reply is not None for reply in replies_of(sockets, 1)) == 30
        count = worker.count()
        assert count["recursion_over_name"] == 5 and count["recursion_over_client"] == 10
        # Who is known to have its address hears it at once.
        with worker.connect() as connection:
            queries = [dns.message.make_query("tcp.example.", "A").to_wire() for _ in range(12)]
            connection.sendall(b"".join(map(framed, queries)))
            rcodes = [one[3] & 15 for one in receive_messages(connection, 12)]
            assert sorted(rcodes) == [0] * 10 + [5] * 2


def test_an_answer_that_comes_too_late_is_kept_and_not_sent(own_zones):
    limits = {"limits": {"discard_ms": 200}}
    with (
        Upstream(delay_s=0.4) as server,
        WorkerProcess(own_zones, **stub(server, **limits)) as worker,
    ):
        assert replies_of(send_many(worker, ["web.example."]), 1) == [None]
        assert addresses(ask(worker, "web.example.")) == ["192.0.2.1"]
        assert worker.count()["recursion_discarded"] == 1


def test_what_is_over_goes_without_being_asked_for(own_zones):
    with (
        Upstream(ttl_s=1) as server,
        WorkerProcess(own_zones, **stub(server, cache={"stale_max_s": 0})) as worker,
    ):
        for number in range(20):
            ask(worker, f"n{number}.example.")
        until(lambda: worker.count()["message_cache_entries"] == 0, "replies go")
        until(lambda: worker.count()["janitor_removed"] >= 20, "they are counted")


def test_when_all_servers_are_silent_an_old_answer_is_given_and_says_so(own_zones):
    with Upstream(ttl_s=1) as server, WorkerProcess(own_zones, **stub(server)) as worker:
        ask(worker, "web.example.")
        server.delay_s = None
        time.sleep(1.2)
        reply = ask(worker, "web.example.")
        assert addresses(reply) == ["192.0.2.1"] and codes(reply) == [3]
        assert reply.answer[0].ttl == 30
        assert worker.count()["recursion_stale"] == 1


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


def test_sigterm_answers_what_was_accepted(own_zones):
    with Upstream(delay_s=0.8) as server, WorkerProcess(own_zones, **stub(server)) as worker:
        sockets = send_many(worker, [f"n{number}.example." for number in range(50)])
        with worker.connect() as connection:
            connection.sendall(framed(dns.message.make_query("tcp.example.", "A").to_wire()))
            until(lambda: len(server.asked) >= 51, "all of them are on their way")
            ended = []
            stopping = threading.Thread(target=lambda: ended.append(worker.terminate()))
            began_s = time.monotonic()
            stopping.start()
            assert all(addresses(reply) == ["192.0.2.1"] for reply in replies_of(sockets))
            assert len(receive_messages(connection)) == 1
            stopping.join()
        assert ended == [0] and time.monotonic() - began_s < 15


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


def test_what_was_learnt_lives_on_over_a_restart(tmp_path):
    fill(tmp_path, zone_from_text("ours.", OURS, 1))
    with Upstream() as server:
        with WorkerProcess(tmp_path, **stub(server)) as worker:
            for number in range(30):
                ask(worker, f"n{number}.example.")
            assert worker.terminate() == 0
        asked = len(server.asked)
        with WorkerProcess(tmp_path, **stub(server)) as worker:
            for number in range(30):
                assert addresses(ask(worker, f"n{number}.example.")) == ["192.0.2.1"]
            assert len(server.asked) == asked


def test_a_cache_file_that_is_damaged_is_no_reason_not_to_start(tmp_path):
    fill(tmp_path, zone_from_text("ours.", OURS, 1))
    (tmp_path / "resolver").mkdir()
    (tmp_path / "resolver" / "cache-0").write_bytes(b"dns-node RRset cache 1\n" + b"\xff" * 100)
    (tmp_path / "resolver" / "trust-anchors-0").write_bytes(b"nonsense")
    settings = stub(server := Upstream(), validation=True)
    with server, WorkerProcess(tmp_path, **settings) as worker:
        assert ask(worker, "www.ours.").answer
