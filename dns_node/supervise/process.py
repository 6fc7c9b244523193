"""Processes: titles, the tie to the parent's life, and starting a child."""

import ctypes
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from dns_node.supervise.launch import START_VARIABLE

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
TITLE_OCTETS_MAX = 15
PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])

_libc = ctypes.CDLL(None, use_errno=True)


def set_title(title: str) -> None:
    """Give the calling thread the title that `ps -T` and `top -H` show (15 octets at most; longer
    ones are cut).  The main thread's title is the process's.  Never raises."""
    _libc.prctl(PR_SET_NAME, title.encode()[:TITLE_OCTETS_MAX], 0, 0, 0)


def die_with(parent_pid: int) -> None:
    """Let the kernel kill this process when its parent ends, and end now if it has ended.

    SIGKILL, since an orphan that hangs would share the port with a later node; node and workers
    are made to be killed at any time.
    """
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the call above; then no signal ever comes.
    if os.getppid() != parent_pid:
        os._exit(1)


def allow_descriptors(number: int) -> None:
    """Let this process have *number* open files, or as many as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def start_child(
    command: tuple[str, ...],
    start: str,
    descriptors: Iterable[int],
    *,
    is_foreground: bool,
) -> "subprocess.Popen[bytes]":
    """Return the started child.  It inherits *descriptors* under their own numbers, finds *start*
    in its environment, and ends with this process.

    A foreground child keeps stdin and the process group (so a terminal's keys reach it); others
    get a group of their own and no stdin.  Raises OSError when it can't be started.
    """
    environment = dict(os.environ)
    environment[START_VARIABLE] = start
    paths = [PACKAGE_ROOT, *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    return subprocess.Popen(
        command,
        env=environment,
        stdin=None if is_foreground else subprocess.DEVNULL,
        pass_fds=tuple(descriptors),
        process_group=None if is_foreground else 0,
        preexec_fn=_tie(os.getpid()),  # safe: the supervisor has no threads
    )


def _tie(parent_pid: int) -> Callable[[], None]:
    return lambda: die_with(parent_pid)


def end_text(returncode: int) -> str:
    """Return how a child ended, in words: ``exit status 1`` or ``signal 9 (SIGKILL)``."""
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        return f"signal {-returncode} ({signal.Signals(-returncode).name})"
    except ValueError:
        return f"signal {-returncode}"
