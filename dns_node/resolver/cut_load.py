"""What questions do to the servers of one cut, and the bounds of that (water torture).

They stand between the cut and its servers, so they outlive what a referral says of it.
"""

from collections.abc import Iterable
from typing import Final

from dns_node.resolver.name_servers import NameServer

OUTSTANDING_MAX: Final = 100
"""Questions that wait at one cut whose servers are all silent."""
FRUITLESS_PER_S: Final = 280.0
"""Questions in a second for names below one cut that may bring nothing …"""
FRUITLESS_MAX: Final = 60.0
"""… and how many more at once."""


class CutLoad:
    """*outstanding* questions wait for the servers of a cut, some always since *busy_s*;
    *fruitless* is how many brought nothing, less those that time has forgiven until
    *fruitless_s*."""

    __slots__ = ("busy_s", "fruitless", "fruitless_s", "outstanding")

    def __init__(self) -> None:
        self.outstanding = 0
        self.busy_s = 0.0
        self.fruitless = 0.0
        self.fruitless_s = 0.0

    def begin(self, now_s: float) -> None:
        """A question begins to wait."""
        if not self.outstanding:
            self.busy_s = now_s
        self.outstanding += 1

    def end(self) -> None:
        """One waits no more."""
        self.outstanding -= 1

    def note_fruitless(self, now_s: float) -> None:
        """A question brought nothing: the name does not exist, or nobody could say."""
        passed_s = now_s - self.fruitless_s
        self.fruitless_s = now_s
        self.fruitless = max(0.0, self.fruitless - passed_s * FRUITLESS_PER_S) + 1.0

    def is_flooded(self, servers: Iterable[NameServer], now_s: float) -> bool:
        """Say whether no more questions are to be brought to *servers* for the moment.

        That is when a lot of what was asked lately brought nothing, or when many questions wait for
        servers that do not answer (random names below a zone: water torture).
        """
        if self.fruitless > FRUITLESS_MAX:
            passed_s = now_s - self.fruitless_s
            if self.fruitless - passed_s * FRUITLESS_PER_S > FRUITLESS_MAX:
                return True
        if self.outstanding < OUTSTANDING_MAX:
            return False
        return all(server.is_silent(self.busy_s, now_s) for server in servers)
