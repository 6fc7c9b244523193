"""Zone files as managed sources: many nodes, many files, one zone of several files."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import Cluster
from .conftest import ClusterOf
from .dns_client import NOT_YET
from .waiting import eventually

FILES = 300


def zone_text(origin: str, address: str = "192.0.2.1") -> str:
    """Return a small zone file."""
    return (
        f"$ORIGIN {origin}\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\n"
        f"ns A 192.0.2.53\nwww A {address}\n"
    )


def said(cluster: Cluster, n: int) -> str:
    """Return all that node *n* has printed."""
    process = cluster.processes[n]
    return "\n".join(process.out.since() + process.err.since())


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes: node 0 manages one.zone; node 1 has another file for the same origin."""
    cluster = Cluster(tmp_path_factory.mktemp("pair"), nodes=2)
    (cluster.folder / "one.zone").write_text(zone_text("shared.example."))
    (cluster.folder / "other.zone").write_text(zone_text("shared.example.", "192.0.2.99"))
    (cluster.folder / "same.zone").write_text(zone_text("shared.example."))
    try:
        cluster.start(0, zones=[cluster.folder / "one.zone"])
        cluster.start(1, zones=[])
        for n in (0, 1):
            cluster.wait_answer(n, "www.shared.example", "A", ["192.0.2.1"], 30)
        yield cluster
    finally:
        cluster.stop()


def test_an_equal_file_on_another_node_is_adopted_silently(pair: Cluster) -> None:
    serial = pair.values(0, "shared.example", "SOA")
    pair.arguments[1] = ["-z", str(pair.folder / "same.zone")]
    pair.kill(1, 15)
    pair.restart(1)
    assert "merge" not in said(pair, 1), said(pair, 1)
    assert pair.values(1, "shared.example", "SOA") == serial


def test_a_different_file_proposes_nothing_and_names_the_two_ways_to_go_on(pair: Cluster) -> None:
    serial = pair.values(0, "shared.example", "SOA")
    pair.arguments[1] = ["-z", str(pair.folder / "other.zone")]
    pair.kill(1, 15)
    pair.restart(1)
    text = said(pair, 1)
    assert "merge" in text and "replace" in text and "other.zone" in text, text
    assert pair.values(1, "www.shared.example") == ["192.0.2.1"]
    assert pair.values(1, "shared.example", "SOA") == serial


def test_load_merge_adds_and_load_replace_makes_the_zone_the_file(pair: Cluster) -> None:
    path = str(pair.folder / "other.zone")
    assert "merge" in pair.say(1, "LOAD", path).out
    assert pair.values(0, "www.shared.example") == ["192.0.2.1"]
    pair.done(1, "LOAD", path, "merge")
    pair.wait_answer(0, "www.shared.example", "A", ["192.0.2.1", "192.0.2.99"])
    pair.done(1, "LOAD", path, "replace")
    pair.wait_answer(0, "www.shared.example", "A", ["192.0.2.99"])


def test_load_and_reload_take_the_options_of_any_write(pair: Cluster) -> None:
    path = pair.folder / "option.zone"
    path.write_text(zone_text("option.example."))
    answer = pair.done(0, f"LOAD {path} wait=all")
    assert "visible on 2 of 2" in answer.out, answer.out
    assert pair.values(1, "www.option.example") == ["192.0.2.1"]
    assert pair.done(0, "RELOAD wait=all")


def test_many_files_by_a_glob_load_in_one_go_and_a_bad_one_blocks_only_itself(
    cluster_of: ClusterOf, tmp_path: Path
) -> None:
    folder = tmp_path / "zones"
    folder.mkdir()
    for i in range(FILES):
        (folder / f"z{i}.zone").write_text(zone_text(f"zone{i}.example.", f"192.0.2.{i % 250}"))
    (folder / "z7.zone").write_text("$ORIGIN zone7.example.\nthis is no zone\n")
    cluster = cluster_of(nodes=1, settings={"zone_files": [str(folder / "*.zone")]})
    started_s = time.monotonic()
    cluster.start(0, zones=[])
    last = FILES - 1
    cluster.wait_answer(0, f"www.zone{last}.example", "A", [f"192.0.2.{last % 250}"], 40)
    cluster.wait_ready(0)
    assert time.monotonic() - started_s < 40
    assert "z7.zone:2" in said(cluster, 0)
    assert len(cluster.done(0, "ZONES").lines) == FILES  # a heading, and all but one
    revision = cluster.status(0)["revision"]
    cluster.restart_hard(0)
    assert cluster.status(0)["revision"] == revision, "an unchanged file proposes nothing"


def test_a_file_that_is_missing_is_named_and_comes_in_by_reload(
    cluster_of: ClusterOf, tmp_path: Path
) -> None:
    path = tmp_path / "late.zone"
    cluster = cluster_of(nodes=1)
    cluster.start(0, zones=[path])
    cluster.wait_ready(0)
    assert "late.zone" in said(cluster, 0)
    path.write_text(zone_text("late.example."))
    cluster.done(0, "RELOAD")
    eventually(lambda: cluster.values(0, "www.late.example") == ["192.0.2.1"], 5, ignore=NOT_YET)
