"""Members compare what they hold: the alarm of DESIGN invariant I2."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import formatEvent, globalLogPublisher

from dns_node.cluster.command import Done
from dns_node.cluster.digests import REMEMBERED, Digests
from dns_node.store import layout
from dns_node.zone.apex import template
from dns_node.zone.change import Add
from dns_node.zone.names import parse_name

from .links import coroutine, until
from .members import MemberCase

A = 1


def digest(number):
    return number.to_bytes(32, "big")


@given(st.integers(1, 9), st.integers(1, 9))
def test_a_difference_is_found_whoever_is_ahead(applied, at):
    digests = Digests()
    alarms = digests.note([(index, digest(index)) for index in range(1, applied + 1)])
    alarms.append(digests.hear("b", at, digest(99)))
    alarms += digests.note([(index, digest(index)) for index in range(applied + 1, 10)])
    assert [alarm for alarm in alarms if alarm] == [digests.alarms["b"]]


@given(st.integers(1, 9), st.integers(1, 9))
def test_equal_stores_raise_no_alarm(applied, at):
    digests = Digests()
    digests.note([(index, digest(index)) for index in range(1, applied + 1)])
    assert not digests.hear("b", at, digest(at))
    assert not digests.note([(index, digest(index)) for index in range(applied + 1, 10)])
    assert not digests.alarms


def test_an_alarm_is_told_once_and_ends_when_the_member_agrees_or_is_gone():
    digests = Digests()
    digests.note([(1, digest(1)), (2, digest(2))])
    alarm = digests.hear("b", 1, digest(7))
    assert "node b differs" in alarm
    assert "entry 1" in alarm
    assert not digests.hear("b", 2, digest(7))
    assert digests.alarms
    digests.hear("b", 2, digest(2))
    assert not digests.alarms
    digests.hear("b", 1, digest(7))
    digests.keep(["c"])
    assert not digests.alarms


def test_what_is_forgotten_is_not_compared():
    digests = Digests()
    digests.note((index, digest(index)) for index in range(1, REMEMBERED + 2))
    assert not digests.hear("b", 1, digest(7))
    assert digests.hear("b", 2, digest(7))


class TestDigestAlarm(MemberCase):
    """A store that was damaged behind the node's back."""

    @coroutine
    async def test_a_damaged_row_is_an_alarm_everywhere_and_nobody_stops(self):
        members, _ = await self.form(3)
        owner = parse_name("www.example.com.")
        zone = template(parse_name("example.com."))

        def add(last):
            return Add(owner, A, 60, (bytes([192, 0, 2, last]),))

        outcome = await self.propose(members[0], add(1), candidates=(zone,))
        assert isinstance(outcome, Done), outcome
        revision = outcome.revision
        await until(lambda: all(m.machine.view().revision() == revision for m in members))
        leader = members[0].replica.status().leader
        odd = next(member for member in members if member.replica.node != leader)
        tables = odd.machine.writer._tables
        zone_id = odd.machine.view().zone(parse_name("example.com.")).zone_id
        key = layout.compose_name_key(zone_id, owner)
        with tables.environment.begin(write=True) as transaction:
            row = transaction.get(key, db=tables.names)
            damaged = row.replace(bytes([192, 0, 2, 1]), bytes([192, 0, 2, 66]))
            assert row != damaged
            transaction.put(key, damaged, db=tables.names)
        errors = []

        def note(event):
            if event["log_level"].name in ("error", "critical"):
                errors.append(formatEvent(event))

        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        assert not any(member.replica.status().alarms for member in members)
        outcome = await self.propose(members[1], add(2))
        assert isinstance(outcome, Done), outcome
        ours = next(member for member in members if member.replica.node == leader)
        await until(lambda: odd.replica.status().alarms and ours.replica.status().alarms)
        assert f"node {odd.replica.node} differs" in ours.replica.status().alarms[0]
        assert f"node {leader} differs" in odd.replica.status().alarms[0]
        assert all(error.startswith("ALARM: the store of node") for error in errors), errors
        assert errors
        await self.put(odd, "still here")
        await self.all_have(members, "still here")
        third = next(m for m in members if m is not odd and m is not ours)
        assert not third.replica.status().alarms
