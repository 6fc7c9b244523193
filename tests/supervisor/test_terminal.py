"""A whole node in a terminal: line editing, ctrl-C, ctrl-D, and what a killed node leaves."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import ROOT, eventually, is_alive


class Terminal:
    """A dns-node of its own session whose standard streams are a terminal."""

    def __init__(self, folder: Path):
        self.master, slave = pty.openpty()
        self.seen = ""

        def own_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        config = folder / "dns-config.json"
        ports = _free_ports(2)
        config.write_text(
            f'{{"nodes": {{"0": {{"raft_loc": "127.0.0.1:{ports[0]}",'
            f' "query_loc": "127.0.0.1:{ports[1]}"}}}}}}'
        )
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "dns_node", "-n", "0", "-c", str(config), "--workers", "1"],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "vt100"},
            stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal,
        )  # fmt: skip
        os.close(slave)

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self.master, text.encode())

    def wait_for(self, text: str, deadline_s: float = 20.0) -> None:
        """Wait until *text* has been printed since the last call."""
        end_s = time.monotonic() + deadline_s
        while text not in self.seen:
            left_s = end_s - time.monotonic()
            assert left_s > 0, f"no {text!r} in:\n{self.seen}"
            if select.select([self.master], [], [], left_s)[0]:
                with contextlib.suppress(OSError):  # EIO: everybody has closed it
                    self.seen += os.read(self.master, 4096).decode(errors="replace")
        self.seen = self.seen.partition(text)[2]

    def press_until(self, key: str, text: str) -> None:
        """Press *key* each second until *text* is printed, at most 20 times."""
        for _ in range(20):
            self.type(key)
            with contextlib.suppress(AssertionError):
                return self.wait_for(text, 1.0)
        raise AssertionError(f"no {text!r} in:\n{self.seen}")

    def children(self) -> list[int]:
        """Return node and workers."""
        path = f"/proc/{self.popen.pid}/task/{self.popen.pid}/children"
        return [int(word) for word in Path(path).read_text().split()]

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self.master)
        self.master = -1


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A running node in a terminal; nothing of it is left afterwards."""
    made = Terminal(tmp_path)
    try:
        made.wait_for("Starting DNS server on port")
        made.type("\n")
        made.wait_for("dns-node> ")
        yield made
    finally:
        if made.popen.poll() is None:
            made.popen.kill()
        made.popen.wait(10)
        if made.master >= 0:
            os.close(made.master)


def test_lines_are_edited_and_quit_ends_the_node(terminal: Terminal) -> None:
    terminal.type("ADX\x7fD: edited.example.net A 192.0.2.1\n")
    terminal.wait_for("OK example.net. serial")
    terminal.wait_for("dns-node> ")
    terminal.type("\x10\x10\x10\n")  # ctrl-P: the line before, from the history
    terminal.wait_for("exists already")
    terminal.type("QUIT\n")
    assert terminal.popen.wait(15) == 0


def test_ctrl_c_stops_the_node_in_an_orderly_way(terminal: Terminal) -> None:
    terminal.type("\x03")
    assert terminal.popen.wait(15) == 0


def test_ctrl_d_ends_the_console_and_not_the_node(terminal: Terminal) -> None:
    # Between two prompts the terminal is not the editor's: a key of that moment may be lost.
    terminal.press_until("\x04", "the node runs on")
    assert terminal.popen.poll() is None


def test_a_closed_window_ends_the_node(terminal: Terminal) -> None:
    terminal.hang_up()
    terminal.popen.wait(15)


def test_a_killed_node_leaves_the_terminal_with_its_echo(terminal: Terminal) -> None:
    node = terminal.children()[0]
    os.kill(node, signal.SIGKILL)
    eventually(lambda: not is_alive(node), "the node's end")
    terminal.wait_for("the node process ended by signal 9")
    terminal.wait_for("dns-node> ")
    terminal.type("HELP QUIT\n")
    terminal.wait_for("end the console")
    os.kill(terminal.popen.pid, signal.SIGTERM)
    assert terminal.popen.wait(15) == 0
    assert termios.tcgetattr(terminal.master)[3] & termios.ECHO
