"""The places of the children: what outlives each of them."""

import os
import subprocess
from dataclasses import dataclass, field

from dns_node.metrics import BLOCK_SIZE_OCTETS
from dns_node.net.sockets import WorkerSockets, bind_worker
from dns_node.supervise.child import RestartPlan
from dns_node.supervise.pipe import Pair, make_pair


@dataclass(slots=True)
class NodeSlot:
    """The node process's place.  `pair.near` is the supervisor's end."""

    pair: Pair
    child: "subprocess.Popen[bytes] | None" = None
    plan: RestartPlan = field(default_factory=RestartPlan)
    due_s: float = 0.0
    starts: int = 0

    @property
    def name(self) -> str:
        """What the user reads."""
        return "the node process"

    def close(self) -> None:
        """Close the channel."""
        self.pair.near.close()
        self.pair.far.close()


@dataclass(slots=True)
class WorkerSlot:
    """One worker's place: its sockets (None while they are closed), its channel to the node
    (`pair.near` is the worker's end), its block of counters."""

    number: int
    sockets: WorkerSockets | None
    pair: Pair
    counters: int
    child: "subprocess.Popen[bytes] | None" = None
    plan: RestartPlan = field(default_factory=RestartPlan)
    due_s: float = 0.0

    @classmethod
    def make(cls, number: int, addresses: tuple[tuple[str, int], ...]) -> "WorkerSlot":
        """Return a worker's place with bound sockets and zeroed counters; InputError when the
        addresses can't be bound."""
        sockets = bind_worker(addresses)
        counters = os.memfd_create(f"dns-node-counters-{number}", os.MFD_CLOEXEC)
        os.ftruncate(counters, BLOCK_SIZE_OCTETS)
        return cls(number, sockets, make_pair(), counters)

    @property
    def name(self) -> str:
        """What the user reads."""
        return f"worker {self.number}"

    def close_sockets(self) -> None:
        """Close the sockets; the kernel spreads the queries over the other workers'."""
        if self.sockets is not None:
            self.sockets.close()
            self.sockets = None

    def close(self) -> None:
        """Close everything."""
        self.close_sockets()
        self.pair.near.close()
        self.pair.far.close()
        os.close(self.counters)
