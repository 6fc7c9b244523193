"""Questions of a worker that are many, or take long."""

import mmap
import resource

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset

from dns_node.answer.shared_block import SharedBlock
from tests.net.recursion.clients import addresses, ask, replies_of, send_many, until
from tests.net.recursion.upstream import Upstream, stub
from tests.net.worker_process import WorkerProcess, framed, receive_messages

PATIENT = {"discard_ms": 60_000, "time_ms": 60_000}


def test_a_worker_may_have_a_socket_for_each_of_its_queries(own_zones):
    with Upstream() as server, WorkerProcess(own_zones, **stub(server)) as worker:
        soft, hard = resource.prlimit(worker.child.pid, resource.RLIMIT_NOFILE)
        assert soft >= min(hard, 8192) if hard >= 0 else soft >= 8192


def test_what_is_beyond_the_limit_is_dropped_counted_and_never_asked(own_zones):
    settings = stub(
        server := Upstream(), limits={**PATIENT, "questions": 40, "questions_per_client": 1000}
    )
    with server, WorkerProcess(own_zones, **settings) as worker:
        server.holds = True
        sockets = send_many(worker, [f"n{number}.example." for number in range(120)])
        until(lambda: worker.count()["recursion_over_worker"] == 80, "the others are dropped")
        assert worker.count()["recursion_in_flight"] == 40
        asked = {qname for qname, _ in server.asked}
        server.holds = False
        until(lambda: worker.count()["recursion_in_flight"] == 0, "all are answered")
        assert sum(reply is not None for reply in replies_of(sockets, 0.1)) == 40
        assert len(asked - {"example."}) <= 40
        assert addresses(ask(worker, "after.example.")) == ["192.0.2.1"]


def test_one_client_and_one_name_have_limits_of_their_own(own_zones):
    settings = stub(
        server := Upstream(),
        limits={**PATIENT, "questions_per_client": 30, "questions_per_name": 10},
    )
    with server, WorkerProcess(own_zones, **settings) as worker:
        server.holds = True
        sockets = send_many(worker, ["web.example."] * 15)
        until(lambda: worker.count()["recursion_over_name"] == 5, "more of one name are dropped")
        sockets += send_many(worker, [f"n{number}.example." for number in range(30)])
        until(lambda: worker.count()["recursion_over_client"] == 10, "more of one client too")
        server.holds = False
        until(lambda: worker.count()["recursion_in_flight"] == 0, "all are answered")
        assert sum(reply is not None for reply in replies_of(sockets, 0.1)) == 30
        server.holds = True
        # Who is known to have its address hears it at once.
        with worker.connect() as connection:
            queries = [dns.message.make_query("tcp.example.", "A").to_wire() for _ in range(12)]
            connection.sendall(b"".join(map(framed, queries)))
            until(lambda: worker.count()["recursion_over_name"] == 7, "two are refused")
            server.holds = False
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


def test_a_failure_is_told_however_late_it_is(own_zones):
    settings = stub(server := Upstream(delay_s=None), limits={"discard_ms": 100, "time_ms": 500})
    with server, WorkerProcess(own_zones, **settings) as worker:
        assert ask(worker, "web.example.").rcode() == dns.rcode.SERVFAIL


def test_questions_are_counted_where_the_other_workers_look_whoever_asks_the_servers(own_zones):
    settings = stub(server := Upstream(), limits=PATIENT)
    with server, WorkerProcess(own_zones, **settings) as worker:
        block = SharedBlock(mmap.mmap(worker.block_fd, 0))
        for number in range(3):  # by now a native core asks by itself
            ask(worker, f"first{number}.example.")
        server.holds = True
        sockets = send_many(worker, ["web.example."] * 3 + ["other.example."] * 4)
        until(lambda: worker.count()["recursion_in_flight"] == 7, "all are taken")
        client = bytes((127, 0, 0, 1))
        by_client, web = block.question_slots(client, b"\3web\7example\0", 1)
        _, other = block.question_slots(client, b"\5other\7example\0", 1)
        assert block.questions[0][0] == 7 and block.clients[0][by_client] == 7
        assert (block.names[0][web], block.names[0][other]) == (3, 4)
        server.holds = False
        assert all(replies_of(sockets))
        until(lambda: block.questions[0][0] == 0, "all are answered")
        assert not any(block.clients[0]) and not any(block.names[0])
