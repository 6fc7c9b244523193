"""A conversation with one node's control socket that can be waited on like any other socket."""

import json
import os
import socket

from dns_node.control.control_socket import socket_path
from dns_node.errors import InputError, Problem

_REPLY_TIMEOUT_S = 15.0
"""Longer than a node takes to answer any change, which is 5 s by default."""


class NodeControl:
    """Console verbs, one after the other; a reply is (exit status, text)."""

    def __init__(self, node: str, data_dir: str):
        """Connect to the node that runs on *data_dir*; raises InputError when none does."""
        self._node = node
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._link.settimeout(_REPLY_TIMEOUT_S)
        self._buffer = b""
        self._lines: list[str] = []
        self._is_waiting = False
        try:
            with socket_path(data_dir) as path:
                self._link.connect(path)
        except OSError as error:
            self._link.close()
            why = (error.strerror or str(error)).lower()
            raise self._problem(f"no node answers on data directory {data_dir}: {why}.") from None

    def fileno(self) -> int:
        """The socket to wait on for the reply."""
        return self._link.fileno()

    def patience(self, timeout_s: float) -> None:
        """Wait up to *timeout_s* for each piece of a reply (loading a large file takes long)."""
        self._link.settimeout(timeout_s)

    def send(self, line: str) -> None:
        """Send one verb; raises InputError when the node is gone."""
        request = json.dumps({"line": line, "cwd": os.getcwd()}).encode() + b"\n"
        self._lines = []
        self._is_waiting = True
        try:
            self._link.sendall(request)
        except OSError as error:
            raise self._problem(f"the conversation with the node broke: {error}.") from None

    def receive(self) -> tuple[int, str] | None:
        """Read what is there; return the reply once it is whole, else None."""
        try:
            piece = self._link.recv(65_536)
        except OSError as error:
            raise self._problem(f"no reply from the node: {error}.") from None
        if not piece:
            raise self._problem("the node ended.")
        *whole, self._buffer = (self._buffer + piece).split(b"\n")
        for raw in whole:
            part = json.loads(raw)
            if "exit" in part:
                self._is_waiting = False
                return int(part["exit"]), "\n".join(self._lines)
            self._lines.append(part.get("text", ""))
        return None

    def run(self, line: str) -> tuple[int, str]:
        """Send one verb and return its reply; that of an earlier one is awaited before."""
        while self._is_waiting:
            self.receive()
        self.send(line)
        while (reply := self.receive()) is None:
            continue
        return reply

    def zones(self) -> list[str]:
        """Return the apexes of all zones, as absolute names."""
        _, text = self.run("ZONES")
        words = [line.split()[0] for line in text.splitlines() if line.strip()]
        return [word for word in words if word.endswith(".")]

    def close(self) -> None:
        """End the conversation."""
        self._link.close()

    def _problem(self, what: str) -> InputError:
        return InputError([Problem(f"node {self._node}", what)])
