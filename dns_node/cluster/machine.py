"""The store as the replica's state machine."""

from collections.abc import Callable
from pathlib import Path

from dns_node.cluster.apply import Outcomes
from dns_node.cluster.apply_entry import apply_entry
from dns_node.cluster.command import Outcome, parse_outcome
from dns_node.store.reader import Reader, describe_copy
from dns_node.store.writer import Writer

GARBAGE_ROWS = 2000

GARBAGE_SLICE_ROWS = 1000
GARBAGE_SLICES = 10


class StoreMachine:
    """`dns_node.cluster.apply.Machine` on the store of *data_directory*; raises StoreError."""

    def __init__(self, data_directory: Path):
        self.writer = Writer(data_directory)
        self._reader = self.writer.reader()
        self._index, self._term = self._reader.applied()
        self._revision = self._reader.revision()
        self._digests = [(self._index, self._reader.meta().digest)]
        self._reader.reset()

    def applied(self) -> tuple[int, int]:
        """Return (index, term) of the last entry applied."""
        return self._index, self._term

    def revision(self) -> int:
        """Return the store's revision."""
        return self._revision

    def apply(self, entries: list[tuple[int, int, bytes | None]]) -> Outcomes:
        """Apply the entries in one transaction."""
        outcomes: Outcomes = []
        digests = []
        with self.writer.begin() as transaction:
            for index, term, payload in entries:
                if payload is None:
                    transaction.put_applied(index, term)
                else:
                    outcomes += apply_entry(transaction, index, term, payload)
                digests.append((index, transaction.meta().digest))
            revision = transaction.revision()
        self._index, self._term = entries[-1][0], entries[-1][1]
        self._revision, self._digests = revision, digests
        return outcomes

    def digests(self) -> list[tuple[int, bytes]]:
        """Return (index, digest of the store after it) of the entries that were applied last."""
        return self._digests

    def sync(self) -> None:
        """Make what was applied durable; and while nobody waits, drop some of the garbage."""
        self.writer.sync()
        for _ in range(GARBAGE_SLICES):
            if not self.writer.collect_garbage(GARBAGE_SLICE_ROWS):
                return

    def collect_garbage(self) -> bool:
        """Delete a slice of rows that nothing names any more."""
        return self.writer.collect_garbage(GARBAGE_ROWS) > 0

    def find_outcome(self, operation_id: bytes) -> Outcome | None:
        """Return the recorded outcome of an operation, None when it was not applied here."""
        self._reader.renew()
        try:
            row = self._reader.operation(operation_id)
        finally:
            self._reader.reset()
        return None if row is None else parse_outcome(row)

    def members(self) -> dict[str, tuple[str, str]]:
        """Return {node: (uuid, role)}; empty before the cluster is formed."""
        self._reader.renew()
        try:
            return {member.node: (member.uuid, member.role) for member in self._reader.members()}
        finally:
            self._reader.reset()

    def view(self) -> Reader:
        """Return the machine's own reader at the newest revision, for the reactor's thread: it is
        good until the next call of any method here."""
        self._reader.renew()
        return self._reader

    def install(self, copy: Path) -> Callable[[], tuple[int, int]]:
        """Return the job that makes *copy* (a verified copy of another node's store) this node's
        store, and returns its (applied index, term).  A copy that the log has overtaken while it
        was on its way is left alone: what it lacks may be acknowledged here alone."""

        def swap() -> tuple[int, int]:
            if describe_copy(copy)[0] <= self._index:
                self.writer.sync()  # What the log has brought counts as durable now.
                return self._index, self._term
            self.writer.install(copy)
            with self.writer.begin() as transaction:
                self._index, self._term = transaction.applied()
                self._revision = transaction.revision()
                self._digests = [(self._index, transaction.meta().digest)]
            return self._index, self._term

        return swap

    def close(self) -> None:
        """Close the store."""
        self._reader.close()
        self.writer.close()
