"""Frames on a connection between nodes: length (4 octets), kind (1 octet), payload.

The length counts the kind and the payload.  Until the peer has been accepted, only a hello of at
most 4 KiB is read; afterwards a payload has at most 8 MiB.  Nothing here decodes a payload.
"""

import struct

from dns_node.errors import WireError

HELLO = 1
DATA = 2
PING = 3
REFUSAL = 4

HELLO_OCTETS_MAX = 4 * 1024
PAYLOAD_OCTETS_MAX = 8 * 1024 * 1024

_KINDS = frozenset((HELLO, DATA, PING, REFUSAL))
_HEADER = struct.Struct(">IB")


def compose_frame(kind: int, payload: bytes) -> bytes:
    """Return the octets of one frame; *payload* has at most PAYLOAD_OCTETS_MAX octets."""
    assert kind in _KINDS and len(payload) <= PAYLOAD_OCTETS_MAX
    return _HEADER.pack(len(payload) + 1, kind) + payload


class FrameReader:
    """Cuts a stream of octets into frames; holds at most one incomplete frame.

    A new reader takes nothing but a small hello or refusal, so that a stranger can't make this
    node hold more than 4 KiB; `accept_all` lifts that once the peer is known.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._is_accepted = False

    def accept_all(self) -> None:
        """Take frames of every kind and size from here on."""
        self._is_accepted = True

    def feed(self, octets: bytes) -> None:
        """Add *octets* of the stream; the frames come out of `next_frame`."""
        self._buffer += octets

    def next_frame(self) -> tuple[int, bytes] | None:
        """Return (kind, payload) of the next complete frame, or None until more octets come.

        Raises WireError, as soon as the header shows it, on a frame that is not allowed now; the
        connection is of no use after that.
        """
        if len(self._buffer) < _HEADER.size:
            return None
        length, kind = _HEADER.unpack_from(self._buffer)
        self._check(length - 1, kind)
        end = 4 + length
        if len(self._buffer) < end:
            return None
        payload = bytes(memoryview(self._buffer)[_HEADER.size : end])
        del self._buffer[:end]
        return kind, payload

    def _check(self, payload_octets: int, kind: int) -> None:
        if kind not in _KINDS:
            raise WireError(f"a frame of unknown kind {kind}")
        if kind in (DATA, PING):
            if not self._is_accepted:
                raise WireError("a frame before the hello")
            limit = PAYLOAD_OCTETS_MAX if kind == DATA else 0
        else:
            limit = HELLO_OCTETS_MAX
        if not 0 <= payload_octets <= limit:
            raise WireError(f"a frame of {payload_octets} octets, at most {limit} are allowed")
