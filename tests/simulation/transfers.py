"""Snapshots on their way: a copy is taken, travels for a while, and is installed."""

import random
from dataclasses import dataclass

from tests.simulation.cluster import Cluster

TRY_AGAIN_S = 1.0
KEPT_S = 10.0
"""For how long the log is kept for a snapshot that has arrived."""


@dataclass(eq=False)
class Transfer:
    """One snapshot from *source* to *target*."""

    source: str
    target: str
    life: int
    arrives_s: float
    content: object
    index: int
    voters: frozenset[str]


class Transfers:
    """Does for the simulated nodes what the snapshot service does for real ones."""

    def __init__(self, cluster: Cluster, chance: random.Random, seconds_max: float):
        self._cluster, self._chance, self._seconds_max = cluster, chance, seconds_max
        self._busy: dict[str, int] = {}
        self._tried_s: dict[str, float] = {}
        self._under_way: list[Transfer] = []
        self._pinned: list[tuple[float, str, str]] = []
        self._number = 0
        self.begun = self.installed = 0
        cluster.on_behind = self.want
        cluster.on_turn = self.step

    def want(self, node: str, leader: str):
        """*node* can't be served from *leader*'s log."""
        cluster = self._cluster
        host = cluster.hosts[node]
        is_busy = self._busy.get(node) == host.lives
        if is_busy or cluster.now_s - self._tried_s.get(node, -9.0) < TRY_AGAIN_S:
            return
        self._tried_s[node] = cluster.now_s
        source, machine = cluster.replicas.get(leader), cluster.machines.get(leader)
        if source is None or source._life is None or host.replica._life is None:
            return
        index, _ = machine.applied()
        if index <= host.replica.status().applied_index:
            return
        self._number += 1
        pin = f"snapshot {self._number}"
        source.pin(pin, index)
        content = machine.writer._tables.environment.content.copy()
        arrives_s = cluster.now_s + self._chance.random() * self._seconds_max
        voters = source.voters_at(index)
        self._pinned.append((arrives_s + KEPT_S, leader, pin))
        self._busy[node] = host.lives
        self.begun += 1
        self._under_way.append(
            Transfer(leader, node, host.lives, arrives_s, content, index, voters)
        )
        cluster.note(f"a snapshot of entry {index} goes from {leader} to {node}")

    def step(self):
        """Install what has arrived."""
        now_s = self._cluster.now_s
        for pinned in [each for each in self._pinned if each[0] <= now_s]:
            self._pinned.remove(pinned)
            _, node, pin = pinned
            if node in self._cluster.replicas:
                self._cluster.replicas[node].pin(pin, None)
        for transfer in [t for t in self._under_way if t.arrives_s <= now_s]:
            self._under_way.remove(transfer)
            self._arrive(transfer)

    def _arrive(self, transfer: Transfer):
        cluster = self._cluster
        node, host = transfer.target, cluster.hosts[transfer.target]
        replica = host.replica
        is_same = replica is not None and host.lives == transfer.life
        if not is_same or replica._life is None:
            self._busy.pop(node, None)
            return
        machine = host.machine
        self._number += 1
        with cluster.dying(node):
            directory = host.disk.take(transfer.content, f"snapshot-in-{self._number}")
            cluster.note(f"{node} installs the snapshot of entry {transfer.index}")
            ended = replica.install(machine.install(directory), transfer.voters)
            ended.addCallbacks(lambda _: self._ended(node), lambda _: self._failed(node))

    def _failed(self, node: str):
        self._busy.pop(node, None)

    def _ended(self, node: str):
        self._busy.pop(node, None)
        self.installed += 1
        machine = self._cluster.hosts[node].machine
        if machine is not None:
            self._cluster.oracle.saw_state(node, machine.applied()[0], machine.digest())
