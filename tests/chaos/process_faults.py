"""Faults of processes: killed, ended at a named step, stopped, held still."""

import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.failpoints import AT_START, BY_EVERY_CHANGE, MOMENTS, NOW_AND_THEN
from tests.chaos.nodes import ChaosCluster
from tests.end_to_end.processes import ProcessId, descendants, identify

LEADER_SHARE = 0.4
COUNT_MAX = 60


def victim(cluster: ChaosCluster, chance: random.Random) -> int:
    """Return a running node, often the leader."""
    is_leader, n = chance.random() < LEADER_SHARE, chance.choice(list(cluster.processes))
    leader = cluster.leader() if is_leader else None
    return leader if leader in cluster.processes else n


@contextmanager
def kill_a_worker(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """`kill -9` of the worker of one node; the supervisor starts another."""
    n = victim(cluster, chance)
    cluster.excuse(n, float("inf"))
    cluster.kill(n, which="worker")
    cluster.excuse(n)
    yield f"kill -9 of the worker of node {n}"


@contextmanager
def kill_a_node_process(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """`kill -9` of one node process; its workers must answer on, without an excuse."""
    n = victim(cluster, chance)
    cluster.kill(n, which="node")
    yield f"kill -9 of the node process of node {n}"


@contextmanager
def kill_a_supervisor(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """`kill -9` of one supervisor, which takes the rest along; started again afterwards."""
    n = victim(cluster, chance)
    cluster.excuse(n, float("inf"))
    cluster.kill(n)
    yield f"kill -9 of the supervisor of node {n}"
    cluster.forget(n)
    cluster.launch(n)


@contextmanager
def kill_some(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """`kill -9` of every process of one to all nodes at once; started again afterwards."""
    nodes = chance.sample(list(cluster.processes), chance.randint(1, len(cluster.processes)))
    with ended(cluster, nodes):
        yield f"kill -9 of all processes of nodes {sorted(nodes)}"


@contextmanager
def kill_all(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """`kill -9` of every process of every node."""
    with ended(cluster, list(cluster.processes)):
        yield "kill -9 of everything"


@contextmanager
def ended(cluster: ChaosCluster, nodes: list[int]) -> Iterator[None]:
    """Kill *nodes*, all at once as far as that goes; start them again afterwards."""
    for n in nodes:
        cluster.excuse(n, float("inf"))
        cluster.processes[n].remember()
    for n in nodes:
        cluster.kill(n, which="all")
    yield
    for n in nodes:
        cluster.end_now(n)
        cluster.launch(n)


@contextmanager
def stop_in_order(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """SIGTERM of one node; started again afterwards."""
    n = victim(cluster, chance)
    cluster.excuse(n, float("inf"))
    cluster.processes[n].remember()
    cluster.kill(n, signal.SIGTERM)
    yield f"SIGTERM of node {n}"
    cluster.processes[n].wait(30)
    cluster.forget(n)
    cluster.launch(n)


@contextmanager
def failpoint(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """The node process of one node is killed at a named step; its workers must answer on."""
    n = victim(cluster, chance)
    steps, count_max = chance.choice([(BY_EVERY_CHANGE, COUNT_MAX), (NOW_AND_THEN, 5)])
    step = f"{chance.choice(steps)}:{chance.choice(MOMENTS)}"
    count = chance.randint(1, count_max)
    cluster.failpoints[n].arm(step, count, "kill")
    yield f"failpoint: node {n} is killed at {step}, the {count}. time"
    cluster.count_hit(n)


@contextmanager
def failpoint_at_start(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """One node process is killed, and its successor when it starts or votes."""
    n = victim(cluster, chance)
    step = f"{chance.choice(AT_START)}:{chance.choice(MOMENTS)}"
    cluster.failpoints[n].arm(step, 1, "kill")
    cluster.kill(n, which="node")
    yield f"failpoint: node {n} is killed, and when it comes back at {step}"
    cluster.count_hit(n)


@contextmanager
def pause_a_node_process(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """SIGSTOP of one node process; its workers must answer on, without an excuse."""
    n = victim(cluster, chance)
    process = identify(cluster.processes[n].pid_of("node"))
    assert process, f"node {n} has no node process now"
    with stopped([process]):
        yield f"SIGSTOP of the node process of node {n}"


@contextmanager
def pause_a_node(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """SIGSTOP of every process of one node."""
    n = victim(cluster, chance)
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
