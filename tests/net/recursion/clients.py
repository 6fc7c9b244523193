"""Clients of a worker that resolves."""

import socket
import time

import dns.message
import dns.query

WAIT_S = 20


def ask(worker, name, qtype="A", timeout_s=WAIT_S, tcp=False, **options):
    query = dns.message.make_query(name, qtype, **{"use_edns": 0, **options})
    talk = dns.query.tcp if tcp else dns.query.udp
    return talk(query, "127.0.0.1", timeout_s, worker.port)


def addresses(reply):
    return [item.address for rrset in reply.answer if rrset.rdtype == 1 for item in rrset]


def codes(reply):
    return [int(option.code) for option in reply.options if option.otype == 15]


def until(condition, what, deadline_s=WAIT_S):
    """Wait until *condition* holds."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, what
        time.sleep(0.01)


def outlive(reply, but_s=0.0):
    """Wait until the time of the first RRset in *reply*, which just came, is over but for
    *but_s*."""
    over_s = time.monotonic() + reply.answer[0].ttl - but_s
    until(lambda: time.monotonic() > over_s, "the clock stands still")


def send_many(worker, names):
    """Send a query about each name from a socket of its own."""
    sockets = []
    for name in names:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.connect(("127.0.0.1", worker.port))
        one.send(dns.message.make_query(name, "A").to_wire())
        sockets.append(one)
    return sockets


def replies_of(sockets, timeout_s=WAIT_S):
    """Return what came to each socket, None where nothing did until *timeout_s* after the last."""
    replies = []
    for one in sockets:
        one.settimeout(timeout_s)
        try:
            replies.append(dns.message.from_wire(one.recv(4096)))
        except TimeoutError:
            replies.append(None)
            timeout_s = 0.001
        one.close()
    return replies
