"""Members that go, and what they may do afterwards."""

import shutil
import signal

from .cluster import Cluster
from .conftest import ClusterOf
from .load import is_starved
from .waiting import always, eventually

REFUSED = 1
NO_LEADER_S = 4.0
"""Longer than two election timeouts."""


def members(cluster: Cluster, n: int) -> set[str]:
    """Return the ids in the member table of node *n*."""
    words = [line.split()[0] for line in cluster.done(n, "MEMBERS").lines]
    return {word for word in words if word.isdigit()}


def test_a_leader_that_is_removed_hands_over_and_says_that_it_was_removed(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of()
    cluster.start_all()
    leader = int(cluster.status(0)["leader"])
    rest = sorted({0, 1, 2} - {leader})
    term = int(cluster.status(leader)["term"])
    cluster.done(leader, "REMOVE-MEMBER", str(leader))
    process = cluster.processes[leader]
    process.out.wait_for(rf"REMOVED: node {leader} was removed from cluster .* join again")
    eventually(
        lambda: members(cluster, rest[0]) == set(map(str, rest)), 30, "two members", 0.1
    )
    assert cluster.status(rest[0])["leader"] in map(str, rest)
    # It handed over: nobody had to wait for its silence, and one term was enough.
    assert int(cluster.status(rest[0])["term"]) == term + 1 or is_starved(cluster)
    cluster.done(rest[1], "ADD:", "after.example.com", "A", "192.0.2.9", "wait=all")

    # What it has it goes on answering; changes it refuses.
    assert cluster.values(leader, "example.com") == ["1.2.3.4"]
    answer = cluster.say(leader, "ADD:", "lost.example.com", "A", "192.0.2.9")
    assert answer.status == REFUSED, answer
    cluster.kill(leader, signal.SIGTERM)
    cluster.forget(leader)
    started = cluster._spawn(leader)
    started.out.wait_for(rf"REMOVED: node {leader} was removed")
    term = int(cluster.status(rest[0])["term"])
    always(lambda: members(cluster, rest[0]) == set(map(str, rest)), 1.0, "two members")
    assert int(cluster.status(rest[0])["term"]) == term or is_starved(cluster)


def test_an_emptied_node_has_no_vote_under_its_old_id_until_a_leader_binds_it_again(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of()
    cluster.start_all()
    cluster.done(0, "ADD:", "kept.example.com", "A", "192.0.2.1", "wait=all")
    for n in cluster.ports:
        cluster.down(n)
    shutil.rmtree(cluster.data_dir(2))
    # Node 1 and a node 2 that remembers nothing: a majority of ids, and none of promises.
    cluster._spawn(1)
    cluster._spawn(2)
    cluster.wait_answer(1, "kept.example.com", "A", ["192.0.2.1"])
    eventually(lambda: cluster.status(1)["leader"] == "none", 10, "STATUS of node 1", 0.1,
               (AssertionError, KeyError))  # fmt: skip
    always(lambda: cluster.status(1)["leader"] == "none", NO_LEADER_S, "there is no leader")
    assert cluster.say(1, "ADD:", "no.example.com", "A", "192.0.2.2").status == REFUSED
    cluster._spawn(0)
    cluster.wait_answer(2, "kept.example.com", "A", ["192.0.2.1"], 60)
    eventually(
        lambda: cluster.done(0, "MEMBERS").out.count("voter") == 3, 30, "three voters", 0.2
    )
    cluster.done(2, "ADD:", "again.example.com", "A", "192.0.2.3", "wait=all")
    cluster.wait_equal()
