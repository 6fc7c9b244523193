"""Answered queries on their way to a log: a bounded ring between the answer path and a thread."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import msgspec

from dns_node.answer.respond import Client
from dns_node.supervise.process import set_title

RING_SIZE_MAX = 8192
"""Events that wait at once; further ones are dropped and counted."""

BATCH_SIZE_MAX = 512


class Event(msgspec.Struct, frozen=True, gc=False):
    """One answered query."""

    at_s: float
    client: Client
    local: tuple[str, int]
    query: bytes
    reply: bytes


class Writer(Protocol):
    """Where events end up.  Called by the ring's thread alone; may block."""

    def write(self, events: Sequence[Event]) -> None:
        """Write the events; raises OSError when they are lost."""
        ...

    def close(self) -> None:
        """Finish the stream or file."""
        ...


class EventRing:
    """Carries events to *writer* on a thread called *title*; never blocks and never raises.

    *on_lost* is called by that thread with the number of events that the writer could not take
    and the reason.
    """

    def __init__(self, writer: Writer, title: str, on_lost: "LostCallback"):
        self._writer = writer
        self._on_lost = on_lost
        self._events: deque[Event] = deque()
        self._news = threading.Event()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name=title, daemon=True)
        self._thread.start()

    def put(self, event: Event) -> bool:
        """Take the event; False when the ring is full and the event is dropped."""
        if len(self._events) >= RING_SIZE_MAX:
            return False
        self._events.append(event)
        if not self._news.is_set():
            self._news.set()
        return True

    def close(self, timeout_s: float = 1.0) -> None:
        """Let the thread write what waits, for at most *timeout_s*, and end."""
        self._is_ending = True
        self._news.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        set_title(self._thread.name)
        while True:
            self._news.wait()
            # Cleared before the ring is emptied: what comes in between sets it again.
            self._news.clear()
            while self._events:
                count = min(len(self._events), BATCH_SIZE_MAX)
                batch = [self._events.popleft() for _ in range(count)]
                try:
                    self._writer.write(batch)
                except OSError as error:
                    self._on_lost(len(batch), error)
            if self._is_ending:
                self._writer.close()
                return


class LostCallback(Protocol):
    """Called with how many events were lost and why."""

    def __call__(self, number: int, error: OSError) -> None:
        """Count, and perhaps say, that events were lost."""
        ...
