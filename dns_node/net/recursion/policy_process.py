"""The node's side of the process that feeds policy zones: starts it, and starts it again."""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any, Final

from twisted.internet.protocol import ProcessProtocol

from dns_node.net.recursion.policy_tables import policy_directory
from dns_node.supervise.launch import START_VARIABLE
from dns_node.supervise.process import PACKAGE_ROOT

RESTART_S: Final = 5.0

_log = logging.getLogger("dns_node.policy")


class PolicyProcess(ProcessProtocol):
    """One feeding process as long as there are zones to feed."""

    transport: Any

    def __init__(self, reactor: Any, data_directory: str, node: str):
        self._reactor = reactor
        self._directory = policy_directory(Path(data_directory))
        self._node = node
        self._start: dict[str, Any] = {}
        self._again: Any = None
        self._was_killed = False

    def feed(self, zones: list[dict[str, Any]], log_level: str, log_format: str) -> None:
        """Feed *zones* (`policy_settings.feed_zones`) from now on."""
        start = {
            "parent": os.getpid(),
            "directory": str(self._directory),
            "node": self._node,
            "log_level": log_level,
            "log_format": log_format,
            "zones": zones,
        }
        if start == self._start:
            return
        self._start = start
        if self.transport is not None:
            self._kill()  # and processEnded starts the next one
        elif self._again is None:
            self._spawn()

    def stop(self) -> None:
        """End the process."""
        self._start = {}
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self.transport is not None:
            self._kill()

    def processEnded(self, reason: Any) -> None:  # noqa: N802
        """Start the next one."""
        self.transport = None
        if self._start.get("zones") and self._again is None:
            if not self._was_killed:
                _log.error("the process that feeds policy zones ended: %s", reason.value)
            self._again = self._reactor.callLater(0 if self._was_killed else RESTART_S, self._spawn)

    def _kill(self) -> None:
        self._was_killed = True
        self.transport.signalProcess("KILL")

    def _spawn(self) -> None:
        self._again = None
        self._was_killed = False
        if not self._start.get("zones"):
            return
        environment = dict(os.environ)
        environment[START_VARIABLE] = json.dumps(self._start)
        paths = [PACKAGE_ROOT, *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        command = [sys.executable, "-P", "-m", "dns_node.net.recursion.policy_feed"]
        with open(os.devnull, "rb") as null:
            descriptors = {0: null.fileno(), 1: 2, 2: 2}
            self._reactor.spawnProcess(
                self, sys.executable, command, environment, childFDs=descriptors
            )
