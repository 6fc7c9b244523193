"""Known defects of the core, E1 to E6, in logs: in the published core, and not in ours."""

import contextlib
import pickle
import random

from pysyncobj.node import Node

from dns_node.cluster.command import Done, PutKey
from dns_node.cluster.executor import ManualExecutor
from dns_node.cluster.message import AppendEntries, parse_envelope, parse_message
from dns_node.cluster.replica import ReplicaSettings
from tests.simulation.disk import everything
from tests.simulation.scripted import (
    a_second_change_of_the_voters_waits,
)
from tests.simulation.stock import StockNode, done, three, tick
from tests.simulation.transfers import Transfers
from tests.simulation.writing import lead, write

# E1: an ex-leader acknowledges what was never committed, when the log was shortened meanwhile.


def test_e1_stock_an_ex_leader_acknowledges_what_exists_nowhere(stock):
    a, b, c = three(stock)
    stock.isolate("A")
    answers, others = [], []
    a.write(["lost"] * 3, answers)
    tick(a)
    b.elect()
    stock.deliver_all()
    b.write(range(20), others)
    for _ in range(4):
        tick(b, c)
        stock.deliver_all()
    b.forceLogCompaction()
    tick(b, c)
    tick(b, c)
    stock.connect("A", "B", "C")
    for _ in range(40):
        tick(b, c)
        stock.deliver("B", "A", 1)
        for pair in (("A", "B"), ("C", "A"), ("A", "C"), ("B", "C"), ("C", "B")):
            stock.deliver(*pair)
        tick(a)
    assert done(answers) == ["lost"] * 3
    assert "lost" not in b.applied


def test_e1_an_ex_leader_does_not_acknowledge_what_was_never_committed(new_cluster):
    cluster = new_cluster(3, settings=ReplicaSettings(absent_s_max=1.0))
    transfers = Transfers(cluster, random.Random(1), 0.5)
    old, *rest = lead(cluster)
    for other in rest:
        cluster.network.blocked[old, other] = cluster.network.blocked[other, old] = cluster.now_s
    answers = [cluster.propose(old, number) for number in range(3)]
    cluster.run(0.2)
    assert cluster.replicas[old].journal.last_index > cluster.replicas[old].status().commit_index
    cluster.run_until(lambda: cluster.leader() in rest)
    for number in range(20):
        write(cluster, cluster.leader(), f"good{number}")
    cluster.run(6.0)
    cluster.network.blocked.clear()
    cluster.heal()
    cluster.run_until(lambda: cluster.is_equal() and all(answers))
    assert transfers.installed == 1
    assert not any(isinstance(answer[0], Done) for answer in answers)
    assert not any(key.startswith("k") for key in cluster.applied("0"))


# E2: a message that comes again truncates entries that were acknowledged.


def test_e2_stock_a_repeated_message_truncates_acknowledged_entries(stock):
    a, b, c = three(stock)
    stock.cut("A", "C")
    answers = []
    a.write(range(10), answers)
    tick(a)
    first = stock.queue("A", "B")[0]
    for _ in range(3):
        stock.deliver("A", "B")
        stock.deliver("B", "A")
        tick(a)
    assert len(done(answers)) == 10
    held = b.log()
    stock.queue("A", "B").clear()
    message = pickle.loads(first)
    message["entries"] = message["entries"][:1]  # As the core sends it again in smaller parts.
    stock.receive("A", "B", pickle.dumps(message))
    assert len(b.log()) < len(held)
    stock.isolate("A")
    b.elect()
    for _ in range(6):
        stock.deliver_all()
        tick(b, c)
    assert b._isLeader()
    assert len(b.applied) < 10


def test_e2_a_repeated_message_truncates_nothing(new_cluster):
    cluster = new_cluster(3)
    leader, follower, away = lead(cluster)
    cluster.isolate(away)
    seen = []
    receive = cluster.hosts[follower].replica.frame_received

    def remember(peer, octets):
        seen.append((peer, octets))
        receive(peer, octets)

    cluster.hosts[follower].replica.frame_received = remember
    for number in range(10):
        write(cluster, leader, f"k{number}")
    last_index = cluster.replicas[follower].journal.last_index
    for peer, octets in seen:
        envelope = parse_envelope(octets)
        if envelope.kind == "raft" and isinstance(parse_message(envelope.body), AppendEntries):
            receive(peer, octets)
    assert cluster.replicas[follower].journal.last_index == last_index
    cluster.crash(leader)
    cluster.heal()
    cluster.run_until(lambda: len(cluster.applied(away)) >= 10)
    assert cluster.applied(away) == [f"k{number}" for number in range(10)]


# E3: a kill between the steps of the compaction.


def test_e3_stock_a_kill_within_the_compaction_loses_acknowledged_entries(stock, tmp_path):
    options = {"journalFile": tmp_path, "fullDumpFile": tmp_path, "useFork": False}
    a, b, c = three(stock, **options)
    a.write(range(10), [])
    for _ in range(4):
        tick(a, b, c)
        stock.deliver_all()
    stock.cut("A", "C")
    answers = []
    a.write(range(10, 15), answers)
    tick(a)
    tick(a)
    stock.deliver("A", "B")
    stock.deliver("B", "A")
    tick(a)
    assert len(done(answers)) == 5
    stock.queue("A", "B").clear()
    b.forceLogCompaction()
    tick(b)
    b.private("raftLog").flush()
    for pair in (("A", "B"), ("B", "C")):
        stock.links.discard(frozenset(pair))
    del stock.ports["B"]
    again = StockNode(stock, "B", "AC", **{
        key: str(value / "B") + "." + key if key != "useFork" else value
        for key, value in options.items()
    })  # fmt: skip
    again.doTick()
    held = {index for index, _ in again.log()}
    assert not {index for index, _ in a.log()[-5:]} & held


def test_e3_a_kill_at_any_step_loses_nothing_that_was_acknowledged(new_cluster):
    cluster = new_cluster(3, new_executor=lambda name: ManualExecutor())
    cluster.on_turn = cluster.run_disks
    leader, follower, away = lead(cluster)
    steps = set()
    for crash_in in range(24):
        write(cluster, leader, f"k{crash_in}")
        disk, lives = cluster.hosts[follower].disk, cluster.hosts[follower].lives
        disk.crash_in, disk.loses = crash_in, everything if crash_in % 2 == 0 else None
        write(cluster, leader, f"more{crash_in}")
        cluster.run(0.5)
        if follower not in cluster.replicas:
            steps.add(cluster.trace[-1][1])
            cluster.boot(follower)
        disk.crash_in = None
        assert cluster.hosts[follower].lives - lives <= 1
        assert cluster.elect() == leader, "a follower that comes back does not disturb"
    assert len(steps) > 4, steps
    cluster.crash(leader)
    cluster.run_until(lambda: len(cluster.applied(follower)) >= 48)
    expected = [f"{name}{number}" for number in range(24) for name in ("k", "more")]
    assert cluster.applied(follower) == expected
    cluster.run_until(cluster.is_equal)
    assert cluster.applied(away) == expected


# E4: an entry is applied again when the one who waits for it, or the disk, fails.


def test_e4_stock_an_exception_of_the_one_who_waits_applies_twice(stock):
    a, b, c = three(stock)

    def fail(result, why):
        raise ValueError("whoever waits")

    a.put("x", callback=fail)
    for _ in range(4):
        with contextlib.suppress(ValueError):
            tick(a, b, c)
        stock.deliver_all()
    assert a.applied == ["x", "x"]


def test_e4_an_exception_of_the_one_who_waits_applies_once(new_cluster):
    cluster = new_cluster(3)
    leader, follower, _ = lead(cluster)
    for node in (leader, follower):
        answer = cluster.replicas[node].propose(cluster.command(PutKey("x", node)))
        answer.addCallback(lambda _: 1 / 0)
        answer.addErrback(lambda failure: failure.trap(ZeroDivisionError))
    cluster.run(1.0)
    cluster.run_until(cluster.is_equal)
    assert cluster.applied(leader) == ["x", "x"], "each of the two once"


def test_e4_stock_a_full_disk_takes_the_answer_away(stock):
    a, b, c = three(stock)
    a.fails = 1
    answers = []
    a.write(["x"], answers)
    for _ in range(6):
        with contextlib.suppress(OSError):
            tick(a, b, c)
        stock.deliver_all()
    assert a.applied == ["x"]
    assert answers == [], "it was done, and its writer waits for ever"


def test_e4_a_full_disk_delays_what_is_then_applied_once(new_cluster):
    cluster = new_cluster(3)
    cluster.may_fail = True
    leader, follower, _ = lead(cluster)
    write(cluster, leader, "before")
    cluster.hosts[follower].disk.is_full = True
    answers = cluster.submit(follower, cluster.command(PutKey("x", "1")))
    cluster.run_until(lambda: answers)
    cluster.hosts[follower].disk.is_full = False
    cluster.run_until(lambda: not cluster.replicas[follower].failure)
    cluster.run_until(cluster.is_equal)
    assert cluster.applied(follower).count("x") <= 1
    assert cluster.applied(follower).count("before") == 1


# E5: after an entry of a newer release, entries are applied twice.


def test_e5_stock_entries_after_one_of_a_newer_release_are_applied_twice(stock):
    a, b, c = three(stock)
    a.put("a")
    a._applyCommand(b"\x80\x02K\x07.", None, 3)  # "code version 7"
    a.put("b")
    a.put("c")
    for _ in range(6):
        tick(a, b, c)
        stock.deliver_all()
    assert len(a.applied) > len(set(a.applied))


def test_e5_an_entry_of_a_newer_release_stops_the_store_and_nothing_is_skipped(new_cluster):
    cluster = new_cluster(1)
    cluster.may_fail = True
    cluster.elect()
    write(cluster, "0", "a")
    cluster.replicas["0"]._life.consensus.core.submit(b"\xfa of a newer release")
    cluster.run_until(lambda: cluster.failures)
    cluster.run(10.0)
    assert cluster.applied("0") == ["a"]
    assert "schema" in cluster.failures[0] or "release" in cluster.failures[0]


# E6: several changes of the membership at once.


def test_e6_stock_three_changes_of_the_membership_go_through_at_once(stock):
    a, b, c = three(stock)
    for node in "PQR":
        a.addNodeToCluster(Node(node))
    tick(a)
    assert {node.id for node in a.otherNodes} == set("BCPQR")
    assert a.raftCommitIndex < a.log()[-1][0]


def test_e6_one_change_of_the_membership_at_a_time(new_cluster):
    a_second_change_of_the_voters_waits(new_cluster)
