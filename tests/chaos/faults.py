"""The faults: each is put in, held for a while, and taken out again."""

import contextlib
import errno
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.chaos.nodes import ChaosCluster
from tests.end_to_end.processes import ProcessId, descendants, identify

Fault = Callable[[ChaosCluster, random.Random], contextlib.AbstractContextManager[str]]


@contextmanager
def kill_a_worker(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """`kill -9` of the worker of one node; the supervisor starts another."""
    n = chance.choice(list(cluster.processes))
    cluster.excuse(n)
    cluster.kill(n, which="worker")
    yield f"kill -9 of the worker of node {n}"


@contextmanager
def kill_a_node_process(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """`kill -9` of one node process; its workers must answer on, without an excuse."""
    n = chance.choice(list(cluster.processes))
    cluster.kill(n, which="node")
    yield f"kill -9 of the node process of node {n}"


@contextmanager
def kill_a_supervisor(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """`kill -9` of one supervisor, which takes the rest along; started again afterwards."""
    n = chance.choice(list(cluster.processes))
    cluster.excuse(n, float("inf"))
    cluster.kill(n)
    yield f"kill -9 of the supervisor of node {n}"
    cluster.forget(n)
    cluster.launch(n)


@contextmanager
def kill_some(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """`kill -9` of every process of one to all nodes at once; started again afterwards."""
    nodes = chance.sample(list(cluster.processes), chance.randint(1, len(cluster.processes)))
    for n in nodes:
        cluster.excuse(n, float("inf"))
    for n in nodes:
        cluster.kill(n, which="all")
    yield f"kill -9 of all processes of nodes {sorted(nodes)}"
    for n in nodes:
        cluster.forget(n)
        cluster.launch(n)


@contextmanager
def kill_all(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """`kill -9` of every process of every node."""
    for n in cluster.processes:
        cluster.excuse(n, float("inf"))
    for n in cluster.processes:
        cluster.kill(n, which="all")
    yield "kill -9 of everything"
    for n in list(cluster.processes):
        cluster.forget(n)
        cluster.launch(n)


@contextmanager
def stop_in_order(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """SIGTERM of one node; started again afterwards."""
    n = chance.choice(list(cluster.processes))
    cluster.excuse(n, float("inf"))
    cluster.processes[n].remember()
    cluster.kill(n, signal.SIGTERM)
    yield f"SIGTERM of node {n}"
    cluster.forget(n)
    cluster.launch(n)


@contextmanager
def pause_a_node_process(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """SIGSTOP of one node process; its workers must answer on, without an excuse."""
    n = chance.choice(list(cluster.processes))
    process = identify(cluster.processes[n].pid_of("node"))
    assert process
    with stopped([process]):
        yield f"SIGSTOP of the node process of node {n}"


@contextmanager
def pause_a_node(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """SIGSTOP of every process of one node."""
    n = chance.choice(list(cluster.processes))
    supervisor = cluster.processes[n].pid
    cluster.excuse(n, float("inf"))
    found = [identify(pid) for pid in (supervisor, *descendants(supervisor))]
    with stopped([process for process in found if process]):
        yield f"SIGSTOP of all processes of node {n}"
    cluster.excuse(n)


@contextmanager
def stopped(processes: list[ProcessId]) -> Iterator[None]:
    """Hold *processes* still."""
    for process in processes:
        process.kill(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.kill(signal.SIGCONT)


@contextmanager
def partition(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """Two sides that do not hear each other; clients reach both."""
    nodes = list(cluster.network.nodes)
    chance.shuffle(nodes)
    cut = chance.randint(1, len(nodes) - 1)
    for a in nodes[:cut]:
        for b in nodes[cut:]:
            cluster.network.lose(a, b)
            cluster.network.lose(b, a)
    yield f"partition {sorted(nodes[:cut])} | {sorted(nodes[cut:])}"
    cluster.network.heal()


@contextmanager
def partition_of_all(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """Every node alone."""
    for a in cluster.network.nodes:
        for b in cluster.network.nodes:
            if a != b:
                cluster.network.lose(a, b)
    yield "partition: every node alone"
    cluster.network.heal()


@contextmanager
def one_way(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """One node that is heard and does not hear, or hears and is not heard."""
    n = chance.choice(list(cluster.network.nodes))
    deaf = chance.random() < 0.5
    for other in cluster.network.nodes:
        if other != n:
            cluster.network.lose(*((other, n) if deaf else (n, other)))
    yield f"one way: node {n} is {'deaf' if deaf else 'mute'}"
    cluster.network.heal()


@contextmanager
def bridge(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """Two sides that hear one node in the middle and not each other."""
    nodes = list(cluster.network.nodes)
    chance.shuffle(nodes)
    middle, half = nodes[0], (len(nodes) + 1) // 2
    for a in nodes[1:half]:
        for b in nodes[half:]:
            cluster.network.lose(a, b)
            cluster.network.lose(b, a)
    yield f"bridge: {sorted(nodes[1:half])} and {sorted(nodes[half:])} hear only node {middle}"
    cluster.network.heal()


@contextmanager
def loss(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """Packets get lost between all nodes."""
    percent = chance.choice([2, 10, 30])
    for a in cluster.network.nodes:
        for b in cluster.network.nodes:
            if a != b:
                cluster.network.lose(a, b, percent)
    yield f"{percent} % of all packets between nodes lost"
    cluster.network.heal()


@contextmanager
def full_disk(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """The small disk is filled to the last octet; there is space again afterwards."""
    ballast = cluster.small_dir() / "ballast"
    # Another thread fills on: what is freed while the fault lasts is taken too.
    done = threading.Event()
    thread = threading.Thread(target=_fill, args=(ballast, done), daemon=True)
    thread.start()
    try:
        yield f"full disk at node {cluster.small}"
    finally:
        done.set()
        thread.join(10)
        ballast.unlink(missing_ok=True)


def _fill(path: Path, done: threading.Event) -> None:
    with path.open("wb", buffering=0) as file:
        while not done.is_set():
            if not _append(file):
                done.wait(0.1)


def _append(file: IO[bytes]) -> bool:
    """Append one MiB; return whether there was space for all of it."""
    try:
        return os.write(file.fileno(), bytes(1 << 20)) == 1 << 20
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False


ALL: tuple[Fault, ...] = (
    kill_a_worker, kill_a_node_process, kill_a_supervisor, kill_some, kill_all, stop_in_order,
    pause_a_node_process, pause_a_node, partition, partition_of_all, one_way, bridge, loss,
    full_disk,
)  # fmt: skip
"""Every kind; a run takes them in a random order, each once per round."""
