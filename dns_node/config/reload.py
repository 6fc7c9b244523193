"""What a reload of the configuration does: pure comparison of two settings."""

from dataclasses import dataclass

from dns_node.config.schema import Settings
from dns_node.config.section import leaves


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that differs: its JSON path, and both values as Python shows them."""

    path: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.path}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a reload changes at once (*live*) and what waits for the next start (*restart*)."""

    live: tuple[Difference, ...]
    restart: tuple[Difference, ...]


def plan(old: Settings, new: Settings, node_id: str) -> Plan:
    """Return what changes for the node *node_id* when *old* becomes *new*.

    Other nodes' entries are of no concern: the members' addresses live in the cluster, not in
    the file.  An entry that was removed keeps the running node as it is and waits for a stop.
    """
    live: list[Difference] = []
    restart: list[Difference] = []
    before = {path: (value, is_live) for path, value, is_live in leaves(old)}
    before.update(_of_node(old, node_id))
    after = {path: (value, is_live) for path, value, is_live in leaves(new)}
    after.update(_of_node(new, node_id))
    for path in [*before, *(path for path in after if path not in before)]:
        old_value, is_live = before.get(path, (None, False))
        new_value, _ = after.get(path, (None, False))
        if old_value != new_value:
            difference = Difference(path, _shown(old_value), _shown(new_value))
            (live if is_live else restart).append(difference)
    return Plan(tuple(live), tuple(restart))


def _of_node(settings: Settings, node_id: str) -> dict[str, tuple[object, bool]]:
    if node_id not in settings.nodes:
        return {}
    entry = leaves(settings.nodes[node_id], f"nodes.{node_id}")
    return {path: (value, is_live) for path, value, is_live in entry}


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value)
