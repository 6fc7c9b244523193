"""dnstap: queries and replies to a collector, as Frame Streams over a UNIX socket.

The messages are protocol buffers of dnstap.proto (Dnstap, Message), written by hand here: two
dozen fields do not need a library.
"""

import contextlib
import ipaddress
import socket
import time
from collections.abc import Sequence
from typing import Final

from dns_node.net.events import Event

CONTENT_TYPE: Final = b"protobuf:dnstap.Dnstap"
AUTH_QUERY: Final = 1
AUTH_RESPONSE: Final = 2

RETRY_S: Final = 1.0
"""A collector that is away is looked for this often; what comes meanwhile is lost and counted."""

_TIMEOUT_S: Final = 5.0
_CONTROL_SIZE_OCTETS_MAX: Final = 512
_ACCEPT, _START, _STOP, _READY, _FINISH = 1, 2, 3, 4, 5


class Dnstap:
    """Writes events to the collector that listens at the UNIX socket *path*."""

    def __init__(self, path: str, identity: bytes, version: bytes):
        self._path, self._identity, self._version = path, identity, version
        self._socket: socket.socket | None = None
        self._next_try_s = 0.0

    def write(self, events: Sequence[Event]) -> None:
        """Send two frames per event; raises OSError when the collector is away or too slow."""
        connection = self._connect()
        frames = bytearray()
        for event in events:
            for kind in (AUTH_QUERY, AUTH_RESPONSE):
                message = compose_message(kind, event, self._identity, self._version)
                frames += len(message).to_bytes(4, "big") + message
        try:
            connection.sendall(frames)
        except OSError:
            self._give_up()
            raise

    def close(self) -> None:
        """End the stream as the protocol wants it, if the collector still listens."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendall(control_frame(_STOP))
                _receive_control(self._socket, _FINISH)
            self._give_up()

    def _connect(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        now_s = time.monotonic()
        if now_s < self._next_try_s:
            raise ConnectionError(f"no dnstap collector at {self._path}")
        self._next_try_s = now_s + RETRY_S
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(_TIMEOUT_S)
            connection.connect(self._path)
            connection.sendall(control_frame(_READY, CONTENT_TYPE))
            _receive_control(connection, _ACCEPT)
            connection.sendall(control_frame(_START, CONTENT_TYPE))
        except OSError:
            connection.close()
            raise
        self._socket = connection
        return connection

    def _give_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def control_frame(kind: int, content_type: bytes = b"") -> bytes:
    """Return a control frame of Frame Streams, with its escape and length."""
    body = kind.to_bytes(4, "big")
    if content_type:
        body += b"\0\0\0\1" + len(content_type).to_bytes(4, "big") + content_type
    return b"\0\0\0\0" + len(body).to_bytes(4, "big") + body


def compose_message(kind: int, event: Event, identity: bytes, version: bytes) -> bytes:
    """Return one Dnstap message: the query (AUTH_QUERY) or the reply (AUTH_RESPONSE) of *event*."""
    client, local = event.client, event.local
    source, target = (_packed(address) for address in (client.address, local[0]))
    seconds = int(event.at_s)
    nanoseconds = int((event.at_s - seconds) * 1e9).to_bytes(4, "little")
    message = (
        _number(1, kind)
        + _number(2, 1 if len(source) == 4 else 2)
        + _number(3, 2 if client.is_tcp else 1)
        + _octets(4, source)
        + _octets(5, target)
        + _number(6, client.port)
        + _number(7, local[1])
        + _number(8, seconds)
        + _fixed32(9, nanoseconds)
    )
    if kind == AUTH_QUERY:
        message += _octets(10, event.query)
    else:
        message += _number(12, seconds) + _fixed32(13, nanoseconds) + _octets(14, event.reply)
    return _octets(1, identity) + _octets(2, version) + _octets(14, message) + _number(15, 1)


def _receive_control(connection: socket.socket, expected: int) -> None:
    head = _receive(connection, 8)
    size_octets = int.from_bytes(head[4:], "big")
    if head[:4] != bytes(4) or not 4 <= size_octets <= _CONTROL_SIZE_OCTETS_MAX:
        raise ConnectionError("the dnstap collector does not speak Frame Streams")
    body = _receive(connection, size_octets)
    if int.from_bytes(body[:4], "big") != expected:
        raise ConnectionError("the dnstap collector refuses the stream")


def _receive(connection: socket.socket, size_octets: int) -> bytes:
    octets = b""
    while len(octets) < size_octets:
        part = connection.recv(size_octets - len(octets))
        if not part:
            raise ConnectionError("the dnstap collector closed the stream")
        octets += part
    return octets


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address.partition("%")[0]).packed


def _varint(number: int) -> bytes:
    octets = bytearray()
    while number > 127:
        octets.append(number & 127 | 128)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _fixed32(field: int, octets: bytes) -> bytes:
    return _varint(field << 3 | 5) + octets


def _octets(field: int, octets: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(octets)) + octets
