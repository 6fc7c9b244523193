"""Show 4: `kill -9` of everything, and of single processes; what was acknowledged stays."""

import signal
import threading
import time

from .cluster import Cluster
from .conftest import ClusterOf
from .dns_client import NOT_YET, ask, values
from .processes import identify
from .waiting import eventually

QUERY_LIMIT_S = 5.0
"""How long a client asks again at the same server, as a rule; a worker starts in less."""


def test_after_kill_9_of_all_the_cluster_comes_back_with_all_that_was_acknowledged(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of()
    cluster.start_all()
    for i in range(10):
        at = i % 3
        assert (
            cluster.console(at, f"ADD: all{i}.example.com 60 A 192.0.2.{i} wait=all")[-1][:2]
            == "OK"
        )
        assert cluster.console(at, f"ADD: done{i}.example.com 60 A 192.0.2.{i}")[-1][:2] == "OK"
    for n in cluster.ports:
        cluster.kill(n, which="all")
    for n in cluster.ports:
        cluster.forget(n)

    cluster._spawn(0)  # one: everything that was visible everywhere
    for i in range(10):
        cluster.wait_answer(0, f"all{i}.example.com", "A", [f"192.0.2.{i}"])
    cluster.restart(1)  # two: everything acknowledged at all
    for n in (0, 1):
        for i in range(10):
            cluster.wait_answer(n, f"done{i}.example.com", "A", [f"192.0.2.{i}"])
    eventually(
        lambda: cluster.console(1, "ADD: two.example.com A 192.0.2.99")[-1][:2] == "OK",
        15,
        "two of three take writes",
        0.2,
    )
    outcomes: list[str] = []
    stop = threading.Event()
    writer = threading.Thread(target=_write, args=(cluster, 1, outcomes, stop))
    writer.start()
    try:
        cluster.restart(2)
        cluster.wait_answer(2, "two.example.com", "A", ["192.0.2.99"])
        eventually(lambda: len(outcomes) > 20, 20, "more writes")
    finally:
        stop.set()
        writer.join(20)
    assert all(line.startswith("OK") for line in outcomes), outcomes
    cluster.wait_equal()


def _write(cluster: Cluster, n: int, outcomes: list[str], stop: threading.Event) -> None:
    while not stop.is_set():
        name = f"w{len(outcomes)}.example.com"
        outcomes.append(cluster.console(n, f"ADD: {name} A 192.0.2.1")[-1])


class Prober:
    """Asks one node without pause, a socket per question, and keeps the longest silence."""

    def __init__(self, port: int):
        self._port = port
        self._stop = threading.Event()
        self.longest_s = 0.0
        self.answers = 0
        self.wrong: list[list[str]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        last_s = time.monotonic()
        while not self._stop.is_set():
            try:
                found = values(ask(self._port, "example.com", timeout_s=0.2))
            except NOT_YET:
                found = None
            now_s = time.monotonic()
            self.longest_s = max(self.longest_s, now_s - last_s)
            if found is not None:
                last_s = now_s
                self.answers += 1
                if found != ["1.2.3.4"]:
                    self.wrong.append(found)
            self._stop.wait(0.005)

    def end(self) -> float:
        """Stop and return the longest time without an answer."""
        self._stop.set()
        self._thread.join(5)
        assert not self.wrong
        return self.longest_s


def test_a_killed_worker_is_replaced_and_no_query_waits_longer_than_that(three: Cluster) -> None:
    process = three.processes[1]
    old = process.pid_of("worker")
    prober = Prober(three.ports[1])
    try:
        three.kill(1, which="worker")
        eventually(lambda: process.workers() and process.workers() != [old], 10, "a new worker")
        three.wait_answer(1, "example.com", "A", ["1.2.3.4"])
    finally:
        longest_s = prober.end()
    assert longest_s < QUERY_LIMIT_S, f"{longest_s:.2f} s without an answer"
    assert three.console(1, "ADD: after-worker.example.com A 192.0.2.1 wait=all")[-1][:2] == "OK"


def test_a_killed_node_process_comes_back_while_its_workers_answer_on(three: Cluster) -> None:
    process = three.processes[2]
    workers = process.workers()
    old = identify(process.pid_of("node"))
    prober = Prober(three.ports[2])
    try:
        three.kill(2, which="node")
        before = prober.answers
        eventually(lambda: process.nodes() and identify(process.nodes()[0]) != old, 10, "a node")
        eventually(lambda: three.say(2, "STATUS").status == 0, 20, "the node to reply", 0.2)
        answered = prober.answers - before
        eventually(
            lambda: three.ctl(2, "ADD:", "after-node.example.com", "A", "192.0.2.1").status == 0,
            20,
            "a write at the new node process",
            0.2,
        )
        three.wait_answer(2, "after-node.example.com", "A", ["192.0.2.1"])
    finally:
        longest_s = prober.end()
    assert answered > 5, "while there was no node process"
    assert longest_s < QUERY_LIMIT_S, f"{longest_s:.2f} s without an answer"
    assert process.workers() == workers, "the workers were not touched"


def test_the_console_reads_on_after_the_node_process_was_killed(three: Cluster) -> None:
    process = three.processes[0]
    old = identify(process.pid_of("node"))
    three.kill(0, which="node")
    eventually(lambda: process.nodes() and identify(process.nodes()[0]) != old, 10, "a node")
    eventually(lambda: three.say(0, "STATUS").status == 0, 20, "the node to reply", 0.2)
    eventually(
        lambda: three.console(0, "ADD: console.example.com A 192.0.2.5")[-1][:2] == "OK",
        20,
        "a write typed into the new node process",
        0.2,
    )


def test_a_killed_supervisor_takes_everything_with_it_and_nothing_holds_the_port(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of(nodes=1, workers=2)
    cluster.start_all()
    process = cluster.processes[0]
    process.remember()
    cluster.kill(0, signal.SIGKILL, "supervisor")
    process.wait(5)
    eventually(lambda: not process.left_over(), 5, "node and workers to end")
    cluster.restart(0)
    cluster.wait_answer(0, "example.com", "A", ["1.2.3.4"])


def test_the_log_is_empty_once_all_nodes_hold_everything_in_their_stores(three: Cluster) -> None:
    assert three.console(0, "ADD: logged.example.com A 192.0.2.77 wait=all")[-1][:2] == "OK"

    def empty() -> bool:
        return all(three.status(n)["log entries"] == "0" for n in three.ports)

    eventually(empty, 30, "an empty log on all nodes", 0.3)


def test_a_node_that_was_down_for_many_writes_catches_up(cluster_of: ClusterOf) -> None:
    cluster = cluster_of()
    cluster.start_all()
    cluster.down(2)
    for i in range(30):
        assert cluster.console(0, f"ADD: late{i}.example.com A 192.0.2.{i}")[-1][:2] == "OK"
    cluster.restart(2)
    for i in range(30):
        cluster.wait_answer(2, f"late{i}.example.com", "A", [f"192.0.2.{i}"])
    cluster.wait_equal()
