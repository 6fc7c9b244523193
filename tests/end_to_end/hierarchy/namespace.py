"""A network namespace: addresses and port 53 of one's own, gone with its last process."""

import contextlib
import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Made = TypeVar("Made")

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class NamespaceError(Exception):
    """Why there can be no network namespace here."""


class Namespace:
    """A network namespace with a loopback interface that has *addresses* too.

    Root enters it from any process; somebody else makes one by a user namespace, and `socket` does
    not work there.
    """

    def __init__(self, addresses: tuple[str, ...] = ()):
        self._is_root = os.geteuid() == 0
        words = ["unshare", "--net", "--kill-child"]
        if not self._is_root:
            words += ["--user", "--map-root-user"]
        # The holder lives as long as its standard input is open: it can't outlive its maker.
        self._holder = subprocess.Popen(
            [*words, "--fork", "sh", "-c", "echo $$; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._holder.stdout and self._holder.stderr
        said = self._holder.stdout.readline().strip()
        if not said:
            self.close()
            why = self._holder.stderr.read().decode(errors="replace").strip()
            raise NamespaceError(f"no network namespace can be made here: {why}")
        self.pid = int(said)
        """A process in it, for `nsenter --target`."""
        self._run("ip", "link", "set", "lo", "up")
        self._run("ip", "-batch", "-", given="".join(map(_addition, addresses)))

    @property
    def prefix(self) -> tuple[str, ...]:
        """What stands before a command that is to run in it."""
        words = ("nsenter", f"--target={self.pid}", "--net")
        return words if self._is_root else (*words, "--user", "--preserve-credentials")

    def add(self, address: str) -> None:
        """Give it another address (which may be there already)."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self._run("ip", "-batch", "-", given=_addition(address))

    def inside(self, make: Callable[[], Made]) -> Made:
        """Return what *make* returns in a thread that is in it; a socket stays there."""
        made: list[Made] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                with open(f"/proc/{self.pid}/ns/net", "rb") as file:
                    if _libc.setns(file.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                made.append(make())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return made[0]

    def socket(self, address: str = "127.0.0.1", kind: int = socket.SOCK_DGRAM) -> socket.socket:
        """Return a socket in it of the family of *address*."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return self.inside(lambda: socket.socket(family, kind))

    def close(self) -> None:
        """Let go of it: it ends with the processes that are still in it."""
        for pipe in (self._holder.stdin, self._holder.stdout):
            if pipe:
                pipe.close()
        try:
            self._holder.wait(5)
        except subprocess.TimeoutExpired:
            self._holder.kill()
            self._holder.wait(5)

    def __enter__(self) -> "Namespace":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, *words: str, given: str = "") -> None:
        subprocess.run(
            [*self.prefix, *words], input=given.encode(), check=True, capture_output=True
        )


def _addition(address: str) -> str:
    if ":" in address:
        return f"address add {address}/128 dev lo nodad\n"
    return "" if address.startswith("127.") else f"address add {address}/32 dev lo\n"


def why_not() -> str:
    """Return why no namespace can be made and entered here; "" when one can."""
    if os.geteuid() != 0:
        return "needs root, for a network namespace"
    if not Path("/proc/self/ns/net").exists():
        return "this kernel has no network namespaces"
    try:
        Namespace().close()
    except (NamespaceError, OSError) as error:
        return str(error)
    return ""
