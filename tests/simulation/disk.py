"""A machine's disk: environments in memory, directory entries, and what a power loss takes."""

import os
import random
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import lmdb

from dns_node.cluster import journal_disk
from dns_node.store import generation, lmdb_view
from tests.simulation import memory_lmdb
from tests.simulation.memory_lmdb import Content, Crashed


@dataclass(frozen=True, eq=False)
class Entry:
    """A change of *directory* that a power loss may take back, until the directory is synced."""

    directory: Path
    name: str
    undo: Callable[[], None]


class Disk:
    """Everything below *directory*.  `point` is called before and after every step that changes
    what is durable: a crash can be placed there."""

    def __init__(self, directory: Path, chance: random.Random):
        self.directory, self._chance = directory, chance
        directory.mkdir(parents=True, exist_ok=True)
        self._contents: dict[str, Content] = {}
        self._number = 0
        self._entries: list[Entry] = []
        self._unwritten: set[str] = set()
        """Contents of which a power loss leaves nothing, until their file is synced."""
        self._empty: set[Path] = set()
        """Files of which a power loss leaves nothing, until they are synced."""
        self._synced: set[Path] = set()
        self.is_full = False
        self.full_in: int | None = None
        """How many writes from now the disk is full."""
        self.loses: Callable[[str], bool] | None = None
        """What a power loss takes of what it may take: by the name of a file or directory, or
        ``transactions``; None: chance decides."""
        self.crash_in: int | None = None
        """At how many points from now the machine dies."""
        self.on_point: Callable[[str], None] = lambda step: None
        self.crashed_at = ""

    def point(self, step: str):
        self.on_point(step)
        if self.crash_in is not None:
            self.crash_in -= 1
            if self.crash_in < 0:
                self.crash_in, self.crashed_at = None, step
                raise Crashed(step)

    def check_space(self):
        if self.full_in is not None:
            self.full_in -= 1
            if self.full_in < 0:
                self.full_in, self.is_full = None, True
        if self.is_full:
            raise lmdb.DiskError("No space left on device")

    def content(self, path: Path, create: bool) -> Content:
        """Return the content of the environment in *path*."""
        file = path / "data.mdb"
        if not file.exists():
            if not create:
                raise lmdb.Error(f"{path}: No such file or directory")
            path.mkdir(parents=True, exist_ok=True)
            within = path.relative_to(self.directory).parts
            for depth in range(1, len(within) + 1):
                made = self.directory.joinpath(*within[:depth])
                self._note(made, lambda made=made: shutil.rmtree(made, ignore_errors=True))
            self.add(path, Content())
        return self._contents[file.read_text()]

    def add(self, path: Path, content: Content):
        """Put a new environment into the directory *path*."""
        self._number += 1
        name = f"environment {self._number}"
        (path / "data.mdb").write_text(name)
        self._contents[name] = content
        self._note(path / "data.mdb", lambda: self._remove(name))

    def take(self, content: Content, name: str) -> Path:
        """Put *content*, received from elsewhere, into a new directory and return that."""
        path = self.directory / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        self.add(path, content)
        self._unwritten.add(f"environment {self._number}")
        return path

    def _note(self, path: Path, undo: Callable[[], None]):
        self._entries.append(Entry(path.parent, path.name, undo))

    def _remove(self, name: str):
        """Remove the environment *name*, wherever it was renamed to."""
        for file in self.directory.rglob("data.mdb"):
            if file.read_text() == name:
                file.unlink()

    def lose_power(self):
        """Take back what is not durable: of each environment some of the last transactions, of
        the directories any entries, of unsynced files what is in them; return how many."""
        lost = 0
        for name, content in self._contents.items():
            number = len(content.undurable)
            if self.loses is None:
                number = self._chance.randint(0, number)
            elif not self.loses("transactions"):
                number = 0
            lost += number
            content.lose(number)
            content.undurable.clear()
            if name in self._unwritten and self._is_lost("data.mdb"):
                content.tables.clear()
                lost += 1
        for path in self._empty:
            if path.exists() and self._is_lost(path.name):
                path.write_bytes(b"")
                lost += 1
        self._unwritten.clear()
        self._empty.clear()
        kept = set()
        for entry in reversed(self._entries):
            # What came later of the same name is there, so what came before it doesn't matter.
            if (entry.directory, entry.name) in kept or not self._is_lost(entry.name):
                kept.add((entry.directory, entry.name))
                continue
            entry.undo()
            lost += 1
        self._entries.clear()
        return lost

    def _is_lost(self, name: str) -> bool:
        return self._chance.random() < 0.5 if self.loses is None else self.loses(name)

    def wipe(self):
        """Replace the disk by an empty one."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self._contents.clear()
        self._entries.clear()
        self._unwritten.clear()
        self._empty.clear()
        self.free()
        self.crash_in = None

    def free(self):
        """Give the disk space again."""
        self.is_full, self.full_in = False, None

    # What stands for the module `os` in the store's generations

    def rename(self, source: Path, target: Path):
        self.point(f"before the rename of {source.name}")
        os.rename(source, target)

        def back():
            if target.exists():
                os.rename(target, source)

        self._note(target, back)
        self.point(f"after the rename of {source.name}")

    def replace(self, source: Path, target: Path):
        self.point(f"before the replacement of {target.name}")
        old = target.read_bytes() if target.exists() else None
        os.replace(source, target)
        if source not in self._synced:
            self._empty.add(target)
        self._synced.discard(source)

        def back():
            if target.exists():
                target.unlink() if old is None else target.write_bytes(old)

        self._note(target, back)
        self.point(f"after the replacement of {target.name}")

    def sync_file(self, path: Path):
        self.point(f"before the sync of {path.name}")
        self._synced.add(path)
        self._empty.discard(path)
        self._unwritten.discard(path.read_text())

    def sync_directory(self, path: Path):
        self.point("before the sync of a directory")
        self._entries = [entry for entry in self._entries if entry.directory != path]


_disks: dict[Path, Disk] = {}


def find_disk(path) -> Disk:
    path = Path(path)
    for directory in (path, *path.parents):
        if directory in _disks:
            return _disks[directory]
    raise KeyError(path)


def _sync_directory(directory):
    find_disk(directory).sync_directory(Path(directory))


def _sync_file(handle: int):
    path = Path(os.readlink(f"/proc/self/fd/{handle}"))
    find_disk(path).sync_file(path)


class _Os(SimpleNamespace):
    def __getattr__(self, name):
        return getattr(os, name)


@contextmanager
def simulated_disks():
    """Within it the product's journal and store lie on the disks that `mount` made."""
    module = memory_lmdb.module(find_disk)
    before = (
        journal_disk.lmdb, lmdb_view.lmdb, generation.os,
        generation.sync_directory, journal_disk.sync_directory,
    )  # fmt: skip
    journal_disk.lmdb = lmdb_view.lmdb = module
    generation.os = _Os(
        rename=lambda source, target: find_disk(target).rename(source, target),
        replace=lambda source, target: find_disk(target).replace(source, target),
        fsync=_sync_file,
    )
    generation.sync_directory = journal_disk.sync_directory = _sync_directory
    try:
        yield
    finally:
        journal_disk.lmdb, lmdb_view.lmdb, generation.os, *syncs = before
        generation.sync_directory, journal_disk.sync_directory = syncs
        _disks.clear()


def mount(directory: Path, chance: random.Random) -> Disk:
    """Return a new disk at *directory*."""
    _disks[directory] = Disk(directory, chance)
    return _disks[directory]


def everything(name: str) -> bool:
    """The worst power loss."""
    return True
