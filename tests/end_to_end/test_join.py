"""Show 5: a fourth node joins a running cluster with a token, serves all zones, then leaves."""

import re
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import READY, Cluster, environment
from .conftest import ClusterOf
from .dns_client import NOT_YET, ask, values
from .ports import free_ports
from .processes import NodeProcess
from .waiting import eventually


class Joiner:
    """A node "3" that is in no configuration file."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.raft_port, self.port = free_ports(2)
        self.process: NodeProcess | None = None

    def start(self, member_port: int, token: str) -> NodeProcess:
        """Start it with *token* at the member on *member_port*."""
        self.process = NodeProcess([
            sys.executable, "-m", "dns_node", "-n", "3", "--workers", "1",
            "--join", f"127.0.0.1:{member_port}", "--token", token,
            "--raft-loc", f"127.0.0.1:{self.raft_port}",
            "--query-loc", f"127.0.0.1:{self.port}",
            "--data-dir", str(self.folder / "data-3"),
        ], self.folder, environment())  # fmt: skip
        return self.process

    def wait_answer(self, name: str, texts: list[str], deadline_s: float = 20.0) -> None:
        """Wait until it answers the addresses *texts* for *name*."""
        eventually(
            lambda: values(ask(self.port, name, timeout_s=1)) == texts,
            deadline_s,
            f"the fourth node to answer {name}",
            ignore=NOT_YET,
        )


@pytest.fixture()
def joiner(tmp_path: Path) -> Iterator[Joiner]:
    """A fourth node, stopped afterwards."""
    one = Joiner(tmp_path)
    yield one
    if one.process:
        assert one.process.end() == []


def token_of(cluster: Cluster, n: int) -> str:
    """Return a join token made by node *n*."""
    token = cluster.done(n, "JOIN-TOKEN").lines[0]
    assert re.fullmatch("[0-9a-f]{32,}", token), "a shell and a command line take it as it is"
    return token


def test_a_fourth_node_joins_serves_all_zones_writes_and_leaves(
    three: Cluster, joiner: Joiner
) -> None:
    assert three.console(0, "ADD: early.example.com 60 A 192.0.2.1 wait=all")[-1][:2] == "OK"
    process = joiner.start(three.raft_ports[1], token_of(three, 1))
    process.out.wait_for(READY, deadline_s=40)
    joiner.wait_answer("example.com", ["1.2.3.4"])
    joiner.wait_answer("early.example.com", ["192.0.2.1"])
    eventually(
        lambda: re.search(r"^\W*3\b", three.done(0, "MEMBERS").out, re.MULTILINE),
        20,
        "the fourth node among the members",
        0.3,
    )

    assert three.console(2, "ADD: wide.example.com 60 A 192.0.2.2 wait=all")[-1][:2] == "OK"
    assert values(ask(joiner.port, "wide.example.com")) == ["192.0.2.2"]
    position = process.out.position()
    process.write("ADD: from-four.example.com 60 A 192.0.2.3 wait=all\n")
    process.out.wait_for(r"^OK example\.com\. serial", position)
    for n in three.ports:
        assert three.values(n, "from-four.example.com") == ["192.0.2.3"]
    eventually(
        lambda: re.search(r"(?im)^\W*3\b.*\bvoter", three.done(0, "MEMBERS").out),
        30,
        "the learner to become a voter",
        0.3,
    )

    answer = three.ctl(0, "REMOVE-MEMBER", "3")
    assert answer.status == 0, answer
    eventually(
        lambda: not re.search(r"^\W*3\b", three.done(1, "MEMBERS").out, re.MULTILINE),
        15,
        "the fourth node gone from the members",
        0.3,
    )
    assert process.end() == []
    assert three.console(2, "ADD: after.example.com 60 A 192.0.2.4 wait=all")[-1][:2] == "OK"


def test_a_token_works_once_and_a_made_up_one_never(three: Cluster, joiner: Joiner) -> None:
    process = joiner.start(three.raft_ports[0], "made-up-token-that-nobody-gave")
    eventually(
        lambda: "token" in "\n".join(process.err.since() + process.out.since()).lower(),
        20,
        "a word about the token",
    )
    assert not re.search(r"^\W*3\b", three.done(0, "MEMBERS").out, re.MULTILINE)
    assert "Traceback" not in "\n".join(process.err.since())


def test_the_joined_node_starts_again_without_a_token(three: Cluster, joiner: Joiner) -> None:
    process = joiner.start(three.raft_ports[0], token_of(three, 0))
    process.out.wait_for(READY, deadline_s=40)
    joiner.wait_answer("example.com", ["1.2.3.4"])
    assert process.end() == []
    assert three.console(0, "ADD: absent.example.com 60 A 192.0.2.5")[-1].startswith("OK")
    process = joiner.start(three.raft_ports[2], "")
    joiner.wait_answer("absent.example.com", ["192.0.2.5"])
    answer = three.ctl(1, "REMOVE-MEMBER", "3")
    assert answer.status == 0, answer


def test_a_node_whose_disk_was_emptied_comes_back_with_everything(cluster_of: ClusterOf) -> None:
    cluster = cluster_of()
    cluster.start_all()
    for i in range(5):
        assert cluster.console(0, f"ADD: kept{i}.example.com A 192.0.2.{i}")[-1].startswith("OK")
    cluster.down(2)
    shutil.rmtree(cluster.data_dir(2))
    assert cluster.console(0, "ADD: meanwhile.example.com A 192.0.2.50")[-1].startswith("OK")
    cluster.restart(2, 40)
    cluster.wait_answer(2, "meanwhile.example.com", "A", ["192.0.2.50"], 20)
    assert cluster.values(2, "kept4.example.com") == ["192.0.2.4"]
    cluster.wait_equal()
    eventually(
        lambda: re.search(r"(?im)^\W*2\b.*\bvoter", cluster.done(0, "MEMBERS").out),
        30,
        "the emptied node to vote again",
        0.3,
    )
    assert cluster.console(2, "ADD: back.example.com A 192.0.2.51 wait=all")[-1].startswith("OK")


def test_leave_on_stop_takes_the_node_out_of_the_members(cluster_of: ClusterOf) -> None:
    cluster = cluster_of(settings={"leave_on_stop": True})
    cluster.start_all()
    cluster.kill(2, signal.SIGTERM)
    assert cluster.processes[2].wait(15) == 0
    cluster.forget(2)
    eventually(
        lambda: not re.search(r"^\W*2\b", cluster.done(0, "MEMBERS").out, re.MULTILINE),
        10,
        "node 2 gone from the members",
        0.3,
    )
    assert cluster.console(1, "ADD: two.example.com A 192.0.2.9 wait=all")[-1].startswith("OK")
