"""Random faults, each run repeatable by its seed: what was answered "done" stays done."""

import copy
import random

import pytest

from dns_node.cluster.command import Done, Refused
from dns_node.cluster.executor import ManualExecutor
from dns_node.cluster.replica import ReplicaSettings
from tests.cluster.raft_simulation import Simulation, make_command


class Faults:
    """One run: *steps* of proposals, crashes (which lose what is not synced), cuts and slow
    disks; then everything heals."""

    def __init__(
        self, directory, seed: int, size: int = 3, settings: ReplicaSettings | None = None
    ):
        self.random = random.Random(seed)
        self.simulation = Simulation(directory, size, seed, lambda name: ManualExecutor(), settings)
        self.simulation.on_behind = self.on_behind
        self.snapshots = self.changes = 0
        self.may_change_voters = False
        self.installing: dict[str, object] = {}
        self.answers: dict[int, list] = {}
        self.number = 0
        self.stalled: set[str] = set()

    def run_disks(self, chance: float):
        for node, executors in self.simulation.executors.items():
            for executor in executors:
                if node not in self.stalled and self.random.random() < chance:
                    executor.run(self.random.choice((1, 1, 3, 100)))

    def on_behind(self, node: str, leader: str):
        """Fetch the leader's store and install it, as the snapshot service does."""
        simulation, replica = self.simulation, self.simulation.replicas[node]
        if self.installing.get(node) is replica or leader not in simulation.replicas:
            return
        source = copy.deepcopy(simulation.machines[leader].state)
        voters = simulation.replicas[leader].voters_at(source.index)
        machine = simulation.machines[node]
        if source.index <= replica.status().commit_index:
            return

        def swap():
            machine.state = copy.deepcopy(source)
            machine.sync()
            return source.index, source.term

        self.installing[node] = replica
        self.snapshots += 1
        ended = replica.install(swap, voters)
        ended.addCallback(lambda _: self.installing.pop(node))

    def step(self):
        simulation, chance = self.simulation, self.random
        roll = chance.random()
        running = list(simulation.replicas)
        if roll < 0.08 and running:
            self.number += 1
            node = chance.choice(running)
            size = chance.choice((1, 1, 1, 100, 50_000))
            self.answers[self.number] = simulation.propose(node, self.number, size)
        elif roll < 0.10:
            simulation.cut(*chance.sample(simulation.nodes, 2))
        elif roll < 0.14:
            simulation.connect(*chance.sample(simulation.nodes, 2))
        elif roll < 0.148 and len(running) > 1:
            simulation.crash(chance.choice(running))
        elif roll < 0.165:
            stopped = [node for node in simulation.nodes if node not in simulation.replicas]
            if stopped:
                simulation.boot(chance.choice(stopped))
        elif roll < 0.167:
            simulation.isolate(chance.choice(simulation.nodes))
        elif roll < 0.169:
            for node in running:
                simulation.crash(node)
        elif roll < 0.18:
            self.stalled ^= {chance.choice(simulation.nodes)}
        elif roll < 0.20 and self.may_change_voters:
            self.change_voter(chance.choice(simulation.nodes))
        self.run_disks(chance.choice((0.0, 0.3, 1.0)))
        simulation.turn(chance.choice((0.002, 0.01, 0.03, 0.15)))

    def change_voter(self, node: str, is_removal_allowed: bool = True):
        """Have the leader take *node*'s vote away, or give it one."""
        leader = self.simulation.leader()
        if leader in (None, node):
            return
        replica = self.simulation.replicas[leader]
        is_added = node not in replica.journal.voters()
        if is_added or is_removal_allowed:
            ended = replica.change_voter(node, is_added)
            ended.addCallback(lambda why: setattr(self, "changes", self.changes + (not why)))

    def heal(self):
        simulation = self.simulation
        self.stalled.clear()
        for node in simulation.nodes:
            if node not in simulation.replicas:
                simulation.boot(node)
        simulation.heal()
        end = simulation.reactor.seconds() + 40
        while simulation.reactor.seconds() < end:
            self.run_disks(1.0)
            simulation.turn(0.02)
            for node in simulation.nodes if self.may_change_voters else ():
                self.change_voter(node, is_removal_allowed=False)
            if simulation.is_equal() and simulation.leader() and self.is_log_empty():
                return
        raise AssertionError(f"not equal after 40 s:\n{simulation.describe()}")

    def is_log_empty(self):
        return all(r.status().log_entries == 0 for r in self.simulation.replicas.values())

    def check(self):
        applied = self.simulation.machines["0"].state.applied
        assert len(applied) == len(set(applied)), "applied twice"
        for number, answers in self.answers.items():
            operation_id = make_command(number).operation_id
            if answers and isinstance(answers[0], Done):
                assert operation_id in applied, f"{number} was done, and is lost"
                assert applied.index(operation_id) + 1 == answers[0].revision
            if answers and isinstance(answers[0], Refused):
                assert operation_id not in applied, f"{number} was refused, and is applied"


def run_faults(
    directory, seed: int, steps: int = 600, size: int = 3, settings=None, may_change_voters=False
) -> Faults:
    faults = Faults(directory, seed, size, settings)
    faults.may_change_voters = may_change_voters
    for _ in range(steps):
        faults.step()
    faults.heal()
    faults.check()
    return faults


@pytest.mark.parametrize("seed", range(12))
def test_what_was_done_stays_done_and_what_was_refused_is_never_applied(tmp_path, seed):
    run_faults(tmp_path, seed, size=5 if seed % 4 == 3 else 3)


def test_snapshots_for_the_absent_lose_nothing(tmp_path):
    snapshots = 0
    for seed in range(6):
        settings = ReplicaSettings(absent_s_max=1.0)
        directory = tmp_path / str(seed)
        directory.mkdir()
        snapshots += run_faults(directory, seed, size=3, settings=settings).snapshots
    assert snapshots > 0


def test_changes_of_the_voters_lose_nothing(tmp_path):
    changes = 0
    for seed in range(6):
        directory = tmp_path / str(seed)
        directory.mkdir()
        changes += run_faults(directory, seed, size=4, may_change_voters=True).changes
    assert changes > 0
