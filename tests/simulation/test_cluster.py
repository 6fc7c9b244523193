import pytest

from dns_node.cluster.command import Done, Refused


@pytest.mark.parametrize("size", [1, 3])
def test_a_cluster_elects_proposes_and_applies(new_cluster, size):
    cluster = new_cluster(size)
    cluster.elect()
    for number, node in enumerate(cluster.nodes):
        answers = cluster.propose(node, number)
        cluster.run_until(lambda a=answers: a)
        assert isinstance(answers[0], Done)
    cluster.run_until(cluster.is_equal)


@pytest.mark.parametrize("is_power_lost", [False, True])
@pytest.mark.parametrize("size", [1, 3])
def test_everything_survives_the_crash_of_all_nodes(new_cluster, size, is_power_lost):
    cluster = new_cluster(size)
    cluster.elect()
    for number in range(20):
        answers = cluster.propose("0", number)
        cluster.run_until(lambda a=answers: a)
    for node in cluster.nodes:
        cluster.crash(node, is_power_lost)
    for node in cluster.nodes:
        cluster.boot(node)
    # Equal they are at once, perhaps without the last: nobody knows yet that it was committed.
    cluster.run_until(lambda: len(cluster.applied("0")) >= 20 and cluster.is_equal())
    assert cluster.applied("0") == [f"k{number}" for number in range(20)]


def test_the_log_is_empty_within_a_second_when_idle(new_cluster):
    cluster = new_cluster(3)
    leader = cluster.elect()
    for number in range(50):
        cluster.propose(leader, number)
    cluster.run_until(lambda: len(cluster.applied("2")) == 50)
    began = cluster.now_s
    cluster.run_until(cluster.is_log_empty)
    assert cluster.now_s - began < 1.2


def test_a_new_leader_takes_over_and_nothing_is_applied_twice(new_cluster):
    cluster = new_cluster(3)
    for number in range(4):
        leader = cluster.elect()
        follower = next(n for n in cluster.nodes if n != leader)
        answers = cluster.propose(follower, number)
        cluster.turn()
        cluster.crash(leader)
        cluster.run_until(lambda a=answers: a, 20)
        cluster.boot(leader)
        assert isinstance(answers[0], Done)
    cluster.elect()
    cluster.run_until(cluster.is_equal)
    assert sorted(cluster.applied("0")) == ["k0", "k1", "k2", "k3"]


def test_a_minority_says_that_nothing_was_changed(new_cluster):
    cluster = new_cluster(3)
    leader = cluster.elect()
    cluster.isolate(leader)
    cluster.run(4)
    answers = cluster.propose(leader, 1)
    cluster.run_until(lambda: answers, 6)
    assert isinstance(answers[0], Refused)
    assert "NOT LEADER YET: no leader for" in answers[0].reasons[0]
    assert "1 of 3 nodes reachable" in answers[0].reasons[0]
    cluster.heal()
    cluster.elect()
    cluster.run(1)
    assert cluster.applied("0") == []
