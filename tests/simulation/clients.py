"""Clients: what they asked, where and when, and what they were told."""

import random
from dataclasses import dataclass, field

from dns_node.cluster.command import (
    Command,
    DeleteKey,
    Done,
    KeyIs,
    PutKey,
    Refused,
    Trim,
    Unknown,
    ZoneSerialIs,
)
from dns_node.zone.apex import template
from dns_node.zone.change import Add, Remove
from dns_node.zone.names import parse_name
from dns_node.zone.rdata import parse_rdata
from tests.simulation.cluster import NOW_MS, Cluster

KEYS = ("a", "b", "c", "d")
ZONE = parse_name("example.com")
OWNERS = tuple(parse_name(f"{name}.example.com") for name in ("www", "mail", "x.y"))
ADDRESSES = tuple(parse_rdata(1, f"192.0.2.{number}") for number in range(1, 6))
CANDIDATES = (template(ZONE),)
RETRY_AGE_S_MAX = 30.0
TRIM_AGE_S = 90.0


@dataclass(eq=False)
class Try:
    """One proposal at one node, and its answer."""

    node: str
    life: int
    asked_s: float
    answered_s: float | None = None
    answer: Done | Refused | Unknown | None = None


@dataclass(eq=False)
class Call:
    """One command, proposed once or, when its fate was unknown, again."""

    command: Command
    tries: list[Try] = field(default_factory=list)


@dataclass(frozen=True)
class Read:
    """What a node showed: the *values* of some keys, and a zone's serial, at *revision*."""

    node: str
    revision: int
    values: tuple[tuple[str, str | None], ...]
    serial: int | None
    read_s: float
    at_least: int
    """The revision of the last change that this client was told of by this node."""


class Client:
    """Asks one thing at a time."""

    def __init__(self, name: str, cluster: Cluster, chance: random.Random):
        self.name, self._cluster, self._chance = name, cluster, chance
        self.calls: list[Call] = []
        self.reads: list[Read] = []
        self.may_trim = False
        self._told: dict[tuple[str, int], int] = {}

    def step(self):
        """Do the next thing, unless an answer is still awaited."""
        cluster = self._cluster
        running = [node for node in cluster.replicas if not cluster.is_paused(node)]
        if not running:
            return
        last = self.calls[-1] if self.calls else None
        node = self._chance.choice(running)
        if last is not None and last.tries[-1].answer is None:
            host = cluster.hosts[last.tries[-1].node]
            if host.replica is not None and host.lives == last.tries[-1].life:
                return
            self._try_again(last, node)  # The connection broke: it knows nothing.
        elif last is not None and isinstance(last.tries[-1].answer, Unknown):
            self._try_again(last, node)
        elif self._chance.random() < 0.25:
            self._read(node)
        else:
            call = Call(self._make_command(node))
            self.calls.append(call)
            self._ask(call, node)

    def _try_again(self, call: Call, node: str):
        age_s = self._cluster.now_s - call.tries[0].asked_s
        if self._chance.random() < 0.7 and age_s < RETRY_AGE_S_MAX and len(call.tries) < 5:
            self._ask(call, node)
        else:
            self.calls.append(Call(self._make_command(node)))
            self._ask(self.calls[-1], node)

    def _ask(self, call: Call, node: str):
        cluster = self._cluster
        host = cluster.hosts[node]
        attempt = Try(node, host.lives, cluster.now_s)
        call.tries.append(attempt)
        number = int.from_bytes(call.command.operation_id, "big")
        what = type(call.command.operations[0]).__name__
        cluster.note(f"{self.name} asks {node} for {what} #{number}")

        def answered(answer):
            attempt.answer, attempt.answered_s = answer, cluster.now_s
            if isinstance(answer, Done):
                self._told[node, host.lives] = answer.revision
            text = str(answer)[:100]
            cluster.note(f"{node} answers {self.name} #{number}: {text}")

        host.replica.propose(call.command).addCallback(answered)

    def _make_command(self, node: str) -> Command:
        cluster, chance = self._cluster, self._chance
        roll = chance.random()
        key = chance.choice(KEYS)
        now_ms = NOW_MS + int(cluster.now_s * 1000)
        fields: dict = {}
        cluster._number += 1
        number = cluster._number
        if roll < 0.45:
            size = chance.choice((0, 0, 0, 100, 40_000))
            operation = PutKey(key, f"{number} {'v' * size}")
        elif roll < 0.6:
            known = self.reads[-1].values if self.reads else ()
            operation = PutKey(key, f"{number}")
            fields["preconditions"] = (KeyIs(key, dict(known).get(key)),)
        elif roll < 0.65:
            operation = DeleteKey(key)
        elif roll < 0.85:
            operation = Add(chance.choice(OWNERS), 1, None, (chance.choice(ADDRESSES),))
            fields["candidates"] = CANDIDATES
        elif roll < 0.97:
            operation = Remove(chance.choice(OWNERS), 1, (chance.choice(ADDRESSES),))
            if self.reads and self.reads[-1].serial is not None and chance.random() < 0.5:
                fields["preconditions"] = (ZoneSerialIs(ZONE, self.reads[-1].serial),)
        elif roll < 0.98:
            # Larger than an entry: it is staged.
            operation = PutKey(key, f"{number} {'w' * 300_000}")
        elif self.may_trim:
            operation = Trim(0, now_ms - int(TRIM_AGE_S * 1000))
        else:
            operation = PutKey(f"own-{self.name}", f"{number}")
        proposed_at_ms = now_ms + cluster.hosts[node].clock_ms
        return Command(
            number.to_bytes(16, "big"), proposed_at_ms, "test", self.name, (operation,),
            reason=f"#{number}", **fields,
        )  # fmt: skip

    def _read(self, node: str):
        cluster = self._cluster
        replica, machine = cluster.hosts[node].replica, cluster.hosts[node].machine
        if replica._life is None or not replica.is_formed:
            return
        view = machine.view()
        values = tuple((key, view.value(key)) for key in KEYS)
        header = view.zone(ZONE)
        at_least = self._told.get((node, cluster.hosts[node].lives), 0)
        serial = None if header is None else header.serial
        self.reads.append(
            Read(node, view.revision(), values, serial, cluster.now_s, at_least)
        )
        view.reset()
