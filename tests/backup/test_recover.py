"""Recover makes a cluster of what one stopped node has, and never a node that is in both."""

import json
import os

import msgspec
import pytest

from dns_node.cluster import founding
from dns_node.cluster.codec import NO_OP, REGULAR_TYPE, parse_payload
from dns_node.cluster.command import compose_entry
from dns_node.cluster.identity import open_identity
from dns_node.cluster.journal import Journal
from dns_node.control import restore as restoring
from dns_node.control.restore import recover
from dns_node.errors import InputError, StoreError
from dns_node.store.writer import Writer
from dns_node.supervise import data_directory
from dns_node.zone.names import parse_name
from dns_node.zone.rrset import RRset
from tests.backup.places import CLUSTER, is_sound, make_node, place, reading, starting, store_in
from tests.cluster.commands import add, candidates, command
from tests.cluster.test_journal import open_journal
from tests.test_cli import run

APEX = parse_name("example.com")
EXAMPLE = candidates("example.com")


@pytest.fixture
def node(tmp_path):
    """A stopped node whose journal has two changes more than its store, in a later term."""
    directory = tmp_path / "node"
    with store_in(directory) as store:
        store.do(add("www.example.com A 192.0.2.1"), candidates=EXAMPLE, serial_floor=2026112100)
    make_node(directory)
    journal: Journal = open_journal(directory / "journal")
    journal.set_base_voters(frozenset("012"))
    journal.setCurrentTerm(7, "2")
    journal.add(NO_OP, journal.last_index + 1, 7)
    for text in ("www.example.com A 192.0.2.2", "www.example.com A 192.0.2.3"):
        entry = compose_entry((command(add(text)),))
        journal.add(entry_command(entry), journal.last_index + 1, 7)
    journal.close()
    return directory


def entry_command(payload):
    """Return the core's encoding of a call with *payload*."""
    octets = bytes((REGULAR_TYPE,)) + msgspec.msgpack.encode((0, (payload,)))
    assert parse_payload(octets) == payload
    return octets


def addresses(directory):
    with reading(directory) as view:
        found = view.node(view.zone(APEX).zone_id, parse_name("www.example.com"))
        return [rdata[-1] for rdata in found[1].rdatas]


def test_without_agreement_nothing_is_done_and_the_loss_is_spelt_out(node):
    before = {path: path.read_bytes() for path in node.rglob("data.mdb")}
    lines, is_done = recover(place(node), False)
    text = "\n".join(lines)
    assert not is_done and "LOST" in text and "3 entries more" in text and "(1, 2)" in text
    assert {path: path.read_bytes() for path in node.rglob("data.mdb")} == before
    assert open_identity(node).cluster_uuid == CLUSTER


def test_the_node_becomes_a_cluster_of_one_with_all_that_its_journal_has(node):
    lines, is_done = recover(place(node), True)
    assert is_done and addresses(node) == [1, 2, 3]
    identity = open_identity(node, "0")
    assert identity.cluster_uuid not in ("", CLUSTER) and identity.uuid == "uuid-0"
    with starting(node) as (machine, journal):
        assert machine.members() == {"0": ("uuid-0", "voter")}
        assert journal.voters() == {"0"} and journal.getCurrentTerm() == 7
        assert machine.applied() == (journal.last_index, 7)
    with reading(node) as view:
        assert view.cluster_uuid() == identity.cluster_uuid
        assert view.zone(APEX).serial >= 2026112100 + 1_000_000
    assert is_sound(node)
    assert identity.cluster_uuid in "\n".join(lines)


@pytest.mark.parametrize("step", ["replay", "reseed", "replace_identity", "begin_journal"])
def test_an_attempt_that_broke_off_leaves_no_node_that_starts_and_is_made_again(
    node, monkeypatch, step
):
    with monkeypatch.context() as patched:

        def crash(*_, **__):
            raise ZeroDivisionError

        patched.setattr(restoring, step, crash)
        with pytest.raises(ZeroDivisionError):
            recover(place(node), True)
    for _ in range(2):
        with pytest.raises(StoreError, match="no journal"), starting(node):
            pass
    assert recover(place(node), True)[1] and addresses(node) == [1, 2, 3]
    with starting(node) as (machine, _):
        assert list(machine.members()) == ["0"]


def test_a_store_whose_rows_do_not_fit_its_digest_is_said_to_be_damaged(node):
    writer = Writer(node)
    with writer.begin() as transaction:
        transaction.put_untallied_rows(
            transaction.zone(APEX).zone_id, {APEX: {16: RRset(16, 60, (b"\1x",))}}
        )
    writer.close()
    lines, is_done = recover(place(node), False)
    assert not is_done and any("DAMAGED: zone example.com." in line for line in lines)


def test_it_is_done_again_without_harm(node):
    recover(place(node), True)
    first = open_identity(node).cluster_uuid
    recover(place(node), True)
    assert open_identity(node).cluster_uuid != first and addresses(node) == [1, 2, 3]
    assert is_sound(node)


def test_a_running_node_and_another_node_s_directory_are_refused(node):
    lock = data_directory.lock(str(node))
    with pytest.raises(InputError, match="in use by another node"):
        recover(place(node), True)
    os.close(lock)
    other = restoring.Place("1", str(node), "127.0.0.1:4322")
    with pytest.raises(InputError, match="of node 0, not of node 1"):
        recover(other, True)


def test_a_directory_without_a_store_has_nothing_to_recover(tmp_path):
    with pytest.raises(InputError, match="no store"):
        recover(place(tmp_path), True)


def test_a_journal_with_a_hole_after_the_store_is_refused():
    with pytest.raises(StoreError, match="lacks entry"):
        list(founding._groups(_Disk([(9, 1, 1, b"")]), 3))


class _Disk:
    def __init__(self, rows):
        self._rows = rows

    def scan(self):
        return iter(self._rows)


def test_the_command_line_wants_both_words(node):
    assert run("recover", "--data-dir", node).returncode == 64
    asked = run("recover", "--force-new-cluster", "--data-dir", node)
    assert asked.returncode == 1 and "Nothing was done" in asked.stdout, asked
    done = run("recover", "--force-new-cluster", "--yes", "--data-dir", node)
    assert done.returncode == 0 and "the new cluster" in done.stdout, done
    assert json.loads((node / "node.json").read_text())["cluster_uuid"] in done.stdout
