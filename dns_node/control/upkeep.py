"""What the node does by itself from time to time: trimming, readers that hang, the watchdog."""

import logging
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import LoopingCall

from dns_node import sd_notify
from dns_node.cluster.command import Trim
from dns_node.cluster.local_member import LocalMember
from dns_node.control.disk_reserve import DiskReserve
from dns_node.control.service import Service
from dns_node.control.workers import Workers
from dns_node.errors import StoreError

DISK_S: Final = 1.0
READERS_S: Final = 2.0
PINNED_S_MAX: Final = 10.0
"""A worker that looks at one revision for longer is replaced: it keeps LMDB from reusing pages."""

TRIM_S: Final = 60.0
TRIM_STEP_MS: Final = 3_600_000
"""The horizon of operations moves in steps of an hour, so that an idle cluster stays quiet."""

_log = logging.getLogger("dns_node.upkeep")


def first_revision_since(
    at_ms_of: Callable[[int], int | None], first: int, last: int, since_ms: int
) -> int:
    """Return the first revision in *first* .. *last* that was made at or after *since_ms*
    (*last* + 1 when none was).  *at_ms_of(revision)* is when one was made, None when that is
    forgotten; times are taken to rise with the revisions."""
    low, high = first, last + 1
    while low < high:
        middle = (low + high) // 2
        at_ms = at_ms_of(middle)
        if at_ms is None or at_ms < since_ms:
            low = middle + 1
        else:
            high = middle
    return low


class Upkeep:
    """Runs the loops; *replace(worker, why)* has the supervisor replace a worker."""

    def __init__(
        self,
        reactor: Any,
        service: Service,
        member: LocalMember,
        workers: Workers,
        replace: Callable[[int, str], None],
    ):
        self._reactor = reactor
        self._service, self._member = service, member
        self._workers, self._replace = workers, replace
        self._pinned: dict[tuple[int, int], float] = {}
        self._is_trimming = False
        self._loops = [LoopingCall(self._safely, self.check_readers)]
        self._intervals_s = [READERS_S]
        self._loops.append(LoopingCall(self._safely, self.trim))
        self._intervals_s.append(TRIM_S)
        self.disk = DiskReserve(
            member.replica,
            service.launch.node.data_dir,
            lambda: service.settings.limits.disk_reserve_mib,
        )
        self._loops.append(LoopingCall(self._safely, self.disk.check))
        self._intervals_s.append(DISK_S)
        if (interval_s := sd_notify.watchdog_interval_s()) is not None:
            self._loops.append(LoopingCall(sd_notify.notify, "WATCHDOG=1"))
            self._intervals_s.append(interval_s)

    def start(self) -> None:
        """Begin."""
        for loop, interval_s in zip(self._loops, self._intervals_s, strict=True):
            loop.start(interval_s)

    def stop(self) -> None:
        """End."""
        for loop in self._loops:
            if loop.running:
                loop.stop()

    def check_readers(self) -> None:
        """Free the slots of dead readers; replace a worker that has pinned a revision too long."""
        machine = self._member.machine
        if machine is None:
            return
        machine.writer.free_dead_readers()
        now_s = self._reactor.seconds()
        newest, pinned = machine.writer.readers()
        pinned = {reader for reader in pinned if reader[1] < newest}
        self._pinned = {reader: self._pinned.get(reader, now_s) for reader in pinned}
        for (pid, _), since_s in self._pinned.items():
            worker = self._workers.by_pid(pid)
            if worker is not None and now_s - since_s > PINNED_S_MAX:
                self._replace(worker, f"it has pinned a revision for {now_s - since_s:.0f} s")

    def trim(self) -> None:
        """On the leader: propose to forget what is older than the configuration keeps."""
        if self._is_trimming or not self._member.log.is_formed():
            return
        if not self._member.log.is_leading():
            return
        operation = self._find_trim()
        if operation is not None:
            self._is_trimming = True
            done = ensureDeferred(self._service.change("upkeep", (operation,)))
            done.addErrback(lambda failure: _log.error("trimming failed: %s", failure.value))
            done.addBoth(self._trimmed)

    def _trimmed(self, _: Any) -> None:
        self._is_trimming = False

    def _find_trim(self) -> Trim | None:
        limits, now_ms = self._service.settings.history, self._service.now_ms()
        with self._service.view() as view:
            meta = view.meta()
            first, last = max(meta.history_horizon, 1), meta.revision

            def at_ms_of(revision: int) -> int | None:
                row = view.history(revision)
                return None if row is None else row.at_ms

            oldest_ms = at_ms_of(first)
            since_ms = now_ms - limits.age_max_h * 3_600_000
            kept_from = first_revision_since(at_ms_of, first, last, since_ms)
        kept_from = max(kept_from, last + 1 - limits.rows_max)
        operations_ms = now_ms - limits.operations_age_max_h * 3_600_000
        is_old = oldest_ms is not None and oldest_ms < operations_ms
        if is_old and operations_ms - meta.operations_horizon_ms < TRIM_STEP_MS:
            is_old = False
        if kept_from <= first and not is_old:
            return None
        return Trim(max(kept_from, meta.history_horizon),
                    max(operations_ms if is_old else 0, meta.operations_horizon_ms))  # fmt: skip

    def _safely(self, step: Callable[[], None]) -> None:
        # A LoopingCall ends for good when its function raises.
        try:
            step()
        except StoreError as error:
            _log.warning("%s", error)
        except Exception:
            _log.exception("upkeep failed")
