"""The cluster under test: real processes in namespaces, with certificates, each on its own disk."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.query

from tests.chaos.cleanup import Cleanup
from tests.chaos.disks import make_disks
from tests.chaos.failpoints import SEAM, Failpoint
from tests.chaos.network import RAFT_PORT, Network
from tests.end_to_end.cluster import Cluster, environment
from tests.end_to_end.processes import NodeProcess
from tests.end_to_end.waiting import eventually

DNS_PORT, KV_PORT = 53, 8300
LOG_SIZE_MAX_MIB = 1
"""So little of the log is kept for who is away that some come back to a snapshot."""
RECOVERY_S = 30.0
"""For so long after a fault of its processes a node need not answer questions, unless it answers
before."""


class ChaosCluster(Cluster):
    """A `Cluster` whose nodes live in the namespaces of *network*; *broken* is a promise that the
    nodes break on purpose ("journal-sync"), to see that it is found."""

    def __init__(self, folder: Path, network: Network, cleanup: Cleanup, broken: str = ""):
        self.network, self._folder, self._broken = network, folder, broken
        nodes = len(network.nodes)
        self._certificates(folder, nodes)
        self._lock = threading.Lock()
        self._excused: dict[int, tuple[float, float]] = dict.fromkeys(
            network.nodes, (0.0, float("inf"))
        )
        self.failpoints = {n: Failpoint(folder / "seam" / str(n)) for n in network.nodes}
        self.hits: Counter[str] = Counter()
        self.write_bulk: Callable[[int], None] = lambda n: None
        """Changes much by way of node *n*; set by the run."""
        folders = [folder / "data" / f"node-{n}" for n in network.nodes]
        self.disks = make_disks(folders, folder / "images", cleanup)
        super().__init__(
            folder,
            nodes,
            settings={
                "cluster": {"tls": {}, "log_size_max_mib": LOG_SIZE_MAX_MIB},
                "access": {"kv": [f"{network.client_address}/32"]},
            },
            node_settings={
                n: {
                    "raft_loc": f"{network.address(n)}:{RAFT_PORT}",
                    "query_loc": f"{network.address(n)}:{DNS_PORT}",
                    "kv_loc": f"{network.address(n)}:{KV_PORT}",
                }
                for n in network.nodes
            },
        )
        cleanup.later(self._end_all)

    @staticmethod
    def _certificates(folder: Path, nodes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for words in (["init", "certs"], *(["issue", "certs", str(n)] for n in range(nodes))):
            done = subprocess.run(
                [sys.executable, "-m", "dns_node", "certs", *words],
                cwd=folder, env=environment(), capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            assert done.returncode == 0, done

    def _spawn(self, n: int) -> NodeProcess:
        assert n not in self.processes, f"node {n} runs already"
        command = [
            *self.network.inside(n), sys.executable, "-m", "dns_node",
            "-n", str(n), "-c", str(self.config_file), "--workers", "1",
        ]  # fmt: skip
        plain = environment()
        seam = {
            "PYTHONPATH": f"{SEAM}:{plain['PYTHONPATH']}",
            "CHAOS_SEAM": str(self._folder / "seam" / str(n)),
            "CHAOS_DISK": str(self.data_dir(n)),
            "CHAOS_BREAK": self._broken,
        }
        self.processes[n] = NodeProcess(command, self.folder, {**plain, **seam})
        return self.processes[n]

    def launch(self, n: int) -> None:
        """Start node *n*, on a disk with power, and return at once; nothing if it runs."""
        if n in self.processes:
            return
        if self.disks[n].is_dead:
            self.disks[n].power_on()
        self._spawn(n)
        self.excuse(n)

    def end_now(self, n: int) -> None:
        """`kill -9` whatever there is of node *n*; gone on return."""
        process = self.processes[n]
        with contextlib.suppress(ProcessLookupError):  # its supervisor may have ended by itself
            process.signal(signal.SIGKILL, "all")
        for pid in process.left_over():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.forget(n)

    def ask(self, n: int, name: str, rrtype: str = "A", **options: float) -> dns.message.Message:
        """Return node *n*'s reply to one question; dns.exception.Timeout or OSError without."""
        query = dns.message.make_query(name, rrtype)
        timeout_s = options.get("timeout_s", 2.0)
        return dns.query.udp(query, self.network.address(n), timeout_s, DNS_PORT)

    def count_hit(self, n: int) -> bool:
        """Disarm the failpoint of node *n*; count it, and say whether it was hit."""
        step = self.failpoints[n].disarm()
        if step:
            self.hits[step] += 1
        return bool(step)

    def leader(self) -> int | None:
        """Return who leads, as far as a node can tell at once."""
        for n in self.network.nodes:
            try:
                said = self.status(n).get("leader", "")
            except (AssertionError, OSError):
                continue
            if said.isdigit():
                return int(said)
        return None

    # ---- which node has to answer questions now

    def excuse(self, n: int, for_s: float = RECOVERY_S) -> None:
        """Do not expect answers of node *n* for the next *for_s* seconds, or until it answers a
        question that is asked from now on (but for infinity)."""
        with self._lock:
            self._excused[n] = (time.monotonic(), time.monotonic() + for_s)

    def answered(self, n: int, asked_s: float) -> None:
        """Note that node *n* answered what it was asked at *asked_s* (monotonic)."""
        with self._lock:
            since_s, until_s = self._excused[n]
            if since_s < asked_s < until_s < float("inf"):
                self._excused[n] = (since_s, asked_s)

    def must_answer(self, n: int, since_s: float) -> bool:
        """Say whether node *n* had to answer a question asked at *since_s* (monotonic)."""
        with self._lock:
            return since_s > self._excused[n][1]

    def power_losses(self, n: int) -> int:
        """Return how often node *n* has lost its power and come back."""
        return self.disks[n].power_losses

    def wait_equal(self, deadline_s: float = 15.0) -> str:
        """Like `Cluster.wait_equal`, of all nodes, some of which may be starting still."""

        def equal() -> str:
            states = [self.status(n) for n in self.network.nodes]
            said = {(state["revision"], state["digest"]) for state in states}
            return states[0]["digest"] if len(said) == 1 else ""

        late = (AssertionError, KeyError, OSError)
        what = "equal revision and digest on all nodes"
        return eventually(equal, deadline_s, what, poll_s=0.3, ignore=late)

    def snapshots(self) -> int:
        """Return how many snapshots the nodes say they have installed."""
        processes = [*self.processes.values(), *self.ended]
        return sum("installed a snapshot" in line for p in processes for line in p.err.since())

    def _end_all(self) -> None:
        for disk in self.disks:
            disk.thaw()
        for process in [*self.processes.values(), *self.ended]:
            process.end(grace_s=5.0)
        self.processes.clear()
