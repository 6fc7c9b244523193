"""The low-disk watermark: below it a node takes no changes and lets another lead."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dns_node.cluster.replica import Replica

SHARE_MAX: Final = 10
"""The reserve is at most a tenth of the file system, so that small ones are of use too."""

CLEARED_AT: Final = 1.125
"""The alarm ends when this much of the reserve is free: it does not come and go."""

_log = logging.getLogger("dns_node.disk")


@dataclass(frozen=True, slots=True)
class Space:
    """What a file system has, in octets: *free* for this user, of *total*."""

    free: int
    total: int


def space_at(path: str) -> Space:
    """Return the space of the file system that *path* lies on; raises OSError."""
    found = os.statvfs(path)
    return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


def find_alarm(space: Space, path: str, reserve_mib: int, is_alarmed: bool) -> str:
    """Return what is wrong with *space*, a sentence with numbers; '' when nothing is, or when the
    reserve is 0 (no watermark)."""
    reserve = min(reserve_mib << 20, space.total // SHARE_MAX)
    if space.free >= (reserve * CLEARED_AT if is_alarmed else reserve):
        return ""
    return (
        f"DISK LOW: {space.free >> 20} MiB are free at {path}, the reserve is {reserve >> 20} MiB "
        f"(limits.disk_reserve_mib {reserve_mib}, at most a tenth of {space.total >> 20} MiB)."
    )


class DiskReserve:
    """Watches the data directory of *replica*: call `check` every second or so."""

    def __init__(
        self,
        replica: Replica,
        path: str,
        reserve_mib: Callable[[], int],
        space: Callable[[str], Space] = space_at,
    ):
        self._replica, self._path = replica, path
        self._reserve_mib, self._space = reserve_mib, space
        self.alarm = ""

    def check(self) -> None:
        """Look, and refuse changes or take them again; while this node leads, let another lead
        that has space."""
        replica, before = self._replica, self.alarm
        try:
            space = self._space(self._path)
        except OSError as error:
            _log.warning("cannot see how much of %s is free: %s", self._path, error.strerror)
            return
        self.alarm = find_alarm(space, self._path, self._reserve_mib(), bool(before))
        replica.standings.disk_alarm = replica.proposer.reserve = self.alarm
        if self.alarm and not before:
            _log.error("ALARM: %s This node takes no changes until there is space.", self.alarm)
        elif before and not self.alarm:
            _log.warning("%d MiB are free again: changes are taken", space.free >> 20)
        if self.alarm and replica.status().role == "leader":
            successor = replica.standings.find_successor()
            if successor is not None and replica.transfer_leadership(successor):
                _log.warning("node %s was asked to lead: this disk is nearly full", successor)
