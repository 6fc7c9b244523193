"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

_POLL_S = 0.02


def eventually(
    ask: Callable[[], Answer],
    deadline_s: float = 10.0,
    what: str = "",
    poll_s: float = _POLL_S,
    ignore: tuple[type[BaseException], ...] = (),
) -> Answer:
    """Return the first true answer of *ask*, asked again until *deadline_s* is over.

    An exception named in *ignore* counts as "not yet".  Raises AssertionError with *what* and the
    last answer when time is up, so that the failing test says what it waited for.
    """
    end = time.monotonic() + deadline_s
    while True:
        try:
            answer = ask()
        except ignore as error:
            last: object = error
        else:
            if answer:
                return answer
            last = answer
        if time.monotonic() >= end:
            name = what or getattr(ask, "__name__", "the condition")
            raise AssertionError(f"not within {deadline_s:g} s: {name}; last answer: {last!r}")
        time.sleep(poll_s)


def always(ask: Callable[[], object], for_s: float, what: str = "") -> None:
    """Return after *for_s* in which every answer of *ask* was true; AssertionError at the first
    that was not.  For "reads go on": the time is part of what is claimed, not a guess."""
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        answer = ask()
        assert answer, f"no longer true: {what or ask!r}; answer: {answer!r}"
        time.sleep(_POLL_S)
