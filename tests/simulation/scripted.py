"""Runs for rules that random faults seldom need: one script each, which fails without its rule."""

import random
from collections.abc import Callable

from dns_node.cluster.command import Done, FormCluster, Member, PutKey, PutMember
from dns_node.cluster.replica import ReplicaSettings
from tests.simulation.cluster import Cluster
from tests.simulation.disk import everything
from tests.simulation.memory_lmdb import Crashed
from tests.simulation.oracle import Violation
from tests.simulation.scripted_alone import what_a_node_alone_says_is_on_its_disk
from tests.simulation.transfers import Transfers

New = Callable[..., Cluster]


def _must(condition: bool, what: str):
    if not condition:
        raise Violation(what)


def _write(cluster: Cluster, node: str, key: str):
    answer = cluster.do(node, PutKey(key, key))
    _must(isinstance(answer, Done), f"node {node} answers {answer}")


def a_bridge_does_not_disturb_the_leader(new: New):
    """The leader and one node don't hear each other; both hear the third."""
    cluster = new(3)
    leader = cluster.elect()
    away = next(node for node in cluster.nodes if node != leader)
    cluster.cut(leader, away)
    term = cluster.replicas[leader].status().term
    for number in range(20):
        cluster.run(1.0)
        status = cluster.replicas[leader].status()
        _must((status.role, status.term) == ("leader", term), "the leader was deposed")
        _write(cluster, leader, f"k{number}")


def a_vote_that_arrives_twice_counts_once(new: New):
    """A candidate of five reaches two others; one of them votes, and its vote comes twice."""
    cluster = new(5)
    leader = cluster.elect()
    candidate, friend, silent, *others = (node for node in cluster.nodes if node != leader)
    cluster.crash(leader)
    for node in others:
        cluster.crash(node)
    cluster.network.blocked[silent, candidate] = 0.0
    cluster.network.blocked[candidate, silent] = 0.0
    cluster.network.blocked[silent, friend] = 0.0
    cluster.network.weather.duplication = 1.0
    cluster.run(5.0)
    _must(cluster.leader() is None, "two of five have a leader")


def a_differing_log_converges_within_seconds(new: New):
    """An ex-leader has entries that are nowhere else; the log of the others exceeds a message."""
    cluster = new(3)
    old = cluster.elect()
    rest = [node for node in cluster.nodes if node != old]
    for other in rest:
        cluster.network.blocked[old, other] = cluster.network.blocked[other, old] = cluster.now_s
    for number in range(30):
        cluster.propose(old, number, 1000)
        cluster.turn()
    journal = cluster.replicas[old].journal
    _must(journal.last_index > cluster.replicas[old].status().commit_index, "it appended nothing")
    cluster.run_until(lambda: cluster.leader() in rest)
    for number in range(300):
        cluster.submit(cluster.leader(), cluster.command(PutKey(f"y{number}", "v" * 10_000)))
        cluster.run(0.01)
    cluster.run(1.0)
    cluster.network.blocked.clear()
    cluster.heal()
    began_s = cluster.now_s
    cluster.run_until(cluster.is_equal, 60.0)
    _must(cluster.now_s - began_s < 3.0, f"it took {cluster.now_s - began_s:.1f} s")
    count = sum(key.startswith("y") for key in cluster.applied(old))
    _must(count == 300, f"{count} of 300 changes have arrived")


def a_laggard_is_told_to_take_a_snapshot(new: New):
    """A node is away while the log is shortened."""
    cluster = new(3, settings=ReplicaSettings(absent_s_max=1.0))
    Transfers(cluster, random.Random(1), 0.5)
    leader = cluster.elect()
    away = next(node for node in cluster.nodes if node != leader)
    cluster.crash(away)
    for number in range(10):
        _write(cluster, leader, f"k{number}")
    cluster.run(3.0)
    cluster.boot(away)
    cluster.run_until(cluster.is_equal, 10.0)


def an_empty_disk_does_not_vote_under_its_old_id(new: New):
    """Entries are at two of three; one of the two comes back with an empty disk."""
    cluster = new(3)
    cluster.form()
    leader = cluster.elect()
    wiped, behind = (node for node in cluster.nodes if node != leader)
    cluster.run_until(cluster.is_equal)
    cluster.isolate(behind)
    _write(cluster, leader, "acknowledged")
    cluster.crash(leader)
    cluster.crash(wiped)
    cluster.wipe(wiped)
    cluster.boot(wiped, cluster.voters)
    cluster.heal()
    cluster.run(6.0)
    _must(cluster.leader() is None, "an empty disk and a laggard have a leader")


def an_empty_disk_does_not_vote_before_all_have_applied_who_the_members_are(new: New):
    """One of three has the command that forms the cluster in its log, but not in its store."""
    cluster = new(3)
    leader = cluster.elect()
    wiped, behind = (node for node in cluster.nodes if node != leader)
    cluster.run_until(cluster.is_equal)
    journal = cluster.replicas[behind].journal
    last_index = journal.last_index
    members = tuple(
        Member(node, cluster.hosts[node].uuid, "voter", "") for node in sorted(cluster.voters)
    )
    cluster.submit(leader, cluster.command(FormCluster("cluster", members)))
    while journal.last_index == last_index:
        cluster.turn()
    cluster.isolate(behind)
    _write(cluster, leader, "acknowledged")
    _must(not cluster.machines[behind].members(), "the script is out of step")
    cluster.crash(leader)
    cluster.crash(wiped)
    cluster.wipe(wiped)
    cluster.boot(wiped, cluster.voters)
    cluster.heal()
    cluster.run(6.0)
    _must(cluster.leader() is None, "an empty disk and a laggard have a leader")


def a_laggard_follows_a_leader_that_came_back_with_an_empty_disk(new: New):
    """A node is away while another is replaced and then leads: it knows that one's old uuid."""
    cluster = new(5)
    cluster.form()
    leader = cluster.elect()
    wiped, away, *_ = (node for node in cluster.nodes if node != leader)
    cluster.run_until(cluster.is_equal)
    cluster.crash(away)
    cluster.crash(wiped)
    cluster.wipe(wiped)
    cluster.boot(wiped)
    ended: list[str] = []
    member = Member(wiped, cluster.hosts[wiped].uuid, "learner", "")
    cluster.replicas[leader].change_voter(wiped, False).addCallback(ended.append)
    cluster.run_until(lambda: ended == [""])
    cluster.do(leader, PutMember(member))
    cluster.replicas[wiped].form(cluster.voters - {wiped})
    cluster.run_until(cluster.is_equal)
    cluster.replicas[leader].change_voter(wiped, True).addCallback(ended.append)
    cluster.run_until(lambda: ended == ["", ""])
    cluster.do(leader, PutMember(Member(wiped, member.uuid, "voter", "")))
    while cluster.leader() != wiped:
        cluster.replicas[leader].transfer_leadership(wiped)
        cluster.run(0.5)
    cluster.boot(away)
    cluster.run_until(cluster.is_equal, 20.0)


def a_new_generation_survives_a_power_loss(new: New):
    """A snapshot is installed, the log goes on from it, and the power fails."""
    cluster = new(3, settings=ReplicaSettings(absent_s_max=1.0))
    transfers = Transfers(cluster, random.Random(1), 0.5)
    leader = cluster.elect()
    away = next(node for node in cluster.nodes if node != leader)
    _write(cluster, away, "before")
    cluster.crash(away)
    for number in range(10):
        _write(cluster, leader, f"k{number}")
    cluster.run(3.0)
    cluster.boot(away)
    cluster.run_until(lambda: transfers.installed > 0)
    index = cluster.machines[away].applied()[0]
    cluster.hosts[away].disk.loses = everything
    cluster.crash(away, is_power_lost=True)
    cluster.boot(away)
    _must(cluster.machines[away].applied()[0] >= index, "an installed snapshot is lost")


Loses = Callable[[str], bool] | None


def _die_at(cluster: Cluster, node: str, step: str, loses: Loses = None):
    """The disk of *node* stops its machine at the next *step*: a kill, or a power loss that takes
    what it *loses*."""
    disk = cluster.hosts[node].disk

    def die(now: str):
        if now == step:
            disk.on_point = lambda step: None
            raise Crashed(step, is_power_lost=loses is not None)

    disk.on_point, disk.loses = die, loses


def _install_until_the_switch(new: New, loses: Loses = None) -> tuple[Cluster, str]:
    """Return a cluster with a node that has died right after it replaced CURRENT."""
    cluster = new(3, settings=ReplicaSettings(absent_s_max=1.0))
    Transfers(cluster, random.Random(1), 0.5)
    leader = cluster.elect()
    away = next(node for node in cluster.nodes if node != leader)
    _write(cluster, away, "before")
    cluster.crash(away)
    for number in range(10):
        _write(cluster, leader, f"k{number}")
    cluster.run(3.0)
    cluster.boot(away)
    _die_at(cluster, away, "after the replacement of CURRENT", loses)
    cluster.run_until(lambda: away not in cluster.replicas)
    return cluster, away


def a_generation_is_there_before_it_is_current(new: New):
    """Of a switch to a new generation a power loss takes its name, and leaves CURRENT."""
    cluster, away = _install_until_the_switch(new, lambda name: name == "2")
    cluster.boot(away)
    cluster.run_until(cluster.is_equal)


def a_generation_that_a_start_finds_current_stays_so(new: New):
    """A kill comes right after the switch, a power loss when the log has begun anew."""
    cluster, away = _install_until_the_switch(new)
    cluster.boot(away)
    cluster.run_until(cluster.is_equal)
    cluster.hosts[away].disk.loses = everything
    cluster.crash(away, is_power_lost=True)
    cluster.boot(away)
    cluster.run_until(cluster.is_equal)


def an_entry_that_a_start_finds_is_durable_before_its_ack(new: New):
    """A kill comes within the commit of an entry to the journal."""
    cluster = new(3)
    leader = cluster.elect()
    node = next(node for node in cluster.nodes if node != leader)
    cluster.run_until(cluster.is_equal)
    _die_at(cluster, node, "within a commit to journal")
    _write(cluster, leader, "one")
    cluster.run_until(lambda: node not in cluster.replicas)
    cluster.boot(node)
    cluster.run_until(cluster.is_equal)


def a_new_store_is_whole_before_it_is_current(new: New):
    """A first start dies when it has just made its store."""
    cluster = new(1, spare=1)
    _die_at(cluster, "1", "after the replacement of CURRENT", lambda name: name == "transactions")
    _must(cluster.boot("1", cluster.voters) is None, "the script is out of step")
    cluster.boot("1", cluster.voters)


def the_voters_of_a_snapshot_survive_a_kill(new: New):
    """A node dies between the switch to a snapshot's store and the new beginning of its log."""
    cluster = new(5, settings=ReplicaSettings(absent_s_max=1.0))
    cluster.form()
    Transfers(cluster, random.Random(1), 0.5)
    leader = cluster.elect()
    away, other, *_ = (node for node in cluster.nodes if node != leader)
    cluster.crash(away)
    ended: list[str] = []
    cluster.replicas[leader].change_voter(other, False).addCallback(ended.append)
    for number in range(10):
        _write(cluster, leader, f"k{number}")
    _must(ended == [""], "the vote was not taken away")
    cluster.run(3.0)
    cluster.boot(away)
    _die_at(cluster, away, "after the replacement of CURRENT")
    cluster.run_until(lambda: away not in cluster.replicas)
    cluster.boot(away)
    cluster.run(1.0)
    _write(cluster, leader, "after")
    cluster.run_until(lambda: "after" in cluster.applied(away), 10.0)


def the_log_waits_for_a_snapshot_under_way(new: New):
    """A snapshot travels for long while others write: it is the only one that is needed."""
    cluster = new(3, settings=ReplicaSettings(absent_s_max=0.5))
    transfers = Transfers(cluster, random.Random(1), 30.0)
    leader = cluster.elect()
    away = next(node for node in cluster.nodes if node != leader)
    cluster.crash(away)
    for number in range(10):
        _write(cluster, leader, f"before{number}")
    cluster.run(2.0)
    cluster.boot(away)
    # It takes nothing from the log meanwhile, and counts as absent.
    cluster.run_until(lambda: transfers._under_way)
    cluster.network.blocked[away, leader] = cluster.now_s
    arrives_s = transfers._under_way[0].arrives_s
    transfers._seconds_max = 0.5
    number = 0
    while cluster.now_s < arrives_s - 0.3:
        number += 1
        _write(cluster, leader, f"k{number}")
        cluster.run(0.1)
    cluster.network.blocked.clear()
    cluster.run_until(cluster.is_equal, 20.0)
    _must(transfers.begun == 1, f"{transfers.begun} snapshots were needed")


def a_journal_beyond_the_store_is_kept(new: New):
    """One of the two that hold a change restarts before it knows that it was committed."""
    cluster = new(3)
    leader = cluster.elect()
    node, other = (each for each in cluster.nodes if each != leader)
    cluster.run_until(cluster.is_equal)
    cluster.isolate(other)
    _write(cluster, leader, "one")
    _must("one" not in cluster.applied(node), "the script is out of step")
    cluster.crash(leader)
    cluster.crash(node)
    cluster.boot(node)
    cluster.run_until(lambda: cluster.leader() is not None)
    cluster.run_until(cluster.is_equal)
    cluster.run(1.0)
    _must("one" in cluster.applied(node), "a change that was acknowledged is lost")


def what_overtakes_a_snapshot_is_durable(new: New):
    """A snapshot arrives when the log has just brought more, which is not synced yet."""
    cluster = new(3)
    leader = cluster.elect()
    node = next(node for node in cluster.nodes if node != leader)
    cluster.run_until(cluster.is_equal)
    content = cluster.machines[node].writer._tables.environment.content.copy()
    _write(cluster, leader, "one")
    cluster.run_until(cluster.is_equal)
    replica, host = cluster.replicas[node], cluster.hosts[node]
    copy = host.disk.take(content, "snapshot-in")
    ended: list[None] = []
    installing = replica.install(host.machine.install(copy), replica.journal.voters())
    installing.addCallback(ended.append)
    cluster.run_until(lambda: ended)


def a_second_change_of_the_voters_waits(new: New):
    """Two changes are asked for in one step."""
    cluster = new(5)
    leader = cluster.elect()
    one, other, *_ = (node for node in cluster.nodes if node != leader)
    ended: list[str] = []
    for node in (one, other):
        cluster.replicas[leader].change_voter(node, False).addCallback(ended.append)
    cluster.run_until(lambda: len(ended) == 2)
    _must(sorted(map(bool, ended)) == [False, True], f"two changes at once: {ended}")


def the_voters_are_those_of_the_whole_log(new: New):
    """A vote is taken away and given back; the node restarts before the latter is committed."""
    cluster = new(4)
    leader = cluster.elect()
    absent, node, *_ = (each for each in cluster.nodes if each != leader)
    cluster.crash(absent)  # The log is kept for it.
    ended: list[str] = []
    cluster.replicas[leader].change_voter(node, False).addCallback(ended.append)
    cluster.run_until(lambda: ended == [""])
    for other in cluster.nodes:
        cluster.network.blocked[leader, other] = cluster.now_s
    cluster.replicas[leader].change_voter(node, True)
    cluster.run(0.3)
    _must(node in cluster.replicas[leader].journal.voters(), "the change was not appended")
    cluster.crash(leader)
    cluster.boot(leader)
    cluster.run(3.0)


SCRIPTED = {
    "G2": a_vote_that_arrives_twice_counts_once,
    "G3": a_bridge_does_not_disturb_the_leader,
    "G6": a_laggard_is_told_to_take_a_snapshot,
    "G7": a_differing_log_converges_within_seconds,
    "binding": an_empty_disk_does_not_vote_under_its_old_id,
    "founders": an_empty_disk_does_not_vote_before_all_have_applied_who_the_members_are,
    "entries of strangers": a_laggard_follows_a_leader_that_came_back_with_an_empty_disk,
    "directory of CURRENT": a_new_generation_survives_a_power_loss,
    "voters of a snapshot": the_voters_of_a_snapshot_survive_a_kill,
    "generation": a_generation_is_there_before_it_is_current,
    "current at start": a_generation_that_a_start_finds_current_stays_so,
    "journal at start": an_entry_that_a_start_finds_is_durable_before_its_ack,
    "new store": a_new_store_is_whole_before_it_is_current,
    "adopt": a_journal_beyond_the_store_is_kept,
    "overtaking": what_overtakes_a_snapshot_is_durable,
    "pins": the_log_waits_for_a_snapshot_under_way,
    "voters of the log": the_voters_are_those_of_the_whole_log,
    "one change": a_second_change_of_the_voters_waits,
    "D4": what_a_node_alone_says_is_on_its_disk,
}
"""By the mutation that they kill."""
