"""The stages that a question passes, as STATUS and the counters show them.

Each has what is in it now (in flight), what it has done and what failed in it, what waits before
it, and how long it took.  The stages up to the dispatcher, and those from the encoder on, handle
one packet after another within one turn of the reactor: nothing is in flight or waits there between
two turns, what waits does so in the sockets, and each takes as long as its whole batch.  From the
decoder to the encoder of an answer out of our own zones or of the core's message cache is one step:
its time stands at the zone manager.  How many went through such stages is taken from the counters
of answers.
"""

import bisect
from collections.abc import Mapping
from typing import Any, Final

from dns_node.metrics import INDEX, STAGE_BOUNDS_US, STAGES, Counters

_BUCKETS: Final = len(STAGE_BOUNDS_US) + 1
_IN_FLIGHT, _DONE, _FAILED, _WAITING, _SUM_US, _FIRST_BUCKET = range(6)
_FIRST: Final = {stage: INDEX[f"stage_{stage}_in_flight"] for stage in STAGES}


class Stage:
    """One stage of one worker."""

    __slots__ = ("_counters", "_first")

    def __init__(self, counters: Counters, name: str):
        self._counters = counters
        self._first = _FIRST[name]

    def enter(self, number: int = 1) -> None:
        """So many come in, or go with -1."""
        self._counters.add(self._first + _IN_FLIGHT, number)

    def wait(self, number: int) -> None:
        """So many wait now."""
        self._counters.put(self._first + _WAITING, number)

    def done(self, took_s: float, number: int = 1) -> None:
        """So many went through, each in *took_s*."""
        counters, first = self._counters, self._first
        took_us = int(took_s * 1e6)
        counters.add(first + _DONE, number)
        counters.add(first + _SUM_US, took_us * number)
        counters.add(first + _FIRST_BUCKET + bisect.bisect_left(STAGE_BOUNDS_US, took_us), number)

    def fail(self, number: int = 1) -> None:
        """So many failed here."""
        self._counters.add(self._first + _FAILED, number)


def recursion_row(found: Mapping[str, int]) -> dict[str, Any]:
    """Return what STATUS shows of recursion, from the counters of all workers together."""
    over = sum(found[f"recursion_over_{limit}"] for limit in ("worker", "client", "name"))
    shown = {
        "questions": "recursion_questions", "in flight": "recursion_in_flight",
        "joined": "recursion_joined", "too late": "recursion_discarded",
        "stale": "recursion_stale", "secure": "recursion_secure", "bogus": "recursion_bogus",
        "by policy": "recursion_policy", "refreshed": "recursion_prefetches",
        "hits": "message_cache_hits", "misses": "message_cache_misses",
        "upstream": "upstream_queries", "upstream in flight": "upstream_in_flight",
        "timeouts": "upstream_timeouts", "near misses": "upstream_near_misses",
        "messages": "message_cache_entries", "rrsets": "rrset_cache_entries",
    }  # fmt: skip
    row: dict[str, Any] = {name: found[counter] for name, counter in shown.items()}
    octets = found["message_cache_octets"] + found["rrset_cache_octets"]
    return {**row, "over limit": over, "cache octets": octets}


def stage_rows(found: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return what STATUS shows of the stages, from the counters of all workers together."""
    resolved = found["recursion_questions"]
    hits = found["message_cache_hits"]
    queries = found["queries_udp"] + found["queries_tcp"]
    replies = found["replies_udp"] + found["replies_tcp"]
    done = {
        "listener": found["queries_udp"],
        "tcp_acceptor": found["tcp_accepted"],
        "decoder": queries - found["dropped"],
        "cache_lookup": hits + found["message_cache_misses"],
        "zone_manager": max(0, replies - hits - resolved),
        "encoder": replies,
        "sender": replies,
    }
    failed = {
        "tcp_acceptor": found["tcp_refused"],
        "decoder": found["formerr"] + found["dropped"],
        "sender": found["send_failures"],
    }
    in_flight = {"tcp_acceptor": found["tcp_open"]}
    rows = {}
    for stage in STAGES:
        own = {part: found[f"stage_{stage}_{part}"] for part in _PARTS}
        rows[stage.replace("_", " ")] = {
            "in flight": in_flight.get(stage, own["in_flight"]),
            "done": done.get(stage, own["done"]),
            "failed": failed.get(stage, own["failed"]),
            "waiting": own["waiting"],
            "mean": _mean(own["sum_us"], own["done"]),
            "p99": _quantile(found, stage),
        }
    return rows


_PARTS: Final = ("in_flight", "done", "failed", "waiting", "sum_us")


def _mean(sum_us: int, number: int) -> str | None:
    return f"{sum_us // number} us" if number else None


def _quantile(found: Mapping[str, int], stage: str) -> str | None:
    bounds = [*map(str, STAGE_BOUNDS_US), "over"]
    buckets = [found[f"stage_{stage}_{bound}" + "us" * (bound != "over")] for bound in bounds]
    total = sum(buckets)
    reached = 0
    for bound, number in zip(bounds, buckets, strict=True):
        reached += number
        if total and reached >= 0.99 * total:
            return f"{bound} us" if bound != "over" else f"over {bounds[-2]} us"
    return None
