import random

import pytest

from dns_node.cluster.command import Done, Member, PutMember
from dns_node.cluster.replica import ReplicaSettings
from dns_node.errors import StoreError
from tests.simulation.transfers import Transfers


def put_member(cluster, node, role):
    uuid = cluster.hosts[node].uuid
    answer = cluster.do(cluster.elect(), PutMember(Member(node, uuid, role, "")))
    assert isinstance(answer, Done), answer


def add_learner(cluster, node):
    put_member(cluster, node, "learner")
    cluster.boot(node, cluster.voters)


def propose(cluster, node, number):
    answers = cluster.propose(node, number)
    cluster.run_until(lambda: answers)
    assert isinstance(answers[0], Done), answers


def change_voter(cluster, leader, node, is_added):
    ended = []
    cluster.replicas[leader].change_voter(node, is_added).addCallback(ended.append)
    cluster.run_until(lambda: ended)
    assert ended == [""]


def test_a_learner_follows_without_a_vote_and_becomes_a_voter(new_cluster):
    cluster = new_cluster(1, spare=1)
    cluster.form()
    add_learner(cluster, "1")
    for number in range(5):
        propose(cluster, "0", number)
    cluster.run_until(cluster.is_equal)
    assert cluster.replicas["1"].status().role == "learner"
    assert cluster.replicas["1"].journal.getVotedForNodeId() is None

    change_voter(cluster, "0", "1", True)
    cluster.run_until(lambda: cluster.replicas["1"].status().role == "follower")
    put_member(cluster, "1", "voter")
    propose(cluster, "1", 100)
    assert cluster.replicas["0"].journal.voters() == {"0", "1"}

    cluster.crash("1")
    answers = cluster.propose("0", 101)
    cluster.run(2)
    assert not answers, "one of two voters is no majority"
    cluster.boot("1")
    cluster.run_until(lambda: answers)


def test_a_learner_proposes_through_the_leader(new_cluster):
    cluster = new_cluster(3, spare=1)
    cluster.form()
    add_learner(cluster, "3")
    propose(cluster, "3", 1)


def test_the_leader_hands_over_and_is_removed(new_cluster):
    cluster = new_cluster(3)
    leader = cluster.elect()
    propose(cluster, leader, 1)
    other = next(node for node in cluster.nodes if node != leader)
    assert cluster.replicas[leader].transfer_leadership(other)
    cluster.run_until(lambda: cluster.leader() == other, 2)
    cluster.run_until(lambda: cluster.replicas[leader].status().leader == other, 2)
    propose(cluster, other, 2)
    change_voter(cluster, other, leader, False)
    cluster.crash(leader)
    propose(cluster, other, 3)
    assert leader not in cluster.replicas[other].journal.voters()


def test_a_member_that_misses_dropped_entries_takes_a_snapshot(new_cluster):
    cluster = new_cluster(3, settings=ReplicaSettings(absent_s_max=5.0))
    transfers = Transfers(cluster, random.Random(1), 1.0)
    cluster.elect()
    propose(cluster, "0", 1)
    cluster.run_until(cluster.is_equal)
    cluster.run(1)
    cluster.crash("2")
    cluster.elect()
    for number in range(2, 30):
        propose(cluster, "0", number)
    cluster.run(7)
    leader = cluster.leader()
    assert cluster.replicas[leader].status().log_entries == 0, "a member is waited for"

    cluster.boot("2")
    cluster.run_until(lambda: transfers.installed)
    assert cluster.leader() == leader, "a laggard must not disturb"
    propose(cluster, "2", 50)
    cluster.run_until(cluster.is_equal)

    cluster.crash("2")
    cluster.boot("2")
    cluster.crash(cluster.leader())
    propose(cluster, "2", 51)


def test_a_snapshot_that_fails_to_be_installed_is_fetched_again(new_cluster):
    cluster = new_cluster(3, settings=ReplicaSettings(absent_s_max=1.0))
    cluster.may_fail = True
    transfers = Transfers(cluster, random.Random(1), 1.0)
    cluster.elect()
    cluster.crash("2")
    cluster.elect()
    for number in range(20):
        propose(cluster, "0", number)
    cluster.run(3)
    cluster.boot("2")

    def refuse(copy):
        raise StoreError("No space left on device")

    cluster.hosts["2"].machine.writer.install = refuse
    cluster.run_until(lambda: cluster.failures)
    cluster.run_until(lambda: transfers.installed)
    cluster.run_until(cluster.is_equal)


def test_a_snapshot_that_the_log_has_overtaken_is_left_alone(new_cluster):
    cluster = new_cluster(3)
    leader = cluster.elect()
    propose(cluster, leader, 1)
    source, target = cluster.hosts[leader], cluster.hosts[str((int(leader) + 1) % 3)]
    content = source.machine.writer._tables.environment.content.copy()
    index, _ = source.machine.applied()
    propose(cluster, leader, 2)
    cluster.run_until(cluster.is_equal)
    ended = []
    copy = target.disk.take(content, "snapshot-in")
    voters = source.replica.voters_at(index)
    target.replica.install(target.machine.install(copy), voters).addCallback(ended.append)
    cluster.run_until(lambda: ended)
    assert cluster.applied(target.node) == ["k1", "k2"]
    propose(cluster, target.node, 3)
    cluster.run_until(cluster.is_equal)


def test_a_wiped_node_under_its_old_id_has_no_vote(new_cluster):
    cluster = new_cluster(3)
    cluster.form()
    propose(cluster, "0", 1)
    cluster.run_until(cluster.is_equal)
    cluster.crash("2")
    cluster.wipe("2")
    leader = cluster.elect()
    cluster.boot("2", cluster.voters)
    cluster.crash("1" if leader == "0" else "0")
    answers = cluster.propose(leader, 2)
    cluster.run(3)
    assert not answers or not isinstance(answers[0], Done)


def test_waiting_for_all_names_who_serves_and_who_is_unreachable(new_cluster):
    cluster = new_cluster(3)
    leader = cluster.elect()
    follower = next(node for node in cluster.nodes if node != leader)
    for node in (leader, follower):
        answers = cluster.propose(node, int(node) + 1)
        cluster.run_until(lambda a=answers: a)
        visible = []
        began = cluster.now_s
        cluster.replicas[node].wait_visible(answers[0].revision, "all", 5.0).addCallback(
            visible.append
        )
        cluster.run_until(lambda v=visible: v)
        assert visible == [(("0", "1", "2"), (), ())]
        assert cluster.now_s - began < 0.3
    third = ({*cluster.nodes} - {leader, follower}).pop()
    cluster.crash(third)
    cluster.run(3.5)
    answers = cluster.propose(leader, 77)
    cluster.run_until(lambda: answers)
    visible = []
    cluster.replicas[leader].wait_visible(answers[0].revision, "all", 5.0).addCallback(
        visible.append
    )
    cluster.run_until(lambda: visible)
    assert visible == [(tuple(sorted((leader, follower))), (), (third,))]


def test_a_full_disk_stops_replication_and_it_comes_back_by_itself(new_cluster):
    cluster = new_cluster(3)
    cluster.may_fail = True
    leader = cluster.elect()
    propose(cluster, leader, 1)
    cluster.hosts[leader].disk.is_full = True
    answers = cluster.propose(leader, 2)
    cluster.run_until(lambda: answers)
    assert cluster.replicas[leader].status().role in ("stopped", "waiting")
    assert "No space left" in cluster.replicas[leader].status().why
    cluster.run_until(lambda: cluster.leader() not in (None, leader))
    cluster.hosts[leader].disk.is_full = False
    cluster.run_until(lambda: cluster.replicas[leader].status().why == "")
    cluster.run_until(cluster.is_equal)
    propose(cluster, leader, 3)


def test_a_journal_that_begins_after_the_store_is_refused(new_cluster):
    cluster = new_cluster(3)
    leader = cluster.elect()
    node = next(node for node in cluster.nodes if node != leader)
    old = cluster.machines[node].writer._tables.environment.content.copy()
    for number in range(20):
        propose(cluster, leader, number)
    cluster.run_until(lambda: cluster.replicas[node].journal.first_index > 10)
    cluster.crash(node)
    content = cluster.hosts[node].disk.content(
        cluster.hosts[node].disk.directory / "store" / "1", False
    )
    content.tables = old.tables  # As a disk that lied about a sync may leave it.
    with pytest.raises(StoreError, match="its journal begins after it"):
        cluster.boot(node)
