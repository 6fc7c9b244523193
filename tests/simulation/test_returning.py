"""A node that comes back, late or slowly, disturbs nobody."""

import pytest


@pytest.mark.parametrize("away_s", [1.5, 2.5, 4.0, 7.0])
def test_who_was_cut_off_hears_the_leader_before_it_thinks_of_an_election(new_cluster, away_s):
    cluster = new_cluster(3)
    leader = cluster.elect()
    cluster.run_until(cluster.is_equal)
    term = cluster.replicas[leader].status().term
    away = next(node for node in cluster.nodes if node != leader)
    for _ in range(5):
        cluster.isolate(away)
        cluster.run(away_s)
        cluster.heal()
        cluster.run(3.0)
        status = cluster.replicas[leader].status()
        assert (status.role, status.term) == ("leader", term)


@pytest.mark.parametrize("slowness_s", [0.5, 1.5, 2.5, 4.0])
def test_who_starts_and_is_connected_late_does_so_too(new_cluster, slowness_s):
    cluster = new_cluster(3)
    leader = cluster.elect()
    cluster.run_until(cluster.is_equal)
    term = cluster.replicas[leader].status().term
    away, other = (node for node in cluster.nodes if node != leader)
    for _ in range(5):
        cluster.crash(away)
        cluster.isolate(away)
        cluster.boot(away)
        cluster.run(slowness_s)
        # The other follower is there first, with which it would be a majority.
        cluster.heal()
        cluster.cut(away, leader)
        cluster.run(0.3)
        cluster.heal()
        cluster.run(3.0)
        status = cluster.replicas[leader].status()
        assert (status.role, status.term) == ("leader", term)
