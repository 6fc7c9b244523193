"""The node's side of its workers: their counters, their health, word of new settings."""

import mmap
from collections.abc import Callable
from typing import Any

from dns_node.metrics import BLOCK_SIZE_OCTETS, NAMES, Counters, latency_quantile_us
from dns_node.net.control_channel import Channel


class Worker:
    """One worker as the node knows it: its process id while it answers, and its counters."""

    def __init__(self, number: int, start: dict[str, int]):
        self.number = number
        self.pid = 0
        self.starts = 0
        self.data_path = ""
        self.on_ready: Callable[[], None] = lambda: None
        self.channel = Channel(start["control"], self._take)
        self.counters = Counters(mmap.mmap(start["counters"], BLOCK_SIZE_OCTETS))

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("ready"):
            pid = int(message["pid"])
            self.starts += pid != self.pid
            self.pid = pid
            self.data_path = str(message.get("data_path", ""))
            self.on_ready()

    def status(self) -> dict[str, Any]:
        """Return what STATUS shows of the worker."""
        found = self.counters.snapshot()
        queries = found["queries_udp"] + found["queries_tcp"]
        return {
            "pid": self.pid or None,
            "queries": queries,
            "tcp": found["queries_tcp"],
            "nxdomain": found["nxdomain"],
            "servfail": found["servfail"],
            "dropped": found["dropped"],
            "punts": found["native_punts"],
            "latency p50": _microseconds(latency_quantile_us(found, 0.5)),
            "p99": _microseconds(latency_quantile_us(found, 0.99)),
        }


def _microseconds(number: int | None) -> str | None:
    return None if number is None else f"{number} us"


class Workers:
    """All workers of this node."""

    def __init__(self, starts: list[dict[str, int]]):
        self._workers = [Worker(number, start) for number, start in enumerate(starts)]
        self.on_data_path: Callable[[str], None] = lambda _: None
        self._told_data_path = ""
        for worker in self._workers:
            worker.on_ready = self._tell_data_path

    def start(self, reactor: Any) -> None:
        """Listen to the workers."""
        for worker in self._workers:
            reactor.addReader(worker.channel)

    @property
    def data_path(self) -> str:
        """How the workers answer: ``native``, or ``Python`` and why; '' before one is ready."""
        return ", ".join(dict.fromkeys(w.data_path for w in self._workers if w.data_path))

    def _tell_data_path(self) -> None:
        if self.data_path != self._told_data_path:
            self._told_data_path = self.data_path
            self.on_data_path(self.data_path)

    def tell(self, message: dict[str, Any]) -> None:
        """Send *message* to every worker."""
        for worker in self._workers:
            worker.channel.send(message)

    def ended(self, number: int) -> None:
        """The supervisor says that a worker is gone."""
        self._workers[number].pid = 0

    def by_pid(self, pid: int) -> int | None:
        """Return the number of the worker that runs as process *pid*."""
        return next((worker.number for worker in self._workers if worker.pid == pid), None)

    def status(self) -> dict[str, dict[str, Any]]:
        """Return a row for each worker, by number."""
        return {str(worker.number): worker.status() for worker in self._workers}

    def totals(self) -> dict[str, int]:
        """Return the counters of all workers together."""
        found = [worker.counters.snapshot() for worker in self._workers]
        return {name: sum(counters[name] for counters in found) for name in NAMES}
