"""What has to be undone at the end, last thing first, whatever happened in between; and what runs
left behind that could not do so (`kill -9`)."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER_PREFIX = "dns-node-chaos-"


class Cleanup:
    """Calls to make at the end; as a context manager it makes them on the way out."""

    def __init__(self) -> None:
        self._calls = contextlib.ExitStack()

    def later(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Have *call* made at the end, before those that were asked for earlier.  What it raises
        ends nothing: the others are made all the same."""
        self._calls.callback(_attempt, call, *arguments)

    def __enter__(self) -> "Cleanup":
        return self

    def __exit__(self, *_: object) -> None:
        self._calls.close()


def _attempt(call: Callable[..., Any], *arguments: Any) -> None:
    try:
        call(*arguments)
    except Exception as error:
        print(f"cleaning up: {error}", flush=True)


def sweep() -> None:
    """Remove processes, namespaces, mounts, links and folders of runs whose process is gone."""
    spaces = Path("/run/netns")
    for space in sorted(spaces.glob("chaos-*-*")) if spaces.is_dir() else ():
        if not _is_gone(space.name.split("-")[1]):
            continue
        for pid in _output("ip", "netns", "pids", space.name).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        _output("ip", "netns", "del", space.name)
    links = re.findall(r"^\d+: (ch([0-9a-f]+)(?:v\d+)?)[@:]", _output("ip", "-o", "link"), re.M)
    for name, pid_hex in links:
        if _is_gone(pid_hex):
            _output("ip", "link", "del", name)
    for line in reversed(Path("/proc/mounts").read_text().splitlines()):
        mount = line.split()[1]
        found = re.search(rf"/{FOLDER_PREFIX}([0-9a-f]+)-", mount)
        if found and _is_gone(found[1]):
            _output("umount", "-l", mount)
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*-*"):
        is_mounted = f" {folder}/" in Path("/proc/mounts").read_text()
        if _is_gone(folder.name.removeprefix(FOLDER_PREFIX).split("-")[0]) and not is_mounted:
            shutil.rmtree(folder, ignore_errors=True)


def _is_gone(pid_hex: str) -> bool:
    try:
        command = Path(f"/proc/{int(pid_hex, 16)}/cmdline").read_bytes()
    except (OSError, ValueError):
        return True
    return b"python" not in command and b"pytest" not in command


def _output(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=60).stdout
