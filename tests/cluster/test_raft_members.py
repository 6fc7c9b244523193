import copy

from dns_node.cluster.command import Done
from dns_node.cluster.replica import ReplicaSettings
from tests.cluster.raft_simulation import Simulation


def set_members(simulation, roles):
    """Put *roles* into every store, as commands would."""
    members = {node: ("uuid-" + node, role) for node, role in roles.items()}
    for node in simulation.replicas:
        simulation.machines[node].state.members = members
        simulation.disks[node].members = members
        simulation.replicas[node]._life.take_members()


def add_learner(simulation, node):
    voters = frozenset(simulation.nodes)
    simulation.nodes.append(node)
    simulation.disks[node] = copy.deepcopy(simulation.disks["0"].__class__())
    simulation.boot(node, voters)
    set_members(simulation, {**dict.fromkeys(voters, "voter"), node: "learner"})


def propose(simulation, node, number):
    answers = simulation.propose(node, number)
    simulation.run_until(lambda: answers)
    assert isinstance(answers[0], Done), answers


def test_a_learner_follows_without_a_vote_and_becomes_a_voter(tmp_path):
    simulation = Simulation(tmp_path, 1)
    simulation.elect()
    add_learner(simulation, "1")
    for number in range(5):
        propose(simulation, "0", number)
    simulation.run_until(simulation.is_equal)
    assert simulation.replicas["1"].status().role == "learner"
    assert simulation.replicas["1"].journal.getVotedForNodeId() is None

    ended = []
    simulation.replicas["0"].change_voter("1", True).addCallback(ended.append)
    simulation.run_until(lambda: ended)
    assert ended == [""]
    simulation.run_until(lambda: simulation.replicas["1"].status().role == "follower")
    set_members(simulation, {"0": "voter", "1": "voter"})
    propose(simulation, "1", 100)
    assert simulation.replicas["0"].journal.voters() == {"0", "1"}

    simulation.crash("1")
    answers = simulation.propose("0", 101)
    simulation.run(2)
    assert not answers, "one of two voters is no majority"
    simulation.boot("1")
    simulation.run_until(lambda: answers)


def test_a_learner_proposes_through_the_leader(tmp_path):
    simulation = Simulation(tmp_path, 3)
    simulation.elect()
    add_learner(simulation, "3")
    propose(simulation, "3", 1)


def test_the_leader_hands_over_and_is_removed(tmp_path):
    simulation = Simulation(tmp_path, 3)
    leader = simulation.elect()
    propose(simulation, leader, 1)
    other = next(node for node in simulation.nodes if node != leader)
    assert simulation.replicas[leader].transfer_leadership(other)
    simulation.run_until(lambda: simulation.leader() == other, 2)
    simulation.run_until(lambda: simulation.replicas[leader].status().leader == other, 2)
    propose(simulation, other, 2)
    ended = []
    simulation.replicas[other].change_voter(leader, False).addCallback(ended.append)
    simulation.run_until(lambda: ended)
    assert ended == [""]
    simulation.crash(leader)
    propose(simulation, other, 3)
    assert leader not in simulation.replicas[other].journal.voters()


def test_a_member_that_misses_dropped_entries_takes_a_snapshot(tmp_path):
    simulation = Simulation(tmp_path, 3, settings=ReplicaSettings(absent_s_max=5.0))
    simulation.elect()
    propose(simulation, "0", 1)
    simulation.run_until(simulation.is_equal)
    simulation.run(1)
    simulation.crash("2")
    simulation.elect()
    for number in range(2, 30):
        propose(simulation, "0", number)
    simulation.run(7)
    leader = simulation.leader()
    assert simulation.replicas[leader].status().log_entries == 0, "a member is waited for"

    replica = simulation.boot("2")
    behind = []
    replica.on_behind = behind.append
    simulation.run_until(lambda: behind)
    assert behind[0] == simulation.leader()
    simulation.run(2)
    assert simulation.leader() == leader, "a laggard must not disturb"
    source = copy.deepcopy(simulation.machines[leader].state)

    def swap():
        machine = simulation.machines["2"]
        machine.state = copy.deepcopy(source)
        machine.sync()
        return source.index, source.term

    ended = []
    replica.install(swap, simulation.replicas[leader].journal.voters(source.index)).addCallback(
        ended.append
    )
    simulation.run_until(lambda: ended)
    propose(simulation, "2", 50)
    simulation.run_until(simulation.is_equal)

    simulation.crash("2")
    simulation.boot("2")
    simulation.crash(simulation.leader())
    propose(simulation, "2", 51)


def test_a_wiped_node_under_its_old_id_has_no_vote(tmp_path):
    simulation = Simulation(tmp_path, 3)
    simulation.elect()
    propose(simulation, "0", 1)
    set_members(simulation, dict.fromkeys("012", "voter"))
    simulation.run(1)
    simulation.replicas["0"].members["2"] = ("uuid-before-the-disk-was-wiped", "voter")
    simulation.replicas["1"].members["2"] = ("uuid-before-the-disk-was-wiped", "voter")
    for node in "01":
        simulation.replicas[node]._judge_peer("2")
    simulation.elect()
    leader = simulation.leader()
    other = "1" if leader == "0" else "0"
    assert leader != "2"
    simulation.crash(other)
    answers = simulation.propose(leader, 2)
    simulation.run(3)
    assert not answers or not isinstance(answers[0], Done)


def test_waiting_for_all_names_who_serves_and_who_is_unreachable(tmp_path):
    simulation = Simulation(tmp_path, 3)
    leader = simulation.elect()
    follower = next(node for node in simulation.nodes if node != leader)
    for node in (leader, follower):
        answers = simulation.propose(node, int(node) + 1)
        simulation.run_until(lambda a=answers: a)
        visible = []
        began = simulation.reactor.seconds()
        simulation.replicas[node].wait_visible(answers[0].revision, "all", 5.0).addCallback(
            visible.append
        )
        simulation.run_until(lambda v=visible: v)
        assert visible == [(("0", "1", "2"), (), ())]
        assert simulation.reactor.seconds() - began < 0.3
    third = ({*simulation.nodes} - {leader, follower}).pop()
    simulation.crash(third)
    simulation.run(3.5)
    answers = simulation.propose(leader, 77)
    simulation.run_until(lambda: answers)
    visible = []
    simulation.replicas[leader].wait_visible(answers[0].revision, "all", 5.0).addCallback(
        visible.append
    )
    simulation.run_until(lambda: visible)
    assert visible == [(tuple(sorted((leader, follower))), (), (third,))]


def test_a_full_disk_stops_replication_and_it_comes_back_by_itself(tmp_path):
    simulation = Simulation(tmp_path, 3)
    simulation.may_fail = True
    leader = simulation.elect()
    propose(simulation, leader, 1)
    simulation.machines[leader].is_full = True
    answers = simulation.propose(leader, 2)
    simulation.run_until(lambda: answers)
    assert simulation.replicas[leader].status().role in ("stopped", "waiting")
    assert "no space left" in simulation.replicas[leader].status().why
    simulation.run_until(lambda: simulation.leader() not in (None, leader))
    simulation.run_until(simulation.is_equal)
    assert simulation.replicas[leader].status().why == ""
    propose(simulation, leader, 3)
