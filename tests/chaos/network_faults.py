"""Faults of the network: packets that are dropped, between whom and how many; late messages."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.nodes import ChaosCluster


@contextmanager
def healed(cluster: ChaosCluster) -> Iterator[None]:
    """Let everything through again afterwards."""
    try:
        yield
    finally:
        cluster.network.heal()


@contextmanager
def partition(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """Two sides that do not hear each other; clients reach both."""
    nodes = list(cluster.network.nodes)
    chance.shuffle(nodes)
    cut = chance.randint(1, len(nodes) - 1)
    with healed(cluster):
        _separate(cluster, nodes[:cut], nodes[cut:])
        yield f"partition {sorted(nodes[:cut])} | {sorted(nodes[cut:])}"


@contextmanager
def partition_of_all(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """Every node alone."""
    with healed(cluster):
        for a in cluster.network.nodes:
            _separate(cluster, [a], [b for b in cluster.network.nodes if b > a])
        yield "partition: every node alone"


@contextmanager
def one_way(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """One node that is heard and does not hear, or hears and is not heard."""
    n = chance.choice(list(cluster.network.nodes))
    is_deaf = chance.random() < 0.5
    with healed(cluster):
        for other in cluster.network.nodes:
            if other != n:
                cluster.network.lose(*((other, n) if is_deaf else (n, other)))
        yield f"one way: node {n} is {'deaf' if is_deaf else 'mute'}"


@contextmanager
def bridge(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """Two sides that hear one node in the middle and not each other."""
    nodes = list(cluster.network.nodes)
    chance.shuffle(nodes)
    middle, half = nodes[0], (len(nodes) + 1) // 2
    with healed(cluster):
        _separate(cluster, nodes[1:half], nodes[half:])
        yield f"bridge: {sorted(nodes[1:half])} and {sorted(nodes[half:])} hear only node {middle}"


def _separate(cluster: ChaosCluster, one: list[int], other: list[int]) -> None:
    for a in one:
        for b in other:
            cluster.network.lose(a, b)
            cluster.network.lose(b, a)


@contextmanager
def loss(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """Packets get lost between all nodes."""
    percent = chance.choice([2, 10, 30])
    with healed(cluster):
        for a in cluster.network.nodes:
            for b in cluster.network.nodes:
                if a != b:
                    cluster.network.lose(a, b, percent)
        yield f"{percent} % of all packets between nodes lost"


@contextmanager
def relayed(cluster: ChaosCluster, chance: random.Random) -> Iterator[str]:
    """What nodes say to each other arrives late, on each link differently, so in another order;
    now and then a connection ends."""
    delay_ms = chance.choice([20, 150, 800])
    with healed(cluster):
        cluster.network.relay(delay_ms, str(chance.random()))
        yield f"relay: everything between nodes is late by up to {delay_ms} ms"
