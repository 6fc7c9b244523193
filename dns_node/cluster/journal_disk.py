"""The journal's LMDB environment: its tables, and the groups of changes that are written to it.

Table ``log`` maps the index (8 octets, big-endian) to term (8 octets) + command; table ``meta``
holds format, term and vote, commit index, base voters and the placeholder's index (msgpack).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
import msgspec

from dns_node.cluster.codec import MEMBERSHIP_TYPE
from dns_node.cluster.message import Entry
from dns_node.errors import StoreError
from dns_node.store.generation import sync_directory

FORMAT = 1
MAP_SIZE_OCTETS = 1 << 35
LAST = (1 << 64) - 1

_number = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Put:
    """Write one entry."""

    entry: Entry

    @property
    def size_octets(self) -> int:
        """Return about how much it writes."""
        return len(self.entry[0])


@dataclass(frozen=True, slots=True)
class Drop:
    """Delete the entries from *first* to *last*."""

    first: int
    last: int
    size_octets: int = 0


@dataclass(frozen=True, slots=True)
class Set:
    """Set a value of the table ``meta``."""

    key: bytes
    value: Any
    size_octets: int = 0


Operation = Put | Drop | Set


class JournalDisk:
    """Opens or creates the environment in *path*; every method raises StoreError when the disk or
    LMDB refuses."""

    def __init__(self, path: Path):
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._environment = lmdb.open(
                str(path), map_size=MAP_SIZE_OCTETS, max_dbs=2, subdir=True, lib_version=0
            )
            self._log = self._environment.open_db(b"log")
            self._meta = self._environment.open_db(b"meta")
            # What a process left that was killed within a commit may not be on the disk yet; and
            # the directories have to name a new journal before anyone relies on it.
            self._environment.sync(True)
            sync_directory(path)
            sync_directory(path.parent)
        except (lmdb.Error, OSError) as error:
            raise StoreError(f"{path}: the journal can't be opened: {error}") from error
        stored = self.get(b"format")
        if stored is None:
            self.write([Set(b"format", FORMAT)])
        elif stored > FORMAT:
            self.close()
            raise StoreError(
                f"{path}: a journal of format {stored}, and this release reads {FORMAT}. A newer "
                "release wrote it; run that one, or a still newer one."
            )
        # Not "made just now": a node that refuses to start without its journal has made this one.
        keys = (b"term", b"voters")
        self.is_new = all(self.get(key) is None for key in keys) and not any(self.scan())

    def get(self, key: bytes) -> Any:
        """Return a value of the table ``meta``, None when it was never set."""
        with self._environment.begin(db=self._meta) as transaction:
            value = transaction.get(key)
        return None if value is None else msgspec.msgpack.decode(value)

    def scan(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Yield (index, term, size of the command, the command if it changes the membership)."""
        mark = bytes((MEMBERSHIP_TYPE,))
        with self._environment.begin(db=self._log, buffers=True) as transaction:
            for key, value in transaction.cursor():
                change = bytes(value[8:]) if value[8:9] == mark else b""
                index, term = _number.unpack(key)[0], _number.unpack(value[:8])[0]
                yield index, term, len(value) - 8, change

    def read(self, first_index: int, last_index: int, size_octets: int) -> list[Entry]:
        """Return entries from *first_index* on, at most about *size_octets* of commands and at
        least one; callable in any thread."""
        entries: list[Entry] = []
        octets = 0
        try:
            with self._environment.begin(db=self._log) as transaction:
                cursor = transaction.cursor()
                is_found = cursor.set_key(_number.pack(first_index))
                while is_found:
                    value = cursor.value()
                    index = _number.unpack(cursor.key())[0]
                    entries.append((value[8:], index, _number.unpack(value[:8])[0]))
                    octets += len(value)
                    is_found = index < last_index and octets < size_octets and cursor.next()
        except lmdb.Error as error:
            raise StoreError(f"the journal can't be read: {error}") from error
        if not entries:
            raise StoreError(f"the journal does not hold entry {first_index}")
        return entries

    def write(self, operations: list[Operation]) -> None:
        """Do *operations* in order, in one transaction with one fsync: all, or none."""
        try:
            with self._environment.begin(write=True) as transaction:
                for operation in operations:
                    self._do(transaction, operation)
        except (lmdb.Error, OSError) as error:
            raise StoreError(f"the journal can't be written: {error}") from error

    def close(self) -> None:
        """Close the environment."""
        self._environment.close()

    def _do(self, transaction: Any, operation: Operation) -> None:
        match operation:
            case Put((command, index, term)):
                transaction.put(_number.pack(index), _number.pack(term) + command, db=self._log)
            case Set(key, value):
                transaction.put(key, msgspec.msgpack.encode(value), db=self._meta)
            case Drop(first, last):
                cursor = transaction.cursor(db=self._log)
                is_found = cursor.set_range(_number.pack(first))
                while is_found and _number.unpack(cursor.key())[0] <= last:
                    cursor.delete()
                    is_found = bool(cursor.key())  # after the last entry it points nowhere
