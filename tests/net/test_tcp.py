"""A real worker over TCP: RFC 7766 and the bounds on every connection."""

import socket
import struct

import dns.message

from dns_node.net.proxy import compose_header
from tests.net.worker_process import WorkerProcess, framed, receive_messages

QUERY = dns.message.make_query("web.example.", "A", flags=0)


def query(number, name="web.example.", qtype="A"):
    made = dns.message.make_query(name, qtype, flags=0)
    made.id = number
    return framed(made.to_wire())


def numbers(messages):
    return [struct.unpack("!H", message[:2])[0] for message in messages]


def test_rfc7766_many_queries_in_one_segment_are_all_answered(worker):
    with worker.connect() as connection:
        connection.sendall(b"".join(query(number) for number in range(300)))
        assert sorted(numbers(receive_messages(connection, 300))) == list(range(300))


def test_a_query_in_segments_of_one_octet_is_answered(worker):
    with worker.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in query(5):
            connection.sendall(bytes([octet]))
        assert numbers(receive_messages(connection, 1)) == [5]


def test_a_client_that_closed_its_half_gets_all_its_answers(worker):
    with worker.connect() as connection:
        connection.sendall(b"".join(query(number) for number in range(200)))
        connection.shutdown(socket.SHUT_WR)
        assert len(receive_messages(connection)) == 200


def test_a_half_closed_connection_with_half_a_query_is_closed(worker):
    with worker.connect() as connection:
        connection.sendall(query(1) + query(2)[:-3])
        connection.shutdown(socket.SHUT_WR)
        assert numbers(receive_messages(connection)) == [1]


def test_an_answer_that_is_cut_over_udp_is_whole_over_tcp(worker):
    with worker.connect() as connection:
        connection.sendall(query(1, "many.example.", "TXT"))
        (octets,) = receive_messages(connection, 1)
        assert len(octets) > 1232
        assert len(dns.message.from_wire(octets).answer[0]) == 6


def test_a_connection_is_closed_after_1000_queries_which_are_all_answered(worker):
    with worker.connect() as connection:
        connection.sendall(b"".join(query(number) for number in range(1100)))
        found = numbers(receive_messages(connection))
        assert found == list(range(1000))


def test_a_response_or_a_message_without_a_header_ends_the_connection(worker):
    for octets in (b"", b"\0" * 11, b"\0\1\x80\0" + bytes(8)):
        with worker.connect() as connection:
            connection.sendall(framed(octets))
            assert receive_messages(connection) == []


def test_a_reader_that_takes_nothing_does_not_block_others(worker):
    with worker.connect() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        many = query(1, "many.example.", "TXT") * 900
        sent = 0
        try:
            while sent < len(many):
                sent += slow.send(many[sent:])
        except BlockingIOError:
            assert sent
        for number in range(50):
            with worker.connect() as connection:
                connection.sendall(query(number))
                assert numbers(receive_messages(connection, 1)) == [number]


def test_an_idle_connection_is_closed_even_if_octets_trickle(data_directory):
    with WorkerProcess(data_directory, tcp_idle_s=1) as worker, worker.connect() as connection:
        connection.sendall(query(1))
        assert numbers(receive_messages(connection, 1)) == [1]
        connection.sendall(b"\0")
        assert receive_messages(connection) == []
        assert worker.count()["tcp_idle_closed"] == 1


def test_connections_of_one_address_and_of_all_are_limited(data_directory):
    settings = {"tcp_connections": 4, "tcp_connections_per_address": 2}
    with WorkerProcess(data_directory, **settings) as worker:
        open_connections = []

        def is_served(source):
            try:
                connection = socket.create_connection(
                    ("127.0.0.1", worker.port), 20, (source, 0)
                )
                open_connections.append(connection)
                connection.sendall(query(1))
            except ConnectionError:
                return False
            return bool(receive_messages(connection, 1))

        assert [is_served("127.0.0.2") for _ in range(3)] == [True, True, False]
        assert [is_served("127.0.0.3") for _ in range(2)] == [True, True]
        assert not is_served("127.0.0.4")
        open_connections[0].shutdown(socket.SHUT_WR)
        assert not receive_messages(open_connections[0])
        open_connections[0].close()
        assert is_served("127.0.0.4")
        for connection in open_connections:
            connection.close()


def test_behind_a_listed_proxy_the_inner_address_is_the_client(data_directory):
    settings = {"proxy": ["127.0.0.1"], "query": ["192.0.2.0/24"]}
    with WorkerProcess(data_directory, **settings) as worker:
        for source, expected in (("192.0.2.9", 0), ("198.51.100.9", 5)):
            with worker.connect() as connection:
                header = compose_header((source, 4711), ("192.0.2.1", 53), True)
                connection.sendall(header[:7])
                connection.sendall(header[7:] + query(1) + query(2))
                assert [m[3] & 15 for m in receive_messages(connection, 2)] == [expected] * 2


def test_a_proxy_header_of_an_unlisted_sender_ends_the_connection(worker):
    with worker.connect() as connection:
        header = compose_header(("192.0.2.9", 4711), ("192.0.2.1", 53), True)
        connection.sendall(header + query(1))
        assert receive_messages(connection) == []
