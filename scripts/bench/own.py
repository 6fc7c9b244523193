"""dns-node itself, as a user runs it: a configuration, ``python -m dns_node``, ``LOAD``."""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import machine
from server import Server, StartError, make_directory
from zones import BenchZone

HOME = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(HOME), str(HOME / "metrics")]

from node_control import NodeControl  # noqa: E402

LOAD_MAX_S = 600.0


class OwnNode(Server):
    """A cluster of one node with *workers* workers.

    With *is_limited* its answer limits apply to the generator too, which is on loopback and so
    exempt by default.  Its data directory is that of *zone*, loaded once: the node is started,
    told to ``LOAD``, and stopped; each measured start then finds the store as after a restart.
    """

    def __init__(
        self,
        zone: BenchZone,
        directory: Path,
        processors: str,
        workers: int = 1,
        *,
        is_limited: bool = False,
    ):
        name = "dns-node-limited" if is_limited else "dns-node"
        super().__init__(name, machine.free_port(), processors, directory / name)
        self._zone = zone
        self._workers = workers
        self._is_limited = is_limited
        self._data = directory / f"{name}-{zone.origin}"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.load_s = 0.0
        """Seconds that the LOAD took; 0 when it was done in an earlier run."""

    @property
    def data_directory(self) -> str:
        """Where it keeps its records."""
        return str(self._data)

    def serve(self) -> None:
        """Start it with the zone loaded; raises StartError when that fails."""
        if not (self._data / "loaded").exists():
            self._load()
        self.start(self._command(), f"n0000005.{self._zone.origin}", self._surroundings())

    def _command(self) -> list[str]:
        limits: dict[str, Any] = {}
        if self._is_limited:
            # Every answer is counted, and none is too many.
            limits = {"rate_limit": {"exempt": [], "answers_per_s": 1_000_000}}
        config = self.directory / f"dns-config-{self.port}.json"
        config.write_text(json.dumps({
            "nodes": {"0": {"raft_loc": f"127.0.0.1:{machine.free_port()}",
                            "query_loc": f"127.0.0.1:{self.port}"}},
            "workers": self._workers, "data_dir": str(self._data), **limits,
        }))  # fmt: skip
        return [sys.executable, "-P", "-m", "dns_node", "-n", "0", "-c", str(config), "-s"]

    def _surroundings(self) -> dict[str, str]:
        return {"PYTHONPATH": str(HOME)}

    def _load(self) -> None:
        make_directory(self._data)
        loader = Server("dns-node", self.port, self.processors, self.directory)
        loader.is_echo = True  # any reply will do: there is no zone yet
        loader.start(self._command(), "x", self._surroundings())
        try:
            talk = self.talk()
            began_s = time.monotonic()
            status, text = talk.run(f"LOAD {self._zone.path}")
            self.load_s = time.monotonic() - began_s
            if status != 0:
                raise StartError(f"LOAD {self._zone.path}: {text}")
            talk.close()
        except Exception:
            shutil.rmtree(self._data)
            raise
        finally:
            loader.stop()
        (self._data / "loaded").touch()

    def talk(self) -> NodeControl:
        """Return a conversation with the node, once it can be had and there is a leader."""
        deadline_s = time.monotonic() + 60
        while True:
            try:
                talk = NodeControl("0", self.data_directory)
                talk.patience(LOAD_MAX_S)
                if "leader: 0" in talk.run("STATUS")[1]:
                    return talk
                talk.close()
            except Exception:
                if time.monotonic() > deadline_s:
                    raise
            time.sleep(0.05)

    def data_path(self) -> str:
        """Return "native" or "Python", as STATUS says; "?" when it does not say."""
        talk = self.talk()
        _, text = talk.run("STATUS")
        talk.close()
        lines = [line for line in text.splitlines() if line.startswith("data path:")]
        return lines[0].partition(": ")[2] if lines else "?"

    def workers(self) -> list[int]:
        """Return the processes that answer."""
        return [pid for pid in self.processes() if machine.title(pid).startswith("dns-worker")]
