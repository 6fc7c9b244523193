"""The low-disk watermark: no changes, another leader, and an end by itself."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.cluster.standings import Standings
from dns_node.control.disk_reserve import CLEARED_AT, DiskReserve, Space, find_alarm, space_at

MIB = 1 << 20


class FakeReplica:
    """What the watch needs of a replica."""

    def __init__(self, role="follower"):
        self.standings = Standings("0", lambda: 0.0)
        self.proposer = SimpleNamespace(reserve="")
        self.role = role
        self.asked = []

    def status(self):
        return SimpleNamespace(role=self.role)

    def transfer_leadership(self, node):
        self.asked.append(node)
        return True


@pytest.fixture
def disk():
    """A disk of 10 GiB whose free MiB the test sets, and its watch."""
    replica = FakeReplica()
    disk = SimpleNamespace(free_mib=1000, replica=replica)
    disk.watch = DiskReserve(
        replica, "/data", lambda: 256, lambda path: Space(disk.free_mib * MIB, 10240 * MIB)
    )
    return disk


def test_below_the_reserve_changes_are_refused_with_the_numbers_until_there_is_space(disk):
    disk.watch.check()
    assert not disk.replica.proposer.reserve
    disk.free_mib = 255
    disk.watch.check()
    replica = disk.replica
    for text in (disk.watch.alarm, replica.proposer.reserve, replica.standings.disk_alarm):
        assert "255 MiB are free at /data, the reserve is 256 MiB" in text
    disk.free_mib = 260
    disk.watch.check()
    assert "260 MiB" in disk.replica.proposer.reserve, "it came and went"
    disk.free_mib = 300
    disk.watch.check()
    assert not disk.watch.alarm
    assert not disk.replica.proposer.reserve
    assert not disk.replica.standings.disk_alarm


def test_a_leader_lets_another_lead_that_is_live_and_has_space(disk):
    replica = disk.replica
    replica.role = "leader"
    replica.standings.members = {"0": "voter", "1": "voter", "2": "voter", "e": "edge"}
    for node, applied in (("1", 5), ("2", 7), ("e", 9)):
        replica.standings.hear(node, applied, applied)
    disk.free_mib = 10
    disk.watch.check()
    replica.standings.low_on_disk.add("2")
    disk.watch.check()
    replica.standings.low_on_disk.add("1")
    disk.watch.check()
    assert replica.asked == ["2", "1"]


def test_a_directory_that_is_gone_changes_nothing():
    watch = DiskReserve(FakeReplica(), "/nowhere/at/all", lambda: 256)
    watch.check()
    assert not watch.alarm


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 50), st.integers(0, 1 << 20), st.booleans())
def test_the_reserve_is_never_more_than_a_tenth_and_none_is_no_alarm(total, free, mib, was):
    free = min(free, total)
    alarm = find_alarm(Space(free, total), "/", mib, was)
    if free >= total / 10 * CLEARED_AT or mib == 0:
        assert not alarm
    if free < min(mib * MIB, total // 10):
        assert alarm


def test_space_is_that_of_the_file_system(tmp_path):
    space = space_at(str(tmp_path))
    assert 0 < space.free <= space.total
