"""The faults: each is put in, held for a while, and taken out again."""

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos import disk_faults, network_faults, process_faults
from tests.chaos.nodes import ChaosCluster

Fault = Callable[[ChaosCluster, random.Random], contextlib.AbstractContextManager[str]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault, and between how many seconds and how many it is held."""

    fault: Fault
    hold_s: tuple[float, float] = (0.5, 7.0)

    @property
    def name(self) -> str:
        """What the report calls it."""
        return self.fault.__name__


LONGER_THAN_AN_ELECTION_S = (2.5, 8.0)

OF_PROCESSES: tuple[Kind, ...] = (
    Kind(process_faults.kill_a_node_process),
    Kind(process_faults.failpoint, (1.0, 5.0)),
    Kind(process_faults.kill_some),
    Kind(process_faults.pause_a_node_process, LONGER_THAN_AN_ELECTION_S),
    Kind(process_faults.kill_a_supervisor),
    Kind(process_faults.failpoint_at_start, (1.0, 5.0)),
    Kind(process_faults.kill_all),
    Kind(process_faults.pause_a_node, LONGER_THAN_AN_ELECTION_S),
    Kind(process_faults.kill_a_worker),
    Kind(process_faults.stop_in_order),
)
OF_NETWORK: tuple[Kind, ...] = (
    Kind(network_faults.partition),
    Kind(network_faults.one_way),
    Kind(network_faults.bridge),
    Kind(network_faults.loss),
    Kind(network_faults.relayed, (3.0, 9.0)),
    Kind(network_faults.partition_of_all),
)
OF_DISKS: tuple[Kind, ...] = (
    Kind(disk_faults.power_loss),
    Kind(disk_faults.power_loss_at_failpoint, (1.0, 5.0)),
    Kind(disk_faults.full_disk),
    Kind(disk_faults.slow_disk, (3.0, 9.0)),
    Kind(disk_faults.stalled_disk, LONGER_THAN_AN_ELECTION_S),
    Kind(disk_faults.laggard, (3.5, 6.0)),
    Kind(disk_faults.power_loss_of_all),
)
ALL = (*OF_PROCESSES, *OF_NETWORK, *OF_DISKS)
"""Every kind; a run takes them in a random order, each once per round."""

SECOND: tuple[Kind, ...] = tuple(
    kind for kind in (*OF_PROCESSES, *OF_DISKS)
    if kind.name in ("kill_a_node_process", "failpoint", "kill_some", "stop_in_order", "power_loss")
)  # fmt: skip
"""What may come on top of a fault of the network."""


def halves() -> tuple[tuple[Kind, ...], tuple[Kind, ...]]:
    """Return all kinds in two parts of like mixture, for two short runs."""
    return ALL[0::2], ALL[1::2]
