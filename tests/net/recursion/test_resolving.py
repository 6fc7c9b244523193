"""A worker that resolves, as its clients and the servers that it asks see it."""

import re
import socket
import threading
import time

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset

from dns_node.net.recursion.stages import stage_rows
from tests.answer.dict_view import zone_from_text
from tests.net.conftest import data_path
from tests.net.recursion.clients import WAIT_S, addresses, ask, replies_of, send_many, until
from tests.net.recursion.conftest import OURS
from tests.net.recursion.upstream import Upstream, stub
from tests.net.worker_process import WorkerProcess, fill, framed, receive_messages

__all__ = ["data_path"]  # by the definition, then natively


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


def test_the_stages_say_how_long_packets_took(own_zones):
    with Upstream() as server, WorkerProcess(own_zones, **stub(server)) as worker:
        ask(worker, "www.ours.")
        ask(worker, "web.example.")
        until(lambda: worker.count()["replies_udp"] == 2, "both are counted")
        rows = stage_rows(worker.count())
        for stage in ("listener", "zone manager", "sender", "resolver"):
            assert rows[stage]["done"] >= 1
            assert re.fullmatch(r"\d+ us", rows[stage]["mean"]), stage
            assert re.fullmatch(r"10+ us", rows[stage]["p99"]), stage


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


def test_sigterm_answers_what_was_accepted(own_zones):
    settings = stub(server := Upstream(), limits={"discard_ms": 500, "time_ms": 30_000})
    with server, WorkerProcess(own_zones, **settings) as worker, worker.connect() as connection:
        server.holds = True
        sockets = send_many(worker, [f"n{number}.example." for number in range(50)])
        connection.sendall(framed(dns.message.make_query("tcp.example.", "A").to_wire()))
        until(lambda: worker.count()["recursion_in_flight"] == 51, "all of them are accepted")
        ended = []
        stopping = threading.Thread(target=lambda: ended.append(worker.terminate()))
        began_s = time.monotonic()
        stopping.start()
        until(lambda: time.monotonic() > began_s + 1, "they are late, and the worker is to end")
        server.holds = False
        # Those that are late too: nobody would answer them elsewhere.
        assert all(addresses(reply) == ["192.0.2.1"] for reply in replies_of(sockets))
        assert len(receive_messages(connection)) == 1
        stopping.join()
        assert ended == [0] and time.monotonic() - began_s < 15
