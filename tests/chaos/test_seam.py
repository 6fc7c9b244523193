"""The named steps exist in the product, and a process ends where it is told to."""

import functools
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import faults
from tests.chaos.failpoints import SEAM, Failpoint
from tests.chaos.seam.sitecustomize import POINTS
from tests.end_to_end.cluster import environment

# A "node process": what is on its command line makes it one.
PROGRAM = """
from pathlib import Path
from dns_node.store import generation
Path("store").mkdir()
for number in range(1, 4):
    generation.point_at(Path("."), number)
    print(number, flush=True)
"""


@pytest.mark.parametrize("name", POINTS)
def test_each_named_step_is_a_function_of_the_product(name: str) -> None:
    module, qualified = POINTS[name]
    found = functools.reduce(getattr, qualified.split("."), importlib.import_module(module))
    assert callable(found)


def run_program(folder: Path) -> "subprocess.CompletedProcess[str]":
    plain = environment()
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "dns_node.node"],
        cwd=folder, capture_output=True, text=True, timeout=30,
        env={**plain, "CHAOS_SEAM": str(folder / "seam"), "CHAOS_DISK": str(folder),
             "PYTHONPATH": f"{SEAM}:{plain['PYTHONPATH']}"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("step", "count", "said", "current"),
    [
        ("generation-point:before", 2, "1\n", "1"),
        ("replace:before", 2, "1\n", "1"),
        ("replace:after", 2, "1\n", "2"),
        ("generation-point:after", 3, "1\n2\n", "3"),
    ],
)
def test_a_process_ends_at_the_step_that_is_named(
    tmp_path: Path, step: str, count: int, said: str, current: str
) -> None:
    point = Failpoint(tmp_path / "seam")
    point.arm(step, count, "kill")
    done = run_program(tmp_path)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, said), done.stderr
    assert (tmp_path / "store" / "CURRENT").read_text().strip() == current
    assert point.is_hit() and point.disarm() == f"{step} (kill)"
    assert point.disarm() == ""


def test_a_process_that_nothing_is_asked_of_goes_on(tmp_path: Path) -> None:
    Failpoint(tmp_path / "seam").arm("journal-trim:before", 1, "kill")
    done = run_program(tmp_path)
    assert (done.returncode, done.stdout) == (0, "1\n2\n3\n"), done.stderr


def test_two_short_runs_have_every_kind_of_fault_between_them() -> None:
    first, second = faults.halves()
    assert sorted(k.name for k in (*first, *second)) == sorted(k.name for k in faults.ALL)
    assert "CHAOS_SEAM" not in os.environ
