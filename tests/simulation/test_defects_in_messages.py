"""Known defects of the core, E7 to E11, in messages: in the published core, and not in ours."""

import pickle
import random

from dns_node.cluster.message import Ack, parse_envelope, parse_message
from dns_node.cluster.replica import ReplicaSettings
from tests.simulation.scripted import (
    a_differing_log_converges_within_seconds,
)
from tests.simulation.stock import done, three, tick
from tests.simulation.transfers import Transfers
from tests.simulation.writing import lead, write

# E7: an acknowledgement of an old term counts in a new one.


def test_e7_stock_an_acknowledgement_of_an_old_term_counts(stock):
    a, b, c = three(stock)
    stock.cut("A", "C")
    a.write(range(5), [])
    tick(a)
    tick(a)
    stock.deliver("A", "B")
    late = list(stock.queue("B", "A"))
    stock.queue("B", "A").clear()
    # Meanwhile another leader has replaced those entries at A, and A leads again.
    first = a.log()[-5][0]
    a._SyncObj__deleteEntriesFrom(first)
    a.private("raftLog").add(b"\x01", first, 2)
    a._SyncObj__setCurrentTerm(3, "A")
    a._SyncObj__onBecomeLeader()
    answers = []
    a.write(["new"], answers)
    tick(a)
    for octets in late:
        stock.receive("B", "A", octets)
    tick(a)
    tick(a)
    assert done(answers) == ["new"]
    assert "new" not in b.applied
    assert b.log()[-1][1] == 1, "no entry of the new term is anywhere but at A"


def test_e7_an_acknowledgement_of_an_old_term_counts_nothing(new_cluster):
    cluster = new_cluster(3)
    leader, follower, away = lead(cluster)
    seen = []
    send = cluster.network.send
    cluster.network.send = lambda *frame: seen.append(frame) or send(*frame)
    for number in range(5):
        write(cluster, leader, f"k{number}")
    term = cluster.replicas[leader].status().term
    cluster.replicas[leader].transfer_leadership(follower)
    cluster.run_until(lambda: cluster.leader() == follower)
    cluster.elect()
    while cluster.leader() != leader:
        cluster.replicas[follower].transfer_leadership(leader)
        cluster.run(0.5)
    assert cluster.replicas[leader].status().term > term
    core = cluster.replicas[leader]._life.consensus.core
    before = core.match_index(follower)
    late = 0
    for source, target, octets in seen:
        envelope = parse_envelope(octets)
        if (source, target, envelope.term) == (follower, leader, term) and envelope.kind == "raft":
            late += isinstance(parse_message(envelope.body), Ack)
            cluster._deliver(source, target, octets)
            assert core.match_index(follower) == before
    assert late > 4


# E8: a snapshot that can't be loaded is acknowledged.


def test_e8_stock_a_snapshot_that_cannot_be_loaded_is_acknowledged(stock, tmp_path):
    a, b, c = three(stock, fullDumpFile=tmp_path, useFork=False)
    stock.isolate("C")
    a.write(range(20), [])
    for _ in range(4):
        tick(a, b)
        stock.deliver_all()
    a.forceLogCompaction()
    tick(a, b)
    tick(a, b)

    def fail():
        raise ValueError("damaged")

    c.private("serializer").deserialize = fail
    for index in range(3, 10):  # What an old leader has left there.
        c.private("raftLog").add(b"\x01", index, 0)
    stock.connect("A", "C")
    for _ in range(3):
        tick(a, b)
        stock.deliver_all()
    assert c.applied == []
    assert a.getStatus()["match_idx_server_C"] == 9
    assert c.log()[-1] == (9, 0), "another entry 9 than the leader's"


def test_e8_a_snapshot_that_cannot_be_installed_is_not_acknowledged(new_cluster):
    cluster = new_cluster(3, settings=ReplicaSettings(absent_s_max=1.0))
    cluster.may_fail = True
    Transfers(cluster, random.Random(1), 0.5)
    leader, _, away = lead(cluster)
    cluster.crash(away)
    for number in range(20):
        write(cluster, leader, f"k{number}")
    cluster.run(3.0)
    cluster.boot(away)
    writer = cluster.hosts[away].machine.writer
    writer.install = lambda copy: (_ for _ in ()).throw(OSError(5, "Input/output error"))
    cluster.run_until(lambda: cluster.failures)
    core = cluster.replicas[leader]._life.consensus.core
    assert core.match_index(away) <= cluster.machines[away].applied()[0] + 1
    cluster.run_until(cluster.is_equal)


# E9: a leader that has no dump yet floods the node that needs one.


def test_e9_stock_a_node_that_needs_a_dump_is_flooded_until_there_is_one(stock):
    a, b, c = three(stock)
    stock.isolate("C")
    a.write(range(20), [])
    for _ in range(4):
        tick(a, b)
        stock.deliver_all()
    a.forceLogCompaction()
    tick(a, b)
    tick(a, b)
    a.private("serializer").getTransmissionData = lambda node: None  # Its child still writes it.
    send = stock.ports["A"].send

    def send_in_50_us(node, message):
        stock.now_s += 50e-6
        return send(node, message)

    stock.ports["A"].send = send_in_50_us
    stock.connect("A", "C")
    tick(a)
    assert len(stock.queue("A", "C")) > 1000, "in one heartbeat"


def test_e9_a_node_that_needs_a_snapshot_gets_a_heartbeat_at_a_time(new_cluster):
    cluster = new_cluster(3, settings=ReplicaSettings(absent_s_max=1.0))
    leader, _, away = lead(cluster)
    cluster.crash(away)
    for number in range(20):
        write(cluster, leader, f"k{number}")
    cluster.run(3.0)
    wanted, frames = [], []
    cluster.on_behind = lambda node, _: wanted.append(node)  # And nobody sends one.
    send = cluster.network.send
    cluster.network.send = lambda *frame: frames.append(frame[:2]) or send(*frame)
    cluster.boot(away)
    cluster.run(5.0)
    assert wanted
    assert frames.count((leader, away)) < 5 * 40


# E10: a large command is sent in parts, and for some lengths the last part is not the last.


def test_e10_stock_a_command_of_some_lengths_never_arrives(stock):
    a, b, c = three(stock, appendEntriesBatchSizeBytes=1000)
    broken = []
    for size in range(1900, 2000, 4):
        a.put("x" * size)
        for _ in range(3):
            tick(a, b, c)
            try:
                stock.deliver_all()
            except (EOFError, pickle.UnpicklingError):
                broken.append(size)
    assert broken
    assert len(b.applied) < 25


def test_e10_a_command_of_any_length_arrives(new_cluster):
    cluster = new_cluster(3)
    leader, *_ = lead(cluster)
    sizes = [size for part in (1 << 18, 1 << 20) for size in range(part - 64, part + 65, 32)]
    for size in sizes:
        write(cluster, leader, f"k{size}", size)
    cluster.run_until(cluster.is_equal)
    for node in cluster.nodes:
        view = cluster.machines[node].view()
        assert [len(view.value(f"k{size}")) for size in sizes] == sizes


# E11: a follower whose log differs never catches up.


def test_e11_stock_a_differing_log_never_converges(stock):
    a, b, c = three(stock, appendEntriesBatchSizeBytes=2000)
    stock.isolate("A")
    a.write(["x" * 200] * 30, [])
    tick(a)
    b.elect()
    stock.deliver_all()
    b.write(["y" * 200] * 300, [])
    for _ in range(10):
        tick(b, c)
        stock.deliver_all()
    c.elect()
    stock.deliver_all()
    stock.connect("A", "B", "C")
    for _ in range(300):
        tick(c, b)
        stock.deliver_all()
        tick(a)
    assert len(c.applied) == 300
    assert a.applied == [], "30 s later"


def test_e11_a_differing_log_converges_within_seconds(new_cluster):
    a_differing_log_converges_within_seconds(new_cluster)
