"""Show 2: a change typed into any node is served by every node once it is acknowledged."""

import os
import time

from .cluster import REPLY, Cluster
from .conftest import ClusterOf
from .dns_client import NOT_YET, Sources
from .waiting import eventually

ROUNDS = int(os.environ.get("DNS_NODE_STALE_ROUNDS", "20"))
"""Rounds of add, ask, remove, ask; the whole claim is 1,000 of them."""


def test_the_line_of_the_readme_with_tabs_and_blanks_is_answered_by_all(three: Cluster) -> None:
    replies = three.console(2, "ADD:  newdomain.com \t A  1.3.3.7")
    assert "Added resource record for this entry." in replies
    assert replies[-1].startswith("OK newdomain.com. serial "), replies
    for n in three.ports:
        three.wait_answer(n, "newdomain.com", "A", ["1.3.3.7"], 1.0)
    replies = three.console(2, "REMOVE:  newdomain.com \t A  1.3.3.7")
    assert "Removed resource record for this entry." in replies
    assert replies[-1].startswith("OK"), replies
    for n in three.ports:  # the zone was made for this record and goes with it
        three.wait_rcode(n, "newdomain.com", "REFUSED", 1.0)


def test_after_wait_all_no_source_port_of_any_node_gets_the_old_answer(
    three_by_two: Cluster,
) -> None:
    cluster = three_by_two
    with Sources(list(cluster.ports.values()), 100) as sources:
        for round_ in range(ROUNDS):
            name = f"fresh{round_}.example.com"
            at = round_ % 3
            said = cluster.console(at, f"ADD: {name} 60 A 192.0.2.7 wait=all")
            assert said[-1].startswith("OK"), said
            tally = sources.ask(name)
            assert tally.others_than("NOERROR", ("192.0.2.7",)) == [], f"stale in {round_}: {said}"
            assert tally.unanswered == 0
            said = cluster.console((at + 1) % 3, f"REMOVE: {name} A wait=all")
            assert said[-1].startswith("OK"), said
            tally = sources.ask(name)
            assert tally.others_than("NXDOMAIN", ()) == [], f"stale in {round_}: {said}"
            assert tally.unanswered == 0


def test_the_node_that_acknowledged_serves_the_change_without_any_option(three: Cluster) -> None:
    with Sources([three.ports[1]], 50) as sources:
        for round_ in range(5):
            assert three.console(1, f"add local{round_}.example.com A 192.0.2.9")[-1][:2] == "OK"
            tally = sources.ask(f"local{round_}.example.com")
            assert tally.others_than("NOERROR", ("192.0.2.9",)) == []


def test_with_one_node_down_writes_go_on_and_the_reply_names_it(cluster_of: ClusterOf) -> None:
    cluster = cluster_of()
    cluster.start_all()
    cluster.down(1)
    time.monotonic()
    said = eventually(
        lambda: _ok(cluster, 2, "ADD: one-down.example.com 60 A 192.0.2.1"), 10, "a write", 0.2
    )
    assert said.startswith("OK example.com. serial ")
    with Sources([cluster.ports[0], cluster.ports[2]], 100) as sources:
        for round_ in range(5):
            name = f"down{round_}.example.com"
            said = cluster.console(2, f"ADD: {name} 60 A 192.0.2.7 wait=all")[-1]
            assert said.startswith("OK") and "visible on 2 of 3" in said and "1" in said, said
            tally = sources.ask(name)
            assert tally.others_than("NOERROR", ("192.0.2.7",)) == []
    cluster.restart(1)
    cluster.wait_answer(1, "down4.example.com", "A", ["192.0.2.7"])
    cluster.wait_equal()


def test_with_two_down_a_write_is_not_acknowledged_reads_go_on_and_then_it_writes_again(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of()
    cluster.start_all()
    cluster.down(0)
    cluster.down(1)
    started_s = time.monotonic()
    said = cluster.console(2, "ADD: lonely.example.com 60 A 192.0.2.1", deadline_s=8)[-1]
    took_s = time.monotonic() - started_s
    assert not said.startswith("OK"), said
    assert took_s < 6.0, f"{said} only after {took_s:.1f} s"
    assert cluster.values(2, "example.com", "A") == ["1.2.3.4"]
    assert cluster.values(2, "cats.com", "SOA", tcp=True)
    assert cluster.ctl(2, "ADD:", "lonely2.example.com", "A", "192.0.2.2").status in (1, 2)
    cluster.restart(0)
    eventually(lambda: _ok(cluster, 2, "ADD: again.example.com 60 A 192.0.2.3"), 15, "a write", 0.2)
    cluster.restart(1)
    for n in cluster.ports:
        cluster.wait_answer(n, "again.example.com", "A", ["192.0.2.3"])
    cluster.wait_equal()


def _ok(cluster: Cluster, n: int, line: str) -> str:
    said = cluster.console(n, line, REPLY, 8)[-1]
    return said if said.startswith("OK") else ""


def test_reads_never_pause_while_the_leader_is_gone(cluster_of: ClusterOf) -> None:
    cluster = cluster_of()
    cluster.start_all()
    leader = eventually(lambda: _leader(cluster), 10, "a leader")
    others = [n for n in cluster.ports if n != int(leader)]
    cluster.down(int(leader))
    slowest_s = 0.0
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        for n in others:
            started_s = time.monotonic()
            try:
                assert cluster.values(n, "example.com", "A") == ["1.2.3.4"]
            except NOT_YET as error:
                raise AssertionError(f"node {n} did not answer during the election") from error
            slowest_s = max(slowest_s, time.monotonic() - started_s)
    assert slowest_s < 1.0


def _leader(cluster: Cluster) -> str:
    return next(
        (
            state["leader"]
            for n in cluster.ports
            if (state := cluster.status(n)).get("leader", "").isdigit()
        ),
        "",
    )
