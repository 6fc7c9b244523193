"""Backup while a cluster runs and is written to; restore, join, and recover, with real nodes."""

import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.backup.places import is_sound

from .cluster import ROOT, Cluster, environment
from .conftest import ClusterOf
from .dns_client import NOT_YET
from .waiting import eventually


def command(cluster: Cluster, *words: str) -> str:
    """Run a subcommand of dns-node; return what it printed, AssertionError unless it worked."""
    done = subprocess.run(
        [sys.executable, "-m", "dns_node", *words],
        cwd=ROOT, env=environment(), timeout=30, capture_output=True, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done
    return done.stdout


def of_node(cluster: Cluster, n: int) -> tuple[str, ...]:
    """Return the options that name node *n*."""
    return "-n", str(n), "-c", str(cluster.config_file)


def stop(cluster: Cluster, n: int) -> None:
    """Stop node *n* in an orderly way."""
    cluster.kill(n, signal.SIGTERM)
    cluster.forget(n)


def serial(cluster: Cluster, n: int) -> int:
    """Return the serial of example.com at node *n*."""
    return int(cluster.values(n, "example.com", "SOA")[0].split()[2])


def write_on(cluster: Cluster, stopped: threading.Event, outcomes: list[int]) -> None:
    """Change records at node 1 until *stopped*."""
    while not stopped.is_set():
        name = f"w{len(outcomes)}.example.com"
        outcomes.append(cluster.say(1, "ADD:", name, "A", "192.0.2.1").status)


def test_a_running_cluster_is_backed_up_and_restored_as_a_new_one_that_others_join(
    cluster_of: ClusterOf, tmp_path: Path
) -> None:
    old = cluster_of("old")
    old.start_all()
    for i in range(3):
        old.done(i, "ADD:", f"b{i}.example.com", "60", "A", f"192.0.2.{i}", "wait=all")
    revision = old.status(0)["revision"]
    outcomes: list[int] = []
    stopped = threading.Event()
    writer = threading.Thread(target=write_on, args=(old, stopped, outcomes))
    writer.start()
    try:
        eventually(lambda: len(outcomes) > 5, 10, "writes")
        file = tmp_path / "backup"
        said = command(old, "backup", str(file), *of_node(old, 0))
        count = len(outcomes)
        eventually(lambda: len(outcomes) > count, 10, "writes after it")
    finally:
        stopped.set()
        writer.join(20)
    assert set(outcomes) == {0} and "revision" in said
    assert command(old, "backup", "verify", str(file)).endswith("good\n")
    old_uuid = said.split("of cluster ")[1].split(",")[0]
    last = serial(old, 1)
    for n in old.ports:
        stop(old, n)

    new = cluster_of("new")
    said = command(new, "restore", str(file), *of_node(new, 0), "--as-of", revision)
    assert f"restored revision {revision}" in said
    new.start(0, zones=[])
    new.wait_ready(0)
    for i in range(3):
        assert new.values(0, f"b{i}.example.com") == [f"192.0.2.{i}"]
    assert new.values(0, "w0.example.com") == [], "it was added after that revision"
    assert serial(new, 0) > last
    new.done(0, "ADD:", "after.example.com", "A", "192.0.2.7")
    for n in (1, 2):
        new.start(n, zones=[])
        new.wait_answer(n, "after.example.com", "A", ["192.0.2.7"], 30)
    members = new.done(0, "MEMBERS").out
    assert old_uuid not in members
    eventually(lambda: new.done(0, "MEMBERS").out.count("voter") == 3, 30, "three voters", 0.2)
    new.done(2, "ADD:", "third.example.com", "A", "192.0.2.8", "wait=all")
    new.wait_equal()
    for n in new.ports:
        stop(new, n)
        assert is_sound(new.data_dir(n))


def test_one_node_that_is_left_becomes_a_cluster_which_wiped_nodes_join(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of()
    cluster.start_all()
    cluster.done(2, "ADD:", "kept.example.com", "A", "192.0.2.5", "wait=all")
    for n in cluster.ports:
        cluster.down(n)
    old = {n: cluster.data_dir(n).rename(cluster.folder / f"old-{n}") for n in (1, 2)}
    said = command(cluster, "recover", "--force-new-cluster", "--yes", *of_node(cluster, 0))
    assert "WARNING" in said

    cluster.restart(0)
    assert cluster.values(0, "kept.example.com") == ["192.0.2.5"]
    cluster.done(0, "ADD:", "alone.example.com", "A", "192.0.2.6")

    # A member of the old cluster has no part in the new one, whatever it was.
    old[1].rename(cluster.data_dir(1))
    cluster._spawn(1)
    cluster.wait_answer(1, "kept.example.com", "A", ["192.0.2.5"])
    cluster._spawn(2)
    cluster.wait_answer(2, "alone.example.com", "A", ["192.0.2.6"], 30)
    assert cluster.values(1, "alone.example.com") == []
    cluster.down(1)
    shutil.rmtree(cluster.data_dir(1))
    cluster.restart(1)
    for n in (1, 2):
        cluster.wait_answer(n, "alone.example.com", "A", ["192.0.2.6"], 30)
    eventually(
        lambda: cluster.done(0, "MEMBERS").out.count("voter") == 3, 30, "three voters", 0.2, NOT_YET
    )
    cluster.done(1, "ADD:", "again.example.com", "A", "192.0.2.7", "wait=all")
    cluster.wait_equal()
