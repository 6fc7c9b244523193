"""The syncs switched off, one at a time; and what a rule that is switched off is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from dns_node.cluster.journal_disk import JournalDisk
from dns_node.cluster.machine import StoreMachine
from dns_node.store import generation
from dns_node.store.reader import describe_copy
from dns_node.store.writer import Writer
from tests.simulation import disk, memory_lmdb


@dataclass(frozen=True)
class Mutation:
    """One rule and how it is switched off; *unit_test* covers it where no run can."""

    name: str
    rule: str
    switch: Callable[[], object]
    unit_test: str = ""


def method(owner, name: str, replacement):
    return lambda: patch.object(owner, name, replacement)


@contextmanager
def _opened(**flags) -> Iterator[None]:
    real = memory_lmdb.module

    def module(find_disk):
        made = real(find_disk)
        open_ = made.open

        def changed(path, **keywords):
            is_journal = str(path).endswith("journal")
            return open_(path, **{**keywords, **(flags if is_journal else {})})

        made.open = changed
        return made

    with patch.object(memory_lmdb, "module", module):
        yield


def _no_sync(self):
    pass


_install = StoreMachine.install


def _drop_overtaken(self, copy):
    swap = _install(self, copy)

    def unsynced():
        is_overtaken = describe_copy(copy)[0] <= self._index
        return (self._index, self._term) if is_overtaken else swap()

    return unsynced


def _skipping(owner, function: str, sync: str, number: int):
    """Skip the call of that *number* (from 0) to *sync*, of those that *function* makes."""

    @contextmanager
    def switch() -> Iterator[None]:
        of, name = _SYNCS[sync]
        real, really_sync = getattr(owner, function), getattr(of, name)

        def without(*arguments, **keywords):
            calls = iter(range(1 << 30))

            def counted(*about):
                return None if next(calls) == number else really_sync(*about)

            with patch.object(of, name, counted):
                return real(*arguments, **keywords)

        with patch.object(owner, function, without):
            yield

    return switch


_SYNCS = {
    "environment": (memory_lmdb.Environment, "sync"),
    "store": (Writer, "sync"),
    "file": (disk.Disk, "sync_file"),
    "directory": (disk.Disk, "sync_directory"),
}


SYNCS = (
    Mutation("journal sync", "the journal is synced with each group",
             lambda: _opened(sync=False)),
    Mutation("journal metasync", "the journal's meta page is synced too",
             lambda: _opened(metasync=False)),
    Mutation("store sync", "the store is synced before the log is shortened",
             method(StoreMachine, "sync", _no_sync)),
    Mutation("overtaking", "what the log brought before a snapshot is synced when that is dropped",
             method(StoreMachine, "install", _drop_overtaken)),
    Mutation("journal at start", "what a start finds in the journal is synced",
             _skipping(JournalDisk, "__init__", "environment", 0)),
    Mutation("journal in its directory", "the directory of a new journal is synced",
             _skipping(JournalDisk, "__init__", "directory", 0)),
    Mutation("directory of the journal", "the directory of journal and store is synced",
             _skipping(JournalDisk, "__init__", "directory", 1)),
    Mutation("new store", "a new store is whole before it is current",
             _skipping(Writer, "_create", "environment", 0)),
    Mutation("store at start", "what a start finds in the store is synced",
             _skipping(Writer, "__init__", "store", 0)),
    Mutation("store in its directory", "the directory of a new store is synced",
             _skipping(generation, "sync_current", "directory", 0)),
    Mutation("current at start", "which generation a start finds current is synced",
             _skipping(generation, "sync_current", "directory", 1)),
    Mutation("snapshot", "a snapshot's file is synced before it is a generation",
             _skipping(generation, "adopt", "file", 0)),
    Mutation("snapshot in its directory", "the directory of a snapshot is synced too",
             _skipping(generation, "adopt", "directory", 0)),
    Mutation("generation", "a new generation is in its directory before it is current",
             _skipping(generation, "adopt", "directory", 1)),
    Mutation("CURRENT", "the file CURRENT is synced before it replaces the old one",
             _skipping(generation, "point_at", "file", 0)),
    Mutation("directory of CURRENT", "its replacement is synced before the log goes on from it",
             _skipping(generation, "point_at", "directory", 0)),
)  # fmt: skip
