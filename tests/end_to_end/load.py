"""Writers and DNS clients that go on while something is done to a cluster."""

import threading
from dataclasses import dataclass, field

from .cluster import Cluster
from .dns_client import NOT_YET, ask, rcode_text, values
from .waiting import eventually

WRITERS = 2
STARVED_MS = 400
DONE, REFUSED, UNKNOWN, NO_NODE = range(4)


@dataclass
class Load:
    """Writers and DNS clients that go on until `end`, as clients do: a node that is not there, or
    refuses, or does not know, is left for the next one."""

    cluster: Cluster
    acknowledged: list[str] = field(default_factory=list)
    refused: int = 0
    unknown: int = 0
    answers: int = 0
    failed: list[str] = field(default_factory=list)

    def begin(self) -> "Load":
        """Start two writers and two DNS clients."""
        self._stop = threading.Event()
        works = [(self._write, n) for n in range(WRITERS)] + [(self._ask, n) for n in range(2)]
        self._threads = [threading.Thread(target=work, args=(n,)) for work, n in works]
        for thread in self._threads:
            thread.start()
        return self

    def end(self) -> None:
        """Stop; returns when the last one has."""
        self._stop.set()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()

    def _write(self, writer: int) -> None:
        nodes, number = len(self.cluster.ports), 0
        at = writer
        while not self._stop.is_set():
            name = f"r{writer}-{number}.example.com"
            status = self.cluster.say(at, "ADD:", name, "60", "A", "192.0.2.9").status
            if status == DONE:
                self.acknowledged.append(name)
                number += 1
                self._stop.wait(0.01)
                continue
            # The same change again is harmless: a set is meant, and it may be there by now.
            self.refused += status == REFUSED
            self.unknown += status == UNKNOWN
            at = (at + 1) % nodes
            self._stop.wait(0.05)

    def _ask(self, client: int) -> None:
        """Ask as a resolver does: a server that does not reply, or will not, is followed by the
        next."""
        nodes = len(self.cluster.ports)
        while not self._stop.is_set():
            for attempt in range(nodes):
                port = self.cluster.ports[(client + attempt) % nodes]
                try:
                    reply = ask(port, "example.com", timeout_s=0.5)
                except NOT_YET:
                    continue
                if rcode_text(reply) == "REFUSED":
                    continue  # It has no zones yet, and says so.
                found = values(reply)
                self.answers += 1
                if found != ["1.2.3.4"]:
                    self.failed.append(f"port {port}: {found}")
                break
            else:
                self.failed.append("nobody replied")
            self._stop.wait(0.01)


def has_caught_up(cluster: Cluster, n: int) -> bool:
    """Whether node *n* follows a leader and is less than a few entries behind."""
    status = cluster.status(n)
    return status["leader"] != "none" and int(status["commit"]) - int(status["applied"]) < 50


def stop_and_start(cluster: Cluster, load: Load, n: int, number: int) -> None:
    """Stop node *n* in an orderly way, and start it again, with writes before and meanwhile."""
    count = len(load.acknowledged)
    eventually(lambda: len(load.acknowledged) > count + 20, 20, "writes before")
    cluster.kill(n, number)
    cluster.forget(n)
    count = len(load.acknowledged)
    eventually(lambda: len(load.acknowledged) > count + 20, 20, "writes without it")
    cluster.restart(n)
    eventually(lambda: has_caught_up(cluster, n), 20, f"node {n} to catch up", 0.1)


def is_starved(cluster: Cluster) -> bool:
    """Whether the machine gave a node no time for so long that any cluster would elect."""
    reactors = [cluster.status(n)["reactor"] for n in cluster.processes]
    return max(int(text.split(",")[0].split()[-1]) for text in reactors) > STARVED_MS


def check_nothing_lost(cluster: Cluster, load: Load) -> None:
    """AssertionError when the stores differ, when an acknowledged change is not there, or when a
    DNS question found nobody who knows."""
    assert load.failed == [] and load.answers > 100
    cluster.wait_equal()
    zone = cluster.done(0, "SHOW", "example.com", "AXFR").out
    present = {line.split(None, 1)[0].rstrip(".") for line in zone.splitlines()}
    assert [name for name in load.acknowledged if name not in present] == []
    assert len(set(load.acknowledged)) == len(load.acknowledged) > 120
