"""The cluster under test: real processes in namespaces, with certificates, one on a small disk."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import dns.message
import dns.query

from tests.chaos.cleanup import Cleanup
from tests.chaos.network import Network, run
from tests.end_to_end.cluster import Cluster, environment
from tests.end_to_end.processes import NodeProcess

RAFT_PORT, DNS_PORT, KV_PORT = 4321, 53, 8300
SMALL_DISK_MIB = 256
RECOVERY_S = 5.0
"""For so long after a fault of its processes a node need not answer questions."""


class ChaosCluster(Cluster):
    """A `Cluster` whose nodes live in the namespaces of *network*; the last has a small disk."""

    def __init__(self, folder: Path, network: Network, cleanup: Cleanup):
        self.network = network
        nodes = len(network.nodes)
        self._certificates(folder, nodes)
        self._lock = threading.Lock()
        self._excused_until: dict[int, float] = dict.fromkeys(network.nodes, float("inf"))
        self.small = nodes - 1
        small_dir = folder / "data" / f"node-{self.small}"
        small_dir.mkdir(parents=True)
        run("mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MIB}m", "chaos", str(small_dir))
        cleanup.later(run, "umount", "-l", str(small_dir))
        super().__init__(
            folder,
            nodes,
            settings={
                "cluster": {"tls": {}},
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
            "ip", "netns", "exec", self.network.namespace(n), sys.executable, "-m", "dns_node",
            "-n", str(n), "-c", str(self.config_file), "--workers", "1",
        ]  # fmt: skip
        self.processes[n] = NodeProcess(command, self.folder, environment())
        return self.processes[n]

    def launch(self, n: int) -> None:
        """Start node *n* and return at once."""
        self._spawn(n)
        self.excuse(n)

    def ask(self, n: int, name: str, rrtype: str = "A", **options: float) -> dns.message.Message:
        """Return node *n*'s reply to one question; dns.exception.Timeout or OSError without."""
        query = dns.message.make_query(name, rrtype)
        timeout_s = options.get("timeout_s", 2.0)
        return dns.query.udp(query, self.network.address(n), timeout_s, DNS_PORT)

    def small_dir(self) -> Path:
        """Return the directory on the small disk."""
        return self.data_dir(self.small)

    # ---- which node has to answer questions now

    def excuse(self, n: int, for_s: float = RECOVERY_S) -> None:
        """Do not expect answers of node *n* for the next *for_s* seconds."""
        with self._lock:
            self._excused_until[n] = time.monotonic() + for_s

    def must_answer(self, n: int, since_s: float) -> bool:
        """Say whether node *n* had to answer a question asked at *since_s* (monotonic)."""
        with self._lock:
            return since_s > self._excused_until[n]

    def _end_all(self) -> None:
        for process in [*self.processes.values(), *self.ended]:
            process.end(grace_s=5.0)
        self.processes.clear()
