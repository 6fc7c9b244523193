"""Nodes of ours that resolve over the hierarchy, in its network namespace."""

import sys
from pathlib import Path
from typing import Any

from ..cluster import Cluster, environment
from ..processes import NodeProcess
from .hierarchy import Hierarchy


class ResolvingNode(Cluster):
    """A cluster of one node that resolves for 127.0.0.0/8 from the root of *hierarchy*.

    *recursion* are further keys of that section, *zones* master files that the node serves.
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        folder: Path,
        workers: int = 1,
        recursion: dict[str, Any] | None = None,
        zones: list[Path] | None = None,
        settings: dict[str, Any] | None = None,
    ):
        self.hierarchy = hierarchy
        wishes = {
            "root_hints": str(hierarchy.hints_file()),
            "trust_anchors": str(hierarchy.anchor_file()),
            **(recursion or {}),
        }
        super().__init__(
            folder, 1, workers,
            {"access": {"recursion": ["127.0.0.0/8"]}, "recursion": wishes, **(settings or {})},
        )  # fmt: skip
        self.start(0, zones=zones or [])
        self.wait_ready(0)

    def _spawn(self, n: int) -> NodeProcess:
        command = [
            *self.hierarchy.prefix, sys.executable, "-m", "dns_node", "-n", str(n), "-c",
            str(self.config_file), "--workers", str(self.workers), *self.arguments[n],
        ]  # fmt: skip
        self.processes[n] = NodeProcess(command, self.folder, environment())
        return self.processes[n]

    @property
    def port(self) -> int:
        """Where it answers DNS, at 127.0.0.1."""
        return self.ports[0]
