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


@contextlib.contextmanager
def serve(answer, *, certificate=None, closes_at_once=False):
    """Yield the port, for UDP and TCP (over TLS with *certificate*), at which *answer(octets,
    transport)* says the replies."""
    with _Tcp(("127.0.0.1", 0), _Stream) as tcp:
        port = tcp.server_address[1]
        udp = socketserver.ThreadingUDPServer(("127.0.0.1", port), _Datagram)
        with udp:
            if certificate is not None:
                tcp.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                tcp.context.load_cert_chain(certificate)
                tcp.context.set_alpn_protocols(["dot"])
            for server in (tcp, udp):
                server.answer, server.closes_at_once = answer, closes_at_once
                threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            yield port
            tcp.shutdown()
            udp.shutdown()


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
