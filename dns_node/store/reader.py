"""Reading the store of a data directory: what workers, doors and transfers see."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import lmdb

from dns_node.errors import StoreError
from dns_node.store.generation import current_generation, generation_path
from dns_node.store.lmdb_view import LmdbView, Tables
from dns_node.store.schema import check_schema


class Reader(LmdbView):
    """A view of the store that is moved to the newest revision by `renew`.

    Between `reset` and `renew` it may not be asked anything: an idle reader would pin pages.
    A new reader has been renewed once.  One thread uses it at a time.
    """

    def __init__(self, data_directory: Path | str):
        """Open the current generation read-only; raises StoreError when there is none yet."""
        self._data_directory = Path(data_directory)
        self._shared: Callable[[], Tables] | None = None
        self._transaction: Any = None
        self._generation = -1
        self.reopen()

    @classmethod
    def over(cls, current_tables: Callable[[], Tables]) -> Self:
        """Return a reader within the writer's own process, which may open the environment only
        once; *current_tables* says which tables are the current ones at each `renew`."""
        reader = cls.__new__(cls)
        reader._shared = current_tables
        reader._transaction = None
        reader._tables = current_tables()
        reader.renew()
        return reader

    @property
    def path(self) -> Path:
        """Where the environment lies that is read now."""
        return self._tables.path

    def renew(self) -> None:
        """See the newest revision from here on.  Well under a microsecond: LMDB keeps the reader's
        slot from the transaction that was reset.  Raises StoreError."""
        if self._transaction is not None:
            self._transaction.abort()
            self._transaction = None
        if self._shared is not None:
            self._tables = self._shared()
        try:
            self._transaction = self._tables.environment.begin()
        except lmdb.Error as error:
            raise StoreError(f"cannot read the store {self._tables.path}: {error}.") from error

    def reset(self) -> None:
        """Let go of the pages of the revision that was read."""
        if self._transaction is not None:
            self._transaction.abort()
            self._transaction = None

    def reopen(self) -> bool:
        """Follow CURRENT to a new generation; return whether there was one.

        The reader is renewed either way.  Raises StoreError when there is no store; what was
        open before then stays open and readable.
        """
        if self._shared is not None:
            self.renew()
            return False
        generation = current_generation(self._data_directory)
        if generation is None:
            raise StoreError(f"there is no store in {self._data_directory} yet.")
        if generation == self._generation:
            self.renew()
            return False
        tables = Tables(generation_path(self._data_directory, generation), may_write=False)
        check_schema(tables)
        if self._generation != -1:
            self.close()
        self._tables, self._generation = tables, generation
        self.renew()
        return True

    def close(self) -> None:
        """Let go of the store; a shared environment stays open."""
        self.reset()
        if self._shared is None:
            self._tables.close()


def describe_copy(directory: Path) -> tuple[int, int, str]:
    """Return (applied index, applied term, cluster uuid) of the store that `Writer.copy` wrote
    into *directory*; raises StoreError when it is none."""
    tables = Tables(directory, may_write=False)
    reader = Reader.over(lambda: tables)
    try:
        return (*reader.applied(), reader.cluster_uuid())
    finally:
        reader.reset()
        tables.close()
