"""How long after an acknowledged change the other nodes serve it."""

import contextlib
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from query_load import encode_question, is_positive

ADDRESS = "192.0.2.1"
"""The value of the temporary records: an address for documentation (RFC 5737)."""

_A = 1
_POLL_S = 0.0003
"""A node is asked again this long after its last question: finer than what is measured, and not
so often that the questions themselves slow the cluster down."""
_LOST_S = 0.05
_ROUND_LIMIT_S = 10.0


class Control(Protocol):
    """A line to one node's console verbs (see `node_control.NodeControl`)."""

    def fileno(self) -> int:
        """The socket to wait on for the reply."""

    def send(self, line: str) -> None:
        """Send one verb."""

    def receive(self) -> "tuple[int, str] | None":
        """Read what is there; the reply's (status, text) once it is whole."""

    def run(self, line: str) -> "tuple[int, str]":
        """Send one verb and wait for its reply; that of an earlier one is awaited before."""


class NotAcknowledged(Exception):
    """The node did not take the temporary record; the text is its reply."""


@dataclass
class Propagation:
    """Per round: from ADD sent to acknowledged; and per other node from acknowledged to visible
    (0 when it was visible before), in milliseconds; *missed* counts rounds without it."""

    acknowledged_ms: list[float] = field(default_factory=list)
    visible_ms: dict[str, list[float]] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)


class _Watcher:
    """Asks one node for one name until it has it."""

    def __init__(self, address: tuple[str, int], name: str):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.connect(address)
        self.seen_s: float | None = None
        self._question = encode_question(name, _A)
        self._sent_s = 0.0
        self._is_waiting = False

    def ask(self, now_s: float) -> None:
        """Ask when it is time to."""
        if now_s - self._sent_s >= (_LOST_S if self._is_waiting else _POLL_S):
            with contextlib.suppress(OSError):
                self.socket.send(self._question)
            self._sent_s, self._is_waiting = now_s, True

    def take(self) -> None:
        """Receive; note the time of the first positive reply."""
        with contextlib.suppress(OSError):
            if is_positive(self.socket.recv(65_535)) and self.seen_s is None:
                self.seen_s = time.perf_counter()
            self._is_waiting = False


def measure_propagation(
    control: Control,
    others: dict[str, tuple[str, int]],
    zone: str,
    rounds: int,
    tag: str,
    on_progress: Callable[[float], None] = lambda done: None,
) -> Propagation:
    """Add and remove *rounds* temporary records in *zone* through *control*; return when each of
    *others* (id -> address) served them.

    Every name starts with *tag*, so it meets no other.  Whatever happens, also Ctrl-C, every
    record is removed again.  Raises NotAcknowledged when the node refuses one.
    """
    found = Propagation([], {node: [] for node in others}, dict.fromkeys(others, 0))
    left: list[str] = []
    try:
        for number in range(rounds):
            name = f"{tag}-{number}.{zone}"
            left.append(name)
            _one_round(control, others, name, found)
            _remove(control, name)
            left.remove(name)
            on_progress((number + 1) / rounds)
    finally:
        # Ctrl-C can come between any two steps, also before a reply: `run` awaits that one first.
        for name in left:
            _remove(control, name)
    return found


def _remove(control: Control, name: str) -> None:
    status, text = control.run(f"REMOVE: {name} A")
    if status:
        raise NotAcknowledged(f"{name} A could not be removed again: {text.strip()}")


def _one_round(
    control: Control, others: dict[str, tuple[str, int]], name: str, found: Propagation
) -> None:
    watchers = {node: _Watcher(address, name) for node, address in others.items()}
    acknowledged_s = None
    with selectors.DefaultSelector() as selector:
        selector.register(control.fileno(), selectors.EVENT_READ, None)
        for watcher in watchers.values():
            selector.register(watcher.socket, selectors.EVENT_READ, watcher)
        start_s = now_s = time.perf_counter()
        control.send(f"ADD: {name} 60 A {ADDRESS}")
        while now_s - start_s < _ROUND_LIMIT_S and (
            acknowledged_s is None or any(one.seen_s is None for one in watchers.values())
        ):
            for watcher in watchers.values():
                if watcher.seen_s is None:
                    watcher.ask(now_s)
            for key, _ in selector.select(_POLL_S):
                if key.data is not None:
                    key.data.take()
                elif acknowledged_s is None and (reply := control.receive()) is not None:
                    acknowledged_s = time.perf_counter()
                    if reply[0]:
                        raise NotAcknowledged(reply[1].strip())
            now_s = time.perf_counter()
    for watcher in watchers.values():
        watcher.socket.close()
    if acknowledged_s is None:
        raise NotAcknowledged(f"no reply to ADD: {name} within {_ROUND_LIMIT_S:g} s")
    found.acknowledged_ms.append((acknowledged_s - start_s) * 1000)
    for node, watcher in watchers.items():
        if watcher.seen_s is None:
            found.missed[node] += 1
        else:
            found.visible_ms[node].append(max(0.0, watcher.seen_s - acknowledged_s) * 1000)
