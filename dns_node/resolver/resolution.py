"""One question on its way: values in, values out.

A `Resolution` hands out `Ask` and `Forget`, is fed an `Event` for each ask that was not forgotten,
and gives one `Outcome`.  Time is an argument.  It never raises on what servers send.
"""

from dns_node.resolver.budget import Budget
from dns_node.resolver.question import Ask, Event, Forget, Outcome, Question

Action = Ask | Forget | Outcome


class Resolution:
    """The resolution of one question; `Resolver.resolve` makes it.

    The outcome comes once.  After a stale one (`Outcome.is_stale`) the resolution may go on, to
    bring what is stale up to date: its asks are to be sent and its events to be fed until
    `is_over`; then no ask is outstanding any more (those that were get a `Forget`).
    """

    question: Question
    is_cd: bool
    budget: Budget
    is_over: bool
    outcome: Outcome | None

    def begin(self, now_s: float) -> list[Action]:
        """Start; called once, first.  What the caches hold gives the outcome at once."""
        raise NotImplementedError

    def feed(self, event: Event, now_s: float) -> list[Action]:
        """Take what became of an ask.  An event for an ask that is not outstanding is ignored."""
        raise NotImplementedError

    def wake(self, now_s: float) -> list[Action]:
        """Do what is due; to be called at `next_wake_s`, harmless before."""
        raise NotImplementedError

    @property
    def next_wake_s(self) -> float | None:
        """When `wake` is to be called, None when there is no need to."""
        raise NotImplementedError

    def stop(self, now_s: float) -> list[Action]:
        """Give up: Forget for every ask outstanding, and SERVFAIL if there was no outcome yet."""
        raise NotImplementedError
