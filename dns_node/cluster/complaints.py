"""What went wrong on the link: counted always, said once a minute per peer."""

from collections import Counter
from typing import Any

from twisted.logger import Logger

SAY_AGAIN_S = 60.0
REMEMBERED_MAX = 1024


class Complaints:
    """Counts by name in `counts`, and logs each (name, who) once a minute."""

    log = Logger(namespace="dns_node.cluster.transport")

    def __init__(self, reactor: Any) -> None:
        self.counts: Counter[str] = Counter()
        self._reactor = reactor
        self._said_at_s: dict[tuple[str, str], float] = {}

    def complain(self, name: str, who: str, what: str) -> None:
        """Count *name*; log '*who* *what*' unless that was said within the last minute.  Strangers
        come from a new port each time; one host is one stranger."""
        self.counts[name] += 1
        now_s = self._reactor.seconds()
        key = (name, who.rpartition(":")[0] or who)
        said_at_s = self._said_at_s.get(key)
        if said_at_s is not None and now_s - said_at_s < SAY_AGAIN_S:
            return
        if len(self._said_at_s) >= REMEMBERED_MAX:
            self._said_at_s.clear()
        self._said_at_s[key] = now_s
        self.log.warn("{who} {what}", who=who, what=what)
