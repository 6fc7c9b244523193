"""A worker as a real process over a real store, started as the supervisor starts it."""

import contextlib
import mmap
import os
import signal
import socket
import struct
import sys
from pathlib import Path

from dns_node.metrics import BLOCK_SIZE_OCTETS, Counters
from dns_node.net.native import CHOICE_VARIABLE
from dns_node.net.sockets import bind_worker, settle
from dns_node.store.writer import Writer
from dns_node.supervise import pipe
from dns_node.supervise.block import make_block
from dns_node.supervise.launch import START_VARIABLE, start_text
from dns_node.supervise.process import start_child
from tests.answer.dict_view import DictZone

DEADLINE_S = 20.0


def fill(data_directory: Path, *zones: DictZone) -> None:
    """Write the zones into the store of *data_directory*, in one transaction."""
    writer = Writer(data_directory)
    with writer.begin() as transaction:
        for zone in zones:
            transaction.put_untallied_rows(zone.zone_id, zone.nodes)
            transaction.put_zone(zone.apex, zone.header)
        transaction.put_revision(transaction.revision() + 1, 1000)
    writer.close()


class WorkerProcess:
    """One running worker; a context manager that ends it."""

    def __init__(
        self,
        data_directory: Path,
        host: str = "127.0.0.1",
        number: int = 0,
        block_fd: int | None = None,
        port: int = 0,
        **settings,
    ):
        self.sockets = bind_worker(((host, port),) if port else settle(((host, 0),)))
        self.port = self.sockets.udp[0].port
        self.pair = pipe.make_pair()
        self.counters_fd = os.memfd_create("counters")
        os.ftruncate(self.counters_fd, BLOCK_SIZE_OCTETS)
        self.counters = Counters(mmap.mmap(self.counters_fd, BLOCK_SIZE_OCTETS))
        self.block_fd = make_block(1) if block_fd is None else os.dup(block_fd)
        start = start_text({
            "worker": number, "node": "0", "store": str(data_directory / "store"),
            "udp": [bound.description() for bound in self.sockets.udp],
            "tcp": [bound.description() for bound in self.sockets.tcp],
            "control": self.pair.near.fileno(), "counters": self.counters_fd,
            "limits": self.block_fd,
            "settings": {"identity": "0", "version": "dns-node", **settings},
        })  # fmt: skip
        descriptors = [*self.sockets.descriptors(), self.pair.near.fileno(), self.counters_fd]
        descriptors.append(self.block_fd)
        assert START_VARIABLE
        self.child = start_child(
            (sys.executable, "-P", "-m", "dns_node.worker"), start, descriptors,
            is_foreground=False,
        )  # fmt: skip
        self.pair.far.settimeout(DEADLINE_S)
        ready = self.receive()
        assert ready["ready"]
        wanted = os.environ.get(CHOICE_VARIABLE, ready["data_path"])
        assert ready["data_path"].startswith(wanted), "what was asked for, not what is left of it"

    def receive(self) -> dict:
        """Return the next control message."""
        return pipe.parse(self.pair.far.recv(65536))

    def send(self, message: dict) -> None:
        """Send a control message and wait until the worker has taken it."""
        pipe.send(self.pair.far, message)
        self.ping()

    def ping(self) -> None:
        """Wait until the worker has ended what it is at."""
        pipe.send(self.pair.far, {"do": "ping", "token": 7})
        assert self.receive() == {"pong": 7}

    def count(self) -> dict[str, int]:
        """Return the counters; what was answered is counted: a worker may send before it counts."""
        self.ping()
        return self.counters.snapshot()

    def connect(self, host: str = "127.0.0.1") -> socket.socket:
        """Return a TCP connection to the worker."""
        return socket.create_connection((host, self.port), DEADLINE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.child.kill()
        self.child.wait()
        for end in (self.pair.near, self.pair.far):
            end.close()
        self.sockets.close()
        os.close(self.counters_fd)
        os.close(self.block_fd)

    def terminate(self) -> int:
        """Send SIGTERM and return the exit status."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(DEADLINE_S)


def framed(octets: bytes) -> bytes:
    """Return a message with its length prefix."""
    return struct.pack("!H", len(octets)) + octets


def receive_messages(connection: socket.socket, number: int = 1_000_000) -> list[bytes]:
    """Return the next *number* messages, or those up to the end of the stream."""
    buffer, messages = b"", []
    with contextlib.suppress(ConnectionError):
        while len(messages) < number and (part := connection.recv(65536)):
            buffer += part
            while len(buffer) >= 2 and len(buffer) >= 2 + (size := buffer[0] << 8 | buffer[1]):
                messages.append(buffer[2 : 2 + size])
                buffer = buffer[2 + size :]
    return messages
