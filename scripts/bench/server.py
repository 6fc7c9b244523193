"""A server under test: started, pinned, waited for, watched and stopped."""

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import machine

START_MAX_S = 60.0


class StartError(Exception):
    """A server that did not answer; the text says where its log is."""


class Server:
    """A process with its descendants, pinned to *processors*, that answers DNS on *port*."""

    def __init__(self, name: str, port: int, processors: str, directory: Path):
        self.name = name
        self.port = port
        self.processors = processors
        self.directory = directory
        self.is_echo = name.startswith("echo")
        self.start_s = 0.0
        """Seconds from the start to the first right answer."""
        self._process: subprocess.Popen[bytes] | None = None
        self._words: list[str] = []
        self._environment: dict[str, str] = {}
        self._probe = ""

    def start(
        self, words: list[str], probe: str, environment: dict[str, str] | None = None
    ) -> None:
        """Run *words* and return when *probe* (a name with an address) is answered.

        Raises StartError when it ends or stays silent.
        """
        self._words, self._probe = words, probe
        self._environment = dict(os.environ, **(environment or {}))
        self.start_again()

    def start_again(self) -> None:
        """Run the same command once more, after `kill` or `stop`."""
        with open(self.directory / "log", "ab") as log:
            began_s = time.perf_counter()
            self._process = subprocess.Popen(
                ["nice", "-n", "-20", "taskset", "-c", self.processors, *self._words],
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self._environment, start_new_session=True,
            )  # fmt: skip
        machine.prefer(self._process.pid)
        try:
            self._wait(began_s)
        except BaseException:
            self.kill()
            raise
        self.start_s = time.perf_counter() - began_s
        for process in self.processes():
            machine.prefer(process)

    def _wait(self, began_s: float) -> None:
        assert self._process is not None
        while not self.answers(self._probe):
            if self._process.poll() is not None:
                raise StartError(f"{self.name} ended at once; its log: {self.directory}/log")
            if time.perf_counter() - began_s > START_MAX_S:
                raise StartError(f"{self.name} does not answer; its log: {self.directory}/log")

    def answers(self, name: str) -> bool:
        """Whether *name* is answered now, within 20 ms."""
        labels = name.encode().split(b".")
        wire = b"".join(struct.pack("B", len(label)) + label for label in labels)
        question = b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + wire + b"\0\0\1\0\1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(0.02)
            asker.connect(("127.0.0.1", self.port))
            try:
                asker.send(question)
                reply = asker.recv(4096)
            except OSError:
                time.sleep(0.002)
                return False
        if self.is_echo:
            return True
        has_answer = reply[3] & 15 == 0 and reply[6:8] != b"\0\0"
        if not has_answer:
            time.sleep(0.005)
        return has_answer

    @property
    def pid(self) -> int:
        """The first of its processes."""
        assert self._process is not None
        return self._process.pid

    def processes(self) -> list[int]:
        """Return all of its processes."""
        return machine.family(self.pid)

    def memory(self) -> machine.Memory:
        """Return the memory of all of its processes together."""
        return machine.memory(self.processes())

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._end(signal.SIGKILL, 0.0)

    def stop(self) -> None:
        """End it in order, by force after ten seconds."""
        self._end(signal.SIGTERM, 10.0)

    def _end(self, how: signal.Signals, patience_s: float) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        family = self.processes()
        with contextlib.suppress(OSError):
            self._process.send_signal(how)
        try:
            self._process.wait(patience_s or 10.0)
        except subprocess.TimeoutExpired:
            for pid in family:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait(10)
        # A descendant may outlive its parent for a moment; the port must be free again.
        deadline_s = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in family):
            if time.monotonic() > deadline_s:
                break
            time.sleep(0.002)


def make_directory(directory: Path) -> Path:
    """Return *directory*, empty and writable for servers that drop root."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    directory.chmod(0o777)
    return directory
