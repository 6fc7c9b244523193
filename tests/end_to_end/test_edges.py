"""An edge node by configuration: it serves, follows and takes changes, and never votes."""

import signal

from .conftest import ClusterOf


def test_an_edge_serves_and_takes_changes_and_the_others_need_it_for_nothing(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of(node_settings={2: {"role": "edge"}})
    cluster.start_all()
    rows = {line.split()[0]: line.split()[1] for line in cluster.done(0, "MEMBERS").lines[1:]}
    assert (rows["0"], rows["1"], rows["2"]) == ("voter", "voter", "edge")
    advice = cluster.done(2, "MEMBERS").lines[-1]
    assert advice.startswith("advice: 2 voters (0 and 1) tolerate no failure")
    assert "2 voters (0 and 1) tolerate no failure" in "\n".join(cluster.processes[0].err.since())
    assert cluster.status(2)["role"] == "edge"
    assert cluster.console(2, "ADD: edge.example.com A 192.0.2.7 wait=all")[-1].startswith("OK")
    for node in range(3):
        assert cluster.values(node, "edge.example.com") == ["192.0.2.7"]
    cluster.kill(2, signal.SIGKILL)
    cluster.forget(2)
    reply = cluster.console(1, "ADD: more.example.com A 192.0.2.8 wait=quorum")[-1]
    assert reply.startswith("OK"), reply
    assert "role edge" in cluster.done(0, "STATUS").out

