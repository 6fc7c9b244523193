"""Free ports on 127.0.0.1 that no other test process is given at the same time.

Each test process owns one block of ports below the ephemeral range, held by a file lock for as
long as it lives; inside its block every port is tried by binding before it is handed out.
"""

import fcntl
import socket
import tempfile
from pathlib import Path
from typing import IO

_FIRST_PORT = 20_000
_BLOCK_PORTS = 250
_BLOCKS = 48  # ends at 32,000: Linux takes ephemeral ports from 32,768 up


class PortBlock:
    """The ports of one test process; `take` hands each out once per round through the block."""

    def __init__(self) -> None:
        self._lock: IO[str]
        self._lock, self._first = _own_a_block()
        self._next = 0

    def take(self, count: int) -> list[int]:
        """Return *count* ports free for TCP and UDP now; OSError when there are none."""
        ports: list[int] = []
        for _ in range(_BLOCK_PORTS):
            if len(ports) == count:
                return ports
            port = self._first + self._next
            self._next = (self._next + 1) % _BLOCK_PORTS
            if is_free(port):
                ports.append(port)
        raise OSError(f"no {count} free ports from {self._first} on")


def is_free(port: int) -> bool:
    """Say whether 127.0.0.1:*port* can be bound for TCP and for UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def _own_a_block() -> tuple[IO[str], int]:
    folder = Path(tempfile.gettempdir()) / "dns-node-test-ports"
    folder.mkdir(mode=0o777, exist_ok=True)
    for number in range(_BLOCKS):
        lock = (folder / str(number)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        return lock, _FIRST_PORT + number * _BLOCK_PORTS
    raise OSError("every block of test ports is taken by another test process")


_block: PortBlock | None = None


def free_ports(count: int) -> list[int]:
    """Return *count* free ports of this process's block; OSError when there are none."""
    global _block
    if _block is None:
        _block = PortBlock()
    return _block.take(count)
