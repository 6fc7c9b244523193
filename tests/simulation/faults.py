"""One seed: a cluster, its clients, and everything that goes wrong meanwhile; then it heals."""

import random
from dataclasses import dataclass
from pathlib import Path

from dns_node.cluster.command import Done, PutKey
from dns_node.cluster.executor import ManualExecutor
from dns_node.cluster.replica import ReplicaSettings
from dns_node.errors import StoreError
from tests.simulation.checker import check
from tests.simulation.clients import Client
from tests.simulation.cluster import Cluster
from tests.simulation.disk import everything
from tests.simulation.members import Operator
from tests.simulation.network import Weather
from tests.simulation.oracle import Violation
from tests.simulation.transfers import Transfers

STEPS = 420
HEALING_S_MAX = 90.0
CLOCK_JUMP_MS_MAX = 3_600_000


@dataclass
class Report:
    """What one seed came to."""

    seed: int
    violation: str = ""
    trace: list[tuple[float, str]] | None = None
    size: int = 0
    seconds: float = 0.0
    frames: int = 0
    entries: int = 0
    calls: int = 0
    done: int = 0
    refused: int = 0
    unknown: int = 0
    reads: int = 0
    crashes: int = 0
    power_losses: int = 0
    snapshots: int = 0
    changes: int = 0
    terms: int = 0


class Faults:
    """The faults of *seed*, on a cluster in *directory*."""

    def __init__(self, directory: Path, seed: int):
        chance = self.chance = random.Random(seed)
        size = chance.choice((3, 3, 3, 5, 5, 4, 2, 1))
        kinds = ("kill", "power", "steps", "cut", "oneway", "weather", "stall", "full", "pause",
                 "clock", "members", "wipe", "snapshot", "cap")  # fmt: skip
        self.kinds = {kind for kind in kinds if chance.random() < 0.55}
        self.cluster = Cluster(
            directory, size, chance.random(), lambda name: ManualExecutor(), self._settings()
        )
        cluster = self.cluster
        cluster.may_fail = True
        cluster.on_failure = self._failed
        self.transfers = Transfers(cluster, chance, chance.choice((0.5, 4.0, 12.0)))
        self.operator = Operator(cluster, chance)
        self.clients = [
            Client(f"client {number}", cluster, chance)
            for number in range(chance.choice((2, 5, 9)))
        ]
        for client in self.clients:
            client.may_trim = "clock" not in self.kinds
        self.stalled: set[str] = set()
        self.report = Report(seed, size=size, trace=cluster.trace)
        cluster.note(f"{size} nodes; faults: {', '.join(sorted(self.kinds))}")

    def _settings(self) -> ReplicaSettings:
        absent_s = self.chance.choice((0.5, 2.0)) if "snapshot" in self.kinds else 3600.0
        octets = 30_000 if "cap" in self.kinds else 1 << 28
        return ReplicaSettings(log_octets_max=octets, absent_s_max=absent_s)

    def _failed(self, node: str, why: str):
        if "No space" not in why and "the disk is full" not in why:
            raise Violation(f"node {node} stops: {why}")

    def run(self) -> Report:
        """Let it all happen; raises Violation."""
        cluster, chance = self.cluster, self.chance
        self._pass(lambda: cluster.leader() is not None, 30.0, "no leader at first")
        self.operator.form()
        if "weather" in self.kinds:
            cluster.network.weather = Weather(
                chance.choice((0, 0, 0.02, 0.2)),
                chance.choice((0, 0, 0.05)),
                chance.choice((0, 0.03, 0.3)),
                chance.choice((0, 0.3, 1.0)),
                chance.choice((0.0, 0.02, 0.1, 0.4)),
            )
        pace = chance.choice((0.3, 0.6, 1.0))
        for _ in range(STEPS):
            if chance.random() < pace:
                self._go_wrong()
            for client in self.clients:
                if chance.random() < 0.12:
                    client.step()
            self._run_disks(chance.choice((0.0, 0.3, 1.0)))
            cluster.turn(chance.choice((0.002, 0.01, 0.03, 0.15)))
        self._heal()
        calls = [call for client in self.clients for call in client.calls]
        reads = [read for client in self.clients for read in client.reads]
        check(cluster, calls, reads, cluster.directory / "reference")
        return self._count(calls, reads)

    # What goes wrong

    def _go_wrong(self):
        cluster, chance = self.cluster, self.chance
        self._go_right()
        running = list(cluster.replicas)
        roll = chance.random()
        node = chance.choice(cluster.nodes)
        disk = cluster.hosts[node].disk
        if roll < 0.015 and "kill" in self.kinds and running:
            self._crash(chance.choice(running), False)
        elif roll < 0.03 and "power" in self.kinds and running:
            self._crash(chance.choice(running), True)
        elif roll < 0.033 and self.kinds & {"kill", "power"}:
            is_power_lost = "power" in self.kinds and chance.random() < 0.5
            for each in running:
                self._crash(each, is_power_lost)
        elif roll < 0.05 and "steps" in self.kinds:
            disk.crash_in = chance.randrange(12)
        elif roll < 0.09 and len(cluster.nodes) > 1:
            self._tear(*chance.sample(cluster.nodes, 2))
        elif roll < 0.10 and "stall" in self.kinds:
            self.stalled.add(node)
            cluster.note(f"the disk of {node} stalls")
        elif roll < 0.11 and "full" in self.kinds:
            disk.full_in = chance.choice((0, 0, 1, 2, 3, 5, 8))
            cluster.note(f"the disk of {node} is full after {disk.full_in} more writes")
        elif roll < 0.12 and "pause" in self.kinds:
            cluster.pause(node, chance.choice((0.3, 1.5, 4.0)) * (0.5 + chance.random()))
        elif roll < 0.13 and "clock" in self.kinds:
            jump = chance.randint(-CLOCK_JUMP_MS_MAX, CLOCK_JUMP_MS_MAX)
            cluster.hosts[node].clock_ms = jump
            cluster.note(f"the clock of {node} is wrong by {jump} ms")
        elif roll < 0.17 and "members" in self.kinds:
            self.operator.change(node)
        elif roll < 0.18 and "members" in self.kinds and len(cluster.nodes) > 2:
            self.operator.rush(*chance.sample(cluster.nodes, 2))
        elif roll < 0.19 and "wipe" in self.kinds:
            self.operator.wipe(node)
        if roll < 0.5:
            self.operator.mend()

    def _go_right(self):
        """End some of what is wrong; else nothing would ever be done."""
        cluster, chance = self.cluster, self.chance
        roll, node = chance.random(), chance.choice(cluster.nodes)
        if roll < 0.12:
            stopped = [n for n in cluster.nodes if n not in cluster.replicas]
            if stopped:
                self._boot(chance.choice(stopped))
        elif roll < 0.20 and len(cluster.nodes) > 1:
            one, other = chance.sample(cluster.nodes, 2)
            cluster.connect(one, other)
            for pair in ((one, other), (other, one)):
                if cluster.network.blocked.pop(pair, None) is not None:
                    cluster.note(f"frames from {pair[0]} reach {pair[1]} again")
        elif roll < 0.24 and node in self.stalled:
            self.stalled.discard(node)
            cluster.note(f"the disk of {node} works")
        elif roll < 0.28 and cluster.hosts[node].disk.is_full:
            cluster.hosts[node].disk.free()
            cluster.note(f"the disk of {node} is no longer full")

    def _tear(self, one: str, other: str):
        cluster, chance = self.cluster, self.chance
        roll = chance.random()
        if roll < 0.5 and "cut" in self.kinds:
            known_to = chance.choice((None, None, one))
            cluster.cut(one, other, known_to)
            cluster.note(f"the connection of {one} and {other} ends ({known_to or 'both'} know)")
        elif roll < 0.6 and "cut" in self.kinds:
            cluster.isolate(one)
            cluster.note(f"{one} is isolated")
        elif roll < 0.95 and "oneway" in self.kinds:
            cluster.network.blocked.setdefault((one, other), cluster.now_s)
            cluster.note(f"nothing from {one} reaches {other}")

    def _crash(self, node: str, is_power_lost: bool):
        self.report.crashes += not is_power_lost
        self.report.power_losses += is_power_lost
        is_at_worst = self.chance.random() < 0.3
        self.cluster.hosts[node].disk.loses = everything if is_at_worst else None
        self.cluster.crash(node, is_power_lost)

    def _boot(self, node: str):
        """Start *node*; with a full disk it can't."""
        disk = self.cluster.hosts[node].disk
        if disk.is_full:
            return
        try:
            self.cluster.boot(node)
        except StoreError:
            if not disk.is_full:
                raise
            self.cluster.crash(node)

    def _run_disks(self, chance: float):
        cluster = self.cluster
        for node, host in cluster.hosts.items():
            if node in self.stalled or cluster.is_paused(node):
                continue
            for executor in list(host.executors):
                if self.chance.random() < chance:
                    with cluster.dying(node):
                        executor.run(self.chance.choice((1, 1, 3, 100)))

    # Healing

    def _pass(self, condition, seconds_max: float, what: str):
        cluster = self.cluster
        end = cluster.now_s + seconds_max
        while not condition():
            if cluster.now_s > end:
                raise Violation(f"{what} within {seconds_max:.0f} s\n{cluster.describe()}")
            self._run_disks(1.0)
            cluster.turn(0.05)

    def _heal(self):
        cluster = self.cluster
        cluster.note("everything heals")
        self.stalled.clear()
        self.operator.rest_no_more()
        cluster.network.weather = Weather()
        cluster.network.late.clear()
        for node, host in cluster.hosts.items():
            host.disk.free()
            host.disk.crash_in = None
            host.paused_until_s = 0.0
            host.clock_ms = 0
            if host.replica is None:
                cluster.boot(node)
        cluster.heal()
        self._pass(self._is_whole, HEALING_S_MAX, "not equal")
        for node in cluster.nodes:
            answers = cluster.submit(node, cluster.command(PutKey("last", node)))
            self._pass(lambda a=answers: bool(a), 10.0, f"no answer of node {node}")
            if not isinstance(answers[0], Done):
                raise Violation(f"all is well, but node {node} answers {answers[0]}")
        self._pass(self._is_whole, HEALING_S_MAX, "not equal")

    def _is_whole(self) -> bool:
        cluster = self.cluster
        leader = cluster.leader()
        if leader is None or any(replica.failure for replica in cluster.replicas.values()):
            return False
        if self.operator.mend():
            return False
        return cluster.is_equal() and cluster.is_log_empty() and not self._is_waiting()

    def _is_waiting(self) -> bool:
        for client in self.clients:
            last = client.calls[-1].tries[-1] if client.calls else None
            if last is not None and last.answer is None:
                host = self.cluster.hosts[last.node]
                if host.lives == last.life:
                    return True
        return False

    def _count(self, calls, reads) -> Report:
        report, cluster = self.report, self.cluster
        kinds = [type(t.answer).__name__ for call in calls for t in call.tries]
        report.calls, report.reads = len(calls), len(reads)
        report.done, report.refused = kinds.count("Done"), kinds.count("Refused")
        report.unknown = len(kinds) - report.done - report.refused
        report.seconds, report.frames = cluster.now_s, cluster.network.frames
        report.entries = len(cluster.oracle.entries)
        report.snapshots, report.changes = self.transfers.installed, self.operator.changes
        report.terms = max(cluster.oracle.leaders, default=0)
        return report
