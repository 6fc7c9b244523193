"""One question on its way: values in, values out.

A `Resolution` hands out `Ask` and `Forget`, is fed an `Event` for each ask that was not forgotten,
and gives one `Outcome`.  Time (of the real-time clock, in seconds) is an argument.  It never raises
on what servers send.
"""

from dns_node.answer.query import SERVFAIL
from dns_node.resolver.budget import Budget, BudgetExceeded
from dns_node.resolver.inquiry import Inquiry, Part
from dns_node.resolver.question import (
    Ask,
    Event,
    ExtendedError,
    Forget,
    Outcome,
    Question,
    Step,
)

Action = Ask | Forget | Outcome

OTHER_ERROR = 0


class Resolution:
    """The resolution of one question; `Resolver.resolve` makes it.

    The outcome comes once.  After a stale one (`Outcome.is_stale`) the resolution may go on, to
    bring what is stale up to date: its asks are to be sent and its events to be fed until
    `is_over`; then no ask is outstanding any more (those that were get a `Forget`).
    """

    __slots__ = ("_inquiry", "_part", "_was_woken", "is_over", "next_wake_s", "outcome")

    def __init__(self, inquiry: Inquiry, part: Part[Outcome]):
        self._inquiry = inquiry
        self._part = part
        self.is_over = self._was_woken = False
        self.outcome: Outcome | None = None
        self.next_wake_s: float | None = None
        """When `wake` is to be called, None when there is no need to."""

    @property
    def question(self) -> Question:
        """What is resolved."""
        return self._inquiry.question

    @property
    def is_cd(self) -> bool:
        """Whether the client checks itself."""
        return self._inquiry.is_cd

    @property
    def budget(self) -> Budget:
        """What the question has cost, and may cost still."""
        return self._inquiry.budget

    @property
    def steps(self) -> tuple[Step, ...]:
        """What happened so far, for WHY; empty unless it was asked for."""
        return tuple(self._inquiry.steps or ())

    def begin(self, now_s: float) -> list[Action]:
        """Start; called once, first.  What the caches hold gives the outcome at once."""
        self._inquiry.now_s = now_s
        return self._advance(None)

    def feed(self, event: Event, now_s: float) -> list[Action]:
        """Take what became of an ask.  An event for an ask that is not outstanding is ignored."""
        inquiry = self._inquiry
        inquiry.now_s = now_s
        name_server = inquiry.open.pop(event.number, None)
        if name_server is None:
            return []
        name_server.in_flight -= 1
        return self._advance(event)

    def wake(self, now_s: float) -> list[Action]:
        """Do what is due; to be called at `next_wake_s`, harmless before."""
        inquiry = self._inquiry
        inquiry.now_s = now_s
        if self.next_wake_s is None or now_s < self.next_wake_s or self.is_over:
            return []
        self.next_wake_s = None
        self._was_woken = True
        if self.outcome is None and (stale := inquiry.resolver.find_stale(inquiry)) is not None:
            self.outcome = stale
            return [stale]
        return []

    def stop(self, now_s: float) -> list[Action]:
        """Give up: Forget for every ask outstanding, and SERVFAIL if there was no outcome yet."""
        self._inquiry.now_s = now_s
        if self.is_over:
            return []
        self._part.close()
        error = ExtendedError(OTHER_ERROR, "the resolution was given up")
        return self._end(Outcome(SERVFAIL, errors=(error,)))

    def _advance(self, event: Event | None) -> list[Action]:
        inquiry = self._inquiry
        try:
            if event is None:
                next(self._part)
            else:
                self._part.send(event)
        except StopIteration as end:
            return self._end(end.value)
        except BudgetExceeded as error:  # a part that has no answer to that itself
            return self._end(Outcome(SERVFAIL, errors=(ExtendedError(OTHER_ERROR, str(error)),)))
        except Exception:
            # A fault of ours: whoever drives the resolution answers for it.
            self.is_over = True
            for name_server in inquiry.open.values():
                name_server.in_flight -= 1
            inquiry.open.clear()
            raise
        actions = inquiry.actions
        inquiry.actions = []
        if not inquiry.open:
            raise AssertionError("a resolution waits for nothing")
        if inquiry.has_stale and not self._was_woken and self.next_wake_s is None:
            settings = inquiry.resolver.settings.cache
            self.next_wake_s = inquiry.budget.began_s + settings.stale_client_timeout_s
        return actions

    def _end(self, outcome: Outcome) -> list[Action]:
        inquiry = self._inquiry
        for number in list(inquiry.open):
            inquiry.forget(number)
        asked = {action.number for action in inquiry.actions if isinstance(action, Ask)}
        actions: list[Action] = [
            # What was asked and forgotten within one step was never sent.
            action
            for action in inquiry.actions
            if isinstance(action, Outcome) or action.number not in asked
        ]
        inquiry.actions = []
        self.is_over = True
        self.next_wake_s = None
        if self.outcome is None:
            self.outcome = outcome
            actions.append(outcome)
        return actions
