"""All nodes of a configuration in one terminal; ``scripts/cluster`` prepares and runs this.

A line typed here goes to the node whose id it begins with, else to the first; QUIT, the end of
the input or ctrl-C stops all nodes together.
"""

import argparse
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from dns_node.config.load import load
from dns_node.config.schema import Settings
from dns_node.errors import DnsNodeError

READY_LINE = "Starting DNS server on port"
STOP_TIMEOUT_S = 20
NODE_PROGRAM = (sys.executable, "-P", "-m", "dns_node")
PR_SET_PDEATHSIG = 1


class RunningNode:
    """One node as a child process, and the thread that labels its lines."""

    def __init__(self, node_id: str, words: list[str], cluster: "RunningCluster"):
        self.node_id = node_id
        self._cluster = cluster
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            # Its own session: ctrl-C must reach the nodes as one orderly stop, not by itself.
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        self.thread = threading.Thread(target=self._copy_lines, daemon=True)
        self.thread.start()

    def _copy_lines(self) -> None:
        assert self.process.stdout is not None
        for octets in self.process.stdout:
            line = octets.decode(errors="replace").rstrip("\r\n")
            say(f"[{self.node_id}] {line}")
            if READY_LINE in line:
                self._cluster.on_ready(self.node_id)
        self._cluster.on_exit(self, self.process.wait())

    def type_line(self, line: str) -> None:
        """Give the node's console one line."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            say(f"[{self.node_id}] is not running")


class RunningCluster:
    """All nodes of *settings*."""

    def __init__(self, settings: Settings, program: tuple[str, ...]):
        self._settings = settings
        self._program = program
        self._is_stopping = False
        self.has_failed = False
        self._lock = threading.Lock()
        self._ready: set[str] = set()
        self.nodes: dict[str, RunningNode] = {}

    def start(self) -> None:
        """Start every node; returns at once."""
        for node_id in self._settings.nodes:
            self.nodes[node_id] = RunningNode(node_id, self._words(node_id), self)

    def _words(self, node_id: str) -> list[str]:
        words = [*self._program, "-n", node_id, "-c", self._settings.source]
        zone_file = Path(self._settings.base_dir, "zone-files", f"zf{node_id}.txt")
        return words + (["-z", str(zone_file)] if zone_file.exists() else [])

    def on_ready(self, node_id: str) -> None:
        """Say so when the last node serves."""
        with self._lock:
            is_news = node_id not in self._ready
            self._ready.add(node_id)
        if is_news and self._ready == set(self._settings.nodes):
            addresses = ", ".join(
                f"{node_id} on {entry.query_loc[0]}"
                for node_id, entry in self._settings.nodes.items()
            )
            say(f"ready: all nodes serve ({addresses}). Type HELP, or for example "
                "ADD: www.example.com A 192.0.2.1")  # fmt: skip

    def on_exit(self, node: RunningNode, status: int) -> None:
        """Say that *node* ended; one that never served, or the last one, ends the whole."""
        if self._is_stopping:
            return
        say(f"[{node.node_id}] ended with status {status}")
        is_last = all(other.process.poll() is not None for other in list(self.nodes.values()))
        if is_last or node.node_id not in self._ready:
            self.has_failed = True
            os.kill(os.getpid(), signal.SIGINT)

    def type_line(self, line: str) -> None:
        """Hand one line to the node that it names first, else to the first node."""
        first, _, rest = line.strip().partition(" ")
        if first in self.nodes:
            self.nodes[first].type_line(rest.strip())
        else:
            next(iter(self.nodes.values())).type_line(line)

    def stop(self) -> None:
        """Stop all nodes in an orderly way, together; those that do not, at once."""
        self._is_stopping = True
        for node in self.nodes.values():
            if node.process.poll() is None:
                node.process.terminate()
        for node in self.nodes.values():
            try:
                node.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                say(f"[{node.node_id}] did not stop in {STOP_TIMEOUT_S} s and was killed")
                node.process.kill()
            node.thread.join(1)


def _die_with_parent() -> None:
    # Else a cluster whose terminal was killed would keep its ports.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def say(line: str) -> None:
    """Print one whole line, also while another thread prints."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def read_lines() -> Iterator[str]:
    """Yield the lines that are typed, with line editing on a terminal."""
    if sys.stdin.isatty():
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 (input() edits lines once it is imported)
    while True:
        try:
            yield input()
        except EOFError:
            return


def main(program: tuple[str, ...] = NODE_PROGRAM) -> int:
    """Run the cluster until it is told to stop; returns the exit status.  *program* is what runs
    as a node."""
    parser = argparse.ArgumentParser(prog="scripts/cluster", description=__doc__)
    parser.add_argument("-c", "--config", metavar="FILE", help="default: dns-config.json")
    options = parser.parse_args()
    home = Path(__file__).resolve().parent.parent
    try:
        settings = load(options.config or str(home / "dns-config.json"))
    except DnsNodeError as error:
        print(error, file=sys.stderr)
        return 78
    # A shell that starts this in the background has SIGINT ignored; whoever sends it means it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    cluster = RunningCluster(settings, program)
    with contextlib.suppress(KeyboardInterrupt):
        cluster.start()
        for line in read_lines():
            if line.strip().upper() == "QUIT":
                break
            if line.strip():
                cluster.type_line(line)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    say("stopping all nodes ...")
    cluster.stop()
    return 1 if cluster.has_failed else 0


if __name__ == "__main__":
    sys.exit(main())
