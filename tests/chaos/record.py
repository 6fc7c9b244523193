"""What clients asked for and what they were told, and what askers saw: the run's memory."""

import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

DONE, REFUSED, UNKNOWN = "done", "refused", "unknown"


@dataclass(slots=True)
class Change:
    """One change that a client asked for: *name* is an owner or a key that no other adding change
    uses, *value* its only value (None: the removal of it), *outcome* the last word on it."""

    number: int
    kind: str
    name: str
    value: str | None
    node: int
    door: str
    outcome: str = UNKNOWN
    reply: str = ""
    removes: "Change | None" = None


@dataclass
class Record:
    """Shared by all clients and askers; every method may be called from any thread."""

    changes: list[Change] = field(default_factory=list)
    acknowledged_s: list[float] = field(default_factory=list)
    answers: int = 0
    unanswered_in_faults: int = 0
    failed_answers: list[str] = field(default_factory=list)
    fallen_serials: list[str] = field(default_factory=list)
    ended_alone: list[str] = field(default_factory=list)
    unreachable: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def new(
        self, kind: str, name: str, value: str | None, node: int, door: str,
        removes: Change | None = None,
    ) -> Change:  # fmt: skip
        """Note a change that is about to be sent; its outcome is unknown so far.  A *name* that
        ends with "#" gets the number of the change in its place."""
        with self._lock:
            number = len(self.changes)
            change = Change(number, kind, name.replace("#", str(number)), value, node, door)
            change.removes = removes
            self.changes.append(change)
            return change

    def told(self, change: Change, outcome: str, reply: str) -> None:
        """Note what the client of *change* was told."""
        with self._lock:
            change.outcome, change.reply = outcome, reply
            if outcome == DONE:
                self.acknowledged_s.append(time.monotonic())

    def not_sent(self, change: Change) -> None:
        """Note that nobody took *change*: it is neither refused nor unknown, it never left."""
        with self._lock:
            self.unreachable[change.door] += 1
            change.outcome, change.reply = REFUSED, "not sent"

    def answered(self) -> None:
        """Count one good answer."""
        with self._lock:
            self.answers += 1

    def unanswered(self) -> None:
        """Count a question without an answer at a node whose processes were being hit."""
        with self._lock:
            self.unanswered_in_faults += 1

    def failed(self, text: str) -> None:
        """Note an answer that was wrong, or missing without an excuse."""
        with self._lock:
            self.failed_answers.append(text)

    def fell(self, text: str) -> None:
        """Note a serial that was lower than one that the same node had answered before."""
        with self._lock:
            self.fallen_serials.append(text)

    def reasons(self) -> Counter[str]:
        """Return how often what was said with a change that was refused, or is unknown; numbers
        in it are left out."""
        with self._lock:
            return Counter(
                f"{change.outcome}: {re.sub('[0-9]+', '#', change.reply)[:110]}"
                for change in self.changes if change.outcome != DONE and change.reply != "not sent"
            )  # fmt: skip

    def longest_pause_s(self, start_s: float, end_s: float) -> float:
        """Return the longest time between two acknowledged changes (or the ends of the run)."""
        with self._lock:
            times = [start_s, *sorted(self.acknowledged_s), end_s]
        return max(later - earlier for earlier, later in zip(times, times[1:], strict=False))
