"""How a laggard and a newcomer get a large store while a cluster works; ``scripts/bench-join``.

Three nodes of which one is away while a large zone is loaded, so that their log no longer serves
it.  Then, under changes at all nodes at a fixed rate and DNS questions to all of them without a
break, it comes back, and a fourth node joins.  With ``--kill`` each of them is killed once
in the middle of the transfer.
"""

import argparse
import selectors
import shutil
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from bench_cluster import (  # noqa: E402
    NODES,
    BenchCluster,
    _done,
    _has,
    answers,
    fsync_ms,
    memory_mib,
    until,
    wait_revision,
    write_zone,
)

FIRST = b"\5first\5bench\7example\0\0\1\0\1"
RECENT_S = 11.0
"""Longer than STATUS calls a pause recent."""
WRITERS_PER_NODE = 16
REPLY_S = 1.0
"""A question that has no reply after this counts as failed."""


@dataclass
class Load:
    """Changes and questions from threads of this process, until `end`."""

    cluster: BenchCluster
    per_s: float
    over: threading.Event = field(default_factory=threading.Event)
    times_s: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    questions: int = 0
    failed: list[str] = field(default_factory=list)
    pauses: dict[str, tuple[int, int]] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)

    def begin(self, nodes: list[str]) -> None:
        """Start: changes at *nodes*, and questions to them."""
        for node in nodes:
            self._start(self._write, node, self.per_s / len(nodes))
            self.watch(node)

    def watch(self, node: str) -> None:
        """Ask *node*, and look after its pauses, from here on."""
        self._start(self._ask, node)
        self._start(self._look, node)

    def end(self) -> None:
        """Stop; returns when the last thread has."""
        self.over.set()
        for thread in self.threads:
            thread.join(30)

    def _start(self, work, *arguments) -> None:
        self.threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self.threads[-1].start()

    def _write(self, node: str, per_s: float) -> None:
        selector = selectors.DefaultSelector()
        idle = []
        for _ in range(WRITERS_PER_NODE):
            talk = self.cluster.control(node)
            selector.register(talk, selectors.EVENT_READ, talk)
            idle.append(talk)
        sent_s = {}
        began_s, number = time.perf_counter(), 0
        while not self.over.is_set() or sent_s:
            now_s = time.perf_counter()
            while idle and not self.over.is_set() and number < (now_s - began_s) * per_s:
                talk = idle.pop()
                sent_s[talk] = now_s
                talk.send(f"ADD: j{node}-{number}.bench.example A 192.0.2.1")
                number += 1
            for key, _ in selector.select(0.002):
                reply = key.data.receive()
                if reply is not None:
                    self.times_s.append(time.perf_counter() - sent_s.pop(key.data))
                    idle.append(key.data)
                    if reply[0] != 0:
                        self.refused.append(f"node {node}: {reply[1]}")

    def _ask(self, node: str) -> None:
        # A name that every store has, also the one that a snapshot replaces.
        question = b"\0\0\0\0\0\1\0\0\0\0\0\0" + FIRST
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(REPLY_S)
            asker.connect(("127.0.0.1", self.cluster.query_ports[node]))
            while not self.over.wait(0.005):
                number = (self.questions & 0xFFFF).to_bytes(2, "big")
                asker.send(number + question[2:])
                self.questions += 1
                try:
                    while (reply := asker.recv(512))[:2] != number:
                        pass
                except OSError as error:
                    self.failed.append(f"node {node}: {error}")
                    continue
                if reply[3] & 15 or reply[6:8] != b"\0\1":
                    self.failed.append(f"node {node}: {reply[:12].hex()}")

    def _look(self, node: str) -> None:
        while not self.over.wait(2.0):
            try:
                pause_ms, own_ms = recent_pause(self.cluster, node)
            except Exception:
                continue  # It is not there, or was just killed.
            before = self.pauses.get(node, (0, 0))
            self.pauses[node] = max(before[0], pause_ms), max(before[1], own_ms)


def reactor_facts(cluster: BenchCluster, node: str) -> dict[str, int]:
    """Return what STATUS of *node* says of its reactor's pauses."""
    words = (part.rsplit(" ", 1) for part in cluster.status(node)["reactor"].split(", "))
    return {name: int(value) for name, value in words}


def recent_pause(cluster: BenchCluster, node: str) -> tuple[int, int]:
    """Return the longest pause of the last ten seconds at *node*, and of it the node's own, ms."""
    facts = reactor_facts(cluster, node)
    return facts["recent pause ms"], facts["recent own ms"]


def run(records: int, per_s: float, is_killed: bool, log_mib: int, rate_mib_s: int) -> None:
    """Measure, and print the table."""
    directory = Path(tempfile.mkdtemp(prefix="dns-node-bench-"))
    settings = {"log_size_max_mib": log_mib}
    if rate_mib_s:
        settings["snapshot_rate_mib_s"] = rate_mib_s
    cluster = BenchCluster(directory, {}, {"cluster": settings})
    rows = [("fsync of 4 KiB, median", f"{fsync_ms(directory):.2f} ms")]
    try:
        rows += _load_zone(cluster, records)
        leader = cluster.leader()
        term = cluster.status(leader)["term"]
        time.sleep(RECENT_S)  # What happened before is not looked at.
        load = Load(cluster, per_s)
        load.begin(list(cluster.processes))
        time.sleep(RECENT_S)
        rows.append((f"before ({RECENT_S:.0f} s)", _shown(load)))
        load.times_s.clear()
        began_s = time.perf_counter()
        rows += _lag(cluster, load, is_killed)
        rows += _join(cluster, load, leader, is_killed)
        elapsed_s = time.perf_counter() - began_s
        load.end()
        rows.append((f"meanwhile ({elapsed_s:.0f} s)", _shown(load)))
        elections = int(cluster.status(leader)["term"]) - int(term)
        rows.append(("elections", str(elections)))
        rows.append((
            "DNS questions, failed", f"{load.questions}, {len(load.failed)} {load.failed[:3]}"
        ))
        wait_revision(cluster, int(cluster.status(leader)["revision"]))
        digests = {cluster.status(node)["digest"] for node in cluster.processes}
        rows.append(("stores that differ at the end", str(len(digests) - 1)))
        shown = (
            f"{title} {pss:.0f} MiB"
            for title, pss in sorted(memory_mib(cluster.processes[leader].pid).items())
        )
        rows.append(("memory (PSS) of the leader", ", ".join(shown)))
    finally:
        width = max(len(name) for name, _ in rows)
        for name, figure in rows:
            print(f"{name.ljust(width)}  {figure}")
        cluster.stop()
        for node in (*NODES, "3"):
            _keep_log(directory, node)
        shutil.rmtree(directory)


def _keep_log(directory: Path, node: str) -> None:
    path = directory / f"log-{node}"
    if path.exists():
        for line in path.read_text().splitlines():
            if "snapshot" in line or "ALARM" in line or "Traceback" in line:
                print(f"node {node}: {line}")


def _shown(load: Load) -> str:
    times = sorted(load.times_s)
    text = f"{len(times)} changes, {len(load.refused)} refused {load.refused[:3]}"
    if times:
        text += f", p50 {times[len(times) // 2] * 1000:.0f} ms, longest {times[-1] * 1000:.0f} ms"
    pauses = "; ".join(
        f"node {node} {pause_ms} ms (own {own_ms})"
        for node, (pause_ms, own_ms) in sorted(load.pauses.items())
    )
    return f"{text}; longest pauses: {pauses}"


def _load_zone(cluster: BenchCluster, records: int) -> list[tuple[str, str]]:
    """Node 2 is killed, then *records* records are loaded."""
    for node in NODES:
        cluster.start(node)
    leader = cluster.leader()
    talk = cluster.control(leader)
    until(lambda: _done(talk.run("ADD: first.bench.example A 192.0.2.1")))
    until(lambda: _has(talk.run("MEMBERS")[1], "2  ", "voter"))
    away = next(node for node in reversed(NODES) if node != leader)
    cluster.away = away
    wait_revision(cluster, int(cluster.status(leader)["revision"]))
    cluster.kill(away)
    path = cluster.directory / "big.example.zone"
    write_zone(path, records)
    talk.patience(900)
    began_s = time.perf_counter()
    _done(talk.run(f"LOAD {path}"))
    elapsed_s = time.perf_counter() - began_s
    wait_revision(cluster, int(cluster.status(leader)["revision"]))
    rows = [(f"LOAD of {records:,} records, a member away",
             f"{elapsed_s:.1f} s, {records / elapsed_s:,.0f} records/s")]  # fmt: skip
    for node in cluster.processes:
        facts = reactor_facts(cluster, node)
        name = f"pauses of the reactor of node {node}{' (leader)' if node == leader else ''}"
        rows.append((name, ", ".join(f"{key} {value}" for key, value in facts.items())))
    octets = cluster.status(leader)["log octets"]
    rows.append(("log that is left", f"{int(octets) / (1 << 20):.0f} MiB"))
    return rows


def _lag(cluster: BenchCluster, load: Load, is_killed: bool) -> list[tuple[str, str]]:
    """The node that was away comes back."""
    node = cluster.away
    began_s = time.perf_counter()
    cluster.start(node)
    if is_killed:
        _kill_in_transfer(cluster, node)
        cluster.start(node)
    # It answers from its old store already.
    until(lambda: answers(cluster.query_ports[node], FIRST))
    load.watch(node)
    until(lambda: answers(cluster.query_ports[node]), 600)
    answered_s = time.perf_counter() - began_s
    until(lambda: _near(cluster.status(node)), 600)
    return [("the laggard by snapshot", f"first answer from it {answered_s:.1f} s, "
             f"caught up {time.perf_counter() - began_s:.1f} s")]  # fmt: skip


def _near(status: dict[str, str]) -> None:
    if status["leader"] == "none" or int(status["commit"]) - int(status["applied"]) > 200:
        raise ValueError("behind")


def _join(
    cluster: BenchCluster, load: Load, leader: str, is_killed: bool
) -> list[tuple[str, str]]:
    """A fourth node joins."""
    talk = cluster.control(leader)
    token = talk.run("JOIN-TOKEN")[1].split()[0]
    began_s = time.perf_counter()
    cluster.start_joiner("3", leader, token)
    if is_killed:
        _kill_in_transfer(cluster, "3")
        cluster.start_joiner("3", leader, token)
    until(lambda: answers(cluster.query_ports["3"]), 600)
    answered_s = time.perf_counter() - began_s
    load.watch("3")
    until(lambda: _has(talk.run("MEMBERS")[1], "3  ", "voter"), 600)
    voter_s = time.perf_counter() - began_s
    time.sleep(3)
    return [("a newcomer", f"first answer {answered_s:.1f} s, voter {voter_s:.1f} s")]


def _kill_in_transfer(cluster: BenchCluster, node: str) -> None:
    """Kill *node* once it has some of the snapshot."""
    partial = Path(cluster.data_dir(node)) / "snapshot-in" / "partial" / "data.mdb"

    def has_some() -> None:
        if partial.stat().st_size < 8 << 20:
            raise ValueError("not yet")

    until(has_some, 600)
    size_octets = partial.stat().st_size
    cluster.kill(node)
    print(f"node {node} killed with {size_octets >> 20} MiB of the snapshot")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, help="of the big zone")
    parser.add_argument("--per-second", type=float, default=500.0, help="changes, at all nodes")
    parser.add_argument("--kill", action="store_true", help="kill the receivers in between")
    parser.add_argument("--log-mib", type=int, default=16, help="the log that is kept")
    parser.add_argument("--rate-mib-s", type=int, default=0, help="of the transfer; 0: no limit")
    options = parser.parse_args()
    run(options.records, options.per_second, options.kill, options.log_mib, options.rate_mib_s)
    return 0


if __name__ == "__main__":
    sys.exit(main())
