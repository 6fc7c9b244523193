"""The data directory: made, checked, locked."""

import contextlib
import errno
import fcntl
import os
import pwd
import time
from collections.abc import Callable
from pathlib import Path

from dns_node.errors import InputError, Problem

LOCK_NAME = "lock"
LOCK_WAIT_S = 3.0
"""How long a lock is waited for: children of a supervisor that was just killed hold it until the
kernel has ended them."""

PROBE_SIZE_OCTETS = 256 * 1024

_FULL = (errno.ENOSPC, errno.EDQUOT)

_CURES = {
    errno.EROFS: "It is on a read-only file system; name another with --data-dir.",
    errno.EACCES: "Give this user the right to write there, or name another with --data-dir.",
    errno.EPERM: "Give this user the right to write there, or name another with --data-dir.",
    errno.ENOSPC: "The disk is full; free some space. Nothing was lost.",
    errno.EDQUOT: "The disk quota is used up; free some space. Nothing was lost.",
    errno.ENOTDIR: "A part of the path is a file; name another with --data-dir.",
}


def make(path: str, owner: pwd.struct_passwd | None) -> None:
    """Create the directory (mode 0700) with its parents if it is not there, for *owner* if that is
    another user.  InputError when that can't be."""
    directory = Path(path)
    try:
        if not directory.is_dir():
            directory.parent.mkdir(parents=True, exist_ok=True)
            directory.mkdir(mode=0o700)
            if owner is not None:
                os.chown(directory, owner.pw_uid, owner.pw_gid)
    except OSError as error:
        raise _problem(path, "cannot be made", error) from None


def check_writable(path: str) -> None:
    """Write, fsync and remove a file in the directory; InputError with the cure when it is
    read-only, full, or someone else's.  Full is good enough where there is a store to serve."""
    probe = os.path.join(path, f".probe-{os.getpid()}")
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            rest = memoryview(bytes(PROBE_SIZE_OCTETS))
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            os.unlink(probe)
    except OSError as error:
        if error.errno in _FULL and has_store(path):
            return
        raise _problem(path, "cannot be written to", error) from None


def lock(
    path: str,
    wait_s: float = LOCK_WAIT_S,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Return the descriptor of the lock file, locked, with this process's id in it.

    Children inherit it, so that the directory stays locked until the last of them is gone.
    InputError, with the holder's process id, when it is still locked after *wait_s*.
    """
    name = os.path.join(path, LOCK_NAME)
    try:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _problem(path, "cannot be locked", error) from None
    end_s = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() < end_s:
                sleep(0.05)
                continue
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise InputError([
                Problem(path, f"is in use by another node (process {holder or 'unknown'}).",
                        "Stop that one first, or give this node its own --data-dir."),
            ]) from None  # fmt: skip
    with contextlib.suppress(OSError):  # a full disk: the lock holds without the number
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def has_store(path: str) -> bool:
    """Return whether a store was made there already: workers may serve it before the node runs."""
    return os.path.exists(os.path.join(path, "store", "CURRENT"))


def _problem(path: str, what: str, error: OSError) -> InputError:
    cure = _CURES.get(error.errno or 0, "Name another with --data-dir.")
    reason = (error.strerror or str(error)).lower()
    return InputError([Problem(f"data directory {path}", f"{what}: {reason}.", cure)])
