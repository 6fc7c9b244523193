"""Faults of disks: full, slow, stalled, without power; and who comes back far behind."""

import errno
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.chaos.failpoints import BY_EVERY_CHANGE, BY_SNAPSHOT, MOMENTS, NOW_AND_THEN
from tests.chaos.nodes import ChaosCluster
from tests.chaos.process_faults import COUNT_MAX, victim

CAUGHT_UP_S = 15.0


@contextmanager
def power_loss(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """One to all nodes lose their power: what they have not synced is gone."""
    nodes = chance.sample(list(cluster.processes), chance.randint(1, len(cluster.processes)))
    with without_power(cluster, nodes):
        yield f"power loss of nodes {sorted(nodes)}"


@contextmanager
def power_loss_of_all(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """All nodes lose their power at once."""
    with without_power(cluster, list(cluster.processes)):
        yield "power loss of everything"


@contextmanager
def without_power(cluster: ChaosCluster, nodes: list[int]) -> Iterator[None]:
    """The disks of *nodes* die first, their processes a moment later; all of it comes back."""
    for n in nodes:
        cluster.excuse(n, float("inf"))
        cluster.processes[n].remember()
    for n in nodes:
        cluster.disks[n].lose_power()
    for n in nodes:
        cluster.end_now(n)
    yield
    for n in nodes:
        cluster.launch(n)


@contextmanager
def power_loss_at_failpoint(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """One node loses its power at a named step of its node process."""
    n = victim(cluster, chance)
    steps, count_max = chance.choice([(BY_EVERY_CHANGE, COUNT_MAX), (NOW_AND_THEN, 5)])
    step = f"{chance.choice(steps)}:{chance.choice(MOMENTS)}"
    count = chance.randint(1, count_max)
    cluster.excuse(n, float("inf"))
    cluster.failpoints[n].arm(step, count, "power")
    yield f"failpoint: node {n} loses its power at {step}, the {count}. time"
    _power_on(cluster, n)


def _power_on(cluster: ChaosCluster, n: int) -> None:
    if cluster.count_hit(n):
        cluster.disks[n].is_dead = True
        cluster.end_now(n)
        cluster.launch(n)
    else:
        cluster.excuse(n)


@contextmanager
def laggard(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """One node is away while more is written than the log keeps: it gets a snapshot, often with a
    kill or a power loss at a step of taking it."""
    n = victim(cluster, chance)
    step = f"{chance.choice(BY_SNAPSHOT)}:{chance.choice(MOMENTS)}"
    action = chance.choice(["", "kill", "power"])
    cluster.excuse(n, float("inf"))
    cluster.end_now(n)
    cluster.write_bulk(chance.choice(list(cluster.processes)))
    yield f"node {n} is far behind, then {f'({action}) {step}' if action else 'catches up'}"
    if action:
        cluster.failpoints[n].arm(step, 1, action)
    cluster.launch(n)
    if action == "power":
        cluster.excuse(n, float("inf"))
    end_s = time.monotonic() + CAUGHT_UP_S
    while time.monotonic() < end_s and not cluster.failpoints[n].is_hit():
        if _has_come_back(cluster, n):
            break
        time.sleep(0.2)
    if action == "power":
        _power_on(cluster, n)
    else:
        cluster.count_hit(n)


def _has_come_back(cluster: ChaosCluster, n: int) -> bool:
    try:
        revisions = [int(cluster.status(m)["revision"]) for m in cluster.processes]
        return int(cluster.status(n)["revision"]) + 50 > max(revisions)
    except (AssertionError, OSError, KeyError, ValueError):
        return False


@contextmanager
def slow_disk(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """Writes and syncs of one node take up to some tenths of a second each; its workers must
    answer on."""
    n, longest_s = victim(cluster, chance), chance.choice([0.05, 0.3])
    disk = cluster.disks[n]
    pauses = random.Random(chance.random())

    def slow(done: threading.Event) -> None:
        while not done.is_set():
            disk.freeze()
            time.sleep(pauses.uniform(0.1, 1.0) * longest_s)
            disk.thaw()
            done.wait(0.01)

    with _beside(slow):
        yield f"slow disk at node {n}: every access waits for up to {longest_s * 1000:.0f} ms"


@contextmanager
def stalled_disk(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """Writes and syncs of one node do not end for seconds."""
    n = victim(cluster, chance)
    # The lock table of the store is on that disk too: a worker may have to wait for its page.
    cluster.excuse(n, float("inf"))
    cluster.disks[n].freeze()
    try:
        yield f"the disk of node {n} stalls"
    finally:
        cluster.disks[n].thaw()
    cluster.excuse(n)


@contextmanager
def full_disk(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """One disk is filled to the last octet; there is space again afterwards."""
    n = victim(cluster, chance)
    ballast = cluster.disks[n].folder / "ballast"

    # Fill on: what is freed while the fault lasts is taken too.
    def fill(done: threading.Event) -> None:
        with ballast.open("wb") as file:
            end = 0
            for size in (16 << 20, 1 << 20, 1 << 16, 1 << 12):
                while not done.is_set() and allocate(file.fileno(), end, size):
                    end += size
            while not done.wait(0.1):
                while allocate(file.fileno(), end, 1 << 12):
                    end += 1 << 12

    try:
        with _beside(fill):
            yield f"full disk at node {n}"
    finally:
        ballast.unlink(missing_ok=True)


def allocate(descriptor: int, offset: int, size: int) -> bool:
    """Take disk space for *size* octets without writing them; return whether there was any."""
    try:
        os.posix_fallocate(descriptor, offset, size)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


@contextmanager
def _beside(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Have *work* done by a thread until the end; it gets the event that says so."""
    done = threading.Event()
    thread = threading.Thread(target=work, args=(done,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(10)
