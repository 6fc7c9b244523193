"""Show 9: every kind of bad input gives one clear error and loses nothing."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import Cluster, environment
from .conftest import ClusterOf
from .test_tls import TLS, make_certificates
from .waiting import eventually


def fails(cluster: Cluster, n: int = 0, **options: object) -> str:
    """Start node *n*, which must give up by itself; return what it said, without a traceback."""
    process = cluster.start(n, **options)  # type: ignore[arg-type]
    status = process.wait(20)
    cluster.forget(n)
    said = "\n".join(process.err.since() + process.out.since())
    assert status != 0, said
    assert "Traceback" not in said, said
    return said


def test_a_broken_configuration_names_every_wrong_key_with_its_path(cluster_of: ClusterOf) -> None:
    cluster = cluster_of(nodes=1)
    cluster.config["wrokers"] = 2
    cluster.config["nodes"]["0"]["query_loc"] = "localhost"
    cluster.write_config()
    said = fails(cluster)
    assert "wrokers" in said and "workers" in said, said
    assert "nodes.0.query_loc" in said, said
    check = subprocess.run(
        [sys.executable, "-m", "dns_node", "check", "-c", cluster.config_file],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert check.returncode != 0
    assert "wrokers" in check.stdout + check.stderr
    assert not cluster.data_dir(0).exists(), "a refused configuration makes no data directory"


def test_a_configuration_that_is_no_json_names_the_line(cluster_of: ClusterOf) -> None:
    cluster = cluster_of(nodes=1)
    cluster.config_file.write_text('{"nodes": {\n "0": {,}\n}}')
    said = fails(cluster)
    assert "dns-config.json" in said and "2" in said, said


def test_an_unknown_node_id_is_refused_with_the_ids_there_are(cluster_of: ClusterOf) -> None:
    cluster = cluster_of(nodes=2)
    cluster.ports[7] = 1
    said = fails(cluster, 7)
    del cluster.ports[7]
    assert "7" in said and "0" in said and "1" in said


def test_a_bad_zone_file_is_named_line_by_line_and_the_node_serves_the_rest(
    cluster_of: ClusterOf, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.zone"
    bad.write_text(
        "$ORIGIN bad.example.\n$TTL 60\n@ SOA ns hm 1 2 3 4 5\n@ NS ns\nns A 1.2.3\nx MX\n"
    )
    cluster = cluster_of(nodes=1)
    process = cluster.start(0, "-z", str(bad))
    cluster.wait_answer(0, "example.com", "A", ["1.2.3.4"], 30)
    eventually(
        lambda: "bad.zone:5" in _said(process) and "bad.zone:6" in _said(process),
        5,
        "both bad lines named",
    )
    assert "Traceback" not in _said(process)
    assert cluster.console(0, "ADD: fine.example.com A 192.0.2.1")[-1].startswith("OK")


def _said(process) -> str:  # type: ignore[no-untyped-def]
    return "\n".join(process.err.since() + process.out.since())


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One running node for bad lines."""
    cluster = Cluster(tmp_path_factory.mktemp("one"), nodes=1)
    try:
        yield cluster.start_all()
    finally:
        cluster.stop()


@pytest.mark.parametrize(
    "line",
    [
        "ADD: x.example.com A 300.1.2.3",
        "ADD: x.example.com",
        "ADD:",
        "ADD: x.example.com 60 NONSENSE data",
        "ADD: " + "x" * 64 + ".example.com A 192.0.2.1",
        "ADD: x..example.com A 192.0.2.1",
        "ADD: example.com CNAME elsewhere.net.",
        "FROBNICATE",
        "UNDO 999999",
        "UNDO x",
        "DROP nosuch.zone.example",
        "LOAD /nonexistent/file.zone",
        "ADD: x.example.com A 192.0.2.1 wait=sometimes",
        "COMMIT",
        "ADD: \x00\x01\ufffd A 192.0.2.1",
        'ADD: x.example.com MX ["mx.example.", "five"]',
    ],
)
def test_a_bad_console_line_gets_one_clear_answer_and_changes_nothing(
    one: Cluster, line: str
) -> None:
    before = one.values(0, "example.com", "SOA")
    process = one.processes[0]
    position = process.out.position()
    process.write(line + "\nADD: marker.example.com A 192.0.2.200\n")
    end, _ = process.out.wait_for(r"^OK example\.com\. serial", position)
    lines = process.out.since(position)[: end - position]
    assert len(lines) >= 2 and any(lines[:-1]), lines
    assert not any("Traceback" in text for text in lines + process.err.since())
    assert one.console(0, "REMOVE: marker.example.com A")[-1].startswith("OK")
    after = one.values(0, "example.com", "SOA")
    assert int(after[0].split()[2]) - int(before[0].split()[2]) == 2, "only the marker's changes"


def test_blank_lines_and_comments_on_the_console_are_no_errors(one: Cluster) -> None:
    process = one.processes[0]
    position = process.out.position()
    process.write("\n   \n\t\n")
    one.console(0, "ADD: blank.example.com A 192.0.2.1")
    lines = process.out.since(position)
    assert not any("error" in line.lower() or "REFUSED" in line for line in lines), lines


def test_a_line_without_end_does_not_kill_the_node(one: Cluster) -> None:
    one.processes[0].write("ADD: " + "y" * 300_000 + "\n")
    assert one.console(0, "ADD: after-long.example.com A 192.0.2.1", r"^OK\b")[-1].startswith("OK")


def test_an_occupied_query_port_is_named_and_nothing_is_touched(cluster_of: ClusterOf) -> None:
    cluster = cluster_of(nodes=1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", cluster.ports[0]))
        said = fails(cluster)
    assert str(cluster.ports[0]) in said and "use" in said, said
    cluster.start_all()


def test_an_occupied_raft_port_is_named(cluster_of: ClusterOf) -> None:
    cluster = cluster_of(nodes=1)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", cluster.raft_ports[0]))
        holder.listen()
        said = fails(cluster)
    assert str(cluster.raft_ports[0]) in said and "use" in said, said


@pytest.mark.parametrize("broken", ["missing", "garbage", "foreign key"])
def test_a_bad_certificate_is_named(cluster_of: ClusterOf, tmp_path: Path, broken: str) -> None:
    make_certificates(tmp_path / "cluster", 1)
    cluster = cluster_of(nodes=1, settings=TLS)
    [certificate] = (tmp_path / "cluster" / "certs").glob("node-0.pem")
    if broken == "missing":
        certificate.unlink()
    elif broken == "garbage":
        certificate.write_text("no certificate at all\n")
    else:
        make_certificates(tmp_path / "other", 1)
        shutil.copy(tmp_path / "other" / "certs" / "node-0.pem", certificate)
    said = fails(cluster)
    assert "node-0" in said, said


# ---- disks


@pytest.fixture()
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few MiB, mounted for one test; skips where mounting is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if mount.returncode:
        pytest.skip(f"no small file system here: {mount.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_writes_serves_reads_and_loses_nothing(
    small_disk: Path, tmp_path: Path
) -> None:
    cluster = Cluster(
        tmp_path / "cluster", nodes=1, settings={"data_dir": str(small_disk / "data-{id}")}
    )
    ballast = small_disk / "ballast"
    try:
        cluster.start_all()
        assert cluster.console(0, "ADD: before.example.com 60 A 192.0.2.1")[-1].startswith("OK")
        _fill(ballast)
        accepted = []
        said = ""
        for i in range(200):
            said = cluster.console(
                0, f'ADD: full{i}.example.com TXT "{"x" * 3000}"', deadline_s=15
            )[-1]
            if not said.startswith("OK"):
                break
            accepted.append(i)
        assert not said.startswith("OK"), "200 records of 3,000 octets fitted into a full disk"
        for name in ["before", *(f"full{i}" for i in accepted)]:
            kind = "A" if name == "before" else "TXT"
            assert cluster.values(0, f"{name}.example.com", kind, tcp=True), f"{name} is lost"
        text = " ".join(cluster.processes[0].err.since() + [said]).lower()
        assert "space" in text or "full" in text, text
        ballast.unlink()
        eventually(
            lambda: cluster.ctl(0, "ADD:", "after.example.com", "A", "192.0.2.2").status == 0,
            40,
            "writes once there is room again",
            0.5,
        )
        cluster.restart_hard(0)
        for name in ["before", "after", *(f"full{i}" for i in accepted)]:
            kind = "TXT" if name.startswith("full") else "A"
            assert cluster.values(0, f"{name}.example.com", kind, tcp=True), f"{name} is lost"
    finally:
        cluster.stop()


def test_a_node_that_starts_on_a_full_disk_answers_and_goes_on_when_there_is_space(
    small_disk: Path, tmp_path: Path
) -> None:
    cluster = Cluster(
        tmp_path / "cluster", nodes=1, settings={"data_dir": str(small_disk / "data-{id}")}
    )
    ballast = small_disk / "ballast"
    try:
        cluster.start_all()
        assert cluster.console(0, "ADD: before.example.com 60 A 192.0.2.1")[-1].startswith("OK")
        cluster.down(0)
        _fill(ballast)
        cluster._spawn(0)
        cluster.wait_answer(0, "before.example.com", "A", ["192.0.2.1"], 20)
        ballast.unlink()
        eventually(
            lambda: cluster.ctl(0, "ADD:", "after.example.com", "A", "192.0.2.2").status == 0,
            40, "writes once there is room again", 0.5,
        )  # fmt: skip
        cluster.wait_answer(0, "before.example.com", "A", ["192.0.2.1"], 5)
    finally:
        cluster.stop()


def _fill(path: Path) -> None:
    with path.open("wb") as file:
        try:
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        except OSError:
            return


def test_a_read_only_data_directory_is_refused_at_the_start(
    small_disk: Path, tmp_path: Path
) -> None:
    cluster = Cluster(
        tmp_path / "cluster", nodes=1, settings={"data_dir": str(small_disk / "data-{id}")}
    )
    try:
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        said = fails(cluster)
        assert "read-only" in said.lower() or "write" in said.lower(), said
        assert "data-0" in said, said
    finally:
        cluster.stop()


def test_a_data_directory_of_another_node_is_refused(cluster_of: ClusterOf) -> None:
    cluster = cluster_of(nodes=2)
    cluster.start_all()
    for n in (0, 1):
        cluster.down(n)
    process = cluster.start(1, "--data-dir", str(cluster.data_dir(0)))
    assert process.wait(20) != 0
    cluster.forget(1)
    assert "Traceback" not in _said(process)
