"""A rolling upgrade of three nodes under load, from this release to one with a newer schema."""

import re
import signal
import subprocess
import sys
from pathlib import Path

from .cluster import ROOT, Cluster, environment
from .conftest import ClusterOf
from .load import Load, check_nothing_lost, stop_and_start
from .next_release import NEXT_SCHEMA, STORE_SCHEMA, make_next_release
from .ports import free_ports
from .processes import NodeProcess
from .waiting import eventually

REFUSED = 1


def backup(release: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the backup command of the release that lies in *release*."""
    return subprocess.run(
        [sys.executable, "-m", "dns_node", "backup", *words],
        cwd="/", env=environment(PYTHONPATH=str(release)), timeout=30, capture_output=True,
        text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def upgrade(cluster: Cluster, load: Load, n: int, release: Path) -> None:
    """Stop node *n* and start it with *release*."""
    cluster.releases[n] = release
    stop_and_start(cluster, load, n, signal.SIGTERM)


def alarms(cluster: Cluster) -> list[str]:
    """Return what the nodes warn of."""
    return [line for n in cluster.processes for line in cluster.done(n, "STATUS").lines
            if line.startswith(("alarm", "problem"))]  # fmt: skip


def test_one_node_after_the_other_goes_on_with_the_next_schema_and_nothing_is_lost(
    cluster_of: ClusterOf, tmp_path: Path
) -> None:
    new = make_next_release(tmp_path)
    cluster = cluster_of()
    cluster.start_all()
    place = ("-n", "0", "-c", str(cluster.config_file))
    assert backup(ROOT, str(tmp_path / "before"), *place).returncode == 0
    load = Load(cluster).begin()
    try:
        upgrade(cluster, load, 0, new)
        # Two releases in one cluster: it goes on as before, and the way back is open.
        upgrade(cluster, load, 1, new)
        cluster.done(0, "KV", "SET", "a", "1")
        answer = cluster.say(0, "KV", "RENAME", "a", "b")
        assert answer.status == REFUSED and "every member runs a release" in answer.out, answer
        for n in cluster.processes:
            assert cluster.status(n)["schema"].split()[0] == str(STORE_SCHEMA)
        assert str(NEXT_SCHEMA) in cluster.status(1)["schema"]
        upgrade(cluster, load, 0, ROOT)
        assert alarms(cluster) == []
        upgrade(cluster, load, 0, new)
        upgrade(cluster, load, 2, new)
        eventually(
            lambda: {cluster.status(n)["schema"] for n in cluster.processes} == {str(NEXT_SCHEMA)},
            10,
            "the next schema on all nodes",
        )
        cluster.done(1, "KV", "RENAME", "a", "b", "wait=all")
        for n in cluster.processes:
            assert cluster.done(n, "KV", "GET", "b").lines == ["1"]
    finally:
        load.end()
    assert alarms(cluster) == []
    check_nothing_lost(cluster, load)
    wanted = f"schema {STORE_SCHEMA} -> {NEXT_SCHEMA}"
    assert cluster.done(2, "HISTORY", "10000").out.count(wanted) == 1

    check_the_way_back_is_closed(cluster, tmp_path)
    check_backups(cluster, new, tmp_path)


def check_the_way_back_is_closed(cluster: Cluster, folder: Path) -> None:
    """The release before refuses the store of a cluster that went on, and is not let in anew."""
    cluster.kill(2, signal.SIGTERM)
    cluster.forget(2)
    new = cluster.releases.pop(2)
    old = cluster._spawn(2)
    assert old.wait() == 78
    text = rf"schema {NEXT_SCHEMA}, and this release reads {STORE_SCHEMA}. A newer release"
    assert re.search(text, "\n".join(old.err.since())), old.err.since()
    cluster.forget(2)
    cluster.releases[2] = new
    cluster.restart(2)

    token = cluster.done(0, "JOIN-TOKEN").lines[0]
    raft_port, port = free_ports(2)
    joiner = NodeProcess([
        sys.executable, "-m", "dns_node", "-n", "3", "--workers", "1",
        "--join", f"127.0.0.1:{cluster.raft_ports[0]}", "--token", token,
        "--raft-loc", f"127.0.0.1:{raft_port}", "--query-loc", f"127.0.0.1:{port}",
        "--data-dir", str(folder / "data-3"),
    ], folder, environment())  # fmt: skip
    try:
        text = rf"is at schema {NEXT_SCHEMA}, and the release of node 3 .* reads {STORE_SCHEMA}"
        joiner.err.wait_for(text)
    finally:
        assert joiner.end() == []


def check_backups(cluster: Cluster, new: Path, folder: Path) -> None:
    """A backup of the release before is read by the next one; not the other way round."""
    done = backup(new, "verify", str(folder / "before"))
    assert done.returncode == 0 and done.stdout.endswith("good\n"), done
    place = ("-n", "0", "-c", str(cluster.config_file))
    assert backup(new, str(folder / "after"), *place).returncode == 0
    done = backup(ROOT, "verify", str(folder / "after"))
    assert done.returncode == 78, done
    assert f"schema {NEXT_SCHEMA}, and this release reads {STORE_SCHEMA}" in done.stderr
