"""The harness itself, against stand-ins: what it starts, it ends."""

import os
import sys
from pathlib import Path

import pytest

from .cluster import environment
from .ports import free_ports, is_free
from .processes import NodeProcess, children, identify
from .waiting import eventually

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if not child:
    while True: time.sleep(60)
print("ready", child, flush=True)
for line in sys.stdin:
    print("OK", line.strip(), flush=True)
while True: time.sleep(60)
"""


def start(folder: Path, program: str) -> NodeProcess:
    """Start a Python program as if it were a node."""
    return NodeProcess([sys.executable, "-c", program], folder, environment())


def test_a_process_that_ignores_sigterm_is_ended_with_its_child_and_complained_about(
    tmp_path: Path,
) -> None:
    process = start(tmp_path, STUBBORN)
    process.out.wait_for("^ready")
    [child] = eventually(lambda: children(process.pid), 5)
    alive = identify(child)
    assert alive and alive.is_alive()
    complaints = process.end(grace_s=0.2)
    assert len(complaints) == 1 and "SIGTERM" in complaints[0]
    assert not process.is_running()
    eventually(lambda: not alive.is_alive(), 5)


def test_an_orphan_is_found_ended_and_complained_about(tmp_path: Path) -> None:
    process = start(tmp_path, STUBBORN)
    process.out.wait_for("^ready")
    process.remember()
    process.signal(9)
    process.wait(5)
    [orphan] = process.left_over()
    complaints = process.end()
    assert len(complaints) == 1 and str(orphan) in complaints[0]
    eventually(lambda: process.left_over() == [], 5)


def test_lines_are_waited_for_in_order_from_a_position_on(tmp_path: Path) -> None:
    process = start(tmp_path, STUBBORN)
    try:
        position, _ = process.out.wait_for("^ready")
        process.write("one\ntwo\n")
        assert process.out.wait_for("^OK t", position) == (position + 2, "OK two")
        with pytest.raises(AssertionError, match="OK one"):
            process.out.wait_for("^never", position, 0.1)
    finally:
        process.end(0.1)


def test_the_end_of_the_output_ends_the_wait(tmp_path: Path) -> None:
    process = start(tmp_path, "print('only this')")
    with pytest.raises(AssertionError, match="the output ended"):
        process.out.wait_for("more", deadline_s=20)
    assert process.end() == []


def test_eventually_says_what_it_waited_for_and_the_last_answer() -> None:
    with pytest.raises(AssertionError, match=r"the moon.*last answer: \[\]"):
        eventually(list, 0.05, "the moon")


def test_ports_are_free_and_below_the_ephemeral_range() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(port < 32_768 and is_free(port) for port in ports)
    assert identify(os.getpid())
