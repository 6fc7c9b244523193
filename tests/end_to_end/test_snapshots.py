"""A laggard and a newcomer that the log no longer serves get the whole store under load."""

import shutil
import threading
from pathlib import Path

import dns.exception

from .cluster import Cluster
from .conftest import ClusterOf
from .dns_client import ask, values
from .load import Load, check_nothing_lost, has_caught_up, is_starved
from .waiting import eventually

RECORDS = 30_000
REPLY_S = 2.0


class Askers:
    """One DNS client per node; it asks on and on, and every question has to be answered."""

    def __init__(self, cluster: Cluster):
        self._cluster, self._over = cluster, threading.Event()
        self._threads: list[threading.Thread] = []
        self.answers: dict[int, int] = {}
        self.failed: list[str] = []

    def ask(self, n: int) -> None:
        """Ask node *n* from here on."""
        self.answers[n] = 0
        self._threads.append(threading.Thread(target=self._ask, args=(n,)))
        self._threads[-1].start()

    def end(self) -> None:
        """Stop."""
        self._over.set()
        for thread in self._threads:
            thread.join(20)

    def _ask(self, n: int) -> None:
        while not self._over.wait(0.005):
            try:
                found = values(ask(self._cluster.ports[n], "example.com", timeout_s=REPLY_S))
            except (OSError, dns.exception.DNSException) as error:
                self.failed.append(f"node {n}: {error!r}")
                continue
            self.answers[n] += 1
            if found != ["1.2.3.4"]:
                self.failed.append(f"node {n}: {found}")


def write_zone(path: Path) -> None:
    """Write a zone file big.example."""
    with open(path, "w") as file:
        file.write("$ORIGIN big.example.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 300\n")
        file.write("@ NS ns\nns A 192.0.2.53\n")
        file.writelines(f"h{i} A 10.0.{i >> 8}.{i & 255}\n" for i in range(RECORDS))


def set_rate(cluster: Cluster, sender: int, mib_s: int) -> None:
    """Set how fast *sender*, which is sending, sends a snapshot."""
    cluster.config["cluster"]["snapshot_rate_mib_s"] = mib_s
    cluster.write_config()
    assert "changed: cluster.snapshot_rate_mib_s" in cluster.say(sender, "RELOAD").out


def kill_in_transfer(cluster: Cluster, n: int) -> None:
    """`kill -9` node *n* once it has some of a snapshot, and start it again."""
    partial = cluster.data_dir(n) / "snapshot-in" / "partial" / "data.mdb"
    eventually(lambda: partial.stat().st_size >= 2 << 20, 30, "a part of it", 0.01, OSError)
    cluster.down(n)
    cluster._spawn(n)


def wait_installed(cluster: Cluster, n: int, sender: int) -> None:
    """Wait until node *n* has gone on with its transfer, and installed what came."""
    err = cluster.processes[n].err
    err.wait_for(r"the snapshot goes on at octet \d+")
    set_rate(cluster, sender, 0)
    err.wait_for("installed a snapshot", deadline_s=60)
    set_rate(cluster, sender, 1)


def test_a_laggard_and_an_emptied_node_get_the_store_while_writes_and_answers_go_on(
    cluster_of: ClusterOf, tmp_path: Path
) -> None:
    cluster = cluster_of(
        settings={"cluster": {"log_size_max_mib": 1, "snapshot_rate_mib_s": 1}}
    )
    cluster.start_all()
    leader = int(cluster.status(0)["leader"])
    rest = sorted({0, 1, 2} - {leader})
    laggard = rest[0]
    cluster.down(laggard)
    write_zone(tmp_path / "big.zone")
    cluster.done(leader, "LOAD", str(tmp_path / "big.zone"))
    eventually(
        lambda: int(cluster.status(leader)["log octets"]) < 1 << 20, 20, "a short log", 0.1
    )
    term = int(cluster.status(leader)["term"])
    load, askers = Load(cluster).begin(), Askers(cluster)
    for n in (leader, rest[1]):
        askers.ask(n)
    try:
        cluster._spawn(laggard)
        kill_in_transfer(cluster, laggard)
        # It answers from the store that it had, and then from the one that comes, without a break.
        cluster.wait_answer(laggard, "example.com", "A", ["1.2.3.4"], 30)
        askers.ask(laggard)
        wait_installed(cluster, laggard, leader)
        cluster.wait_answer(laggard, "h7.big.example", "A", ["10.0.0.7"], 30)
        eventually(lambda: has_caught_up(cluster, laggard), 20, "the laggard to catch up", 0.1)
        eventually(lambda: min(askers.answers.values()) > 50, 20, "some answers of every node")
        askers.end()
        assert askers.failed == []
        wiped = laggard
        cluster.down(wiped)
        shutil.rmtree(cluster.data_dir(wiped))
        cluster._spawn(wiped)
        kill_in_transfer(cluster, wiped)
        wait_installed(cluster, wiped, leader)
        cluster.wait_answer(wiped, "h7.big.example", "A", ["10.0.0.7"], 30)
        eventually(
            lambda: cluster.done(leader, "MEMBERS").out.count("voter") == 3, 30, "three voters", 0.2
        )
    finally:
        askers.end()
        load.end()
    check_nothing_lost(cluster, load)
    elections = int(cluster.status(leader)["term"]) - term
    assert elections == 0 or is_starved(cluster)
