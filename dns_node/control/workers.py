"""The node's side of its workers: their counters, their health, word of new settings, questions."""

import itertools
import mmap
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

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
        self.on_reply: Callable[[int, int, dict[str, Any]], None] = lambda *_: None
        self.channel = Channel(start["control"], self._take)
        self.counters = Counters(mmap.mmap(start["counters"], BLOCK_SIZE_OCTETS))

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("ready"):
            pid = int(message["pid"])
            self.starts += pid != self.pid
            self.pid = pid
            self.data_path = str(message.get("data_path", ""))
            self.on_ready()
        elif isinstance(reply := message.get("reply"), dict):
            self.on_reply(int(message.get("token", 0)), self.number, reply)

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


class _Asking:
    """One message to some workers, and what they have replied so far."""

    def __init__(self, waits_for: set[int]):
        self._waits_for = waits_for
        self.replies: dict[int, dict[str, Any]] = {}
        self.done: Deferred[None] = Deferred()

    def take(self, number: int, reply: dict[str, Any]) -> None:
        self.replies[number] = reply
        self._waits_for.discard(number)
        if not self._waits_for:
            self.end()

    def end(self) -> None:
        if not self.done.called:
            self.done.callback(None)


class Workers:
    """All workers of this node."""

    def __init__(self, starts: list[dict[str, int]]):
        self._workers = [Worker(number, start) for number, start in enumerate(starts)]
        self.on_data_path: Callable[[str], None] = lambda _: None
        self._told_data_path = ""
        self._tokens = itertools.count(1)
        self._asking: dict[int, _Asking] = {}
        for worker in self._workers:
            worker.on_ready = self._tell_data_path
            worker.on_reply = self._take_reply

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

    async def ask(
        self, clock: Any, message: dict[str, Any], timeout_s: float, only: int | None = None
    ) -> dict[int, dict[str, Any]]:
        """Return what the workers that run (of *only* one, that one) reply to *message*, by number;
        who has not replied after *timeout_s* is left out."""
        asked = [one for one in self._workers if one.pid and only in (None, one.number)]
        token = next(self._tokens)
        asking = _Asking({worker.number for worker in asked})
        if not asked:
            return {}
        self._asking[token] = asking
        timer = clock.callLater(timeout_s, asking.end)
        for worker in asked:
            worker.channel.send({"do": "recursion", "token": token, **message})
        try:
            await asking.done
        finally:
            del self._asking[token]
            if timer.active():
                timer.cancel()
        return asking.replies

    def _take_reply(self, token: int, number: int, reply: dict[str, Any]) -> None:
        asking = self._asking.get(token)
        if asking is not None:
            asking.take(number, reply)

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
