"""How a cluster goes on to a newer schema: together, and never before everybody reads it."""

from dataclasses import replace

import pytest

from dns_node.cluster import admission, command
from dns_node.cluster.apply_entry import apply_entry
from dns_node.cluster.command import (
    Done,
    FormCluster,
    PutKey,
    RaiseSchema,
    Refused,
    UnknownSchemaError,
    compose_entry,
)
from dns_node.cluster.hello import Hello, judge_hello
from dns_node.cluster.membership import Put, Raise, find_change
from dns_node.store.layout import STORE_SCHEMA
from tests.cluster.commands import Store
from tests.cluster.commands import command as command_of
from tests.cluster.test_membership import member, peer, situation
from tests.cluster.test_proposer import Desk

NEXT = STORE_SCHEMA + 1


def reading(node, reads=NEXT, **fields):
    """Return a connected peer whose release reads schemas up to *reads*."""
    return replace(peer(node, **fields), reads=reads)


def upgraded(*peers, members="012"):
    """Return what an upgraded leader knows."""
    return replace(situation(members, peers=peers), schema=STORE_SCHEMA, reads=NEXT)


def test_the_schema_rises_when_every_member_reads_the_next_one():
    assert find_change(upgraded(reading("1"), reading("2"))) == Raise(NEXT)


@pytest.mark.parametrize("role", ["voter", "learner", "edge"])
def test_one_member_of_the_release_before_is_waited_for_whatever_its_role(role):
    rows = [member("0"), member("1"), member("2", role=role)]
    others = reading("1"), reading("2", STORE_SCHEMA)
    assert find_change(upgraded(*others, members=rows)) is None


def test_an_absent_member_is_waited_for_and_so_is_one_whose_directory_is_not_known():
    assert find_change(upgraded(reading("1"))) is None
    rows = [member("0"), member("1"), member("2", "")]
    assert isinstance(find_change(upgraded(reading("1"), reading("2"), members=rows)), Put)


def test_a_leader_of_the_release_before_leaves_the_schema_as_it_is():
    known = situation(peers=[reading("1"), reading("2")])
    assert find_change(replace(known, schema=STORE_SCHEMA, reads=STORE_SCHEMA)) is None


def test_the_schema_that_all_read_already_is_not_raised_again():
    known = upgraded(reading("1"), reading("2"))
    assert find_change(replace(known, schema=NEXT)) is None


@pytest.mark.parametrize(("ours", "theirs"), [(NEXT, 0), (0, NEXT)])
def test_who_does_not_read_the_clusters_schema_is_refused_from_both_sides(ours, theirs):
    def hello(node, schema):
        return Hello(node=node, uuid=f"u{node}", schema=schema, reads=schema or STORE_SCHEMA)

    refusal = judge_hello(hello("0", ours), hello("1", theirs), None, None)
    old = "1" if ours else "0"
    assert refusal.code == "schema" and refusal.text.endswith(f"upgrade node {old}")


def test_a_node_of_the_next_release_is_welcome_before_the_schema_rises():
    old = Hello(node="0", uuid="u0", schema=STORE_SCHEMA, reads=STORE_SCHEMA)
    new = Hello(node="1", uuid="u1", schema=STORE_SCHEMA, reads=NEXT)
    assert judge_hello(old, new, None, None) is None
    assert judge_hello(new, old, None, None) is None


@pytest.fixture()
def store(tmp_path):
    """A store whose cluster has formed."""
    made = Store(tmp_path)
    made.apply(command_of(FormCluster("c", ())))
    return made


def read_next(monkeypatch):
    """Make this release one that reads the next schema, to which setting keys is new."""
    for module in (admission, command):
        monkeypatch.setattr(module, "STORE_SCHEMA", NEXT)
    monkeypatch.setitem(command.SINCE, PutKey, NEXT)


def test_a_release_that_does_not_read_the_next_schema_stops_at_the_entry_that_raises_it(store):
    with pytest.raises(UnknownSchemaError, match=f"schema {NEXT}, .* upgrade this node"):
        store.apply(command_of(RaiseSchema(NEXT)))


def test_what_is_new_is_refused_until_the_schema_has_risen_and_then_done(store, monkeypatch):
    read_next(monkeypatch)
    refused = store.apply(command_of(PutKey("k", "v")))
    assert isinstance(refused, Refused) and "every member runs a release" in refused.reasons[0]
    assert store.reader.value("k") is None
    assert isinstance(store.apply(command_of(RaiseSchema(NEXT))), Done)
    assert store.reader.meta().schema == NEXT
    assert store.reader.history(store.reader.revision()).others == (
        f"schema {STORE_SCHEMA} -> {NEXT}",
    )
    assert isinstance(store.apply(command_of(PutKey("k", "v"))), Done)
    assert store.reader.value("k") == "v"
    again = store.apply(command_of(RaiseSchema(NEXT)))
    assert isinstance(again, Done) and not again.changed


def test_an_entry_that_is_newer_than_the_cluster_stops_apply(store, monkeypatch):
    read_next(monkeypatch)
    entry = compose_entry((command_of(FormCluster("c", ())),), NEXT)
    with store.writer.begin() as transaction, pytest.raises(UnknownSchemaError, match="trusted"):
        apply_entry(transaction, 2, 1, entry)


def test_the_first_entry_fixes_the_schema_of_a_cluster(tmp_path, monkeypatch):
    read_next(monkeypatch)
    made = Store(tmp_path)
    entry = compose_entry((command_of(FormCluster("c", ())),), NEXT)
    with made.writer.begin() as transaction:
        apply_entry(transaction, 1, 1, entry)
    made.reader.renew()
    assert made.reader.meta().schema == NEXT


def test_a_node_refuses_at_once_what_the_members_do_not_all_read(monkeypatch):
    desk = Desk()
    monkeypatch.setitem(command.SINCE, PutKey, NEXT)
    desk.proposer.on_leader("0", 1)
    answers = []
    desk.proposer.propose(command_of(PutKey("k", "v"))).addCallback(answers.append)
    assert isinstance(answers[0], Refused) and desk.proposer.next_entry() is None
    desk.proposer.find_schema = lambda: NEXT
    desk.proposer.propose(command_of(PutKey("k", "v")))
    assert desk.proposer.next_entry()[0] == NEXT
