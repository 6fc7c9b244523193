"""Those who ask: one per node, without pause, for the zone's serial."""

import threading
import time
from typing import Any, Protocol

import dns.exception

from tests.chaos.clients import ZONE
from tests.chaos.record import Record
from tests.end_to_end.dns_client import rcode_text, values

TIMEOUT_S = 3.0
PAUSE_S = 0.02


class Asked(Protocol):
    """What an asker has to know of a cluster."""

    def ask(self, n: int, name: str, rrtype: str, *, timeout_s: float) -> Any:
        """Return node *n*'s reply; dns.exception.Timeout or OSError without."""

    def answered(self, n: int, asked_s: float) -> None:
        """Note that node *n* answered."""

    def power_losses(self, n: int) -> int:
        """Return how often node *n* has lost its power."""

    def must_answer(self, n: int, since_s: float) -> bool:
        """Say whether node *n* had to answer a question asked at *since_s*."""


class Asker(threading.Thread):
    """Asks node *n* for the SOA.  An answer fails when it is none, late without an excuse, not
    NOERROR, or has a serial (RFC 1982) below one that the node answered before.

    A power loss may take the store back behind the journal, by design: until the node has heard
    how far the log is committed it answers from what was synced.  So serials are not compared
    across one.
    """

    def __init__(self, cluster: Asked, record: Record, n: int, stop: threading.Event):
        super().__init__(name=f"asker-{n}", daemon=True)
        self._cluster, self._record, self._node, self._stop_all = cluster, record, n, stop
        self._serial: int | None = None
        self._power_losses = 0

    def run(self) -> None:
        """Ask until told to stop."""
        while not self._stop_all.wait(PAUSE_S):
            self._ask(time.monotonic())

    def _ask(self, since_s: float) -> None:
        if (losses := self._cluster.power_losses(self._node)) != self._power_losses:
            self._power_losses, self._serial = losses, None
        try:
            reply = self._cluster.ask(self._node, ZONE, "SOA", timeout_s=TIMEOUT_S)
        except (dns.exception.Timeout, OSError) as error:
            # Excused when a fault of its processes was there at either end of the wait.
            if self._cluster.must_answer(self._node, since_s):
                self._record.failed(f"node {self._node}: no answer: {type(error).__name__}")
            else:
                self._record.unanswered()
                self._stop_all.wait(0.1)
            return
        except dns.exception.DNSException as error:
            self._record.failed(f"node {self._node}: {error!r}")
            return
        self._cluster.answered(self._node, since_s)
        found = values(reply, "SOA")
        if rcode_text(reply) != "NOERROR" or len(found) != 1:
            self._record.failed(f"node {self._node}: {rcode_text(reply)} {found}")
            return
        self._record.answered()
        self._compare(int(found[0].split()[2]))

    def _compare(self, serial: int) -> None:
        if self._serial is not None and (serial - self._serial) % 2**32 >= 2**31:
            self._record.fell(f"node {self._node}: serial {serial} after {self._serial}")
        self._serial = serial
