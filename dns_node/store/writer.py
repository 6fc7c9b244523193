"""The one writer of a data directory's store."""

from pathlib import Path

import lmdb

from dns_node.errors import StoreError
from dns_node.store import generation, layout
from dns_node.store.garbage import Garbage
from dns_node.store.lmdb_view import Tables
from dns_node.store.reader import Reader
from dns_node.store.schema import check_schema
from dns_node.store.transaction import WriteTransaction, failure

FIRST_ZONE_ID = 1
"""Zone id 0 means: no zone."""


class Writer:
    """Opens the current generation of the store, or creates the first one.

    One thread calls `begin`, and commits or aborts before the next; `reader` may be called and
    used by another.  Raises StoreError with what to do when the directory can't be used.
    """

    def __init__(self, data_directory: Path | str):
        self._data_directory = Path(data_directory)
        self._is_writing = False
        self._old: list[Tables] = []
        self._garbage = Garbage()
        current = generation.current_generation(self._data_directory)
        if current is None:
            current = self._create()
        path = generation.generation_path(self._data_directory, current)
        if not (path / "data.mdb").exists():
            raise StoreError(
                f"{generation.store_directory(self._data_directory)}/CURRENT names generation "
                f"{current}, but {path} holds no store. Restore it, or move the data directory "
                "away and let the node join again."
            )
        self._tables = Tables(path, may_write=True)
        check_schema(self._tables)
        # What a process left that was killed may not be on the disk yet, and from now on counts as
        # durable: the log is shortened by it.
        generation.sync_current(self._data_directory, current)
        self.sync()

    def _create(self) -> int:
        path = generation.generation_path(self._data_directory, 1)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot create {path}: {error.strerror}.") from error
        tables = Tables(path, may_write=True)
        try:
            with tables.environment.begin(write=True) as transaction:
                state = layout.compose_state(0, 0, 0, FIRST_ZONE_ID, 0, 0, bytes(32))
                transaction.put(b"state", state, overwrite=False, db=tables.meta)
            tables.environment.sync(True)
        except lmdb.Error as error:
            raise failure(tables, error) from error
        finally:
            tables.close()
        generation.point_at(self._data_directory, 1)
        return 1

    @property
    def path(self) -> Path:
        """Where the environment lies that is written now."""
        return self._tables.path

    def begin(self) -> WriteTransaction:
        """Return the write transaction; raises StoreError when LMDB refuses."""
        assert not self._is_writing, "one transaction at a time"
        transaction = WriteTransaction(self._tables, self._ended)
        self._is_writing = True
        return transaction

    def _ended(self) -> None:
        self._is_writing = False

    def reader(self) -> Reader:
        """Return a reader for this process (LMDB is opened once per process); it follows `install`
        at its next renew."""
        return Reader.over(lambda: self._tables)

    def sync(self) -> None:
        """Make everything that was committed durable, meta pages too; raises StoreError.  What was
        applied may count as durably applied only after this."""
        try:
            self._tables.environment.sync(True)
        except lmdb.Error as error:
            raise failure(self._tables, error) from error

    def free_dead_readers(self) -> int:
        """Free the slots of readers whose process is gone; return how many there were."""
        return int(self._tables.environment.reader_check())

    def readers(self) -> tuple[int, set[tuple[int, int]]]:
        """Return the newest LMDB transaction id, and (process id, transaction id) of every reader
        that looks at one now."""
        found = set()
        for line in self._tables.environment.readers().splitlines():
            words = line.split()
            if len(words) == 3 and words[0].isdigit() and words[2].isdigit():
                found.add((int(words[0]), int(words[2])))
        return int(self._tables.environment.info()["last_txnid"]), found

    def check_readers(self) -> int:
        """Free the slots of readers whose process died, which would pin pages; return how many."""
        freed: int = self._tables.environment.reader_check()
        return freed

    def collect_garbage(self, max_rows: int) -> int:
        """Delete up to about *max_rows* rows behind the horizons, in a transaction of its own, and
        return how many; 0 when nothing is left to do.  Raises StoreError."""
        transaction = self.begin()
        try:
            done = self._garbage.collect(transaction, max_rows)
            if done:
                transaction.commit()
            return done
        finally:
            transaction.abort()

    def copy(self, target: Path | str) -> None:
        """Write a compacted copy of the environment into the empty directory *target*, from a
        consistent view; other threads go on.  Raises StoreError."""
        try:
            self._tables.environment.copy(str(target), compact=True)
        except (lmdb.Error, OSError) as error:
            raise StoreError(f"cannot copy the store to {target}: {error}.") from error

    def install(self, copy: Path | str) -> None:
        """Make the environment in the directory *copy* the store, durably, as a new generation.

        Readers of other processes follow by `Reader.reopen`; the old generation stays readable
        until `remove_old_generations`.  Raises StoreError, and then the old one is still current.
        """
        assert not self._is_writing, "commit or abort before the switch"
        candidate = Tables(Path(copy), may_write=False)
        check_schema(candidate)
        candidate.close()
        fresh = generation.adopt(self._data_directory, Path(copy))
        old = self._tables
        self._garbage = Garbage()
        self._tables = Tables(
            generation.generation_path(self._data_directory, fresh), may_write=True
        )
        self._old.append(old)

    def remove_old_generations(self) -> None:
        """Close and delete all generations but the current one; call it when no reader of this
        process or another looks at them any more."""
        for tables in self._old:
            tables.close()
        self._old.clear()
        generation.remove_others(self._data_directory)

    def close(self) -> None:
        """Let go of the store."""
        assert not self._is_writing
        for tables in [*self._old, self._tables]:
            tables.close()
