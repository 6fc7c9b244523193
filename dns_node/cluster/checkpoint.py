"""Who has applied what, and so which log entries are needed no more.  Pure.

The leader keeps one `Standing` per member from the envelopes that it receives, computes the
checkpoint, and broadcasts both; a follower learns them from the leader's table.
"""

from collections.abc import Iterable
from dataclasses import dataclass

LIVE_S = 3.0
ABSENT_S_MAX = 24 * 3600.0
LOG_OCTETS_MAX = 256 << 20

Table = tuple[int, tuple[tuple[str, int, int], ...]]
"""What the leader broadcasts: (checkpoint, ((node, applied, age of it in ms), …))."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one member: its applied index, the part of it that is durable, and when it
    was last heard (reactor seconds).  *role* is ``voter``, ``learner`` or ``edge``."""

    node: str
    role: str
    applied_index: int
    durable_applied_index: int
    heard_s: float


def find_checkpoint(
    own_durable_applied: int,
    others: Iterable[Standing],
    log_octets: int,
    now_s: float,
    log_octets_max: int = LOG_OCTETS_MAX,
    absent_s_max: float = ABSENT_S_MAX,
) -> int:
    """Return the index up to which every voter and learner holds the log in its store, on disk.

    A member that was not heard for *absent_s_max*, or that is not live while the log is over
    *log_octets_max*, is not waited for: it will need a snapshot.  When the log is over twice that,
    nobody is waited for.  Edges never count.
    """
    checkpoint = own_durable_applied
    for standing in others:
        silence_s = now_s - standing.heard_s
        if standing.role == "edge" or silence_s > absent_s_max:
            continue
        if log_octets > 2 * log_octets_max or (log_octets > log_octets_max and silence_s > LIVE_S):
            continue
        checkpoint = min(checkpoint, standing.durable_applied_index)
    return checkpoint


def judge_visible(
    index: int, standings: Iterable[Standing], now_s: float
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the members that (serve entry *index*, are live and do not yet, were not heard within
    3 s), each sorted."""
    visible, not_yet, unreachable = [], [], []
    for standing in standings:
        if standing.applied_index >= index:
            visible.append(standing.node)
        elif now_s - standing.heard_s <= LIVE_S:
            not_yet.append(standing.node)
        else:
            unreachable.append(standing.node)
    return tuple(sorted(visible)), tuple(sorted(not_yet)), tuple(sorted(unreachable))


def may_end_waiting(mode: str, visible: int, not_yet: int, unreachable: int) -> bool:
    """Return whether a wait in *mode* (``all`` live members, or ``quorum``: a majority) is
    over.  For a quorum the counts are of voters alone."""
    if mode == "all":
        return not_yet == 0
    return visible * 2 > visible + not_yet + unreachable
