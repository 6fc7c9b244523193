"""What the nodes hold at the end, against what their clients were told."""

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from dns_node.store.reader import Reader
from dns_node.zone.names import name_text, parse_name
from dns_node.zone.rdata import rdata_text
from tests.chaos.clients import ZONE
from tests.chaos.nodes import ChaosCluster
from tests.chaos.record import DONE, REFUSED, Change, Record

A = 1
ASKED_PER_NODE = 300


@dataclass
class Holding:
    """What one node's store holds: values by (kind, name), and how often its history says that a
    name got a value from none (more than once: a change was done twice)."""

    revision: int
    digest: str
    values: dict[tuple[str, str], list[str]]
    additions: Counter[tuple[str, str]]
    history: list[bytes]


@dataclass
class Verdict:
    """What is wrong; all lists are empty when nothing is."""

    lost: list[str] = field(default_factory=list)
    ghosts: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    divergent: list[str] = field(default_factory=list)


def read_holding(data_dir: Path) -> Holding:
    """Read the store below *data_dir*, whose node has ended or is idle."""
    reader = Reader(data_dir)
    try:
        values: dict[tuple[str, str], list[str]] = {}
        header = reader.zone(parse_name(f"{ZONE}."))
        for owner, node in reader.walk(header.zone_id) if header else ():
            if A in node:
                texts = [rdata_text(A, rdata) for rdata in node[A].rdatas]
                values["record", name_text(owner).rstrip(".")] = texts
        additions: Counter[tuple[str, str]] = Counter()
        told: list[bytes] = []
        for row in reader.histories(None, 1 << 30):
            told.append(repr(row).encode())
            for zone in row.zones:
                for diff in zone.diff:
                    if diff.rrtype == A and diff.before is None:
                        additions["record", name_text(diff.owner).rstrip(".")] += 1
            for key in row.keys:
                values.setdefault(("key", key.key), [])
                if key.before is None:
                    additions["key", key.key] += 1
        for kind, name in values:
            value = reader.value(name) if kind == "key" else None
            if value is not None:
                values[kind, name].append(value)
        return Holding(reader.revision(), reader.digest(), values, additions, told)
    finally:
        reader.close()


def check(record: Record, holdings: dict[int, Holding]) -> Verdict:
    """Hold what was acknowledged and refused against every node."""
    verdict = Verdict()
    first = holdings[min(holdings)]
    for n, holding in holdings.items():
        if (holding.revision, holding.digest) != (first.revision, first.digest):
            verdict.divergent.append(
                f"node {n}: revision {holding.revision}, digest {holding.digest}; node "
                f"{min(holdings)}: revision {first.revision}, digest {first.digest}"
            )
        elif holding.history != first.history:
            verdict.divergent.append(f"node {n}: its history is not that of node {min(holdings)}")
        _check_node(record, n, holding, verdict)
    return verdict


def _check_node(record: Record, n: int, holding: Holding, verdict: Verdict) -> None:
    removals = {
        id(change.removes): change for change in record.changes if change.removes is not None
    }
    for change in record.changes:
        if change.value is None:
            continue
        found = holding.values.get((change.kind, change.name), [])
        removal = removals.get(id(change))
        what = f"node {n}: {_text(change)}; removal: {_text(removal)}; found {found}"
        may_be_gone = removal is not None and removal.outcome != REFUSED
        if found not in ([], [change.value]):
            verdict.ghosts.append(what)
        elif change.outcome == DONE and not found and not may_be_gone:
            verdict.lost.append(what)
        elif found and removal is not None and removal.outcome == DONE:
            verdict.lost.append(what)  # the removal is what was lost
        elif change.outcome == REFUSED and found:
            verdict.ghosts.append(what)
        if holding.additions[change.kind, change.name] > 1:
            verdict.duplicated.append(what)


def _text(change: Change | None) -> str:
    if change is None:
        return "none"
    return (
        f"{change.outcome} {change.name} {change.value} by {change.door} of node {change.node} "
        f"({change.reply})"
    )


def ask_for_acknowledged(cluster: ChaosCluster, record: Record, chance: random.Random) -> list[str]:
    """Ask every node for some of the records that must be there; return what it got wrong."""
    removed = {id(change.removes) for change in record.changes if change.removes is not None}
    there = [
        change for change in record.changes
        if change.kind == "record" and change.value and change.outcome == DONE
        and id(change) not in removed
    ]  # fmt: skip
    wrong = []
    for n in cluster.processes:
        for change in chance.sample(there, min(ASKED_PER_NODE, len(there))):
            found = cluster.values(n, change.name)
            if found != [change.value]:
                wrong.append(f"node {n} answers {found}: {_text(change)}")
    return wrong
