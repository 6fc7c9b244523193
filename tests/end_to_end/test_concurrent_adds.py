"""Show 3: 64 concurrent ADDs at one name from three consoles lose nothing."""

from .cluster import Cluster
from .conftest import ClusterOf
from .waiting import eventually

COUNT = 64


def test_64_adds_at_one_name_from_three_consoles_are_all_there_on_all_nodes(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of()
    cluster.start_all()
    addresses = [f"192.0.2.{i}" for i in range(1, COUNT + 1)]
    positions = {n: cluster.processes[n].out.position() for n in cluster.ports}
    for n, process in cluster.processes.items():
        lines = [
            f"ADD: crowd.example.com 60 A {address}\n"
            for i, address in enumerate(addresses)
            if i % 3 == n
        ]
        process.write("".join(lines))
    for n in cluster.ports:
        eventually(
            lambda n=n: _oks(cluster, n, positions[n]) == len(addresses[n::3]),
            20,
            f"all ADDs acknowledged by node {n}",
        )
    for n in cluster.ports:
        cluster.wait_answer(n, "crowd.example.com", "A", addresses, 5)
    assert len(cluster.wait_equal()) == 64


def _oks(cluster: Cluster, n: int, position: int) -> int:
    lines = cluster.processes[n].out.since(position)
    assert not [line for line in lines if line.startswith(("REFUSED", "UNKNOWN", "ERROR"))], lines
    return sum(line.startswith("OK") for line in lines)
