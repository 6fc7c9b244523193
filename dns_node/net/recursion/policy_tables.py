"""Policy zones in a worker: takes up the tables that the feeding process leaves (`policy_feed`).

A table is mapped, never read through: taking up one of a million rules costs as little as one of
ten, and the workers share its pages.
"""

import hashlib
import logging
import mmap
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dns_node.resolver.policy.rpz_match import PolicyZone
from dns_node.resolver.policy.rpz_rules import Trigger
from dns_node.resolver.policy.rpz_table import Table
from dns_node.zone.names import name_text
from dns_node.zone.rrset import WireName

CHECK_S: Final = 0.5
"""How often the directory is to be looked at."""

_log = logging.getLogger("dns_node.policy")


def policy_directory(data_directory: Path) -> Path:
    """Return where the tables of policy zones lie."""
    return data_directory / "policy"


def table_path(directory: Path, apex: WireName) -> Path:
    """Return where the table of a zone lies.  Not every name is a file name: what is readable of
    it stands before a digest of the whole."""
    readable = re.sub(r"[^a-z0-9.-]", "_", name_text(apex)[:-1])[:100]
    return directory / f"{readable}-{hashlib.sha256(apex).hexdigest()[:16]}.rules"


class PolicyTables:
    """The tables of *zones*; *on_change* is called when one was replaced: what was kept of answers
    may be wrong by then."""

    def __init__(
        self, directory: Path, zones: tuple[PolicyZone, ...], on_change: Callable[[], object]
    ):
        self._on_change = on_change
        self._zones = [(zone, table_path(directory, zone.apex)) for zone in zones]
        self._seen: dict[Path, tuple[int, int]] = {}

    def check(self) -> None:
        """Take up what is new; to be called every `CHECK_S`, and once before questions come."""
        is_changed = False
        for zone, path in self._zones:
            try:
                status = os.stat(path)
            except OSError:
                continue  # not there yet; a table once taken up stays
            seen = (status.st_ino, status.st_mtime_ns)
            if self._seen.get(path) == seen:
                continue
            self._seen[path] = seen
            try:
                zone.table = _map(path)
                is_changed = True
            except (OSError, ValueError) as error:
                _log.error("the table %s of a policy zone can't be used: %s", path, error)
        if is_changed:
            self._on_change()


def zone_row(zone: PolicyZone) -> dict[str, Any]:
    """Return what POLICY tells of a zone, as plain values; no serial: it was never loaded."""
    table = zone.table
    counts = {} if table is None else table.header.counts
    return {
        "name": name_text(zone.apex),
        "serial": None if table is None else table.header.serial,
        "rules": {trigger.label: counts.get(trigger, 0) for trigger in Trigger},
        "hits": {kind.label: number for kind, number in zone.hits.items()},
        "is_applied": zone.is_applied,
    }


def _map(path: Path) -> Table:
    with path.open("rb") as file:
        return Table(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
