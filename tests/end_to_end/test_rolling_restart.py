"""An upgrade as it is done: one node after the other stops and starts, under load."""

import signal

from .conftest import ClusterOf
from .load import WRITERS, Load, check_nothing_lost, stop_and_start


def test_one_node_after_the_other_restarts_and_no_acknowledged_change_or_dns_answer_is_lost(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of()
    cluster.start_all()
    load = Load(cluster).begin()
    try:
        for n in cluster.ports:
            stop_and_start(cluster, load, n, signal.SIGTERM)
    finally:
        load.end()
    check_nothing_lost(cluster, load)
    # Nobody is left in doubt but who was just talking to the node that stopped.
    assert load.unknown <= WRITERS * len(cluster.ports), load
