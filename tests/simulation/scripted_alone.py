"""Runs of a node that is the only one with a vote, and of those that follow it."""

from collections.abc import Callable

from dns_node.cluster.command import Member, PutMember
from tests.simulation.cluster import Cluster


def what_a_node_alone_says_is_on_its_disk(new: Callable[..., Cluster]):
    """The only voter starts again, and its disk is full when it is elected: a learner follows."""
    cluster = new(2)
    cluster.may_fail = True
    cluster.form()
    leader = cluster.elect()
    learner = next(node for node in cluster.nodes if node != leader)
    ended: list[str] = []
    cluster.replicas[leader].change_voter(learner, False).addCallback(ended.append)
    cluster.run_until(lambda: ended == [""])
    cluster.do(leader, PutMember(Member(learner, cluster.hosts[learner].uuid, "learner", "")))
    cluster.run_until(cluster.is_equal)
    disk = cluster.hosts[leader].disk
    cluster.crash(leader)
    cluster.boot(leader)
    cluster.run(0.5)
    disk.is_full = True
    cluster.run_until(lambda: cluster.failures)
    cluster.run(0.5)
    cluster.crash(leader)
    disk.is_full = False
    cluster.boot(leader)
    cluster.elect()
    cluster.run_until(cluster.is_equal)
    assert all(failure.startswith(f"{leader}: ") for failure in cluster.failures), cluster.failures
