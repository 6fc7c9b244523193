"""A write whose outcome is unknown can be asked for again, and is done at most once."""

import re

from .cluster import Cluster
from .conftest import ClusterOf
from .waiting import eventually


def leader_of(cluster: Cluster) -> int:
    """Return the leader, as the running nodes agree on it."""

    def agreed() -> str:
        leaders = {cluster.status(n)["leader"] for n in cluster.processes}
        return leaders.pop() if len(leaders) == 1 else ""

    return int(eventually(lambda: (found := agreed()).isdigit() and found, 10, "one leader"))


def test_the_leader_without_a_majority_says_unknown_and_the_retry_is_done_once(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of()
    cluster.start_all()
    leader = leader_of(cluster)
    others = [n for n in cluster.ports if n != leader]
    for n in others:
        cluster.down(n)
    line = "ADD: unsure.example.com 60 A 192.0.2.1"
    said = cluster.console(leader, line, deadline_s=8)[-1]
    assert said.startswith(("UNKNOWN", "REFUSED")), said
    assert cluster.values(leader, "unsure.example.com") == []
    for n in others:
        cluster.restart(n)
    operation = re.search(r"operation[= ]([0-9a-f]{32})", said)
    retry = f"{line} operation={operation[1]}" if operation else line
    eventually(lambda: cluster.console(leader, retry)[-1].startswith("OK"), 15, "the retry", 0.2)
    cluster.wait_equal()
    for n in cluster.ports:
        assert cluster.values(n, "unsure.example.com") == ["192.0.2.1"]
    history = cluster.done(leader, "HISTORY", "example.com").out
    assert history.count("+ unsure.example.com.") == 1, history


def test_an_operation_that_is_done_already_is_answered_the_same_again(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of(nodes=1)
    cluster.start_all()
    line = f"ADD: again.example.com 60 A 192.0.2.1 operation={'ab' * 16}"
    first = cluster.console(0, line)[-1]
    assert first.startswith("OK example.com. serial"), first
    assert cluster.console(0, "REMOVE: again.example.com A")[-1].startswith("OK")
    assert cluster.console(0, line)[-1] == first
    assert cluster.values(0, "again.example.com") == []
