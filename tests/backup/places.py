"""Data directories for the tests of backup, restore and recover."""

from contextlib import contextmanager

from dns_node.cluster.command import FormCluster, Member
from dns_node.cluster.founding import begin_journal
from dns_node.cluster.identity import Identity, replace_identity
from dns_node.cluster.machine import StoreMachine
from dns_node.cluster.participation import fit_journal
from dns_node.control.backup import back_up
from dns_node.control.restore import Place
from dns_node.store.audit import audit
from dns_node.store.reader import Reader
from tests.cluster.commands import Store
from tests.cluster.test_journal import open_journal

CLUSTER = "the-old-cluster"
MEMBERS = tuple(Member(n, f"uuid-{n}", "voter", f"127.0.0.1:432{n}") for n in "012")


def form(store):
    """Make *store* that of a cluster of three."""
    store.do(FormCluster(CLUSTER, MEMBERS))


@contextmanager
def store_in(directory):
    """Yield a store of a formed cluster in *directory*, which is closed at the end."""
    directory.mkdir(exist_ok=True)
    store = Store(directory)
    form(store)
    try:
        yield store
    finally:
        store.close()


def make_node(directory, node="0"):
    """Give the store in *directory* what a stopped node has beside it: identity and journal."""
    replace_identity(directory, Identity(f"uuid-{node}", CLUSTER, node))
    with reading(directory) as view:
        index, term = view.applied()
    begin_journal(directory, node, max(index, 2), term)


def backup_of(directory, file):
    """Back the stopped store in *directory* up; return the file."""
    back_up(str(directory), "0", str(file))
    return file


def place(directory, **options):
    """Return the place of node 0 in *directory*."""
    return Place("0", str(directory), "127.0.0.1:4321", **options)


@contextmanager
def reading(directory):
    """Yield a view of the store in *directory*."""
    reader = Reader(directory)
    try:
        yield reader
    finally:
        reader.close()


@contextmanager
def starting(directory):
    """Yield (store machine, journal) opened as a node does at its start; StoreError if it would
    refuse."""
    machine = StoreMachine(directory)
    try:
        journal = open_journal(directory / "journal")
        try:
            fit_journal(journal, machine)
            yield machine, journal
        finally:
            journal.close()
    finally:
        machine.close()


def is_sound(directory):
    """Assert that every row of the store is accounted for."""
    with reading(directory) as view:
        assert audit(view) == []
    return True
