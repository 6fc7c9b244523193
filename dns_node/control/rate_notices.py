"""The log of netblocks that are limited: what workers noticed, in a bounded number of lines."""

import ipaddress
from collections.abc import Callable
from typing import Protocol

from dns_node.answer.rate_limit import Kind
from dns_node.answer.shared_block import Notice
from dns_node.zone.names import name_text

WINDOW_S = 60.0
LINES_MAX = 20
"""Lines in one window; what is more is only counted."""

_TEXTS = {
    Kind.ANSWER: "answers about {}",
    Kind.NODATA: "answers that {} has no such records",
    Kind.NXDOMAIN: "answers that names in {} don't exist",
    Kind.REFERRAL: "referrals from {}",
    Kind.ERROR: "errors",
    Kind.ECHO: "errors to ports that may answer them",
}


class Rings(Protocol):
    """The rings of notices (`dns_node.answer.shared_block.SharedBlock`)."""

    workers: int

    def notices(self, worker: int, since: int) -> tuple[int, list[Notice]]:
        """Return how many *worker* has written, and those after number *since*."""
        ...


def notice_text(notice: Notice, ipv4_prefix: int, ipv6_prefix: int) -> str:
    """Return what the log says of *notice*."""
    address = ipaddress.ip_address(notice.netblock)
    prefix = ipv4_prefix if address.version == 4 else ipv6_prefix
    what = _TEXTS[Kind(notice.kind)].format(name_text(notice.name))
    would = "would be limited (mode is log)" if notice.is_only_logged else "is limited"
    return f"rate limit: {address}/{prefix} {would}: too many {what}"


class NoticeLog:
    """Says what the workers of *rings* noticed since the last `step`; *prefixes()* are the sizes
    of netblocks in force."""

    def __init__(
        self, rings: Rings, prefixes: Callable[[], tuple[int, int]], say: Callable[[str], None]
    ):
        self._rings, self._prefixes, self._say = rings, prefixes, say
        # What was noticed before this process began was said, or is long past.
        self._seen = [rings.notices(worker, 0)[0] for worker in range(rings.workers)]
        self._said: set[Notice] = set()
        self._unsaid = 0
        self._window_end_s = 0.0

    def step(self, now_s: float) -> None:
        """Read the rings; *now_s* never falls."""
        if now_s >= self._window_end_s:
            if self._unsaid:
                self._say(f"rate limit: {self._unsaid} more since then; STATUS counts the answers")
            self._said.clear()
            self._unsaid, self._window_end_s = 0, now_s + WINDOW_S
        for worker, since in enumerate(self._seen):
            last, notices = self._rings.notices(worker, since)
            self._seen[worker] = last
            self._unsaid += last - since - len(notices)
            for notice in notices:
                self._tell(notice)

    def _tell(self, notice: Notice) -> None:
        if notice in self._said:
            return  # several workers noticed it, or it has begun again
        if len(self._said) >= LINES_MAX:
            self._unsaid += 1
            return
        self._said.add(notice)
        self._say(notice_text(notice, *self._prefixes()))
