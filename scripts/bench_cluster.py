"""Figures of a cluster of three real nodes on this machine; ``scripts/bench-cluster`` runs it.

Everything is measured beside what the disk does in the same run: latency in fsyncs, not only in
milliseconds.  The nodes' ports and data lie in a temporary directory that is removed at the end.
"""

import argparse
import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HOME), str(HOME / "metrics")]

from node_control import NodeControl  # noqa: E402

NODES = ("0", "1", "2")
WAIT_S = 120.0


class BenchCluster:
    """Three nodes with one worker each, their data below *directory*; *settings* are further keys
    of the configuration."""

    def __init__(
        self,
        directory: Path,
        zone_files: dict[str, str],
        settings: dict[str, Any] | None = None,
    ):
        self.directory = directory
        self._zone_files = zone_files
        self._config = directory / "dns-config.json"
        ports = _free_ports(2 * len(NODES))
        self.query_ports = dict(zip(NODES, ports[len(NODES) :], strict=True))
        self._config.write_text(json.dumps({"nodes": {
            node: {"raft_loc": f"127.0.0.1:{ports[i]}",
                   "query_loc": f"127.0.0.1:{self.query_ports[node]}"}
            for i, node in enumerate(NODES)
        }, "workers": 1, **(settings or {})}))  # fmt: skip
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.away = ""

    def data_dir(self, node: str) -> str:
        """Where *node* keeps its data."""
        return str(self.directory / "data" / f"node-{node}")

    def start(self, node: str) -> None:
        """Start *node*; its output goes to a file beside its data."""
        words = [sys.executable, "-P", "-m", "dns_node", "-n", node, "-c", str(self._config)]
        if node in self._zone_files:
            words += ["-z", self._zone_files[node]]
        self._run(node, words)

    def start_joiner(self, node: str, seed: str, token: str) -> None:
        """Start *node*, which is in no configuration, as one that joins the cluster of *seed*."""
        raft_port, query_port = _free_ports(2)
        self.query_ports[node] = query_port
        seed_loc = json.loads(self._config.read_text())["nodes"][seed]["raft_loc"]
        words = [
            sys.executable, "-P", "-m", "dns_node", "-n", node, "--workers", "1",
            "--join", seed_loc, "--token", token, "--raft-loc", f"127.0.0.1:{raft_port}",
            "--query-loc", f"127.0.0.1:{query_port}", "--data-dir", self.data_dir(node),
        ]  # fmt: skip
        self._run(node, words)

    def _run(self, node: str, words: list[str]) -> None:
        with open(self.directory / f"log-{node}", "ab") as log:
            self.processes[node] = subprocess.Popen(
                words, cwd=HOME, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self, node: str) -> None:
        """End *node* at once, all of its processes."""
        process = self.processes.pop(node)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """End all nodes."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(30)

    def control(self, node: str) -> NodeControl:
        """Return a conversation with *node*, once it listens."""
        return until(lambda: NodeControl(node, self.data_dir(node)))

    def status(self, node: str) -> dict[str, str]:
        """Return STATUS of *node* as a mapping."""
        talk = self.control(node)
        _, text = talk.run("STATUS")
        talk.close()
        return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)

    def leader(self) -> str:
        """Return the leader's id, once there is one."""
        return until(lambda: _named(self.status(next(iter(self.processes)))["leader"]))


def _named(leader: str) -> str:
    if leader == "none":
        raise ValueError("no leader yet")
    return leader


def until(attempt: Callable[[], Any], timeout_s: float = WAIT_S) -> Any:
    """Return what *attempt* returns as soon as it does not raise; its error after *timeout_s*."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            return attempt()
        except Exception:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            found.append(probe.getsockname()[1])
        return found


def fsync_ms(directory: Path, count: int = 200) -> float:
    """Return the median time of writing and syncing one page, in milliseconds."""
    times = []
    with open(directory / "fsync", "wb") as file:
        for _ in range(count):
            file.write(bytes(4096))
            file.flush()
            began_s = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began_s)
    return statistics.median(times) * 1000


def change_load(
    cluster: BenchCluster, node: str, in_flight: int, seconds: float
) -> tuple[float, float, float]:
    """Return (acknowledged changes per second, p50 ms, p99 ms) of ADDs typed at *node*, with one
    conversation per change in flight."""
    talks = [cluster.control(node) for _ in range(in_flight)]
    selector = selectors.DefaultSelector()
    names = _names(f"b{in_flight}n{node}")
    sent_s: dict[int, float] = {}
    for number, talk in enumerate(talks):
        selector.register(talk, selectors.EVENT_READ, number)
        sent_s[number] = time.perf_counter()
        talk.send(f"ADD: {next(names)} A 192.0.2.1")
    times: list[float] = []
    began_s = time.perf_counter()
    while (now_s := time.perf_counter()) < began_s + seconds:
        for key, _ in selector.select(1.0):
            reply = talks[key.data].receive()
            if reply is None:
                continue
            assert reply[0] == 0, reply[1]
            now_s = time.perf_counter()
            times.append(now_s - sent_s[key.data])
            sent_s[key.data] = now_s
            talks[key.data].send(f"ADD: {next(names)} A 192.0.2.1")
    elapsed_s = time.perf_counter() - began_s
    for talk in talks:
        talk.close()
    times.sort()
    return (
        len(times) / elapsed_s,
        times[len(times) // 2] * 1000,
        times[min(len(times) - 1, int(len(times) * 0.99))] * 1000,
    )


def _names(prefix: str) -> Iterator[str]:
    number = 0
    while True:
        yield f"{prefix}-{number}.bench.example"
        number += 1


def write_zone(path: Path, records: int) -> None:
    """Write a zone file big.example with about *records* records."""
    with open(path, "w") as file:
        file.write("$ORIGIN big.example.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 300\n")
        file.write("@ NS ns\nns A 192.0.2.53\n")
        for number in range(records):
            file.write(f"h{number} A 10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}\n")


def memory_mib(process: int) -> dict[str, float]:
    """Return the proportional memory (PSS) of every process below *process*, by title."""
    found: dict[str, float] = {}
    waiting = [process]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):
            title = Path(f"/proc/{pid}/comm").read_text().strip()
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            pss = next(int(line.split()[1]) for line in rollup.splitlines() if "Pss:" in line)
            found[title] = found.get(title, 0.0) + pss / 1024
            waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return found


def wait_revision(cluster: BenchCluster, revision: int) -> None:
    """Return when every node that runs has applied *revision*."""
    for node in cluster.processes:
        until(lambda node=node: _at_least(cluster.status(node), revision))


def _at_least(status: dict[str, str], revision: int) -> None:
    if int(status["revision"]) < revision:
        raise ValueError(status["revision"])


def answers(port: int, question: bytes = b"\2h1\3big\7example\0\0\1\0\1") -> None:
    """Raise unless the node at *port* answers *question* (of big.example, usually) with data."""
    question = b"\x12\x34\0\0\0\1\0\0\0\0\0\0" + question
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(0.05)
        asker.connect(("127.0.0.1", port))
        asker.send(question)
        if asker.recv(512)[6:8] != b"\0\1":
            raise ValueError("no answer yet")


def run(records: int, seconds: float) -> None:
    """Measure, and print the table."""
    directory = Path(tempfile.mkdtemp(prefix="dns-node-bench-"))
    cluster = BenchCluster(directory, {})
    try:
        rows: list[tuple[str, str]] = [("fsync of 4 KiB, median", f"{fsync_ms(directory):.2f} ms")]
        for node in NODES:
            cluster.start(node)
        leader = cluster.leader()
        follower = next(node for node in NODES if node != leader)
        first = cluster.control(leader)
        until(lambda: _done(first.run("ADD: first.bench.example A 192.0.2.1")))
        for where, node in (("leader", leader), ("follower", follower)):
            for in_flight in (1, 8, 64):
                rate, p50_ms, p99_ms = change_load(cluster, node, in_flight, seconds)
                figure = f"{rate:,.0f}/s, p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms"
                rows.append((f"ADD at the {where}, {in_flight} in flight", figure))
        rows.append(("fsync of 4 KiB, median, again", f"{fsync_ms(directory):.2f} ms"))
        rows += _import(cluster, leader, records)
        rows += _join(cluster, leader, records)
        rows += _restart(cluster, follower, records)
        rows += _failover(cluster, leader, follower)
        width = max(len(name) for name, _ in rows)
        for name, figure in rows:
            print(f"{name.ljust(width)}  {figure}")
    finally:
        cluster.stop()
        shutil.rmtree(directory)


def _done(reply: tuple[int, str]) -> None:
    if reply[0] != 0:
        raise ValueError(reply[1])


def _import(cluster: BenchCluster, node: str, records: int) -> list[tuple[str, str]]:
    path = cluster.directory / "big.example.zone"
    write_zone(path, records)
    talk = cluster.control(node)
    talk.patience(600)
    began_s = time.perf_counter()
    _done(talk.run(f"LOAD {path} wait=all"))
    elapsed_s = time.perf_counter() - began_s
    wait_revision(cluster, int(cluster.status(node)["revision"]))
    shown = ", ".join(
        f"{title} {pss:.0f} MiB"
        for title, pss in sorted(memory_mib(cluster.processes[node].pid).items())
    )
    return [
        (f"LOAD of {records:,} records, all nodes",
         f"{elapsed_s:.1f} s, {records / elapsed_s:,.0f} records/s"),
        ("memory (PSS) of that node", shown),
    ]  # fmt: skip


class _Writer:
    """Writes one change after the other at *node*, in a thread, until `stop`."""

    def __init__(self, cluster: BenchCluster, node: str):
        self._talk = cluster.control(node)
        self._is_over = threading.Event()
        self.times_s: list[float] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for name in _names(f"w{time.time_ns()}"):
            if self._is_over.is_set():
                return
            began_s = time.perf_counter()
            _done(self._talk.run(f"ADD: {name} A 192.0.2.4"))
            self.times_s.append(time.perf_counter() - began_s)

    def stop(self) -> None:
        """End it."""
        self._is_over.set()
        self._thread.join()
        self._talk.close()


def _join(cluster: BenchCluster, leader: str, records: int) -> list[tuple[str, str]]:
    """A fourth node joins with a token while two writers write; it is removed again."""
    talk = cluster.control(leader)
    token = talk.run("JOIN-TOKEN")[1].split()[0]
    term = cluster.status(leader)["term"]
    writers = [_Writer(cluster, node) for node in list(cluster.processes)[:2]]
    began_s = time.perf_counter()
    cluster.start_joiner("3", leader, token)
    until(lambda: answers(cluster.query_ports["3"]))
    answered_s = time.perf_counter() - began_s
    until(lambda: _has(talk.run("MEMBERS")[1], "3  ", "voter"))
    voter_s = time.perf_counter() - began_s
    for writer in writers:
        writer.stop()
    elections = int(cluster.status(leader)["term"]) - int(term)
    written = [seconds for writer in writers for seconds in writer.times_s]
    _done(talk.run("REMOVE-MEMBER 3"))
    cluster.kill("3")
    return [
        (f"a fourth node joins, {records:,} records",
         f"first answer {answered_s:.1f} s, voter {voter_s:.1f} s, elections {elections}"),
        ("changes meanwhile, two writers",
         f"{len(written) / voter_s:,.0f}/s, longest {max(written) * 1000:.0f} ms"),
    ]  # fmt: skip


def _has(text: str, start: str, word: str) -> None:
    if not any(line.startswith(start) and word in line for line in text.splitlines()):
        raise ValueError(text)


def _restart(cluster: BenchCluster, node: str, records: int) -> list[tuple[str, str]]:
    cluster.kill(node)
    began_s = time.perf_counter()
    cluster.start(node)
    until(lambda: answers(cluster.query_ports[node]))
    answered_s = time.perf_counter() - began_s
    talk = cluster.control(node)
    until(lambda: _done(talk.run(f"ADD: again{time.time_ns()}.bench.example A 192.0.2.2")))
    written_s = time.perf_counter() - began_s
    return [(f"kill -9 and start with {records:,} records",
             f"first answer {answered_s:.2f} s, first change {written_s:.2f} s")]  # fmt: skip


def _failover(cluster: BenchCluster, leader: str, node: str) -> list[tuple[str, str]]:
    talk = cluster.control(node)
    cluster.kill(leader)
    began_s = time.perf_counter()
    until(lambda: _done(talk.run(f"ADD: after{time.time_ns()}.bench.example A 192.0.2.3")))
    return [("leader killed to next acknowledged change", f"{time.perf_counter() - began_s:.2f} s")]


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, help="of the big zone")
    parser.add_argument("--seconds", type=float, default=5.0, help="per load of changes")
    options = parser.parse_args()
    run(options.records, options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
