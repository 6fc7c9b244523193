"""The low-disk watermark: no changes, another leader, and an end by itself."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.cluster.command import Done, PutKey, Refused
from dns_node.cluster.standings import Standings
from dns_node.control.disk_reserve import CLEARED_AT, DiskReserve, Space, find_alarm, space_at

from ..cluster.links import coroutine, until
from ..cluster.members import MemberCase

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


class TestLowDisk(MemberCase):
    """A cluster of three whose disks fill up one after the other."""

    @coroutine
    async def test_the_leader_hands_over_and_refuses_and_takes_changes_again(self):
        members, _ = await self.form(3)
        free_mib = dict.fromkeys("012", 9000)
        watches = {
            member.replica.node: DiskReserve(
                member.replica,
                "/data",
                lambda: 256,
                lambda path, node=member.replica.node: Space(free_mib[node] * MIB, 10240 * MIB),
            )
            for member in members
        }

        def is_settled(odd):
            for watch in watches.values():
                watch.check()
            leaders = {member.replica.status().leader for member in members}
            return len(leaders) == 1 and leaders.isdisjoint({None, *odd})

        await self.put(members[0], "before")
        first = members[0].replica.status().leader
        free_mib[first] = 100
        await until(lambda: is_settled(first), "it did not hand over")
        odd = members[int(first)]
        refused = await self.propose(odd, PutKey("key", "at the full one"))
        assert isinstance(refused, Refused)
        assert "100 MiB are free" in refused.reasons[0]
        assert "not made" in refused.reasons[0]
        assert "DISK LOW" in odd.replica.status().alarms[0]
        healthy = next(member for member in members if member is not odd)
        await self.put(healthy, "elsewhere")
        await self.all_have(members, "elsewhere")
        second = healthy.replica.status().leader
        free_mib[second] = 50
        await until(lambda: is_settled(first + second), "the second one did not hand over")
        third = members[int(healthy.replica.status().leader)]
        free_mib[third.replica.node] = 20
        for watch in watches.values():
            watch.check()
        for member in members:
            assert isinstance(await self.propose(member, PutKey("key", "nowhere")), Refused)
        free_mib.update(dict.fromkeys("012", 9000))
        assert is_settled("")
        assert not any(member.replica.status().alarms for member in members)
        outcome = await self.propose(odd, PutKey("key", "again"))
        assert isinstance(outcome, Done), outcome
        await self.all_have(members, "again")
