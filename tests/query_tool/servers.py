"""Servers for the tool to ask, each in a thread: what they say is given as a function."""

import contextlib
import socket
import socketserver
import ssl
import struct
import threading

import dns.message


class _Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        octets, sock = self.request
        for reply in self.server.answer(octets, "udp"):
            sock.sendto(reply, self.client_address)


class _Stream(socketserver.StreamRequestHandler):
    def handle(self):
        while size := self.rfile.read(2):
            octets = self.rfile.read(struct.unpack("!H", size)[0])
            for reply in self.server.answer(octets, "tcp"):
                self.wfile.write(struct.pack("!H", len(reply)) + reply)
            if self.server.closes_at_once:
                return


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    context = None

    def get_request(self):
        connection, address = super().get_request()
        if self.context is not None:
            connection = self.context.wrap_socket(connection, server_side=True)
        return connection, address

    def handle_error(self, request, client_address):
        """A client that does not like the certificate is none of its business."""


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True


@contextlib.contextmanager
def serve(answer, *, certificate=None, closes_at_once=False):
    """Yield the port, for UDP and TCP (over TLS with *certificate*), at which *answer(octets,
    transport)* says the replies."""
    tcp, udp = _pair()
    with tcp, udp:
        if certificate is not None:
            tcp.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tcp.context.load_cert_chain(certificate)
            tcp.context.set_alpn_protocols(["dot"])
        threads = []
        for server in (tcp, udp):
            server.answer, server.closes_at_once = answer, closes_at_once
            threads.append(threading.Thread(target=server.serve_forever, args=(0.05,)))
            threads[-1].start()
        try:
            yield tcp.server_address[1]
        finally:
            # A thread that went on would read from whatever gets the numbers of these sockets.
            for server, thread in zip((tcp, udp), threads, strict=True):
                server.shutdown()
                thread.join()


def _pair():
    """Return a TCP and a UDP server at one port."""
    while True:
        tcp = _Tcp(("127.0.0.1", 0), _Stream)
        try:
            return tcp, _Udp(tcp.server_address, _Datagram)
        except OSError:  # another program has that number for UDP
            tcp.server_close()


def reply_to(octets, *records, rcode=0, flags=0):
    """The reply with these records in its answer, in wire form."""
    query = dns.message.from_wire(octets)
    reply = dns.message.make_response(query)
    reply.set_rcode(rcode)
    reply.flags |= flags
    for name, ttl, rrtype, data in records:
        reply.answer.append(dns.rrset.from_text(name, ttl, "IN", rrtype, data))
    return reply.to_wire()


def free_port():
    """A port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
