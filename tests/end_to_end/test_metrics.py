"""Show 8: metrics-collection.py against three nodes."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

from .cluster import ROOT, Cluster, environment
from .conftest import ClusterOf
from .waiting import eventually

SCRIPT = ROOT / "metrics" / "metrics-collection.py"
RATE = re.compile(r"^This test recorded a rate of (\d+) queries/sec\.$", re.MULTILINE)


def collect(cluster: Cluster, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the script in *folder*, which is not the cluster's."""
    command = [sys.executable, str(SCRIPT), "-c", str(cluster.config_file), *words]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=90
    )


def names(cluster: Cluster) -> set[str]:
    """Return the owners of the records of example.com on all nodes."""
    shown = [cluster.done(n, "SHOW", "example.com", "AXFR").lines for n in cluster.ports]
    return {line.split()[0] for lines in shown for line in lines}


def test_it_prints_a_rate_per_test_and_the_tables_and_leaves_nothing(
    three: Cluster, tmp_path: Path
) -> None:
    before = names(three)
    done = collect(three, tmp_path, "--seconds", "0.5", "--rounds", "5")
    assert done.returncode == 0, done
    rates = RATE.findall(done.stdout)
    assert len(rates) == 5 and all(int(rate) > 50 for rate in rates), done.stdout
    assert "cats.com. MX" in done.stdout and "example.com. MX" in done.stdout
    assert re.search(r"p50 ms\s+p95 ms\s+p99 ms", done.stdout)
    for node in ("1", "2"):
        assert re.search(rf"acknowledged to visible +{node} +[\d.]+ +[\d.]+ +[\d.]+ +0$",
                         done.stdout, re.MULTILINE), done.stdout  # fmt: skip
    assert done.stderr == ""
    assert names(three) == before


def test_json_is_one_object_with_the_same_numbers(three: Cluster, tmp_path: Path) -> None:
    done = collect(three, tmp_path, "--json", "-n", "1", "--seconds", "0.3", "--rounds", "3")
    assert done.returncode == 0, done
    found = json.loads(done.stdout)
    assert found["node"] == "1"
    assert [(test["test"], test["node"]) for test in found["tests"]] == [
        (1, "1"), (2, "1"), (3, "0"), (3, "1"), (3, "2"),
    ]  # fmt: skip
    assert all(0 < test["p50_ms"] <= test["p95_ms"] <= test["p99_ms"] for test in found["tests"])
    assert set(found["propagation"]["visible_ms"]) == {"0", "2"}
    assert all(one["missed"] == 0 for one in found["propagation"]["visible_ms"].values())


def test_ctrl_c_in_the_middle_of_the_propagation_leaves_nothing(
    three: Cluster, tmp_path: Path
) -> None:
    before = names(three)
    words = ["-c", str(three.config_file), "--seconds", "0.1", "--rounds", "100000"]
    process = subprocess.Popen([sys.executable, str(SCRIPT), *words], cwd=tmp_path,
                               env=environment(), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    try:
        eventually(lambda: names(three) - before, 30, "a temporary record")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Traceback" not in err, err
    for n in three.ports:
        eventually(
            lambda n=n: (
                not [
                    line
                    for line in three.done(n, "SHOW", "example.com", "AXFR").lines
                    if "metrics-" in line
                ]
            ),
            5,
            "nothing left",
        )
    assert names(three) == before


def test_without_a_running_cluster_it_says_so(cluster_of: ClusterOf, tmp_path: Path) -> None:
    done = collect(cluster_of(), tmp_path)
    assert done.returncode == 1
    assert "node 0 does not answer" in done.stderr and "scripts/cluster" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_node_or_configuration_is_named(cluster_of: ClusterOf, tmp_path: Path) -> None:
    cluster = cluster_of()
    assert "0, 1, 2" in collect(cluster, tmp_path, "-n", "9").stderr
    cluster.config_file.write_text("{")
    assert "dns-config.json:1" in collect(cluster, tmp_path).stderr
