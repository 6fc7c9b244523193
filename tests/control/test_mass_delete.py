"""Deleting much needs to be said twice: the guard at the doors and at zone files."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from dns_node.cluster.command import Done
from dns_node.control.compose import Asker, compose
from dns_node.control.mass_delete import find_objection, judge_loss
from dns_node.control.options import Options, split_options
from dns_node.control.session import Session
from dns_node.zone.change import Add, Remove
from dns_node.zone.names import parse_name

from .fake_node import ask, dialog
from .file_case import FileCase, zone_text

A = 1


def addresses(count, first=0):
    """Return that many A records' data."""
    return tuple(bytes([10, 0, n // 250, n % 250]) for n in range(first, first + count))


def owner(number, zone="example.com"):
    return parse_name(f"h{number}.{zone}.")


def fill(console, names, zone="example.com"):
    """Let *zone* have that many names, with one record each."""
    node = console.api
    operations = [Add(owner(n, zone), A, 60, addresses(1, n)) for n in range(names)]
    with node.view() as view:
        command = compose(node, view, operations, Asker("test"))
    assert isinstance(asyncio.run(node.propose(command)).outcome, Done)


def transaction(console, lines):
    ask(console, "BEGIN")
    for line in lines:
        assert ask(console, line).exit_status == 0, line


def test_a_transaction_that_removes_most_of_a_zone_needs_force(console: Session) -> None:
    fill(console, 198)
    removals = [f"REMOVE: h{n}.example.com A" for n in range(120)]
    transaction(console, removals)
    dialog(console, """
        > COMMIT
        < REFUSED …: nothing changed. It would remove 120 of the 200 records of example.com. (60 %…
    """)
    transaction(console, removals)
    reply = ask(console, "COMMIT force")
    assert reply.exit_status == 0, reply
    assert " 80 " in ask(console, "ZONES").lines[1]


def test_less_than_the_share_or_less_than_a_hundred_records_need_none(console: Session) -> None:
    fill(console, 300)
    transaction(console, [f"REMOVE: h{n}.example.com A" for n in range(140)])
    assert ask(console, "COMMIT").exit_status == 0
    fill(console, 99, "example.org")
    transaction(console, [f"REMOVE: h{n}.example.org A" for n in range(98)])
    assert ask(console, "COMMIT").exit_status == 0


def test_one_zone_is_dropped_as_it_is_said_and_most_of_all_zones_are_not(console: Session) -> None:
    for number in range(5):
        assert ask(console, f"ADD: www.zone{number}.com A 192.0.2.1").exit_status == 0
    assert ask(console, "DROP zone0.com").exit_status == 0
    drops = [f"DROP zone{number}.com" for number in (1, 2, 3)]
    transaction(console, drops)
    reply = ask(console, "COMMIT")
    assert reply.exit_status == 1
    assert "It would drop 3 of the 4 zones (75 %" in reply.lines[-1]
    transaction(console, drops)
    assert ask(console, "COMMIT force").exit_status == 0


def test_undo_of_a_large_change_needs_force_too(console: Session) -> None:
    assert ask(console, "ADD: www.example.com A 192.0.2.1").exit_status == 0
    fill(console, 150)
    revision = ask(console, "HISTORY").lines[0].split()[1]
    reply = ask(console, f"UNDO {revision}")
    assert "It would remove 150 of the 153 records" in reply.lines[-1]
    assert ask(console, f"UNDO {revision} force").exit_status == 0


def test_force_is_data_where_nothing_is_deleted(console: Session) -> None:
    assert ask(console, "ADD: t.example.com TXT force").exit_status == 0
    assert ask(console, "SHOW t.example.com TXT").lines == (
        't.example.com. 3600 IN TXT "force"',
    )
    assert split_options("x force", may_force=True) == (
        "x", Options(is_forced=True, given=("force",))
    )  # fmt: skip
    assert split_options("x force") == ("x force", Options())


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 100))
def test_a_loss_is_judged_by_share_and_number(lost, records, percent):
    lost = min(lost, records)
    reason = judge_loss(parse_name("example.com."), lost, records, percent)
    assert bool(reason) == (lost >= 100 and lost / records > percent / 100)


class ReloadTest(FileCase):
    """A managed zone file that has lost most of its lines."""

    def setUp(self) -> None:
        """Guard half of the zone."""
        super().setUp()
        self.loader.mass_delete_percent = 50

    def test_a_reload_that_removes_most_of_the_zone_is_refused_until_it_is_forced(self):
        async def story() -> None:
            self.path.write_text(zone_text(300))
            assert not (await self.load()).has_problems
            self.path.write_text(zone_text(20))
            report = await self.load()
            assert report.has_problems and not report.answers
            assert "it would remove 280 of the 302 records of example.net." in report.lines[0]
            assert f"RELOAD {self.path} force loads it" in report.lines[0]
            assert self.records() == 302
            report = await self.load("replace")
            assert f"LOAD {self.path} replace force loads it" in report.lines[0]
            assert self.records() == 302
            assert not (await self.load(is_forced=True)).has_problems
            assert self.records() == 22

        return Deferred.fromCoroutine(story())

    def test_a_reload_that_removes_a_part_is_done(self):
        async def story() -> None:
            self.path.write_text(zone_text(300))
            await self.load()
            self.path.write_text(zone_text(200))
            assert not (await self.load()).has_problems
            assert self.records() == 202

        return Deferred.fromCoroutine(story())


def test_what_is_removed_by_its_data_is_counted(console: Session) -> None:
    fill(console, 150)
    node = console.api
    operations = [Remove(owner(n), A, addresses(1, n)) for n in range(140)]
    with node.view() as view:
        command = compose(node, view, operations, Asker("test"))
        assert "remove 140 of the 152" in find_objection(view, command, 50)
        assert not find_objection(view, command, 95)
