"""Control channels between the processes: whole JSON messages on SEQPACKET socketpairs.

The supervisor keeps both ends of every pair open for good and hands the same ends to a restarted
child: whoever lives on needs no new descriptor, and no message is ever cut in two.  Nobody sees
an end of file; the supervisor says ``{"event": …}`` when the other side starts or ends.
"""

import contextlib
import json
import socket
from dataclasses import dataclass
from typing import Any

MESSAGE_SIZE_OCTETS_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Pair:
    """The two ends of one channel."""

    near: socket.socket
    far: socket.socket

    def drain(self, end: socket.socket) -> None:
        """Throw away what waits to be read at *end*: it was meant for a process that is gone."""
        with contextlib.suppress(BlockingIOError):
            while end.recv(MESSAGE_SIZE_OCTETS_MAX):
                pass


def make_pair() -> Pair:
    """Return a new channel, not blocking, not inherited unless asked for."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.setblocking(False)
    far.setblocking(False)
    return Pair(near, far)


def compose(message: dict[str, Any]) -> bytes:
    """Return the octets of one message; ValueError when it is too large for a channel."""
    octets = json.dumps(message, separators=(",", ":")).encode() + b"\n"
    if len(octets) > MESSAGE_SIZE_OCTETS_MAX:
        raise ValueError(f"a control message of {len(octets)} octets")
    return octets


def parse(octets: bytes) -> dict[str, Any]:
    """Return the message, or {} when it is none (the other side is another release)."""
    try:
        message = json.loads(octets)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def send(end: socket.socket, message: dict[str, Any]) -> bool:
    """Send one message from *end*; False when the other side does not read (it is dropped)."""
    try:
        return end.send(compose(message)) > 0
    except (BlockingIOError, ConnectionError):
        return False


def receive(end: socket.socket) -> dict[str, Any] | None:
    """Return the next message at *end*, or None when there is none now."""
    try:
        octets = end.recv(MESSAGE_SIZE_OCTETS_MAX)
    except (BlockingIOError, ConnectionError):
        return None
    return parse(octets) if octets else None
