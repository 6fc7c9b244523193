"""Three nodes that talk TLS to each other, with certificates from `dns-node certs`."""

import subprocess
import sys
from pathlib import Path

from .cluster import environment
from .conftest import ClusterOf
from .waiting import always


def certs(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `dns-node certs` in *folder*."""
    return subprocess.run(
        [sys.executable, "-m", "dns_node", "certs", *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )


def make_certificates(folder: Path, nodes: int = 3) -> None:
    """Make a CA and a certificate per node in folder/certs."""
    folder.mkdir(parents=True, exist_ok=True)
    done = certs(folder, "init", "certs")
    assert done.returncode == 0, done
    for n in range(nodes):
        done = certs(folder, "issue", "certs", str(n))
        assert done.returncode == 0, done


TLS = {"cluster": {"tls": {}}}


def test_three_nodes_replicate_over_tls(cluster_of: ClusterOf, tmp_path: Path) -> None:
    make_certificates(tmp_path / "cluster")
    cluster = cluster_of(settings=TLS)
    cluster.start_all()
    assert cluster.console(2, "ADD: secret.example.com 60 A 192.0.2.1 wait=all")[-1][:2] == "OK"
    for n in cluster.ports:
        assert cluster.values(n, "secret.example.com") == ["192.0.2.1"]


def test_private_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    make_certificates(tmp_path, 1)
    keys = list((tmp_path / "certs").glob("*.key"))
    assert keys
    assert all(key.stat().st_mode & 0o077 == 0 for key in keys)


def test_a_node_with_a_certificate_of_another_ca_is_kept_out(
    cluster_of: ClusterOf, tmp_path: Path
) -> None:
    make_certificates(tmp_path / "cluster")
    make_certificates(tmp_path / "other")
    cluster = cluster_of(settings=TLS)
    cluster.config["nodes"]["2"] |= {}
    cluster.start(0)
    cluster.start(1)
    for n in (0, 1):
        cluster.wait_answer(n, "example.com", "A", ["1.2.3.4"], 30)
    for path in (tmp_path / "other" / "certs").iterdir():
        (tmp_path / "cluster" / "certs" / path.name).write_bytes(path.read_bytes())
    stranger = cluster.start(2)
    stranger.out.wait_for(r"^Initializing raft")
    always(lambda: not any("Raft initialized" in line for line in stranger.out.since()), 4)
    said = "\n".join(
        stranger.err.since() + stranger.out.since() + cluster.processes[0].err.since()
    ).lower()
    assert "certificate" in said or "tls" in said, said
    assert cluster.console(0, "ADD: still.example.com A 192.0.2.1")[-1].startswith("OK")


def test_an_address_off_loopback_without_tls_is_refused_with_the_command_to_run(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of(nodes=1)
    cluster.config["nodes"]["0"]["raft_loc"] = "192.0.2.1:4321"
    cluster.write_config()
    process = cluster.start(0)
    assert process.wait(15) != 0
    said = "\n".join(process.err.since() + process.out.since())
    assert "certs init" in said and "Traceback" not in said, said
    cluster.forget(0)
