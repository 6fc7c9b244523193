"""A supervisor with fake children, as a real process."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def eventually(condition: Callable[[], Any], what: str, deadline_s: float = 15.0) -> Any:
    """Return the first true value of *condition*; AssertionError after *deadline_s*."""
    end_s = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end_s, f"waited {deadline_s:g} s in vain for {what}"
        time.sleep(0.02)
    return value


def is_alive(pid: int) -> bool:
    """Return whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Supervised:
    """One started supervisor; its children's notes are read from events.jsonl."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.popen: subprocess.Popen[str] | None = None

    def start(self, **options: Any) -> "Supervised":
        """Start it; *options* are Launch's."""
        options = {"addresses": [["127.0.0.1", 0]], "workers": 2, **options}
        (self.folder / "options.json").write_text(json.dumps(options))
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "tests.supervisor.children", "supervisor", str(self.folder)],
            cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        return self

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self.popen is not None
        return self.popen.pid

    def touch(self, name: str, text: str = "") -> None:
        """Make a file that the children look for."""
        (self.folder / name).write_text(text)

    def events(self, kind: str, **values: Any) -> list[dict[str, Any]]:
        """Return the notes of one kind that have these values."""
        with contextlib.suppress(FileNotFoundError):
            text = (self.folder / "events.jsonl").read_text()
            lines = [json.loads(line) for line in text.splitlines()]
            return [e for e in lines
                    if e["kind"] == kind and all(e.get(k) == v for k, v in values.items())]
        return []

    def wait(self, kind: str, count: int = 1, **values: Any) -> list[dict[str, Any]]:
        """Wait for *count* notes of one kind; return them."""
        def enough() -> list[dict[str, Any]] | None:
            found = self.events(kind, **values)
            return found if len(found) >= count else None
        found = eventually(enough, f"{count} {kind} {values}")
        assert isinstance(found, list)
        return found

    def serve(self) -> int:
        """Let the node say "serve", wait for both workers, return the port."""
        self.touch("serve")
        self.wait("worker", worker=0)
        return int(self.wait("worker", worker=1)[0]["start"]["udp"][0]["port"])

    def end(self) -> tuple[int, str]:
        """Wait for its end; return exit status and standard error."""
        assert self.popen is not None
        _, err = self.popen.communicate(timeout=20)
        return self.popen.returncode, err

    def pids(self) -> set[int]:
        """Return all processes that ever started."""
        return {e["pid"] for kind in ("worker", "node") for e in self.events(kind)}


def ask(port: int, timeout_s: float = 0.3) -> bytes | None:
    """Return the number of the worker that answered one datagram; None for silence."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout_s)
        client.connect(("127.0.0.1", port))
        try:
            client.send(b"?")
            return client.recv(16)
        except OSError:
            return None


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    """A supervisor that is not started yet; nothing of it is left afterwards."""
    made = Supervised(tmp_path)
    yield made
    if made.popen is not None and made.popen.poll() is None:
        os.kill(made.pid, signal.SIGKILL)
        made.popen.communicate(timeout=10)
    eventually(lambda: not any(is_alive(pid) for pid in made.pids()), "all children to end")
