"""A real worker over UDP: addresses, batches, odd datagrams."""

import socket
import struct

import dns.message
import dns.query
import dns.rcode
import pytest

from dns_node.net.proxy import SIGNATURE, compose_header
from tests.answer.dict_view import zone_from_text
from tests.net.worker_process import DEADLINE_S, WorkerProcess, fill

QUERY = dns.message.make_query("web.example.", "A", flags=0)


def ask(worker, octets, host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.settimeout(DEADLINE_S)
        udp.connect((host, worker.port))
        udp.send(octets)
        return udp.recv(65535)


def rcode(octets):
    return dns.rcode.to_text(octets[3] & 15)


def test_a_burst_of_more_than_a_batch_is_answered_whole(worker):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(DEADLINE_S)
        udp.connect(("127.0.0.1", worker.port))
        octets = bytearray(QUERY.to_wire())
        for number in range(200):
            octets[0:2] = struct.pack("!H", number)
            udp.send(octets)
        found = {struct.unpack("!H", udp.recv(512)[:2])[0] for _ in range(200)}
    assert found == set(range(200))


def test_octets_that_are_no_query_do_not_stop_the_answers(worker):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for octets in (b"", b"\0", b"\0" * 11, b"\xff" * 12, b"\xff" * 1200, b"\0" * 5000):
            udp.sendto(octets, ("127.0.0.1", worker.port))
    assert rcode(ask(worker, QUERY.to_wire())) == "NOERROR"


@pytest.mark.parametrize(("host", "asked"), [("0.0.0.0", "127.0.0.77"), ("::", "::1")])
def test_on_a_wildcard_address_the_reply_leaves_from_the_address_that_was_asked(
    data_directory, host, asked
):
    # A connected socket takes datagrams from the address that it asked alone.
    with WorkerProcess(data_directory, host) as worker:
        assert rcode(ask(worker, QUERY.to_wire(), asked)) == "NOERROR"


def test_what_was_committed_is_in_the_next_answer(tmp_path):
    fill(tmp_path, zone_from_text("example.", "@ SOA . . 1 2 3 4 5", 1))
    with WorkerProcess(tmp_path) as worker:
        for number in range(1, 30):
            name = f"n{number}.example."
            query = dns.message.make_query(name, "A").to_wire()
            assert rcode(ask(worker, query)) == "NXDOMAIN"
            records = "\n".join(f"n{n} A 192.0.2.1" for n in range(1, number + 1))
            fill(tmp_path, zone_from_text("example.", f"@ SOA . . 1 2 3 4 5\n{records}", 1))
            assert rcode(ask(worker, query)) == "NOERROR"


def test_a_proxy_header_of_an_unlisted_sender_is_garbage(worker):
    header = compose_header(("192.0.2.9", 4711), ("192.0.2.1", 53), False)
    before = worker.count()["proxy_refused"]
    assert rcode(ask(worker, header + QUERY.to_wire())) == "NOTIMP"
    assert worker.count()["proxy_refused"] == before + 1


def test_behind_a_listed_proxy_the_inner_address_is_the_client(data_directory):
    settings = {"proxy": ["127.0.0.0/8"], "query": ["192.0.2.0/24", "2001:db8::/32", "127.0.0.1"]}
    with WorkerProcess(data_directory, **settings) as worker:
        for source, expected in (
            (("192.0.2.9", 4711), "NOERROR"),
            (("198.51.100.9", 4711), "REFUSED"),
        ):
            header = compose_header(source, ("192.0.2.1", 53), False)
            assert rcode(ask(worker, header + QUERY.to_wire())) == expected
        header = compose_header(("2001:db8::1", 4711), ("2001:db8::2", 53), False)
        assert rcode(ask(worker, header + QUERY.to_wire())) == "NOERROR"
        local = SIGNATURE + b"\x20\0\0\0"
        assert rcode(ask(worker, local + QUERY.to_wire())) == "NOERROR"
        assert rcode(ask(worker, QUERY.to_wire())) == "NOERROR"


def test_an_inner_port_of_0_gets_no_answer(data_directory):
    with WorkerProcess(data_directory, proxy=["127.0.0.1"]) as worker:
        header = compose_header(("192.0.2.9", 0), ("192.0.2.1", 53), False)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(DEADLINE_S)
            udp.connect(("127.0.0.1", worker.port))
            udp.send(header + QUERY.to_wire())
            other = dns.message.make_query("ns1.example.", "A")
            udp.send(other.to_wire())
            assert struct.unpack("!H", udp.recv(512)[:2])[0] == other.id


def test_counters_are_read_from_outside_the_worker(worker):
    before = worker.count()
    ask(worker, dns.message.make_query("nosuch.example.", "A").to_wire())
    after = worker.count()
    assert after["nxdomain"] == before["nxdomain"] + 1
    assert after["queries_udp"] == before["queries_udp"] + 1


def test_under_a_flood_the_socket_has_turns_and_tcp_is_answered(worker):
    octets = QUERY.to_wire()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.create_connection(("127.0.0.1", worker.port), DEADLINE_S) as tcp,
    ):
        udp.settimeout(DEADLINE_S)
        udp.connect(("127.0.0.1", worker.port))
        for _ in range(20):
            for _ in range(150):
                udp.send(octets)
            tcp.sendall(struct.pack("!H", len(octets)) + octets)
            assert tcp.recv(2, socket.MSG_WAITALL)
            reply = dns.query.udp(QUERY, "127.0.0.1", port=worker.port, timeout=DEADLINE_S)
            assert reply.answer
            tcp.recv(65535)
    # Watched again: a single question is answered too.
    assert rcode(ask(worker, octets)) == "NOERROR"
