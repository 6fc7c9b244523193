"""One dns-node started as a real process, and the processes below it, read from /proc."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .waiting import eventually


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that can't be mistaken for a later one with the same number."""

    pid: int
    started: str

    def is_alive(self) -> bool:
        """Say whether it still runs (a zombie does not)."""
        fields = _stat_fields(self.pid)
        return fields is not None and fields[19] == self.started and fields[0] not in "ZX"

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send the signal unless it has ended already."""
        if self.is_alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def _stat_fields(pid: int) -> list[str] | None:
    """Return /proc/PID/stat from the state field on; None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def identify(pid: int) -> ProcessId | None:
    """Return the process that has this number now, if any."""
    fields = _stat_fields(pid)
    return None if fields is None else ProcessId(pid, fields[19])


def cpu_seconds(pid: int) -> float:
    """Return the user and system time that *pid* has used; 0.0 when it is gone."""
    fields = _stat_fields(pid)
    if fields is None:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Return the direct children of *pid*, of all its threads; none when it is gone."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                listing = Path(f"/proc/{pid}/task/{task}/children").read_text()
                found += [int(word) for word in listing.split()]
    return sorted(found)


def descendants(pid: int) -> list[int]:
    """Return all processes below *pid*, nearest first."""
    found: list[int] = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def title(pid: int) -> str:
    """Return the title that `ps` shows, and the command line behind it."""
    try:
        comm = Path(f"/proc/{pid}/comm").read_text().strip()
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
    return f"{comm} | {line}"


class Lines:
    """The lines of one pipe, collected by a thread; a position in them is a plain number."""

    def __init__(self, pipe: IO[bytes], beside: "Lines | None" = None):
        self._beside = beside
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe: IO[bytes]) -> None:
        for raw in pipe:
            with self._news:
                self._lines.append(raw.decode(errors="replace").rstrip("\r\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def position(self) -> int:
        """Return how many lines there are now."""
        with self._news:
            return len(self._lines)

    def since(self, position: int = 0) -> list[str]:
        """Return the lines from *position* on."""
        with self._news:
            return self._lines[position:]

    def wait_for(self, pattern: str, after: int = 0, deadline_s: float = 20.0) -> tuple[int, str]:
        """Return position (after the line) and text of the first line that *pattern* is found in.

        AssertionError with all lines since *after*, and those of the pipe beside it, when the pipe
        ends or the deadline passes.
        """
        wanted = re.compile(pattern)
        end = time.monotonic() + deadline_s
        seen = after
        with self._news:
            while True:
                while seen < len(self._lines):
                    seen += 1
                    if wanted.search(self._lines[seen - 1]):
                        return seen, self._lines[seen - 1]
                left_s = end - time.monotonic()
                if self._ended or left_s <= 0:
                    why = "the output ended" if self._ended else f"{deadline_s:g} s passed"
                    text = "\n  ".join(self._lines[after:])
                    if self._beside is not None:
                        text = "\n  ".join([text, "and beside it:", *self._beside.since()])
                    raise AssertionError(f"no line like {pattern!r} ({why}); there is:\n  {text}")
                self._news.wait(left_s)


class NodeProcess:
    """A started `dns-node`: its pipes, its exit status, the processes below it."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]):
        self.command = command
        self._popen = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._popen.stdout and self._popen.stderr
        self.err = Lines(self._popen.stderr)
        self.out = Lines(self._popen.stdout, self.err)
        self._known: set[ProcessId] = set()
        self.remember()

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._popen.pid

    def remember(self) -> None:
        """Note every process below, so that `end` can find it even as an orphan."""
        for pid in (self.pid, *descendants(self.pid)):
            known = identify(pid)
            if known is not None:
                self._known.add(known)

    def is_running(self) -> bool:
        """Say whether the supervisor still runs."""
        return self._popen.poll() is None

    def write(self, text: str) -> None:
        """Write *text* to the console."""
        assert self._popen.stdin
        self._popen.stdin.write(text.encode())
        self._popen.stdin.flush()

    def close_stdin(self) -> None:
        """End the console's input."""
        assert self._popen.stdin
        self._popen.stdin.close()

    def workers(self) -> list[int]:
        """Return the worker processes, oldest first."""
        return [pid for pid in children(self.pid) if "worker" in title(pid)]

    def nodes(self) -> list[int]:
        """Return the node process (one, none while it is being restarted)."""
        return [
            pid for pid in children(self.pid) if "worker" not in title(pid) and "node" in title(pid)
        ]

    def pid_of(self, which: str) -> int:
        """Return the process id of "supervisor", "node" or "worker" (the first), waiting for it."""
        if which == "supervisor":
            return self.pid
        found = {"node": self.nodes, "worker": self.workers}[which]
        return eventually(found, 10, f"a {which} process below {self.pid}")[0]

    def signal(self, number: int, which: str = "supervisor") -> None:
        """Send the signal to "supervisor", "node", "worker", or to "all" of them at once."""
        self.remember()
        if which == "all":
            os.kill(self.pid, number)  # first, lest it starts a killed worker again
            for process in self._known:
                process.kill(number)
        else:
            os.kill(self.pid_of(which), number)

    def wait(self, deadline_s: float = 15.0) -> int:
        """Return the exit status; subprocess.TimeoutExpired when it goes on running."""
        return self._popen.wait(deadline_s)

    def left_over(self) -> list[int]:
        """Return the processes of this node that still run."""
        return [process.pid for process in self._known if process.is_alive()]

    def end(self, grace_s: float = 8.0) -> list[str]:
        """Stop it: SIGTERM, after *grace_s* SIGKILL.  Return the complaints: what did not end by
        itself.  Whatever happens, nothing runs afterwards."""
        complaints = []
        self.remember()
        if self.is_running():
            self._popen.send_signal(signal.SIGTERM)
            try:
                self._popen.wait(grace_s)
            except subprocess.TimeoutExpired:
                complaints.append(f"{self.pid} did not stop within {grace_s:g} s of SIGTERM")
        deadline = time.monotonic() + 3.0
        while self._popen.poll() is not None and self.left_over() and time.monotonic() < deadline:
            time.sleep(0.02)
        orphans = [
            f"{pid} ({title(pid)}) outlived its supervisor"
            for pid in self.left_over()
            if pid != self.pid
        ]
        if self._popen.poll() is not None:
            complaints += orphans
        for process in self._known:
            process.kill()
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.wait(10)
        if self._popen.stdin and not self._popen.stdin.closed:
            with contextlib.suppress(OSError):
                self._popen.stdin.close()
        return complaints
