"""The sockets of the workers: how the kernel fills them and what they may send."""

import select
import socket
import threading

import pytest

from dns_node.errors import InputError
from dns_node.net.sockets import BUFFER_OCTETS, bind_worker, settle

_MTU_DISCOVER = {"127.0.0.1": (socket.IPPROTO_IP, 10), "::1": (socket.IPPROTO_IPV6, 23)}
_OMIT = 5


def limit_of(name):
    with open(f"/proc/sys/net/core/{name}") as file:
        return int(file.read())


@pytest.fixture(params=["127.0.0.1", "::1"])
def udp(request):
    """Return the UDP socket of a worker, and its address."""
    sockets = bind_worker(settle(((request.param, 0),)))
    yield sockets.udp[0].socket, request.param
    sockets.close()


def test_buffers_are_as_large_as_the_system_lets_them(udp):
    for option, limit in ((socket.SO_RCVBUF, "rmem_max"), (socket.SO_SNDBUF, "wmem_max")):
        wanted = min(BUFFER_OCTETS, limit_of(limit))
        assert udp[0].getsockopt(socket.SOL_SOCKET, option) >= wanted


def test_rfc9715_icmp_has_no_say_in_the_size_of_replies(udp):
    assert udp[0].getsockopt(*_MTU_DISCOVER[udp[1]]) == _OMIT


def test_clients_are_spread_over_the_workers():
    addresses = settle((("127.0.0.1", 0),))
    workers = [bind_worker(addresses) for _ in range(2)]
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(200)]
    for client in clients:
        client.sendto(b"?", addresses[0])
    received = [0, 0]
    while sum(received) < len(clients):
        for number, worker in enumerate(workers):
            if select.select([worker.udp[0].socket], [], [], 0)[0]:
                worker.udp[0].socket.recv(16)
                received[number] += 1
    assert min(received) > 40, received
    for made in (*clients, *workers):
        made.close()


def test_a_port_that_a_query_of_a_resolver_has_for_a_moment_is_waited_for():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
        query.bind(("127.0.0.1", 0))
        port = query.getsockname()[1]
        with pytest.raises(InputError, match="already in use"):
            settle((("127.0.0.1", port),))
        timer = threading.Timer(0.08, query.close)
        timer.start()
        assert settle((("127.0.0.1", port),)) == (("127.0.0.1", port),)
        timer.join()
