"""A server for resolvers under test: says what it is told to when it is told to, and counts."""

import contextlib
import json
import select
import socket
import threading
import time

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import msgspec

from dns_node.net.recursion.settings import read

SOA = "example. 60 SOA . . 1 2 3 4 60"


def section(**keys):
    """Return the settings of a worker that resolves for this machine by *keys*, and that leaves
    nothing to the next one unless they say so."""
    keys["cache"] = {"persistent": False, **keys.get("cache", {})}
    plain = json.loads(msgspec.json.encode(read({"validation": False, **keys})))
    return {"recursion": {"clients": ["127.0.0.0/8", "::1"], "section": plain}}


def stub(*upstreams, **keys):
    """Return the same with *upstreams* as the servers of example."""
    servers = [f"127.0.0.1:{one.port}" for one in upstreams]
    routes = [{"suffix": "example", "servers": servers, "kind": "stub"}]
    return section(routes=routes, **keys)


def forward(*upstreams, **keys):
    """Return the same with *upstreams* as resolvers for everything."""
    servers = [f"127.0.0.1:{one.port}" for one in upstreams]
    return section(upstreams=servers, **{"mode": "forwarding", "fallback": False, **keys})


def _end(sock):
    """Wake whoever waits at *sock*."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class Upstream:
    """Answers on a port of its own, over UDP and TCP: names beginning with `no` don't exist, every
    other has an address.

    *delay_s* passes before each reply; None: nothing is answered.  While it *holds*, replies wait.
    *asked* are (qname, type) in their order, *in_flight_max* the most that were unanswered at once.
    """

    def __init__(self, delay_s=0.0, ttl_s=60, rcode=0, truncates=False):
        self.delay_s, self.ttl_s, self.rcode, self.truncates = delay_s, ttl_s, rcode, truncates
        self.asked = []
        self.ports = []
        self.over_tcp = 0
        self.address = "192.0.2.1"
        self.holds = False
        self.in_flight = self.in_flight_max = 0
        self._lock = threading.Lock()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self._tcp = socket.socket()
        for _ in range(20):
            self._udp.bind(("127.0.0.1", 0))
            self.port = self._udp.getsockname()[1]
            with contextlib.suppress(OSError):
                self._tcp.bind(("127.0.0.1", self.port))
                break
            self._udp.close()
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._tcp.listen(64)
        self._is_over = False
        self._waiting = []
        self._threads = []
        self._connections = []

    def __enter__(self):
        for run in (self._serve, self._accept):
            self._start(run)
        return self

    def __exit__(self, *_):
        # A thread that went on would read from whatever gets the numbers of these sockets.
        self._is_over = True
        _end(self._tcp)  # and with it the last thread that starts others
        self._threads[1].join()
        for connection in self._connections:
            _end(connection)
        for thread in self._threads:
            thread.join()
        self._tcp.close()
        self._udp.close()

    def _start(self, run, *args):
        self._threads.append(threading.Thread(target=run, args=args))
        self._threads[-1].start()

    def reply_to(self, query, is_tcp=False):
        """Return the reply to a parsed query."""
        reply = dns.message.make_response(query)
        question = query.question[0]
        reply.flags |= dns.flags.AA
        reply.set_rcode(self.rcode)
        if self.rcode:
            return reply
        if self.truncates and not is_tcp:
            reply.flags |= dns.flags.TC
            return reply
        if question.name.to_text().lower().startswith("no"):
            reply.set_rcode(3)
        elif question.rdtype == dns.rdatatype.A and len(question.name) > 2:
            text = self.address
            reply.answer.append(dns.rrset.from_text(question.name, self.ttl_s, "IN", "A", text))
            return reply
        reply.authority.append(dns.rrset.from_text("example.", 60, "IN", "SOA", ". . 1 2 3 4 60"))
        return reply

    def _take(self, octets, port, is_tcp):
        query = dns.message.from_wire(octets)
        question = query.question[0]
        with self._lock:
            self.asked.append((question.name.to_text().lower(), int(question.rdtype)))
            self.ports.append(port)
            self.over_tcp += is_tcp
        return query

    def _serve(self):
        self._udp.setblocking(False)
        while not self._is_over:
            due_s = self._waiting[0][0] - time.monotonic() if self._waiting else 0.05
            select.select([self._udp], [], [], max(0.0, min(0.05, due_s)))
            with contextlib.suppress(BlockingIOError):
                while True:
                    octets, peer = self._udp.recvfrom(4096)
                    query = self._take(octets, peer[1], False)
                    self.in_flight += 1
                    self.in_flight_max = max(self.in_flight, self.in_flight_max)
                    if self.delay_s is not None:
                        reply = self.reply_to(query).to_wire()
                        self._waiting.append((time.monotonic() + self.delay_s, reply, peer))
            while not self.holds and self._waiting and self._waiting[0][0] <= time.monotonic():
                _, reply, peer = self._waiting.pop(0)
                self.in_flight -= 1
                with contextlib.suppress(OSError):
                    self._udp.sendto(reply, peer)

    def _accept(self):
        while not self._is_over:
            try:
                connection, peer = self._tcp.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._start(self._talk, connection, peer)

    def _talk(self, connection, peer):
        buffer = b""
        with contextlib.suppress(OSError), connection:
            while part := connection.recv(4096):
                buffer += part
                while len(buffer) >= 2 and len(buffer) >= 2 + (size := buffer[0] << 8 | buffer[1]):
                    query = self._take(buffer[2 : 2 + size], peer[1], True)
                    buffer = buffer[2 + size :]
                    time.sleep(self.delay_s or 0)
                    reply = self.reply_to(query, True).to_wire()
                    connection.sendall(len(reply).to_bytes(2, "big") + reply)
