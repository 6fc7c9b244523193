"""A run that is told to end leaves nothing behind, and one that was killed is swept away."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.cleanup import FOLDER_PREFIX, sweep
from tests.chaos.network import CannotRun, check_tools
from tests.end_to_end.cluster import ROOT, environment
from tests.end_to_end.processes import ProcessId, identify
from tests.end_to_end.waiting import eventually

Run = subprocess.Popen[str]


@pytest.fixture()
def running() -> Iterator[Run]:
    """A run that breaks things already."""
    try:
        check_tools()
    except CannotRun as error:
        pytest.skip(str(error))
    run = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos", "--minutes", "5", "--faults", "relayed"],
        cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert run.stdout
        assert "relay: " in next((line for line in run.stdout if "relay" in line), "")
        yield run
    finally:
        run.kill()
        run.wait()
        sweep()


def processes_of(run: Run) -> list[int]:
    """Return the processes of *run*'s nodes, and its relay."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:  # it has ended
            continue
        started_by = f"{FOLDER_PREFIX}{run.pid:x}-".encode()
        is_relay = b"chaos/relay.py" in words and parent(path.parent) == run.pid
        if started_by in words or is_relay or is_of_space(run, path.parent):
            found.append(int(path.parent.name))
    return found


def alive(run: Run) -> list[ProcessId]:
    """Return the same, as those that they are whatever gets their numbers later."""
    return [process for pid in processes_of(run) if (process := identify(pid))]


def parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def is_of_space(run: Run, process: Path) -> bool:
    spaces = {space.stat().st_ino for space in Path("/run/netns").glob(f"chaos-{run.pid:x}-*")}
    try:
        return os.stat(process / "ns/net").st_ino in spaces
    except OSError:
        return False


def left_behind(run: Run) -> list[str]:
    """Return what there is still of *run*."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout
    mounts = Path("/proc/mounts").read_text().splitlines()
    return [
        *(str(path) for path in Path("/run/netns").glob(f"chaos-{run.pid:x}-*")),
        *(line for line in links.splitlines() if f"ch{run.pid:x}" in line),
        *(str(path) for path in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}{run.pid:x}-*")),
        *(line for line in mounts if f"{FOLDER_PREFIX}{run.pid:x}-" in line),
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_end_leaves_nothing_behind(running: Run, number: int) -> None:
    # Those of three nodes, as far as they run now, and the relay.
    nodes = eventually(lambda: len(found := alive(running)) > 4 and found, 30, "the nodes to run")
    assert nodes
    assert left_behind(running)
    running.send_signal(number)
    assert running.wait(60) == 128 + number
    assert left_behind(running) == []
    assert not [process for process in nodes if process.is_alive()]


def test_the_next_run_removes_what_a_killed_one_left(running: Run) -> None:
    nodes = alive(running)
    running.kill()
    running.wait()
    assert left_behind(running)
    sweep()
    eventually(lambda: not left_behind(running), 10, "the kernel to remove the cables")
    eventually(
        lambda: not any(process.is_alive() for process in nodes), 10, "the nodes to end"
    )
