"""The worker process: its title, its channel, its end, and life without a store."""

import os
import socket

import dns.message
import dns.query
import dns.rcode

from dns_node.store import generation
from tests.answer.dict_view import zone_from_text
from tests.net.worker_process import WorkerProcess, fill, framed, receive_messages

ZONE = "@ SOA . . 1 2 3 4 5\nweb A 192.0.2.1"


def ask(worker, name="web.example.", **options):
    query = dns.message.make_query(name, "A", **options)
    return dns.query.udp(query, "127.0.0.1", 20, worker.port)


def test_the_title_says_which_worker_it_is(worker):
    with open(f"/proc/{worker.child.pid}/comm") as comm:
        assert comm.read() == "dns-worker-0\n"


def test_without_a_store_it_refuses_as_not_ready_and_serves_once_there_is_one(tmp_path):
    with WorkerProcess(tmp_path) as worker:
        reply = ask(worker, use_edns=0)
        assert reply.rcode() == dns.rcode.REFUSED
        assert [int(option.code) for option in reply.options] == [14]
        fill(tmp_path, zone_from_text("example.", ZONE, 1))
        worker.send({"do": "generation"})
        assert ask(worker).answer


def test_a_new_generation_is_followed(tmp_path):
    fill(tmp_path / "a", zone_from_text("example.", ZONE, 1))
    fill(tmp_path / "b", zone_from_text("other.", ZONE, 1))
    with WorkerProcess(tmp_path / "a") as worker:
        assert ask(worker).answer
        generation.adopt(tmp_path / "a", tmp_path / "b" / "store" / "1")
        worker.send({"do": "generation"})
        assert ask(worker).rcode() == dns.rcode.REFUSED
        assert ask(worker, "web.other.").answer


def test_settings_change_while_it_runs(data_directory):
    with WorkerProcess(data_directory) as worker:
        assert ask(worker).answer
        worker.send({"do": "settings", "settings": {"query": ["192.0.2.1"]}})
        assert ask(worker).rcode() == dns.rcode.REFUSED


def test_it_says_that_it_is_ready_and_how_it_answers_to_a_node_that_was_restarted(
    worker, data_path
):
    worker.pair.far.send(b'{"event": "node", "state": "started"}\n')
    ready = worker.receive()
    assert ready.pop("data_path").startswith(data_path)
    assert ready == {"ready": True, "worker": 0, "pid": worker.child.pid}


def test_a_message_that_it_does_not_know_is_ignored(worker):
    for octets in (b"{}", b"[]", b"nonsense", b'{"do": "dance"}'):
        worker.pair.far.send(octets)
    worker.send({"do": "nothing"})


def test_sigterm_answers_what_has_arrived_and_ends_with_0(data_directory):
    with WorkerProcess(data_directory) as worker, worker.connect() as connection:
        connection.sendall(framed(dns.message.make_query("web.example.", "A").to_wire()))
        assert len(receive_messages(connection, 1)) == 1
        assert worker.terminate() == 0
        assert receive_messages(connection) == []


def test_a_store_that_breaks_is_servfail_and_not_the_end(tmp_path):
    fill(tmp_path, zone_from_text("example.", ZONE, 1))
    with WorkerProcess(tmp_path) as worker:
        assert ask(worker).answer
        size = os.path.getsize(tmp_path / "store" / "1" / "data.mdb")
        # Garbage over every page behind the first two, as a dying disk leaves it.
        with open(tmp_path / "store" / "1" / "data.mdb", "r+b") as file:
            file.seek(8192)
            file.write(b"\xa5" * (size - 8192))
        assert ask(worker, use_edns=0).rcode() == dns.rcode.SERVFAIL
        assert worker.child.poll() is None


def test_it_answers_over_ipv6(data_directory):
    with WorkerProcess(data_directory, "::1") as worker:
        query = dns.message.make_query("web.example.", "A")
        assert dns.query.udp(query, "::1", 20, worker.port).answer
        assert dns.query.tcp(query, "::1", 20, worker.port).answer
        assert socket.has_ipv6
