"""Connections between simulated nodes: loss, delay, duplication, one-way blocks, late frames."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

IDLE_ABORT_S = 6.0


@dataclass
class Weather:
    """How bad the network is: chances per frame, and the longest delay.

    Only messages of the log are duplicated: a connection delivers a frame once at most, and a
    command that is handed to the leader relies on that (as its refusal does).
    """

    loss: float = 0.0
    refusal: float = 0.0
    duplication: float = 0.0
    late: float = 0.0
    """How often a frame of an ended connection arrives all the same, later."""
    delay_s_max: float = 0.0


@dataclass
class Connection:
    """One connection: a queue per direction; each end learns of its end by itself."""

    ends: frozenset[str]
    queues: dict[tuple[str, str], deque[tuple[float, bytes]]]
    open_ends: set[str]
    delays: dict[tuple[str, str], float] = field(default_factory=dict)


class Network:
    """*deliver(source, target, octets)*, *up(node, peer)* and *down(node, peer)* reach the nodes;
    *is_listening(node)* is false for those that are down or paused."""

    def __init__(
        self,
        chance: random.Random,
        deliver: Callable[[str, str, bytes], None],
        up: Callable[[str, str], None],
        down: Callable[[str, str], None],
        is_listening: Callable[[str], bool],
    ):
        self._chance, self._deliver, self._up, self._down = chance, deliver, up, down
        self._is_listening = is_listening
        self.weather = Weather()
        self.connections: dict[frozenset[str], Connection] = {}
        self.blocked: dict[tuple[str, str], float] = {}
        """Directions in which nothing arrives, and since when."""
        self.late: list[tuple[float, str, str, bytes]] = []
        self.now_s = 0.0
        self.frames = 0

    def connect(self, one: str, other: str):
        ends = frozenset((one, other))
        known = self.connections.get(ends)
        if known is not None:
            if len(known.open_ends) == 2:
                return
            self.cut(one, other)
        pairs = (one, other), (other, one)
        queues = {pair: deque() for pair in pairs}
        delays = {pair: self._chance.random() * self.weather.delay_s_max for pair in pairs}
        self.connections[ends] = Connection(ends, queues, set(ends), delays)
        for node, peer in pairs:
            self._up(node, peer)

    def cut(self, one: str, other: str, known_to: str | None = None):
        """End a connection; *known_to*: only that end learns it now."""
        ends = frozenset((one, other))
        connection = self.connections.get(ends)
        if connection is None:
            return
        for node in (one, other) if known_to is None else (known_to,):
            if node in connection.open_ends:
                connection.open_ends.discard(node)
                self._down(node, *(ends - {node}))
        if not connection.open_ends:
            del self.connections[ends]
        for pair, queue in connection.queues.items():
            for _, octets in queue:
                if self._chance.random() < self.weather.late:
                    self._put_late(pair, octets)
            queue.clear()

    def forget(self, node: str):
        """*node* has died: what was on its way to or from it is gone."""
        for ends in [ends for ends in self.connections if node in ends]:
            connection = self.connections.pop(ends)
            (other,) = ends - {node}
            if other in connection.open_ends:
                self._down(other, node)
        self.late = [frame for frame in self.late if node not in frame[1:3]]

    def send(self, source: str, target: str, octets: bytes) -> bool:
        connection = self.connections.get(frozenset((source, target)))
        if connection is None or source not in connection.open_ends:
            return False
        if self.weather.refusal and self._chance.random() < self.weather.refusal:
            return False
        if target not in connection.open_ends:
            return True
        pair = source, target
        delay = connection.delays[pair]
        connection.queues[pair].append((self.now_s + delay * self._chance.random(), octets))
        return True

    def _put_late(self, pair: tuple[str, str], octets: bytes):
        delay_s = self._chance.choice((0.05, 0.5, 3.0)) * self._chance.random()
        self.late.append((self.now_s + delay_s, *pair, octets))

    def step(self, now_s: float):
        """Deliver what is due."""
        self.now_s = now_s
        for ends, connection in list(self.connections.items()):
            for pair in list(connection.queues):
                if self.connections.get(ends) is connection:
                    self._step_queue(connection, pair)
        for frame in [frame for frame in self.late if frame[0] <= now_s]:
            self.late.remove(frame)
            _, source, target, octets = frame
            if self._is_listening(target):
                self._deliver(source, target, octets)

    def _step_queue(self, connection: Connection, pair: tuple[str, str]):
        source, target = pair
        since_s = self.blocked.get(pair)
        if since_s is not None:
            if self.now_s - since_s > IDLE_ABORT_S and target in connection.open_ends:
                self.cut(source, target, known_to=target)
            elif self.now_s - since_s > IDLE_ABORT_S + 1.0:
                self.cut(source, target)
            return
        queue = connection.queues[pair]
        count = len(queue)
        while count and queue and queue[0][0] <= self.now_s and self._is_listening(target):
            count -= 1
            _, octets = queue.popleft()
            if self.weather.loss and self._chance.random() < self.weather.loss:
                continue
            self.frames += 1
            self._deliver(source, target, octets)
            is_repeated = self.weather.duplication and b"raft" in octets[:64]
            if is_repeated and self._chance.random() < self.weather.duplication:
                self._put_late(pair, octets)
