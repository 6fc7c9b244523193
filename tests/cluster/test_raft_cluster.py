import pytest

from dns_node.cluster.command import Done, Refused
from tests.cluster.raft_simulation import Simulation, make_command


@pytest.mark.parametrize("size", [1, 3])
def test_a_cluster_elects_proposes_and_applies(tmp_path, size):
    simulation = Simulation(tmp_path, size)
    simulation.elect()
    for number, node in enumerate(simulation.nodes):
        answers = simulation.propose(node, number)
        simulation.run_until(lambda a=answers: a)
        assert isinstance(answers[0], Done)
    simulation.run_until(simulation.is_equal)


@pytest.mark.parametrize("size", [1, 3])
def test_everything_survives_the_crash_of_all_nodes(tmp_path, size):
    simulation = Simulation(tmp_path, size)
    simulation.elect()
    for number in range(20):
        answers = simulation.propose("0", number)
        simulation.run_until(lambda a=answers: a)
    for node in simulation.nodes:
        simulation.crash(node)
    for node in simulation.nodes:
        simulation.boot(node)
    simulation.elect()
    simulation.run_until(simulation.is_equal)
    applied = simulation.machines["0"].state.applied
    assert applied == [number.to_bytes(16, "big") for number in range(20)]


def test_the_log_is_empty_within_a_second_when_idle(tmp_path):
    simulation = Simulation(tmp_path, 3)
    leader = simulation.elect()
    for number in range(50):
        simulation.propose(leader, number)
    simulation.run_until(lambda: len(simulation.machines["2"].state.applied) == 50)
    began = simulation.reactor.seconds()
    simulation.run_until(
        lambda: all(r.status().log_entries == 0 for r in simulation.replicas.values())
    )
    assert simulation.reactor.seconds() - began < 1.2


def test_a_new_leader_takes_over_and_nothing_is_applied_twice(tmp_path):
    simulation = Simulation(tmp_path, 3)
    for round_number in range(4):
        leader = simulation.elect()
        follower = next(n for n in simulation.nodes if n != leader)
        answers = simulation.propose(follower, round_number)
        simulation.turn()
        simulation.crash(leader)
        simulation.run_until(lambda a=answers: a, 20)
        simulation.boot(leader)
        assert isinstance(answers[0], Done)
    simulation.elect()
    simulation.run_until(simulation.is_equal)
    applied = simulation.machines["0"].state.applied
    assert len(applied) == len(set(applied)) == 4


def test_a_minority_says_that_nothing_was_changed(tmp_path):
    simulation = Simulation(tmp_path, 3)
    leader = simulation.elect()
    simulation.isolate(leader)
    simulation.run(4)
    answers = simulation.propose(leader, 1)
    simulation.run_until(lambda: answers, 6)
    assert isinstance(answers[0], Refused)
    assert "NOT LEADER YET: no leader for" in answers[0].reasons[0]
    assert "1 of 3 nodes reachable" in answers[0].reasons[0]
    simulation.heal()
    simulation.elect()
    simulation.run(1)
    assert make_command(1).operation_id not in simulation.machines["0"].state.applied
