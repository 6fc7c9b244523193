"""One run: a cluster, its clients and askers, faults for some minutes, the closing report."""

import contextlib
import os
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.askers import Asker
from tests.chaos.checker import Verdict, ask_for_acknowledged, check, read_holding
from tests.chaos.cleanup import FOLDER_PREFIX, Cleanup, sweep
from tests.chaos.clients import DOORS, ZONE, Client
from tests.chaos.faults import ALL, OF_NETWORK, SECOND, Kind
from tests.chaos.network import Network
from tests.chaos.nodes import ChaosCluster
from tests.chaos.record import DONE, REFUSED, UNKNOWN, Record

START_S = 60.0
SETTLE_S = 120.0
"""All nodes hold the same within this time after the last fault."""
QUIET_S = 3.0
"""Before the first fault: a power loss may take a node's last transaction for a moment, and that
should not be the one that made the zone."""
CALM_S = (0.5, 3.0, 6.0)
SECOND_SHARE = 0.35
"""So many faults of the network get another fault on top."""


@dataclass
class Report:
    """What a run found; `is_good` is its exit status."""

    record: Record
    verdict: Verdict
    faults: Counter[str]
    hits: Counter[str]
    snapshots: int
    pause_s: float
    run_s: float
    seed: int

    def problems(self) -> list[str]:
        """Return everything that must not be, one line each."""
        verdict, record = self.verdict, self.record
        return [
            *(f"lost: {text}" for text in verdict.lost),
            *(f"not what was told: {text}" for text in verdict.ghosts),
            *(f"duplicated: {text}" for text in verdict.duplicated),
            *(f"divergent: {text}" for text in verdict.divergent),
            *(f"serial fell: {text}" for text in record.fallen_serials),
            *(f"answer failed: {text}" for text in record.failed_answers),
            *(f"ended by itself: {text}" for text in record.ended_alone),
        ]

    def lines(self) -> list[str]:
        """Return the closing report."""
        verdict, record = self.verdict, self.record
        counts = Counter(c.outcome for c in record.changes if c.reply != "not sent")
        return [
            f"seed                     {self.seed}",
            f"seconds under faults     {self.run_s:.0f}",
            f"faults                   {sum(self.faults.values())}: "
            + _counts(self.faults),
            f"failpoints hit           {sum(self.hits.values())}: {_counts(self.hits)}",
            f"snapshots installed      {self.snapshots}",
            f"acknowledged             {counts[DONE]}",
            f"refused                  {counts[REFUSED]}",
            f"unknown                  {counts[UNKNOWN]}",
            f"not taken (node down)    {sum(record.unreachable.values())}",
            f"lost                     {len(verdict.lost)}",
            f"refused and yet there    {len(verdict.ghosts)}",
            f"duplicated               {len(verdict.duplicated)}",
            f"divergent                {len(verdict.divergent)}",
            f"serials that fell        {len(record.fallen_serials)}",
            f"longest write pause      {self.pause_s:.1f} s",
            f"DNS answers              {record.answers}",
            f"DNS answers that failed  {len(record.failed_answers)}",
            f"questions to nodes that were down or held   {record.unanswered_in_faults}",
            f"nodes that ended by themselves              {len(record.ended_alone)}",
            *(f"  {count} times: {text}" for text, count in record.reasons().most_common(12)),
        ]


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items()))


def chaos(
    seconds: float, nodes: int, seed: int, kinds: Sequence[Kind] = ALL, broken: str = "",
    calm_s: Sequence[float] = CALM_S,
) -> Report:  # fmt: skip
    """Run a cluster of *nodes* under faults of these *kinds* for *seconds*; CannotRun when this
    machine can't.

    *seed* decides kinds, victims, order and length of the faults and what clients ask for; the
    kernel's timing stays its own.  *broken*: see `ChaosCluster`; *calm_s* are the pauses between
    two faults.
    """
    with contextlib.ExitStack() as stack:
        prefix = f"{FOLDER_PREFIX}{os.getpid():x}-"
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix))
        cleanup = stack.enter_context(Cleanup())
        if os.geteuid() == 0:
            sweep()
        network = Network(nodes, cleanup)
        cluster = ChaosCluster(Path(folder), network, cleanup, broken)
        return Run(cluster, seed, cleanup, kinds, calm_s).go(seconds)


class Run:
    """The course of one run over a cluster that is not started yet."""

    def __init__(
        self, cluster: ChaosCluster, seed: int, cleanup: Cleanup, kinds: Sequence[Kind],
        calm_s: Sequence[float],
    ):  # fmt: skip
        self._cluster, self._seed, self._kinds, self._calm_s = cluster, seed, kinds, calm_s
        self._chance = random.Random(seed)
        self._record = Record()
        self._faults: Counter[str] = Counter()
        self._told: dict[int, str] = {}
        self._start_s = time.monotonic()
        self._stop_clients, self._stop_askers = threading.Event(), threading.Event()
        cleanup.later(self._stop_clients.set)
        cleanup.later(self._stop_askers.set)
        bulk = Client(cluster, self._record, 0, "bulk", str(seed), self._stop_clients)
        cluster.write_bulk = bulk.write_bulk

    def go(self, seconds: float) -> Report:
        """Start everything, break it for *seconds*, let it settle, judge it."""
        cluster, record, seed = self._cluster, self._record, str(self._seed)
        nodes = list(cluster.network.nodes)
        for n in nodes:
            cluster.arguments[n] = []
            cluster.launch(n)
        for n in nodes:
            cluster.wait_ready(n, START_S)
        first = cluster.console(0, f"ADD: first.{ZONE} 60 A 10.0.0.1 wait=all")[-1]
        assert first.startswith("OK"), first
        clients = [
            Client(cluster, record, n, door, seed, self._stop_clients)
            for n in nodes for door in DOORS
        ]  # fmt: skip
        askers = [Asker(cluster, record, n, self._stop_askers) for n in nodes]
        for thread in (*clients, *askers):
            thread.start()
        begin_s = time.monotonic()
        self._stop_clients.wait(QUIET_S)
        self._break(time.monotonic() + seconds)
        end_s = time.monotonic()
        self._say("no more faults")
        cluster.network.heal()
        self._stop_clients.wait(5.0)  # writes go on over healed cables for a while
        pause_s = record.longest_pause_s(begin_s, time.monotonic())
        self._stop_clients.set()
        for thread in clients:
            thread.join(150)
            assert not thread.is_alive(), f"client {thread.name} hangs"
        verdict = self._judge()
        self._stop_askers.set()
        for asker in askers:
            asker.join(10)
        return Report(
            record, verdict, self._faults, cluster.hits, cluster.snapshots(), pause_s,
            end_s - begin_s, self._seed,
        )  # fmt: skip

    def _break(self, until_s: float) -> None:
        """Put in one fault after the other, all kinds in turn in a random order."""
        queue: list[Kind] = []
        while time.monotonic() < until_s:
            self._start_what_ended()
            self._tell_stopped()
            if not queue:
                queue = self._chance.sample(self._kinds, len(self._kinds))
            kind = queue.pop()
            with self._fault(kind):
                wait_s = self._chance.uniform(*kind.hold_s)
                if kind in OF_NETWORK and self._chance.random() < SECOND_SHARE:
                    with self._fault(self._chance.choice(SECOND), "on top: "):
                        self._stop_clients.wait(wait_s / 2)
                    wait_s /= 2
                self._stop_clients.wait(wait_s)
            self._stop_clients.wait(self._chance.choice(self._calm_s))

    @contextlib.contextmanager
    def _fault(self, kind: Kind, how: str = "") -> Iterator[None]:
        """Have a fault, or go on without it when it can't be: a process that it wants to hit may
        be starting just now."""
        with contextlib.ExitStack() as stack:
            try:
                what = stack.enter_context(kind.fault(self._cluster, self._chance))
            except (AssertionError, ProcessLookupError) as error:
                self._say(f"{how}no {kind.name}: {str(error).partition(chr(10))[0]}")
            else:
                self._faults[kind.name] += 1
                self._say(f"{how}{what}")
            yield
            before = self._cluster.hits.total()
            try:
                stack.close()
            except (AssertionError, subprocess.TimeoutExpired) as error:
                self._record.ended_alone.append(f"after {kind.name}: {error}")
                self._say(f"after {kind.name}: {error}")
            if self._cluster.hits.total() > before:
                self._say("    (hit)")

    def _tell_stopped(self) -> None:
        """Say which node does not take part at the moment, and why by its log."""
        for n, process in self._cluster.processes.items():
            lines = process.err.since()
            stops = [line for line in lines[-200:] if "REPLICATION STOPPED" in line]
            if stops and stops[-1] != self._told.get(n):
                self._told[n] = stops[-1]
                self._say(f"node {n}: {stops[-1]}")

    def _start_what_ended(self) -> None:
        for n in self._cluster.network.nodes:
            process = self._cluster.processes.get(n)
            if process is None or process.is_running():
                self._cluster.launch(n)
                continue
            tail = "\n    ".join(process.err.since()[-15:])
            self._record.ended_alone.append(f"node {n}: status {process.wait()}\n    {tail}")
            self._say(f"node {n} ended by itself")
            self._cluster.forget(n)
            self._cluster.launch(n)

    def _judge(self) -> Verdict:
        cluster = self._cluster
        self._start_what_ended()
        divergent: list[str] = []
        try:
            cluster.wait_equal(SETTLE_S)
        except AssertionError as error:
            divergent.append(str(error))
            divergent += [self._state_of(n) for n in cluster.network.nodes]
        if not divergent:
            for text in ask_for_acknowledged(cluster, self._record, self._chance):
                self._record.failed(text)
        verdict = check(self._record, {n: read_holding(cluster.data_dir(n)) for n in cluster.ports})
        verdict.divergent += divergent
        return verdict

    def _state_of(self, n: int) -> str:
        """Return what node *n* says of itself, and what it logged last."""
        status = self._cluster.say(n, "STATUS")
        logged = self._cluster.processes[n].err.since()[-20:]
        return "\n    ".join([f"node {n}", *status.lines, status.err, "logged:", *logged])

    def _say(self, what: str) -> None:
        print(f"{time.monotonic() - self._start_s:7.1f} s  {what}", flush=True)
