"""Show 7: SIGHUP and RELOAD take a changed zone file; the kv text protocol on every node."""

import signal
import socket
from pathlib import Path

import pytest

from .cluster import Cluster
from .conftest import ClusterOf
from .ports import free_ports
from .waiting import eventually

ZONE = """$ORIGIN reload.example.
$TTL 300
@   SOA ns hostmaster 1 3600 600 86400 300
@   NS  ns
ns  A   192.0.2.53
old A   192.0.2.1
kept A  192.0.2.2
"""


@pytest.fixture(scope="module")
def managed(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """Three nodes with kv doors; node 1 manages reload.zone."""
    folder = tmp_path_factory.mktemp("managed")
    kv = free_ports(3)
    cluster = Cluster(
        folder, node_settings={n: {"kv_loc": f"127.0.0.1:{port}"} for n, port in enumerate(kv)}
    )
    (folder / "reload.zone").write_text(ZONE)
    cluster.kv_ports = kv  # type: ignore[attr-defined]
    try:
        for n in cluster.ports:
            cluster.start(n, zones=[folder / "reload.zone"] if n == 1 else [])
        for n in cluster.ports:
            cluster.wait_answer(n, "kept.reload.example", "A", ["192.0.2.2"], 40)
        yield cluster
    finally:
        cluster.stop()


def edit(path: Path, old: str, new: str) -> None:
    """Replace *old*, which must be there, by *new*."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_sighup_proposes_exactly_the_difference_removed_lines_included(managed: Cluster) -> None:
    assert managed.console(0, "ADD: by-hand.reload.example 60 A 192.0.2.9 wait=all")[-1][:2] == "OK"
    before = managed.values(0, "reload.example", "SOA")[0].split()[2]
    edit(managed.folder / "reload.zone", "old A   192.0.2.1", "database 60 A 1.2.3.7")
    managed.kill(1, signal.SIGHUP)
    for n in managed.ports:
        managed.wait_answer(n, "database.reload.example", "A", ["1.2.3.7"])
        managed.wait_rcode(n, "old.reload.example", "NXDOMAIN", 2)
        assert managed.values(n, "kept.reload.example") == ["192.0.2.2"]
        assert managed.values(n, "by-hand.reload.example") == ["192.0.2.9"]
    after = managed.values(0, "reload.example", "SOA")[0].split()[2]
    assert 0 < (int(after) - int(before)) % 2**32 < 2**31


def test_reload_says_what_it_did_and_nothing_when_nothing_changed(managed: Cluster) -> None:
    edit(managed.folder / "reload.zone", "kept A  192.0.2.2", "kept A  192.0.2.2\nmore A 192.0.2.3")
    answer = managed.done(1, "RELOAD")
    assert "reload.example" in answer.out
    managed.wait_answer(2, "more.reload.example", "A", ["192.0.2.3"])
    serial = managed.values(1, "reload.example", "SOA")
    managed.done(1, "RELOAD")
    assert managed.values(1, "reload.example", "SOA") == serial


def test_a_bad_file_loads_nothing_and_names_every_bad_line(managed: Cluster) -> None:
    path = managed.folder / "reload.zone"
    good = path.read_text()
    path.write_text(good + "bad A 1.2.3\nworse MX here\nfine A 192.0.2.4\n")
    try:
        answer = managed.ctl(1, "RELOAD")
        lines = len(good.splitlines())
        assert answer.status == 1, answer
        said = answer.out + answer.err
        assert f"reload.zone:{lines + 1}" in said and f"reload.zone:{lines + 2}" in said, said
        managed.wait_rcode(1, "fine.reload.example", "NXDOMAIN")
        assert managed.values(1, "kept.reload.example") == ["192.0.2.2"]
    finally:
        path.write_text(good)


def test_a_record_removed_by_console_does_not_come_back_with_a_restart(
    cluster_of: ClusterOf,
    tmp_path: Path,
) -> None:
    zone = tmp_path / "reload.zone"
    zone.write_text(ZONE)
    cluster = cluster_of(nodes=1)
    cluster.start(0, zones=[zone])
    cluster.wait_answer(0, "old.reload.example", "A", ["192.0.2.1"], 30)
    assert cluster.console(0, "REMOVE: old.reload.example A")[-1].startswith("OK")
    serial = cluster.values(0, "reload.example", "SOA")
    cluster.kill(0, signal.SIGTERM)
    cluster.restart(0)
    cluster.wait_answer(0, "kept.reload.example", "A", ["192.0.2.2"])
    cluster.wait_rcode(0, "old.reload.example", "NXDOMAIN")
    assert cluster.values(0, "reload.example", "SOA") == serial


# ---- kv


def kv(cluster: Cluster, n: int, line: str) -> str:
    """Send one kv request to node *n*; return the whole reply."""
    with socket.create_connection(("127.0.0.1", cluster.kv_ports[n]), 8) as link:  # type: ignore[attr-defined]
        link.sendall(line.encode() + b"\n")
        reply = b""
        while piece := link.recv(4096):
            reply += piece
    return reply.decode()


def test_kv_ping_is_answered_pong_without_a_newline(managed: Cluster) -> None:
    assert [kv(managed, n, "kv ping") for n in managed.ports] == ["PONG"] * 3


def test_kv_set_on_any_node_is_read_on_all_and_del_removes_it(managed: Cluster) -> None:
    for at in managed.ports:
        assert kv(managed, at, "kv set toto titi tata") == "SUCCESS"
        for n in managed.ports:
            eventually(lambda n=n: kv(managed, n, "kv get toto") == "titi tata", 3, "the value")
        assert kv(managed, at, "KV DEL toto") == "SUCCESS"
        for n in managed.ports:
            eventually(lambda n=n: kv(managed, n, "kv get toto") == "ERROR", 3, "no value")
    assert kv(managed, 0, "kv del never-there") == "SUCCESS"


@pytest.mark.parametrize("line", ["kv", "kv get", "kv nonsense a b", "hello", "kv set lonely"])
def test_kv_requests_of_the_wrong_form_get_error(managed: Cluster, line: str) -> None:
    assert kv(managed, 0, line) == "ERROR"


def test_kv_set_of_an_owner_and_type_is_a_dns_record(managed: Cluster) -> None:
    assert (
        kv(managed, 2, 'kv set db.reload.example._1 "db.reload.example. 60 IN A 9.9.9.9"')
        == "SUCCESS"
    )
    for n in managed.ports:
        managed.wait_answer(n, "db.reload.example", "A", ["9.9.9.9"])
    assert "9.9.9.9" in kv(managed, 0, "kv get db.reload.example._1")
    assert kv(managed, 0, "kv del db.reload.example._1") == "SUCCESS"
    for n in managed.ports:
        managed.wait_rcode(n, "db.reload.example", "NXDOMAIN")


def test_kv_by_console_and_by_socket_are_the_same_keys(managed: Cluster) -> None:
    assert managed.done(1, "KV", "SET", "colour", "deep", "blue")
    eventually(lambda: kv(managed, 0, "kv get colour") == "deep blue", 3, "the value")
    assert "deep blue" in managed.done(2, "KV", "GET", "colour").out
    managed.done(2, "KV", "DEL", "colour")
