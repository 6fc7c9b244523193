"""What a reload of the configuration does: what changes live, and what waits for a restart."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from dns_node.config.launch import Launch, prepare
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


def reread(launch: Launch) -> tuple[Launch, Plan]:
    """Read the configuration of *launch* again; return what is in force from now on, and what
    changed.

    In what is in force only the live keys are new: the others stay what the running processes
    were started with.  Raises InputError when the file is wrong by now; then nothing changes.
    """
    again = prepare(launch.arguments)
    settings = _with_live_keys(launch.settings, again.settings)
    entry = launch.settings.nodes[launch.node.id]
    zone_files = again.settings.nodes[launch.node.id].zone_files
    nodes = {launch.node.id: dataclasses.replace(entry, zone_files=zone_files)}
    settings = dataclasses.replace(settings, nodes={**launch.settings.nodes, **nodes})
    node = dataclasses.replace(
        launch.node, zone_files=again.node.zone_files, server_id=again.node.server_id
    )
    now = dataclasses.replace(launch, settings=settings, node=node)
    return now, plan(launch.settings, again.settings, launch.node.id)


def _with_live_keys(old: Any, new: Any) -> Any:
    """Return the section *old* with the live keys of *new*, sections inside walked."""
    changed = {}
    for field in dataclasses.fields(old):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if field.metadata.get("is_live"):
            changed[field.name] = after
        elif dataclasses.is_dataclass(before) and dataclasses.is_dataclass(after):
            changed[field.name] = _with_live_keys(before, after)
    return dataclasses.replace(old, **changed)


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
