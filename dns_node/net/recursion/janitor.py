"""What is done without being asked: ended entries go, used ones are refreshed, gauges are set."""

import time
from collections.abc import Callable
from typing import Any, Final

from dns_node.metrics import INDEX, Counters
from dns_node.net.recursion.asks import Asks
from dns_node.net.recursion.pipeline import Pipeline
from dns_node.net.recursion.stages import Stage

TICK_S: Final = 0.2
"""How often what is due is looked at: far below the tenth of the shortest life that has one."""

TICKS_PER_SWEEP: Final = 5

SLOTS_MAX: Final = 2000
"""Entries of each cache that are looked at in one sweep."""

_PREFETCHES: Final = INDEX["recursion_prefetches"]
_REMOVED: Final = INDEX["janitor_removed"]
_JOINED: Final = INDEX["upstream_joined"]
_UPSTREAM_IN_FLIGHT: Final = INDEX["upstream_in_flight"]
_GAUGES: Final = tuple(
    INDEX[name]
    for name in (
        "message_cache_entries", "message_cache_octets", "rrset_cache_entries",
        "rrset_cache_octets",
    )
)  # fmt: skip


class Janitor:
    """Ticks for one worker, from `start` until `stop`; *also* is called at each sweep."""

    def __init__(
        self,
        pipeline: Pipeline,
        asks: Asks,
        counters: Counters,
        clock: Any,
        report: Callable[[str, BaseException], None],
        also: Callable[[float], None],
    ):
        self._pipeline = pipeline
        self._asks = asks
        self._counters = counters
        self._clock = clock
        self._report = report
        self._also = also
        self._stage = Stage(counters, "janitor")
        self._metrics = Stage(counters, "metrics")
        self._ticks = 0
        self._timer: Any = None

    def start(self) -> None:
        """Tick from now on."""
        self._timer = self._clock.callLater(TICK_S, self._tick)

    def stop(self) -> None:
        """Tick no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _tick(self) -> None:
        self._timer = self._clock.callLater(TICK_S, self._tick)
        began_s = time.perf_counter()
        try:
            self.refresh_due()
            self._ticks += 1
            if self._ticks % TICKS_PER_SWEEP == 0:
                self.sweep()
                swept_s = time.perf_counter()
                self._stage.done(swept_s - began_s)
                self.show()
                self._metrics.done(time.perf_counter() - swept_s)
        except Exception as error:
            self._stage.fail()
            self._report("the caches could not be swept", error)

    def refresh_due(self) -> None:
        """Ask again for the replies that are in use and about to end."""
        pipeline = self._pipeline
        due = pipeline.messages.take_due()
        if pipeline.resolver.settings.cache.has_prefetch:
            for key in due:
                self._counters.add(_PREFETCHES, pipeline.refresh(key))

    def sweep(self) -> None:
        """Forget some of what is over."""
        now_s = self._clock.seconds()
        gone = self._pipeline.messages.sweep(now_s, SLOTS_MAX)
        gone += self._pipeline.resolver.sweep(now_s, SLOTS_MAX)
        self._counters.add(_REMOVED, gone)
        self._also(now_s)

    def show(self) -> None:
        """Set the counters that say how much there is."""
        messages, cache = self._pipeline.messages, self._pipeline.resolver.cache
        numbers = (len(messages), messages.size_octets, len(cache), cache.size_octets)
        for index, number in zip(_GAUGES, numbers, strict=True):
            self._counters.put(index, number)
        self._counters.put(_UPSTREAM_IN_FLIGHT, len(self._asks))
        self._counters.put(_JOINED, self._asks.joined)
