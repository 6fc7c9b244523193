"""Clients that change things without pause: through the console, ctl and the kv door of a node."""

import io
import random
import socket
import threading
import time
import uuid

import dns.exception

from dns_node.control.ctl import run_ctl
from tests.chaos.nodes import KV_PORT, ChaosCluster
from tests.chaos.record import DONE, REFUSED, UNKNOWN, Change, Record
from tests.end_to_end.cluster import REPLY
from tests.end_to_end.dns_client import NOT_YET

ZONE = "chaos.test"
DOORS = ("console", "ctl", "kv")
PAUSE_S = 0.05
REPLY_S = 12.0
"""Longer than a node takes to say that the outcome is unknown."""

BULK_VALUES, BULK_OCTETS = 40, 48_000
"""What a burst changes: more than the log keeps for an absent member."""
BULK_S = 15.0

Outcome = tuple[str, str]


class NotSentError(Exception):
    """Nobody took the change."""


def outcome_of(line: str) -> str:
    """Return which of done, refused and unknown the last line of a reply says."""
    if line.startswith("OK"):
        return DONE
    return UNKNOWN if line.startswith("UNKNOWN") else REFUSED


class Client(threading.Thread):
    """One client of one door of one node; `stop` is the event that ends all of them."""

    def __init__(
        self, cluster: ChaosCluster, record: Record, n: int, door: str, seed: str,
        stop: threading.Event,
    ):  # fmt: skip
        super().__init__(name=f"{door}-{n}", daemon=True)
        self._cluster, self._record, self._node, self._door = cluster, record, n, door
        self._random = random.Random(f"{seed} {door} {n}")
        self._stop_all = stop
        self._held: list[Change] = []

    def run(self) -> None:
        """Change things until told to stop; a fault is an outcome, never an exception."""
        while not self._stop_all.wait(PAUSE_S * self._random.uniform(0.5, 1.5)):
            self._one()

    def _one(self) -> None:
        change = self._next()
        operation = uuid.uuid4().hex
        since_s = time.monotonic()
        try:
            outcome, reply = getattr(self, f"_by_{self._door}")(change, operation)
        except NotSentError:
            self._record.not_sent(change)
            self._stop_all.wait(0.3)
            return
        self._record.told(change, outcome, reply)
        if outcome == UNKNOWN and self._door != "kv":
            self._ask_again(change, operation)
        if change.outcome == DONE:
            if change.value is not None:
                self._held.append(change)
            self._look(change, since_s)

    def _next(self) -> Change:
        """Return the next change: to add a record or a key, or to remove an own one."""
        if self._held and self._random.random() < 0.2:
            old = self._held.pop(self._random.randrange(len(self._held)))
            return self._record.new(old.kind, old.name, None, self._node, self._door, old)
        if self._random.random() < 0.25:
            return self._record.new("key", "key#", uuid.uuid4().hex, self._node, self._door)
        address = ".".join(map(str, [10, *self._random.randbytes(3)]))
        return self._record.new("record", f"r#.{ZONE}", address, self._node, self._door)

    def write_bulk(self, n: int) -> None:
        """Set keys to large values by way of node *n*, one after the other, as far as one gets."""
        end_s = time.monotonic() + BULK_S
        for _ in range(BULK_VALUES):
            if time.monotonic() > end_s:
                return
            value = self._random.randbytes(BULK_OCTETS // 2).hex()
            change = self._record.new("key", "bulk#", value, n, "ctl")
            try:
                outcome, reply = self._by_ctl(change, uuid.uuid4().hex, n)
            except NotSentError:
                self._record.not_sent(change)
            else:
                self._record.told(change, outcome, reply)

    # ---- the doors

    def _by_console(self, change: Change, operation: str) -> Outcome:
        process = self._cluster.processes.get(self._node)
        if process is None or not process.is_running():
            raise NotSentError
        before = process.out.position()
        try:
            process.write(f"{console_line(change, operation)}\n")
            _, line = process.out.wait_for(REPLY, before, REPLY_S)
        except (OSError, ValueError, AssertionError) as error:
            self._resynchronise(process)
            return UNKNOWN, str(error).splitlines()[0]
        return outcome_of(line), line

    def _resynchronise(self, process) -> None:  # type: ignore[no-untyped-def]
        """Skip the replies that are late, so that the next one belongs to the next line."""
        while not self._stop_all.is_set() and process.is_running():
            marker = f"m{uuid.uuid4().hex}"
            try:
                before = process.out.position()
                process.write(f"SHOW {marker}.invalid\n")
                process.out.wait_for(marker, before, 3.0)
                return
            except (OSError, ValueError, AssertionError):
                self._stop_all.wait(0.5)

    def _by_ctl(self, change: Change, operation: str, n: int | None = None) -> Outcome:
        out = io.StringIO()
        data_dir = str(self._cluster.data_dir(self._node if n is None else n))
        status = run_ctl(data_dir, [console_line(change, operation)], out, out)
        lines = out.getvalue().splitlines() or [""]
        if status == 3:
            raise NotSentError
        return (DONE, REFUSED, UNKNOWN)[status], lines[-1]

    def _by_kv(self, change: Change, operation: str) -> Outcome:
        try:
            link = socket.create_connection(
                (self._cluster.network.address(self._node), KV_PORT), 2.0
            )
        except OSError:
            raise NotSentError from None
        reply = b""
        with link:
            try:
                link.settimeout(REPLY_S)
                link.sendall(f"{kv_line(change)}\n".encode())
                while piece := link.recv(4096):
                    reply += piece
            except OSError as error:
                return UNKNOWN, str(error)
        text = reply.decode()
        if not text or text.startswith("unknown"):
            return UNKNOWN, text or "closed without a reply"
        return (DONE if text == "SUCCESS" else REFUSED), text

    # ---- afterwards

    def _ask_again(self, change: Change, operation: str) -> None:
        """Ask any node for the outcome, by the operation id: it is done at most once."""
        for _ in range(self._random.randint(0, 4)):
            if self._stop_all.wait(0.5):
                return
            try:
                outcome, reply = self._by_ctl(
                    change, operation, self._random.choice(list(self._cluster.network.nodes))
                )
            except NotSentError:
                continue
            if outcome == DONE:
                self._record.told(change, outcome, f"when asked again: {reply}")
                return

    def _look(self, change: Change, since_s: float) -> None:
        """The node that acknowledged a record serves it from then on, its removal too."""
        if change.kind != "record" or "asked again" in change.reply:
            return
        try:
            found = self._cluster.values(self._node, change.name, timeout_s=1.0)
        except (*NOT_YET, dns.exception.DNSException):
            return
        wanted = [] if change.value is None else [change.value]
        if found != wanted:
            self._record.failed(
                f"node {self._node} answered {found} for {change.name} after {change.reply!r}, "
                f"asked {time.monotonic() - since_s:.3f} s ago"
            )


def console_line(change: Change, operation: str) -> str:
    """Return the console's line for *change*."""
    options = f"operation={operation}"
    match change.kind, change.value:
        case "record", None:
            return f"REMOVE: {change.name} A {options}"
        case "record", value:
            return f"ADD: {change.name} 60 A {value} {options}"
        case _, None:
            return f"KV {options} DEL {change.name}"
        case _, value:
            return f"KV {options} SET {change.name} {value}"


def kv_line(change: Change) -> str:
    """Return the kv door's line for *change*."""
    record = change.kind == "record"
    key = f"{change.name}._1" if record else change.name
    if change.value is None:
        return f"kv del {key}"
    value = f'"{change.name}. 60 IN A {change.value}"' if record else change.value
    return f"kv set {key} {value}"
