"""Reading a configuration file into `Settings`, with everything that is wrong said at once."""

import dataclasses
import json
import os
import re
from typing import Any

from dns_node.config.consistency import check_consistency
from dns_node.config.schema import General, NodeEntry, Settings
from dns_node.config.section import read_section, refuse_unknown_key
from dns_node.config.shape import UNREADABLE, Reading, describe
from dns_node.errors import InputError, Problem

_NODE_ID = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")

EMBEDDED = {
    "nodes": {
        "0": {
            "raft_loc": "127.0.0.1:4321",
            "query_loc": "127.0.0.1:10053",
            "zone_files": ["zone-files/zf0.txt"],
            # Not data/node-0: that is node 0 of dns-config.json, and a node that has been a
            # cluster of one never becomes part of three.
            "data_dir": "data/alone",
        }
    }
}
"""The configuration that holds when none is named: a cluster of one."""


def load(path: str, *, may_lack_nodes: bool = False) -> Settings:
    """Return the settings of the configuration file *path*.

    Relative paths in it count from its own directory.  Raises InputError that holds every
    problem: for JSON that can't be read ``file:line:column``, else the JSON path of each key.
    With *may_lack_nodes* (a node that joins) the list of nodes may be absent.
    """
    try:
        with open(path, encoding="utf-8") as file:
            source_text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError([Problem(path, f"the configuration can't be read: {reason}.")]) from None
    value = _parse_json(path, source_text)
    return parse(
        value,
        base_dir=os.path.dirname(os.path.abspath(path)),
        source=path,
        may_lack_nodes=may_lack_nodes,
    )


def embedded(base_dir: str) -> Settings:
    """Return the settings that hold without a configuration file: one node, a cluster of one, its
    data in ``data/alone`` and its zone in ``zone-files/zf0.txt`` below *base_dir*."""
    settings = parse(EMBEDDED, base_dir=base_dir)
    zone_files = tuple(
        zone_file for zone_file in settings.nodes["0"].zone_files if os.path.exists(zone_file.file)
    )
    entry = dataclasses.replace(settings.nodes["0"], zone_files=zone_files)
    return dataclasses.replace(settings, nodes={"0": entry})


def parse(
    value: Any, *, base_dir: str = "/", source: str = "", may_lack_nodes: bool = False
) -> Settings:
    """Return the settings of a configuration that is parsed JSON already; raises InputError."""
    reading = Reading(base_dir)
    if not isinstance(value, dict):
        raise InputError([Problem(source, f"expected an object, found {describe(value)}.")])
    nodes = _read_nodes(value, reading, may_lack_nodes)
    general_keys = {name: part for name, part in value.items() if name != "nodes"}
    general = _read_general(general_keys, reading)
    if reading.problems:
        raise InputError(_in_file(source, reading.problems))
    settings = Settings(
        **{field.name: getattr(general, field.name) for field in dataclasses.fields(General)},
        nodes=nodes,
        source=source,
        base_dir=base_dir,
        advice=(),
    )
    problems, advice = check_consistency(settings)
    if problems:
        raise InputError(_in_file(source, problems))
    return dataclasses.replace(settings, advice=tuple(advice))


def _read_general(value: dict[str, Any], reading: Reading) -> Any:
    # "nodes" is a key of the file though not of General: "node" must be told about it.
    known = {field.name: field for field in dataclasses.fields(General)}
    unknown = [name for name in value if name not in known]
    for name in unknown:
        refuse_unknown_key(name, {**known, "nodes": None}, "", reading)
    known_keys = {name: part for name, part in value.items() if name in known}
    return read_section(General, known_keys, "", reading)


def _read_nodes(
    value: dict[str, Any], reading: Reading, may_lack_nodes: bool
) -> dict[str, NodeEntry]:
    nodes = value.get("nodes", {} if may_lack_nodes else None)
    if not isinstance(nodes, dict) or not (nodes or may_lack_nodes):
        found = "nothing" if nodes is None else "none" if nodes == {} else describe(nodes)
        cure = 'For example {"0": {"raft_loc": "127.0.0.1:4321", "query_loc": "127.0.0.1:10053"}}.'
        reading.refuse("nodes", f"expected an object of at least one node, found {found}.", cure)
        return {}
    entries = {}
    for node_id, raw in nodes.items():
        path = f"nodes.{node_id}"
        if not is_node_id(node_id):
            reading.refuse(path, "a node's id is 1 to 32 of A-Z, a-z, 0-9, _ and -.")
        entry = read_section(NodeEntry, raw, path, reading)
        if entry is not UNREADABLE:
            entries[node_id] = entry
    return entries


def is_node_id(text: str) -> bool:
    """Return whether *text* may be a node's id."""
    return _NODE_ID.match(text) is not None


def _in_file(source: str, problems: list[Problem]) -> list[Problem]:
    """Return the problems with the file's name before each JSON path."""
    if not source:
        return problems
    return [Problem(f"{source}: {one.where}", one.what, one.cure) for one in problems]


def _parse_json(path: str, source_text: str) -> Any:
    doubled: list[str] = []

    def pairs_to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        names = [name for name, _ in pairs]
        doubled.extend(name for name in found if names.count(name) > 1)
        return found

    try:
        value = json.loads(source_text, object_pairs_hook=pairs_to_object)
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}:{error.colno}"
        raise InputError([Problem(where, f"this is no JSON: {error.msg}.")]) from None
    except RecursionError:
        problem = Problem(path, "this is nested too deeply to be a configuration.")
        raise InputError([problem]) from None
    if doubled:
        raise InputError(
            [Problem(path, f'the key "{name}" stands twice in one object.', "Remove one of them.")
             for name in doubled]
        )  # fmt: skip
    return value
