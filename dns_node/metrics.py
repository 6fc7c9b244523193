"""Counters that one process writes and others read, in shared memory.

The block is an array of unsigned 64-bit little-endian numbers, one per name of `NAMES` in that
order; new names go to the end.  A block has exactly one writing process, so that an addition
needs no lock; readers see every number whole, and numbers of slightly different moments.
"""

import bisect
import math
import sys
from collections.abc import Mapping
from typing import Final

assert sys.byteorder == "little", "the block is read as little-endian numbers in place"

LATENCY_BOUNDS_US: Final = tuple(
    1 if step == 0 else 2 << step // 2 if step % 2 else 3 << step // 2 - 1 for step in range(40)
)
"""The upper bounds of the latency histogram's buckets, two steps to every doubling: 1 us to 1 s."""

STAGES: Final = (
    "listener", "tcp_acceptor", "decoder", "zone_manager", "cache_lookup", "query_dispatcher",
    "resolver", "cache_writer", "encoder", "sender", "janitor", "metrics",
)  # fmt: skip
"""The stages of a question on its way (`net.recursion.stages`)."""

STAGE_BOUNDS_US: Final = (10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000)
"""The upper bounds of their latency histograms' buckets."""

_STAGE_PARTS: Final = (
    ("in_flight", "in it now"),
    ("done", "that went through"),
    ("failed", "that failed in it"),
    ("waiting", "that wait before it"),
    ("sum_us", "microseconds that they took altogether"),
    *((f"{bound_us}us", f"that took at most {bound_us} us") for bound_us in STAGE_BOUNDS_US),
    ("over", "that took longer"),
)

_RECURSION: Final = (
    ("recursion_questions", "questions that were taken to be resolved"),
    ("recursion_in_flight", "questions that are being resolved now"),
    ("recursion_answered", "replies to questions that were resolved"),
    ("recursion_native", "of these, replies for which the native core alone asked a server"),
    ("recursion_joined", "questions that waited for an equal one"),
    ("recursion_over_worker", "questions beyond the limit of a worker"),
    ("recursion_over_client", "questions beyond the limit of a client"),
    ("recursion_over_name", "questions beyond the limit of a name"),
    ("recursion_discarded", "questions whose answer came too late to be sent"),
    ("recursion_stale", "questions that were answered from what is over, because nobody answers"),
    ("recursion_bogus", "questions whose answer did not validate"),
    ("recursion_secure", "questions whose answer was validated"),
    ("recursion_policy", "questions that a policy rule decided"),
    ("recursion_prefetches", "kept replies that were asked for again before their end"),
    ("recursion_faults", "questions that ended in an internal fault and got SERVFAIL"),
    ("upstream_queries", "queries sent to servers"),
    ("upstream_joined", "queries that waited for the reply to an equal one"),
    ("upstream_timeouts", "queries to servers that were not answered in time"),
    ("upstream_failures", "queries to servers that failed for another reason"),
    ("upstream_streams", "queries sent to servers over TCP or TLS"),
    ("upstream_in_flight", "queries to servers that wait for a reply now"),
    ("upstream_near_misses", "datagrams of servers that were not the reply"),
    ("message_cache_entries", "replies that the message caches hold"),
    ("message_cache_octets", "what they cost"),
    ("rrset_cache_entries", "entries that the RRset caches hold"),
    ("rrset_cache_octets", "what they cost"),
    ("janitor_removed", "entries that were over and removed without being asked for"),
)

_TABLE: Final = (
    ("queries_udp", "datagrams received"),
    ("queries_tcp", "messages received over TCP"),
    ("queries_ipv6", "messages received over IPv6"),
    ("replies_udp", "datagrams sent"),
    ("replies_tcp", "messages sent over TCP"),
    ("dropped", "messages that get no answer (responses, fewer than 12 octets, port 0)"),
    ("noerror", "replies with rcode NOERROR"),
    ("formerr", "replies with rcode FORMERR"),
    ("servfail", "replies with rcode SERVFAIL"),
    ("nxdomain", "replies with rcode NXDOMAIN"),
    ("notimp", "replies with rcode NOTIMP"),
    ("refused", "replies with rcode REFUSED"),
    ("other_rcodes", "replies with any other rcode"),
    ("truncated", "replies with TC"),
    ("nodata", "replies NOERROR without an answer"),
    ("edns_queries", "queries with EDNS"),
    ("send_failures", "replies that the kernel did not take"),
    ("answer_faults", "queries that ended in an internal fault and got SERVFAIL"),
    ("tcp_accepted", "TCP connections accepted"),
    ("tcp_refused", "TCP connections closed at once because of a limit"),
    ("tcp_idle_closed", "TCP connections closed because they were idle"),
    ("tcp_open", "TCP connections that are open now"),
    ("proxy_refused", "datagrams and connections with a PROXY header that may not have one"),
    ("log_dropped", "query log and dnstap events that did not fit into the ring"),
    ("batches", "times the UDP sockets were read"),
    ("received_octets", "octets received over UDP and TCP"),
    ("sent_octets", "octets sent over UDP and TCP"),
    ("rate_dropped", "answers that were not sent because of rate_limit"),
    ("rate_slipped", "answers in whose place TC or BADCOOKIE was sent because of rate_limit"),
    ("rate_noted", "answers that rate_limit would have dropped or replaced, were it on"),
    ("cookie_queries", "queries with a COOKIE option that is well-formed"),
    ("cookie_good", "queries with a good server cookie"),
    ("badcookie", "replies with rcode BADCOOKIE"),
    ("native_punts", "queries that the native core handed up to Python"),
    ("native_panics", "queries at which the native core failed; Python answered them"),
    ("message_cache_hits", "queries answered from the message cache"),
    ("message_cache_misses", "queries that the message cache had no answer to"),
    ("latency_sum_us", "microseconds from receipt to the reply's way out, of all replies together"),
    *(
        (f"latency_{bound_us}us", f"replies sent within {bound_us} us and no bound before")
        for bound_us in LATENCY_BOUNDS_US
    ),
    ("latency_over", "replies that took longer than all bounds"),
    *_RECURSION,
    *(
        (f"stage_{stage}_{part}", f"stage {stage.replace('_', ' ')}: {doc}")
        for stage in STAGES
        for part, doc in _STAGE_PARTS
    ),
)

NAMES: Final[tuple[str, ...]] = tuple(name for name, _ in _TABLE)
"""The counters in the order of the block."""

DOCS: Final[dict[str, str]] = dict(_TABLE)
"""What each counter counts."""

INDEX: Final[dict[str, int]] = {name: index for index, name in enumerate(NAMES)}
"""The place of each counter in the block."""

BLOCK_SIZE_OCTETS: Final = 4096
"""The size of a block: one page, so that there is room for names to come."""

assert len(NAMES) * 8 <= BLOCK_SIZE_OCTETS


FIRST_BUCKET: Final = "latency_1us"
"""The name with which the latency histogram begins."""

_FIRST_BUCKET_AT: Final = INDEX[FIRST_BUCKET]
_LATENCY_SUM: Final = INDEX["latency_sum_us"]


class Counters:
    """A counters block over a writable buffer (an mmap, a bytearray) of `BLOCK_SIZE_OCTETS`."""

    def __init__(self, buffer: "bytearray | memoryview | object | None" = None):
        octets = memoryview(bytearray(BLOCK_SIZE_OCTETS) if buffer is None else buffer)  # type: ignore[arg-type]
        self._numbers = octets.cast("B").cast("Q")

    def add(self, index: int, n: int = 1) -> None:
        """Add *n*, which may be negative for what can fall, to the counter at *index*."""
        self._numbers[index] = (self._numbers[index] + n) & 0xFFFF_FFFF_FFFF_FFFF

    def put(self, index: int, number: int) -> None:
        """Have the counter at *index* say *number*."""
        self._numbers[index] = number

    def add_latency(self, latency_s: float, number: int) -> None:
        """Count *number* replies that went out *latency_s* after their queries were received."""
        latency_us = math.ceil(latency_s * 1_000_000)
        self.add(_FIRST_BUCKET_AT + bisect.bisect_left(LATENCY_BOUNDS_US, latency_us), number)
        self.add(_LATENCY_SUM, latency_us * number)

    @property
    def numbers(self) -> "memoryview[int]":
        """The numbers in the order of `NAMES`, in place."""
        return self._numbers

    def snapshot(self) -> dict[str, int]:
        """Return all counters by name."""
        return {name: self._numbers[index] for index, name in enumerate(NAMES)}

    def release(self) -> None:
        """Let go of the buffer, so that its mmap can be closed."""
        self._numbers.release()


def latency_quantile_us(counters: Mapping[str, int], quantile: float) -> int | None:
    """Return the bound, in microseconds, within which the share *quantile* of the replies went out;
    None when there were none or when it is beyond all bounds."""
    buckets = [counters[name] for name in NAMES[_FIRST_BUCKET_AT : _FIRST_BUCKET_AT + 41]]
    wanted = quantile * sum(buckets)
    reached = 0
    for bound_us, number in zip(LATENCY_BOUNDS_US, buckets, strict=False):
        reached += number
        if number and reached >= wanted:
            return bound_us
    return None
