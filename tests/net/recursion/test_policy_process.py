"""The process that feeds policy zones is there as long as there are zones, and comes again."""

import os
import signal

import pytest
from twisted.internet.task import Clock

from dns_node.net.recursion.policy_process import LOOK_S, RESTART_S, PolicyProcess
from dns_node.net.recursion.policy_tables import policy_directory, table_path
from dns_node.zone.names import from_labels, parse_name
from tests.end_to_end.waiting import eventually
from tests.net.recursion.test_policy_feed import APEX, write


@pytest.fixture(scope="module")
def data_path():
    """These tests answer no questions."""
    return ""


@pytest.fixture
def process(tmp_path):
    made = PolicyProcess(Clock(), str(tmp_path), "0")
    yield made
    made.stop()


def zones(path):
    return [{"name": "rpz.example.", "file": str(path), "primaries": [], "refresh_max_s": 60}]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_without_zones_there_is_no_process(process):
    process.feed([], "info", "text")
    assert process.pid is None


def test_it_is_started_again_when_it_dies_and_ended_with_the_node(process, tmp_path):
    path = tmp_path / "rpz.zone"
    write(path, 1, "bad.example CNAME .")
    table = table_path(policy_directory(tmp_path), APEX)
    process.feed(zones(path), "error", "text")
    eventually(table.exists, 10)
    first = process.pid
    process.feed(zones(path), "error", "text")
    assert process.pid == first, "nothing changed"
    os.kill(first, signal.SIGKILL)
    eventually(lambda: process._clock.advance(LOOK_S) or process.pid is None, 10)
    table.unlink()
    process._clock.advance(RESTART_S)
    assert process.pid not in (None, first)
    eventually(table.exists, 10)
    last = process.pid
    process.feed([], "error", "text")
    assert process.pid is None and not is_alive(last)
    assert not process._clock.getDelayedCalls()


def test_other_zones_get_another_process(process, tmp_path):
    process.feed(zones(tmp_path / "a"), "error", "text")
    first = process.pid
    process.feed(zones(tmp_path / "b"), "error", "text")
    assert process.pid != first and not is_alive(first)


def test_every_name_of_a_zone_makes_a_file_name(tmp_path):
    odd = [
        parse_name("."),
        from_labels([b"/../", b"\0\n", b"A" * 63]),
        from_labels([b"x" * 60] * 4),
    ]
    paths = {table_path(tmp_path, name) for name in odd}
    assert len(paths) == len(odd)
    for path in paths:
        assert path.parent == tmp_path and len(path.name) < 200
        path.write_bytes(b"")
