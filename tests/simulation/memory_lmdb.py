"""LMDB as far as dns-node uses it, in memory, with what a kill and a power loss leave of it.

Committed transactions survive a kill.  A power loss takes those that were committed after the last
durable point: with full sync every commit is one, without (``sync`` or ``metasync`` off) only
`sync(True)` is.  What is left is always whole transactions, in order: LMDB's meta pages see to it.
"""

from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import lmdb


class Crashed(BaseException):
    """The machine died within a step; nothing catches this but the simulation.  *is_power_lost*:
    chance decides when it is None."""

    def __init__(self, step: str, is_power_lost: bool | None = None):
        super().__init__(step)
        self.is_power_lost = is_power_lost


class Table:
    """A sorted map of octets."""

    def __init__(self, rows: dict[bytes, bytes] | None = None):
        self.rows: dict[bytes, bytes] = rows or {}
        self._keys: list[bytes] | None = None

    def keys(self) -> list[bytes]:
        if self._keys is None:
            self._keys = sorted(self.rows)
        return self._keys

    def set(self, key: bytes, value: bytes | None):
        keys = self._keys
        if value is None:
            if self.rows.pop(key, None) is not None:
                self._keys = None
        else:
            if keys is not None and key not in self.rows:
                if not keys or key > keys[-1]:
                    keys.append(key)
                else:
                    self._keys = None
            self.rows[key] = value


class Content:
    """The octets of one environment, and how to take back what is not durable."""

    def __init__(self, tables: dict[bytes, Table] | None = None):
        self.tables = tables or {}
        self.undurable: list[list[tuple[Table, bytes, bytes | None]]] = []
        self.kept: list[list[tuple[Table, bytes, bytes | None]]] = []

    def copy(self) -> "Content":
        return Content({name: Table(dict(t.rows)) for name, t in self.tables.items()})

    def lose(self, transactions: int):
        """Take back the last *transactions* that are not durable."""
        for _ in range(min(transactions, len(self.undurable))):
            for table, key, old in reversed(self.undurable.pop()):
                table.set(key, old)


class Transaction:
    def __init__(self, environment: "Environment", may_write: bool, table: Table | None):
        self._environment, self._may_write, self._table = environment, may_write, table
        self._undo: list[tuple[Table, bytes, bytes | None]] = []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.commit()
        else:
            self.abort()

    def get(self, key, default=None, db=None):
        return (db or self._table).rows.get(key, default)

    def put(self, key, value, dupdata=True, overwrite=True, append=False, db=None):
        table = db or self._table
        old = table.rows.get(key)
        if old is not None and not overwrite:
            return False
        self._undo.append((table, key, old))
        table.set(bytes(key), bytes(value))
        return True

    def delete(self, key, value=b"", db=None):
        table = db or self._table
        old = table.rows.get(key)
        if old is None:
            return False
        self._undo.append((table, key, old))
        table.set(key, None)
        return True

    def cursor(self, db=None):
        return Cursor(self, db or self._table)

    def commit(self):
        if self._may_write and self._undo:
            try:
                self._environment.commit(self._undo)
            except Crashed:
                if self._environment.content.undurable[-1:] != [self._undo]:
                    self.abort()
                raise
            except BaseException:
                self.abort()
                raise
        self._undo = []

    def abort(self):
        for table, key, old in reversed(self._undo):
            table.set(key, old)
        self._undo = []


class Cursor:
    def __init__(self, transaction: Transaction, table: Table):
        self._transaction, self._table = transaction, table
        self._key: bytes | None = None

    def _at(self, position: int) -> bool:
        keys = self._table.keys()
        is_there = 0 <= position < len(keys)
        self._key = keys[position] if is_there else None
        return is_there

    def _position(self) -> int:
        return bisect_left(self._table.keys(), self._key or b"")

    def set_range(self, key):
        return self._at(bisect_left(self._table.keys(), bytes(key)))

    def set_key(self, key):
        is_there = key in self._table.rows
        self._key = bytes(key) if is_there else None
        return is_there

    def first(self):
        return self._at(0)

    def last(self):
        return self._at(len(self._table.keys()) - 1)

    def next(self):
        return self.first() if self._key is None else self._at(self._position() + 1)

    def prev(self):
        return self.last() if self._key is None else self._at(self._position() - 1)

    def key(self):
        return self._key or b""

    def value(self):
        return self._table.rows[self._key] if self._key is not None else b""

    def item(self):
        return self.key(), self.value()

    def delete(self):
        position = self._position()
        self._transaction.delete(self._key, db=self._table)
        self._at(position)
        return True

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        if self._key is None and not self.first():
            return
        while self._key is not None:
            yield self._key, self.value()
            self.next()

    iternext = __iter__


class Environment:
    """One open environment on *disk*, an object with `point(step)` and `check_space()`."""

    def __init__(self, path: Path, disk, content: Content, is_synced: bool):
        self.path, self._disk, self.content, self._is_synced = path, disk, content, is_synced
        self._transactions = 0

    def open_db(self, name, create=True, **_):
        return self.content.tables.setdefault(name, Table())

    def begin(self, db=None, write=False, buffers=False, **_):
        return Transaction(self, write, db or self.content.tables.setdefault(b"", Table()))

    def commit(self, undo):
        what = self.path.name
        self._disk.point(f"before a commit to {what}")
        self._disk.check_space()
        self._transactions += 1
        self.content.undurable.append(undo)
        self._disk.point(f"within a commit to {what}")
        if self._is_synced:
            self.content.undurable.clear()
        self._disk.point(f"after a commit to {what}")

    def sync(self, force=False):
        self._disk.point(f"before a sync of {self.path.name}")
        self._disk.check_space()
        self.content.undurable.clear()
        self._disk.point(f"after a sync of {self.path.name}")

    def copy(self, target, compact=False):
        self._disk.check_space()
        self._disk.add(Path(target), self.content.copy())

    def reader_check(self):
        return 0

    def readers(self):
        return ""

    def info(self):
        return {"last_txnid": self._transactions}

    def close(self):
        pass


def module(find_disk) -> SimpleNamespace:
    """Return what stands for the module `lmdb`; *find_disk(path)* says on which disk a path lies.

    In place of an environment's octets, ``data.mdb`` names the content, so that a rename of its
    directory works.
    """

    def open_(path, sync=True, metasync=True, create=True, **_):
        path = Path(path)
        disk = find_disk(path)
        return Environment(path, disk, disk.content(path, create), sync and metasync)

    return SimpleNamespace(
        open=open_,
        Error=lmdb.Error,
        DiskError=lmdb.DiskError,
        MapFullError=lmdb.MapFullError,
    )
