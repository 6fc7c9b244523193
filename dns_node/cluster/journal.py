"""The raft log, term and vote, as the core sees them and as they are on disk.

The core calls it as pysyncobj's `Journal`, in the reactor, and never waits: what it changes is
queued in order and written by the journal's executor, a group of operations per transaction and
per fsync.  What is durable comes back to the reactor as `durable_index` and `durable_sequence`;
holding messages back until then is the guard's part.
"""

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dns_node.cluster.codec import MEMBERSHIP_TYPE, NO_OP, change_voters
from dns_node.cluster.executor import Executor
from dns_node.cluster.journal_disk import LAST, Drop, JournalDisk, Operation, Put, Set
from dns_node.cluster.message import Entry
from dns_node.errors import StoreError

SLICE_OCTETS = 1 << 20
GROUP_OCTETS_MAX = 8 << 20
CACHE_OCTETS = 8 << 20


class Journal:
    """Log entries ``[first_index, last_index]``; the first two are the base: applied by this node's
    store (but for a new journal, whose base is the one entry 1).

    *call_from_thread* hands a call to the reactor; *on_durable()* and *on_failure(StoreError)* are
    called there.  Raises StoreError when *path* can't be opened or has a newer format.
    """

    def __init__(
        self,
        path: Path,
        executor: Executor,
        call_from_thread: Callable[..., Any],
        on_durable: Callable[[], None] = lambda: None,
        on_failure: Callable[[StoreError], None] = lambda error: None,
        cache_octets: int = CACHE_OCTETS,
    ):
        self._executor = executor
        self._call_from_thread = call_from_thread
        self.on_durable = on_durable
        self.on_failure = on_failure
        self._cache_octets = cache_octets
        self.is_whole = False
        """While true, open-ended slices are not capped (the core rolls back a conflicting tail)."""
        self.retain_from = 0
        self.violation = ""
        """Not empty: the core asked for what it must never ask; the node stops."""
        self._lock = threading.Lock()
        self._queue: deque[Operation] = deque()
        self._is_flush_due = False
        self._is_failed = False
        self.sequence = self.durable_sequence = self._term_sequence = 0
        self._undurable: deque[tuple[int, int]] = deque()  # (sequence, index) of queued entries
        self._waiting: tuple[int, Callable[[], None]] | None = None
        self._disk = JournalDisk(path)
        self.is_new = self._disk.is_new
        self._term: int
        self._vote: str | None
        self._term, self._vote = self._disk.get(b"term") or (0, None)
        self._commit_index = self._commit_written = self._disk.get(b"commit") or 1
        self.base_voters: frozenset[str] = frozenset(self._disk.get(b"voters") or ())
        self.announced_voters = frozenset[str](self._disk.get(b"announced") or ())
        """The members as of the snapshot that this node has begun to install last."""
        self.placeholder_index: int = self._disk.get(b"placeholder") or 0
        self._scan()

    def _scan(self) -> None:
        """Learn indexes, terms, sizes and changes of membership; fill the cache with the tail."""
        self._sizes: deque[int] = deque()
        self._terms: list[tuple[int, int]] = []  # (first index, term), ascending
        self._changes: list[tuple[int, bytes]] = []  # entries that change the membership
        self.octets = 0
        self.first_index, self.last_index = 1, 0
        for index, term, size_octets, change in self._disk.scan():
            if not self._sizes:
                self.first_index, self.last_index = index, index - 1
            if index != self.last_index + 1:
                raise StoreError(f"the journal has no entry {self.last_index + 1}")
            self._note(index, term, size_octets, change)
        self._recent: list[Entry] = []
        self._recent_first = self.last_index + 1
        self._recent_octets = 0
        self.durable_index = self.last_index
        self._base: list[Entry] = []
        self._base = [self._read(index) for index in self._base_range()]

    def _note(self, index: int, term: int, size_octets: int, change: bytes) -> None:
        if not self._terms or self._terms[-1][1] != term:
            self._terms.append((index, term))
        if change:
            self._changes.append((index, change))
        self._sizes.append(size_octets)
        self.octets += size_octets
        self.last_index = index

    def _base_range(self) -> range:
        return range(self.first_index, min(self.first_index + 2, self.last_index + 1))

    # What the guard and the store ask

    def term_at(self, index: int) -> int | None:
        """Return the term of the entry at *index*, None when the log does not hold it."""
        if not self.first_index <= index <= self.last_index:
            return None
        return self._terms[bisect_right(self._terms, index, key=lambda run: run[0]) - 1][1]

    def voters(self, index: int = 1 << 62) -> frozenset[str]:
        """Return the membership at *index*: the base's, changed by the entries up to there.
        In effect is that of the whole log: a change counts when it is appended (Raft section 6)."""
        voters = self.base_voters
        for at, command in self._changes:
            if at <= index:
                voters = change_voters(voters, command)
        return voters

    def changes_after(self, index: int) -> list[bytes]:
        """Return the commands after *index* that change the membership."""
        return [command for at, command in self._changes if at > index]

    @property
    def is_durable(self) -> bool:
        """Whether everything that was asked for is on disk."""
        return self.durable_sequence == self.sequence

    @property
    def is_term_durable(self) -> bool:
        """Whether the current term is on disk."""
        return self.durable_sequence >= self._term_sequence

    def read(self, first_index: int, last_index: int, size_octets: int) -> list[Entry]:
        """Return durable entries from *first_index* on, at most about *size_octets* of commands
        and at least one; callable in any thread.  Raises StoreError."""
        return self._disk.read(first_index, last_index, size_octets)

    # What the core calls (pysyncobj.journal.Journal)

    def add(self, command: bytes, idx: int, term: int) -> None:
        """Append an entry."""
        if self._sizes and idx != self.last_index + 1:
            self.violation = f"entry {idx} was to follow entry {self.last_index}"
            return
        if not self._sizes:
            self.first_index = self._recent_first = idx
        is_change = command[0] == MEMBERSHIP_TYPE
        self._note(idx, term, len(command), command if is_change else b"")
        entry = (command, idx, term)
        self._recent.append(entry)
        self._recent_octets += len(command)
        if len(self._base) < 2:
            self._base.append(entry)
        self._undurable.append((self.sequence + 1, idx))
        self._enqueue(Put(entry))
        if self._recent_octets > self._cache_octets:
            self._evict()

    def clear(self) -> None:
        """Never asked for by a sound core: the journal is kept, and the node stops."""
        self.violation = "the raft core wanted to clear the journal"

    def deleteEntriesFrom(self, entryFrom: int) -> None:  # noqa: N802, N803
        """Remove the entries from position *entryFrom* on."""
        index = self.first_index + entryFrom
        if index > self.last_index:
            return
        while self.last_index >= index:
            self.octets -= self._sizes.pop()
            self.last_index -= 1
        while self._terms and self._terms[-1][0] >= index:
            self._terms.pop()
        while self._changes and self._changes[-1][0] >= index:
            self._changes.pop()
        while self._undurable and self._undurable[-1][1] >= index:
            self._undurable.pop()
        if index <= self._recent_first:
            self._recent, self._recent_octets, self._recent_first = [], 0, index
        else:
            self._recent_octets -= sum(
                len(e[0]) for e in self._recent[index - self._recent_first :]
            )
            del self._recent[index - self._recent_first :]
        del self._base[max(0, index - self.first_index) :]
        self.durable_index = min(self.durable_index, index - 1)
        self._enqueue(Drop(index, LAST))

    def deleteEntriesTo(self, entryTo: int) -> None:  # noqa: N802, N803
        """Remove entries before position *entryTo*, but none that `retain_from` keeps."""
        self.trim(min(self.retain_from, self.first_index + entryTo + 1))

    def __len__(self) -> int:
        return self.last_index - self.first_index + 1 if self._sizes else 0

    def __getitem__(self, item: "int | slice") -> Any:
        if isinstance(item, slice):
            start, stop, _ = item.indices(len(self))
            return self._slice(self.first_index + start, self.first_index + stop - 1)
        index = item + (self.last_index + 1 if item < 0 else self.first_index)
        if not self.first_index <= index <= self.last_index:
            raise IndexError(item)
        return self._read(index)

    def setRaftCommitIndex(self, raftCommitIndex: int) -> None:  # noqa: N802, N803
        """Remember the commit index; it is written with the next group, or within a second."""
        self._commit_index = raftCommitIndex

    def getRaftCommitIndex(self) -> int:  # noqa: N802
        """Return the remembered commit index, never beyond the log."""
        return min(self._commit_index, self.last_index) if self._sizes else self._commit_index

    def setCurrentTerm(self, term: int, votedForNodeId: str | None) -> None:  # noqa: N802, N803
        """Remember term and vote; a message that tells of them waits until they are durable."""
        self._term, self._vote = term, votedForNodeId
        self._enqueue(Set(b"term", (term, votedForNodeId)))
        self._term_sequence = self.sequence

    def getCurrentTerm(self) -> int:  # noqa: N802
        """Return the current term."""
        return self._term

    def getVotedForNodeId(self) -> str | None:  # noqa: N802
        """Return whom this node voted for in the current term."""
        return self._vote

    def onOneSecondTimer(self) -> None:  # noqa: N802
        """Write the commit index when nothing else was written."""
        if self._commit_index != self._commit_written:
            self._enqueue(Set(b"commit", self._commit_index))

    def _destroy(self) -> None:
        """The core is rebuilt on the same journal: `close` ends it."""

    # What the replica asks

    def set_base_voters(self, voters: frozenset[str]) -> None:
        """Set the membership before the first entry (when a cluster is formed or joined)."""
        self.base_voters = voters
        self._enqueue(Set(b"voters", sorted(voters)))

    def trim(self, base_index: int) -> None:
        """Drop entries so that *base_index* is the second entry; keeps two at least."""
        first = min(base_index, self.last_index) - 1
        if first <= self.first_index:
            return
        base = [self._read(first), self._read(first + 1)]
        while self._changes and self._changes[0][0] <= first + 1:
            self.base_voters = change_voters(self.base_voters, self._changes.pop(0)[1])
        start = bisect_right(self._terms, first, key=lambda run: run[0]) - 1
        del self._terms[:start]
        for _ in range(first - self.first_index):
            self.octets -= self._sizes.popleft()
        self.first_index, self._base = first, base
        if self._recent_first < first and self.durable_index >= first:
            self._forget(first - self._recent_first)
        # In this order: voters that are counted twice are harmless, forgotten ones are not.
        self._enqueue(Set(b"voters", sorted(self.base_voters)), Drop(0, first - 1))

    def announce(self, voters: frozenset[str], on_durable: Callable[[], None]) -> None:
        """Write who the members are as of a snapshot; *on_durable()*, once that is on disk, makes
        the snapshot the store."""
        self.announced_voters = voters
        self._enqueue(Set(b"announced", sorted(voters)))
        self._waiting = self.sequence, on_durable

    def adopt(self, index: int, term: int, voters: frozenset[str]) -> None:
        """Go on from a store that has applied *index*.  Later entries are kept when the log holds
        that very entry (they may have been acknowledged), else the log begins anew (Raft section
        7); *voters* are the members as of *index*."""
        is_base_applied = self.first_index == 1 or self.first_index + 1 <= index
        if not (is_base_applied and self.term_at(index) == term):
            self.reset(index, term, voters)
        self.setRaftCommitIndex(max(self.getRaftCommitIndex(), index))

    def reset(self, index: int, term: int, voters: frozenset[str]) -> None:
        """Make the log begin at a store that has applied *index*: two placeholder entries, which
        are never sent (their commands are not those of other nodes)."""
        self._sizes.clear()
        self._terms.clear()
        self._changes.clear()
        self._undurable.clear()
        self._recent, self._recent_octets, self._base = [], 0, []
        self.octets = 0
        self.durable_index = self.last_index = index - 2
        self.base_voters, self.placeholder_index = voters, index
        self._commit_index = index
        self._enqueue(Set(b"voters", sorted(voters)), Set(b"placeholder", index), Drop(0, LAST))
        self.add(NO_OP, index - 1, 0)
        self.add(NO_OP, index, term)

    def close(self) -> None:
        """Write what is queued, stop the executor and close the environment."""
        self._waiting = None
        self._executor.stop()
        self._disk.close()

    # Cache and disk

    def _read(self, index: int) -> Entry:
        if 0 <= index - self.first_index < len(self._base):
            return self._base[index - self.first_index]
        if index >= self._recent_first:
            return self._recent[index - self._recent_first]
        return self.read(index, index, 1)[0]

    def _slice(self, first: int, last: int) -> list[Entry]:
        """Return entries up to *last*, capped: two at least, and about `SLICE_OCTETS`."""
        if first > last:
            return []
        limit = 1 << 62 if self.is_whole else SLICE_OCTETS
        entries: list[Entry] = []
        octets = 0
        if first < self._recent_first:
            entries = self.read(first, min(last, self._recent_first - 1), limit)
            octets = sum(len(entry[0]) + 8 for entry in entries)
            first = entries[-1][1] + 1
        while first <= last and (octets < limit or len(entries) < 2):
            entry = self._read(first)
            entries.append(entry)
            octets += len(entry[0])
            first += 1
        return entries

    def _evict(self) -> None:
        octets, count = self._recent_octets, 0
        while octets > self._cache_octets * 3 // 4 and count < len(self._recent):
            if self._recent[count][1] > self.durable_index:
                break
            octets -= len(self._recent[count][0])
            count += 1
        self._forget(count)

    def _forget(self, count: int) -> None:
        self._recent_octets -= sum(len(entry[0]) for entry in self._recent[:count])
        del self._recent[:count]
        self._recent_first += count

    # The writing

    def _enqueue(self, *operations: Operation) -> None:
        with self._lock:
            self._queue.extend(operations)
            self.sequence += len(operations)
            is_due, self._is_flush_due = not self._is_flush_due, True
        if is_due:
            self._executor.submit(self._flush)

    def _flush(self) -> None:
        """Write one group (in the executor)."""
        group: list[Operation] = []
        octets = 0
        with self._lock:
            while self._queue and octets < GROUP_OCTETS_MAX:
                octets += self._queue[0].size_octets
                group.append(self._queue.popleft())
            self._is_flush_due = is_more = bool(self._queue)
        if self._is_failed:
            return
        # The reactor may be ahead with it: then a later group says it again.
        commit_index = self._commit_index
        try:
            self._disk.write([*group, Set(b"commit", commit_index)])
        except StoreError as error:
            self._is_failed = True
            self._call_from_thread(self.on_failure, error)
            return
        self._call_from_thread(self._committed, len(group), commit_index)
        if is_more:
            self._executor.submit(self._flush)

    def _committed(self, count: int, commit_index: int) -> None:
        """A group is on disk (in the reactor)."""
        self.durable_sequence += count
        self._commit_written = commit_index
        while self._undurable and self._undurable[0][0] <= self.durable_sequence:
            self.durable_index = max(self.durable_index, self._undurable.popleft()[1])
        if self._waiting is not None and self._waiting[0] <= self.durable_sequence:
            (_, on_durable), self._waiting = self._waiting, None
            on_durable()
        self.on_durable()
