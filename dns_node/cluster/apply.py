"""The store thread: applies committed log entries to the store, in order, each exactly once.

It reads the entries from the journal (they are durable there), so nothing queues in memory, and
groups what is committed into one transaction.  Its state is the store's own applied index: what was
applied before is never read again.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from dns_node.cluster.codec import parse_payload
from dns_node.cluster.command import Outcome
from dns_node.cluster.executor import Executor
from dns_node.cluster.journal import Journal

GROUP_OCTETS = 1 << 20
SYNC_EVERY_S = 0.2

Outcomes = list[tuple[bytes, Outcome]]


class Machine(Protocol):
    """The store as the replica uses it; every call but `find_outcome` is made in the store's
    executor, and raises StoreError when the disk fails."""

    def applied(self) -> tuple[int, int]:
        """Return (index, term) of the last entry applied, (0, 0) for a new store."""
        ...

    def revision(self) -> int:
        """Return the store's revision."""
        ...

    def apply(self, entries: list[tuple[int, int, bytes | None]]) -> Outcomes:
        """Apply (index, term, payload) in one transaction and return what each command came to;
        payload None moves the applied index only."""
        ...

    def digests(self) -> list[tuple[int, bytes]]:
        """Return (index, digest of the store after it) of the entries that were applied last, or
        of the one that the store was opened with."""
        ...

    def sync(self) -> None:
        """Return when what was applied survives a power loss."""
        ...

    def collect_garbage(self) -> bool:
        """Delete a slice of what no reader needs any more; return whether there is more."""
        ...

    def find_outcome(self, operation_id: bytes) -> Outcome | None:
        """Return what the operation came to if it was applied (called in the reactor)."""
        ...

    def members(self) -> dict[str, tuple[str, str]]:
        """Return {node: (uuid, role)} (called in the reactor)."""
        ...

    def close(self) -> None:
        """Close the store."""
        ...


@dataclass(frozen=True, slots=True)
class Applied:
    """Entries up to *index* are in the store, which then has *revision*; *digests* are what it
    was after each of them."""

    index: int
    term: int
    revision: int
    outcomes: Outcomes
    digests: tuple[tuple[int, bytes], ...] = ()


class Applier:
    """Runs *machine* in *executor*; `advance` is called in the reactor, and *on_applied(Applied)*,
    *on_failure(Exception)* are called there through *call_from_thread*."""

    def __init__(
        self,
        machine: Machine,
        journal: Journal,
        executor: Executor,
        call_from_thread: Callable[..., Any],
        on_applied: Callable[[Applied], None],
        on_failure: Callable[[Exception], None],
    ):
        self._machine, self._journal, self._executor = machine, journal, executor
        self._call_from_thread = call_from_thread
        self._on_applied, self._on_failure = on_applied, on_failure
        self._lock = threading.Lock()
        self._is_running = self._is_failed = self._is_syncing = self._is_collecting = False
        self._has_garbage = True
        # Of the executor:
        self._index, self._term = machine.applied()
        self._target = self._index
        # Of the reactor:
        self.applied_index = self.durable_index = self._index
        self.applied_term = self._term
        self.revision = machine.revision()

    def advance(self, index: int) -> None:
        """Apply up to *index*, which is committed and durable in the journal."""
        with self._lock:
            if index <= self._target or self._is_failed:
                return
            self._target = index
            is_due, self._is_running = not self._is_running, True
        if is_due:
            self._executor.submit(self._work)

    def sync(self) -> None:
        """Make what is applied durable, if it is not: `durable_index` follows."""
        if self.durable_index < self.applied_index and not self._is_syncing:
            self._is_syncing = True
            self._executor.submit(self._sync)

    def collect_garbage(self) -> None:
        """Delete a slice of garbage, unless there is something to apply."""
        if self._has_garbage and not self._is_running and not self._is_collecting:
            self._is_collecting = True
            self._executor.submit(self._collect)

    def install(self, swap: Callable[[], tuple[int, int]], on_end: Callable[[], None]) -> None:
        """Run *swap* in the executor: it replaces the store's contents, durably, and returns the
        (index, term) that they have applied; *on_end* is called in the reactor."""

        def job() -> None:
            try:
                self._index, self._term = swap()
                with self._lock:
                    self._target = self._index
                revision = self._machine.revision()
            except Exception as error:
                self._fail(error)
                return
            self._call_from_thread(self._installed, self._index, self._term, revision, on_end)

        self._executor.submit(job)

    def run(self, job: Callable[[], None]) -> None:
        """Run *job* in the executor, between two transactions; when it fails, all stops."""

        def guarded() -> None:
            try:
                job()
            except Exception as error:
                self._fail(error)

        self._executor.submit(guarded)

    def close(self) -> None:
        """Finish what was submitted, end the executor and close the store."""
        with self._lock:
            self._is_failed = True
        self._executor.stop()
        self._machine.close()

    def _work(self) -> None:
        try:
            with self._lock:
                target = self._target
                if self._is_failed:
                    return
            entries = self._journal.read(self._index + 1, target, GROUP_OCTETS)
            group = [(index, term, parse_payload(command)) for command, index, term in entries]
            outcomes = self._machine.apply(group)
            self._index, self._term = group[-1][0], group[-1][1]
            revision = self._machine.revision()
            digests = tuple(self._machine.digests())
        except Exception as error:  # Whatever it is: nothing may be skipped, so nothing goes on.
            self._fail(error)
            return
        applied = Applied(self._index, self._term, revision, outcomes, digests)
        self._call_from_thread(self._publish, applied)
        with self._lock:
            self._is_running = is_more = self._index < self._target
        if is_more:
            self._executor.submit(self._work)

    def _sync(self) -> None:
        index = self._index
        try:
            self._machine.sync()
        except Exception as error:
            self._fail(error)
            return
        self._call_from_thread(self._synced, index)

    def _collect(self) -> None:
        if self._is_failed:
            return
        try:
            has_more = self._machine.collect_garbage()
        except Exception as error:
            self._fail(error)
            return
        self._call_from_thread(self._collected, has_more)

    def _collected(self, has_more: bool) -> None:
        self._is_collecting, self._has_garbage = False, has_more

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._is_failed = True
        self._call_from_thread(self._on_failure, error)

    def _publish(self, applied: Applied) -> None:
        self.applied_index, self.applied_term = applied.index, applied.term
        self.revision = applied.revision
        self._has_garbage = True
        self._on_applied(applied)

    def _synced(self, index: int) -> None:
        self._is_syncing = False
        self.durable_index = max(self.durable_index, index)

    def _installed(self, index: int, term: int, revision: int, on_end: Callable[[], None]) -> None:
        self.applied_index = self.durable_index = index
        self.applied_term, self.revision = term, revision
        on_end()
