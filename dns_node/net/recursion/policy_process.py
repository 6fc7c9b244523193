"""The node's side of the process that feeds policy zones: starts it, and starts it again."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from dns_node.net.recursion.policy_tables import policy_directory
from dns_node.supervise.launch import START_VARIABLE
from dns_node.supervise.process import PACKAGE_ROOT, end_text

LOOK_S: Final = 1.0
"""How often the process is looked at: the reactor handles no signals that would tell of its end."""

RESTART_S: Final = 5.0

_COMMAND: Final = (sys.executable, "-P", "-m", "dns_node.net.recursion.policy_feed")
_log = logging.getLogger("dns_node.policy")


class PolicyProcess:
    """One feeding process as long as there are zones to feed."""

    def __init__(self, clock: Any, data_directory: str, node: str):
        self._clock = clock
        self._data_directory = Path(data_directory)
        self._node = node
        self._start: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: Any = None

    @property
    def pid(self) -> int | None:
        """The process that runs, None when there is none."""
        return None if self._process is None else self._process.pid

    def feed(self, zones: list[dict[str, Any]], log_level: str, log_format: str) -> None:
        """Feed *zones* (`policy_settings.feed_zones`) from now on."""
        start = {
            "parent": os.getpid(),
            "directory": str(policy_directory(self._data_directory)),
            "store": str(self._data_directory),
            "node": self._node,
            "log_level": log_level,
            "log_format": log_format,
            "zones": zones,
        }
        if start != self._start:
            self.stop()
            self._start = start
            if zones:
                self._spawn()

    def stop(self) -> None:
        """End the process."""
        self._start = {}
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _spawn(self) -> None:
        environment = dict(os.environ)
        environment[START_VARIABLE] = json.dumps(self._start)
        paths = [PACKAGE_ROOT, *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        try:
            # A group of its own: a terminal's keys are for the node.
            self._process = subprocess.Popen(
                _COMMAND, env=environment, stdin=subprocess.DEVNULL, process_group=0
            )
        except OSError as error:
            _log.error("the process that feeds policy zones can't be started: %s", error)
            self._timer = self._clock.callLater(RESTART_S, self._spawn)
            return
        self._timer = self._clock.callLater(LOOK_S, self._look)

    def _look(self) -> None:
        assert self._process is not None
        returncode = self._process.poll()
        if returncode is None:
            self._timer = self._clock.callLater(LOOK_S, self._look)
            return
        self._process = None
        _log.error("the process that feeds policy zones ended: %s", end_text(returncode))
        self._timer = self._clock.callLater(RESTART_S, self._spawn)
