"""One question to one server: sockets, and whether what comes is the reply."""

import secrets
import socket
import ssl
import struct
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

import dns.edns
import dns.flags
import dns.message

from dns_node.query_tool.options import Options

UDP_SIZE_MAX: Final = 65_535


class NoReply(Exception):
    """There is no reply; the text says why."""


@dataclass(frozen=True)
class Replied:
    """A reply, how long it took, and over what it came."""

    octets: bytes
    took_s: float
    transport: str


def compose(options: Options) -> bytes:
    """Return the query in wire form."""
    query = dns.message.make_query(options.name, options.rdtype, options.rdclass)
    query.flags = dns.flags.RD if options.is_rd and not options.is_trace else dns.flags.Flag(0)
    if options.is_cd:
        query.flags |= dns.flags.CD
    if options.is_ad:
        query.flags |= dns.flags.AD
    query.id = secrets.randbits(16)
    extras: list[dns.edns.Option] = []
    if options.has_nsid:
        extras.append(dns.edns.GenericOption(dns.edns.OptionType.NSID, b""))
    if options.has_cookie:
        extras.append(dns.edns.GenericOption(dns.edns.OptionType.COOKIE, secrets.token_bytes(8)))
    size = options.payload_size_octets
    if size is not None:
        flags = dns.flags.DO if options.is_do else 0
        query.use_edns(0, flags, size, options=extras)
    return query.to_wire()


def is_reply(query: bytes, octets: bytes) -> bool:
    """Say whether *octets* answer *query*: id, QR, opcode, and the question where there is one."""
    if len(octets) < 12 or octets[:2] != query[:2] or not octets[2] & 0x80:
        return False
    if (octets[2] ^ query[2]) & 0x78:
        return False
    if octets[4:6] == b"\0\0":
        return True  # an error without a question
    end = 12
    while query[end]:
        end += query[end] + 1
    end += 5
    return octets[12:end].lower() == query[12:end].lower()


def with_new_id(query: bytes) -> bytes:
    """Return the same query under another id."""
    return secrets.token_bytes(2) + query[2:]


class Way(ABC):
    """A way to a server that can be used again and again."""

    def __init__(self, address: tuple[str, int], options: Options):
        self._address, self._options = address, options
        self._socket: socket.socket | None = None

    def ask(self, query: bytes) -> Replied:
        """Return the reply to *query*; raises NoReply."""
        started_s = time.perf_counter()
        try:
            octets = self._ask(query, started_s + self._options.timeout_s)
        except ssl.SSLError as error:
            self.close()
            raise NoReply(f"TLS: {error.reason or error}") from None
        except TimeoutError:
            self.close()
            raise NoReply(f"no reply within {self._options.timeout_s:g} s") from None
        except OSError as error:
            self.close()
            raise NoReply(error.strerror or str(error)) from None
        return Replied(octets, time.perf_counter() - started_s, self._options.transport)

    def close(self) -> None:
        """Close what is open."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @abstractmethod
    def _ask(self, query: bytes, deadline_s: float) -> bytes:
        """Return the reply to *query*; raises OSError."""

    def _until(self, connection: socket.socket, deadline_s: float) -> None:
        left_s = deadline_s - time.perf_counter()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)


class Datagrams(Way):
    """UDP, from a new port for every query (RFC 5452), tried again when nothing comes."""

    def _ask(self, query: bytes, deadline_s: float) -> bytes:
        tries = self._options.tries
        for left in range(tries, 0, -1):
            try_until_s = time.perf_counter() + (deadline_s - time.perf_counter()) / left
            try:
                return self._try(query, try_until_s)
            except TimeoutError:
                continue
        raise TimeoutError

    def _try(self, query: bytes, deadline_s: float) -> bytes:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
            datagrams.connect(self._address)
            datagrams.send(query)
            while True:
                self._until(datagrams, deadline_s)
                octets = datagrams.recv(UDP_SIZE_MAX)
                if is_reply(query, octets):
                    return octets


class Stream(Way):
    """TCP or TLS; the connection is kept for the next query."""

    def _ask(self, query: bytes, deadline_s: float) -> bytes:
        is_used = self._socket is not None
        try:
            return self._exchange(query, deadline_s)
        except (ConnectionError, EOFError) as error:
            self.close()
            if not is_used:
                raise NoReply(str(error) or "the connection was closed") from None
        return self._exchange(query, deadline_s)  # an idle connection may have been closed

    def _exchange(self, query: bytes, deadline_s: float) -> bytes:
        if self._socket is None:
            self._socket = self._connect(deadline_s)
        connection = self._socket
        connection.sendall(struct.pack("!H", len(query)) + query)
        while True:
            (size,) = struct.unpack("!H", self._read(connection, 2, deadline_s))
            octets = self._read(connection, size, deadline_s)
            if is_reply(query, octets):
                return octets

    def _connect(self, deadline_s: float) -> socket.socket:
        left_s = max(0.001, deadline_s - time.perf_counter())
        connection = socket.create_connection(self._address, left_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        options = self._options
        if options.transport != "tls":
            return connection
        context = ssl.create_default_context(cafile=options.tls_ca or None)
        context.set_alpn_protocols(["dot"])
        if not (options.tls_host or options.tls_ca):
            # Nobody said whom to expect: encryption without authentication (RFC 7858 section 4.1).
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        try:
            return context.wrap_socket(
                connection, server_hostname=options.tls_host or self._address[0]
            )
        except BaseException:
            connection.close()
            raise

    def _read(self, connection: socket.socket, size: int, deadline_s: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            self._until(connection, deadline_s)
            part = connection.recv(size - len(parts))
            if not part:
                raise EOFError("the server closed the connection")
            parts += part
        return bytes(parts)


def find_address(host: str, port: int) -> tuple[str, int]:
    """Return the address of a host; raises NoReply."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise NoReply(f"{host}: {error.strerror}") from None
    return str(found[0][4][0]), port


def make_way(address: tuple[str, int], options: Options) -> Way:
    """Return the way that the options say."""
    kind = Datagrams if options.transport == "udp" else Stream
    return kind(address, options)
