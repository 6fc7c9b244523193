"""Three hundred seeds of whole clusters under faults, each replayed by its number; and what the
rules are good for."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SEEDS = 300
JOBS = min(4, len(os.sched_getaffinity(0)))


def simulate(*options: str) -> subprocess.CompletedProcess:
    # A process of its own: the order of sets is a part of what a seed decides.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "tests.simulation", *options]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )


def test_no_seed_breaks_a_promise():
    ended = simulate("--seeds", str(SEEDS), "--jobs", str(JOBS))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{SEEDS} seeds from 1, 0 violations" in ended.stdout


def test_without_any_one_rule_or_sync_some_seed_or_script_fails():
    ended = simulate("--check-mutations")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_seed_is_the_same_each_time_and_can_be_read():
    one, other = simulate("--trace", "7"), simulate("--trace", "7")
    assert one.stdout == other.stdout
    assert "nodes; faults:" in one.stdout
    assert "everything heals" in one.stdout
