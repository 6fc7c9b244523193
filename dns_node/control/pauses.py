"""How late the reactor's ticks come: what blocks the node process, and for how long."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

BEAT_S: Final = 0.01
"""A pause is measured to within this."""

LATE_S: Final = 0.05
"""A tick that comes later than this counts as blocked."""

RECENT_S: Final = 10.0


class Pauses:
    """Beats a hundred times a second in *reactor*, and remembers how late the beats came.

    *cpu_seconds()* is what the process has used, all threads: of a pause only so much can be its
    own doing, the rest is a machine that had no time for it.
    """

    def __init__(
        self,
        reactor: Any,
        seconds: Callable[[], float] = time.monotonic,
        cpu_seconds: Callable[[], float] = time.process_time,
    ):
        self._reactor, self._seconds, self._cpu_seconds = reactor, seconds, cpu_seconds
        self._longest_s = self._longest_own_s = 0.0
        self._late = self._own_late = 0
        self._recent: deque[tuple[int, float, float]] = deque(maxlen=int(RECENT_S))
        self._beat: Any = None
        self._at_s = self._cpu_s = 0.0

    def start(self) -> None:
        """Begin to beat."""
        self._at_s, self._cpu_s = self._seconds(), self._cpu_seconds()
        self._beat = self._reactor.callLater(BEAT_S, self._beats)

    def stop(self) -> None:
        """End."""
        if self._beat is not None and self._beat.active():
            self._beat.cancel()

    def _beats(self) -> None:
        now_s, cpu_s = self._seconds(), self._cpu_seconds()
        late_s = max(0.0, now_s - self._at_s - BEAT_S)
        self._note(now_s, late_s, min(late_s, cpu_s - self._cpu_s))
        self._at_s, self._cpu_s = now_s, cpu_s
        self._beat = self._reactor.callLater(BEAT_S, self._beats)

    def _note(self, now_s: float, late_s: float, own_s: float) -> None:
        self._longest_s = max(self._longest_s, late_s)
        self._longest_own_s = max(self._longest_own_s, own_s)
        self._late += late_s > LATE_S
        self._own_late += own_s > LATE_S
        second = int(now_s)
        if self._recent and self._recent[-1][0] == second:
            _, longest_s, longest_own_s = self._recent.pop()
            late_s, own_s = max(late_s, longest_s), max(own_s, longest_own_s)
        self._recent.append((second, late_s, own_s))

    def status(self) -> dict[str, int]:
        """Return in milliseconds the longest pause since the start and in the last ten seconds,
        and how many pauses were longer than 50 ms; ``own``: as far as this process used the
        processor meanwhile."""
        since = int(self._seconds()) - RECENT_S
        recent = [(late_s, own_s) for second, late_s, own_s in self._recent if second > since]
        return {
            "longest pause ms": _ms(self._longest_s),
            "own ms": _ms(self._longest_own_s),
            "recent pause ms": _ms(max((late_s for late_s, _ in recent), default=0.0)),
            "recent own ms": _ms(max((own_s for _, own_s in recent), default=0.0)),
            "over 50 ms": self._late,
            "own over 50 ms": self._own_late,
        }


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
