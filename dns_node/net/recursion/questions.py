"""Questions that are being resolved: each once, whoever waits for it.

A `Resolution` decides, and here what it decides is done: asks are sent, events fed, times kept.
The
outcome goes to all who asked the same meanwhile.
"""

import heapq
from collections.abc import Callable
from typing import Any, Final

from dns_node.metrics import INDEX, Counters
from dns_node.net.recursion.asks import Asks, Ticket
from dns_node.resolver.question import (
    Ask,
    Event,
    Failed,
    Forget,
    Outcome,
    Question,
    Transport,
)
from dns_node.resolver.resolution import Action, Resolution

TakeOutcome = Callable[[Outcome, "Line"], None]

_SENT: Final = INDEX["upstream_queries"]
_STREAMS: Final = INDEX["upstream_streams"]
_TIMEOUTS: Final = INDEX["upstream_timeouts"]
_FAILURES: Final = INDEX["upstream_failures"]
_NEAR_MISSES: Final = INDEX["upstream_near_misses"]


class Line:
    """Those who wait for one question.  *has_local*: our own zones have a part in the outcome, so
    that it may change at any moment."""

    __slots__ = ("has_local", "key", "resolution", "takers", "tickets", "wake_s")

    def __init__(self, key: object):
        self.key = key
        self.resolution: Resolution | None = None
        self.takers: list[TakeOutcome] = []
        self.tickets: dict[int, Ticket] = {}
        self.has_local = False
        self.wake_s: float | None = None


class Questions:
    """The questions of one worker that are being resolved.

    *report* is told of faults of the program: a question that ends in one ends with *on_fault*'s
    outcome.
    """

    def __init__(
        self,
        asks: Asks,
        clock: Any,
        counters: Counters,
        report: Callable[[str, BaseException], None],
        on_fault: Outcome,
    ):
        self._asks = asks
        self._clock = clock
        self._counters = counters
        self._report = report
        self._on_fault = on_fault
        self._lines: dict[object, Line] = {}
        self._running: set[Line] = set()
        self._wakes: list[tuple[float, int, Line]] = []
        self._number = 0
        self._timer: Any = None
        self._timer_s = 0.0

    def __len__(self) -> int:
        """How many resolutions go on."""
        return len(self._running)

    def line(self, question: Question, is_cd: bool) -> Line | None:
        """Return the line in which *question* is waited for, None when nobody does."""
        return self._lines.get((question, is_cd))

    def join(self, line: Line, take: TakeOutcome) -> None:
        """Wait with the others."""
        line.takers.append(take)

    def open(self, question: Question, is_cd: bool, take: TakeOutcome, *, is_shared: bool) -> Line:
        """Return a new line; where it *is_shared*, others that ask the same can join it."""
        line = Line((question, is_cd) if is_shared else object())
        line.takers.append(take)
        self._lines[line.key] = line
        return line

    def begin(self, line: Line, resolution: Resolution) -> None:
        """Resolve what *line* waits for; those in it are told within this call when nobody has to
        be asked."""
        line.resolution = resolution
        self._running.add(line)
        try:
            actions = resolution.begin(self._clock.seconds())
        except Exception as error:
            self._fault(line, error)
            return
        self._do(line, actions)

    def stop(self) -> None:
        """Give up everything: who waits gets SERVFAIL."""
        for line in list(self._running):
            resolution = line.resolution
            assert resolution is not None
            try:
                self._do(line, resolution.stop(self._clock.seconds()))
            except Exception as error:
                self._fault(line, error)

    # ---- what a resolution decides

    def _do(self, line: Line, actions: list[Action]) -> None:
        resolution = line.resolution
        assert resolution is not None
        for action in actions:
            if isinstance(action, Ask):
                self._put(line, action)
            elif isinstance(action, Forget):
                ticket = line.tickets.pop(action.number, None)
                if ticket is not None:
                    self._asks.forget(ticket)
            else:
                self._tell(line, action)
        if resolution.is_over:
            self._end(line)
        elif (wake_s := resolution.next_wake_s) is not None and wake_s != line.wake_s:
            line.wake_s = wake_s
            self._expect(wake_s, line)

    def _put(self, line: Line, ask: Ask) -> None:
        counters = self._counters
        counters.add(_SENT)
        if ask.transport is not Transport.UDP:
            counters.add(_STREAMS)
        line.tickets[ask.number] = self._asks.put(ask, _Feed(self, line))

    def feed(self, line: Line, event: Event) -> None:
        """Hand an event to the resolution of *line*."""
        line.tickets.pop(event.number, None)
        counters = self._counters
        if event.near_misses:
            counters.add(_NEAR_MISSES, event.near_misses)
        if isinstance(event, Failed):
            counters.add(_TIMEOUTS if event.is_timeout else _FAILURES)
        resolution = line.resolution
        if resolution is None or resolution.is_over:
            return
        try:
            actions = resolution.feed(event, self._clock.seconds())
        except Exception as error:
            self._fault(line, error)
            return
        self._do(line, actions)

    def _tell(self, line: Line, outcome: Outcome) -> None:
        if self._lines.get(line.key) is line:
            del self._lines[line.key]
        takers, line.takers = line.takers, []
        for take in takers:
            take(outcome, line)

    def _end(self, line: Line) -> None:
        self._running.discard(line)
        for ticket in line.tickets.values():
            self._asks.forget(ticket)
        line.tickets.clear()
        line.resolution = None

    def _fault(self, line: Line, error: Exception) -> None:
        self._report("a question could not be resolved", error)
        self._end(line)
        self._tell(line, self._on_fault)

    # ---- times of their own

    def _expect(self, wake_s: float, line: Line) -> None:
        self._number += 1
        heapq.heappush(self._wakes, (wake_s, self._number, line))
        if self._timer is None:
            self._set_timer(wake_s)
        elif wake_s < self._timer_s:
            self._timer.cancel()
            self._set_timer(wake_s)

    def _set_timer(self, wake_s: float) -> None:
        self._timer_s = wake_s
        self._timer = self._clock.callLater(max(0.0, wake_s - self._clock.seconds()), self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        now_s = self._clock.seconds()
        wakes = self._wakes
        while wakes and (wakes[0][0] <= now_s or wakes[0][2].resolution is None):
            line = heapq.heappop(wakes)[2]
            resolution = line.resolution
            if resolution is None:
                continue
            try:
                actions = resolution.wake(now_s)
            except Exception as error:
                self._fault(line, error)
                continue
            self._do(line, actions)
        if wakes and self._timer is None:
            self._set_timer(wakes[0][0])


class _Feed:
    """What an ask calls with its event (a partial that costs less)."""

    __slots__ = ("_line", "_questions")

    def __init__(self, questions: Questions, line: Line):
        self._questions = questions
        self._line = line

    def __call__(self, event: Event) -> None:
        self._questions.feed(self._line, event)
