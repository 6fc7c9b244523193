"""A machine's disk: environments in memory, directory entries, and what a power loss takes."""

import os
import random
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import lmdb

from dns_node.cluster import journal_disk
from dns_node.store import generation, lmdb_view
from tests.simulation import memory_lmdb
from tests.simulation.memory_lmdb import Content


class Crashed(BaseException):
    """The machine died within a step; nothing catches this but the simulation."""


class Disk:
    """Everything below *directory*.  `point` is called before and after every step that changes
    what is durable: a crash can be placed there."""

    def __init__(self, directory: Path, chance: random.Random):
        self.directory, self._chance = directory, chance
        directory.mkdir(parents=True, exist_ok=True)
        self._contents: dict[str, Content] = {}
        self._number = 0
        self._renames: list[Callable[[], None]] = []
        self.is_full = False
        self.is_at_worst = False
        """Whether a power loss takes everything that it may take."""
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
        if self.is_full:
            raise lmdb.DiskError("No space left on device")

    def content(self, path: Path, create: bool) -> Content:
        """Return the content of the environment in *path*."""
        file = path / "data.mdb"
        if not file.exists():
            if not create:
                raise lmdb.Error(f"{path}: No such file or directory")
            path.mkdir(parents=True, exist_ok=True)
            self.add(path, Content())
        return self._contents[file.read_text()]

    def add(self, path: Path, content: Content):
        """Put a new environment into the directory *path*."""
        self._number += 1
        (path / "data.mdb").write_text(f"environment {self._number}")
        self._contents[f"environment {self._number}"] = content

    def take(self, content: Content, name: str) -> Path:
        """Put *content*, received from elsewhere, into a new directory and return that."""
        path = self.directory / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        self.add(path, content)
        return path

    def lose_power(self):
        """Take back what is not durable: of each environment some of the last transactions, of
        the renames the last ones."""
        lost = 0
        for content in self._contents.values():
            number = self._lost_of(len(content.undurable))
            lost += number
            content.lose(number)
            content.undurable.clear()
        for _ in range(self._lost_of(len(self._renames))):
            self._renames.pop()()
            lost += 1
        self._renames.clear()
        return lost

    def _lost_of(self, number: int) -> int:
        return number if self.is_at_worst else self._chance.randint(0, number)

    def wipe(self):
        """Replace the disk by an empty one."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self._contents.clear()
        self._renames.clear()
        self.is_full, self.crash_in = False, None

    # What stands for the module `os` in the store's generations

    def rename(self, source, target):
        self.point(f"before the rename of {Path(source).name}")
        os.rename(source, target)
        self._renames.append(lambda: os.rename(target, source))
        self.point(f"after the rename of {Path(source).name}")

    def replace(self, source, target):
        self.point(f"before the replacement of {Path(target).name}")
        old = Path(target).read_bytes() if Path(target).exists() else None
        os.replace(source, target)

        def back():
            if old is None:
                Path(target).unlink()
            else:
                Path(target).write_bytes(old)

        self._renames.append(back)
        self.point(f"after the replacement of {Path(target).name}")

    def sync_directory(self):
        self.point("before the sync of a directory")
        self._renames.clear()


_disks: dict[Path, Disk] = {}


def find_disk(path) -> Disk:
    path = Path(path)
    for directory in (path, *path.parents):
        if directory in _disks:
            return _disks[directory]
    raise KeyError(path)


def _sync_directory(directory):
    find_disk(directory).sync_directory()


class _Os(SimpleNamespace):
    def __getattr__(self, name):
        return getattr(os, name)


@contextmanager
def simulated_disks():
    """Within it the product's journal and store lie on the disks that `mount` made."""
    module = memory_lmdb.module(find_disk)
    before = journal_disk.lmdb, lmdb_view.lmdb, generation.os, generation.sync_directory
    journal_disk.lmdb = lmdb_view.lmdb = module
    generation.os = _Os(
        rename=lambda source, target: find_disk(target).rename(source, target),
        replace=lambda source, target: find_disk(target).replace(source, target),
        fsync=lambda handle: None,
    )
    generation.sync_directory = _sync_directory
    try:
        yield
    finally:
        journal_disk.lmdb, lmdb_view.lmdb, generation.os, generation.sync_directory = before
        _disks.clear()


def mount(directory: Path, chance: random.Random) -> Disk:
    """Return a new disk at *directory*."""
    _disks[directory] = Disk(directory, chance)
    return _disks[directory]
