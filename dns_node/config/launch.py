"""A launch: what the command line and the configuration say together, for one node."""

import os
from dataclasses import dataclass, replace

from dns_node.config.address import parse_address
from dns_node.config.load import embedded, is_node_id, load, parse
from dns_node.config.schema import Node, NodeEntry, Settings, ZoneFile
from dns_node.errors import InputError, Problem

JOINER_RAFT_LOC = "127.0.0.1:4324"
"""Where a node that is in no configuration listens for the others, unless told otherwise: the
address after those of the shipped three nodes."""

JOINER_QUERY_LOC = "127.0.0.1:10083"
"""Where a node that is in no configuration answers DNS, unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What the command line said; None or empty where it said nothing."""

    node_id: str | None = None
    config: str | None = None
    zone_files: tuple[str, ...] = ()
    is_silent: bool = False
    data_dir: str | None = None
    workers: int | None = None
    join: str | None = None
    token: str | None = None
    raft_loc: str | None = None
    query_loc: tuple[str, ...] = ()
    home: str = "."
    """The directory whose ``data`` and ``zone-files`` serve where no configuration is named."""


@dataclass(frozen=True, slots=True)
class Join:
    """How a new node gets in: a member's raft address, and the one-time token (may be '' when
    this data directory belongs to the cluster already)."""

    member: str
    token: str


@dataclass(frozen=True, slots=True)
class Launch:
    """All that the supervisor needs to run one node.

    *node* has the command line's overrides in it; *arguments* is kept so that a reload can go the
    same way again.
    """

    settings: Settings
    node: Node
    join: Join | None
    arguments: Arguments

    @property
    def is_silent(self) -> bool:
        """Whether the console prints no prompt, banner or start-up lines (``-s``)."""
        return self.arguments.is_silent


def prepare(arguments: Arguments) -> Launch:
    """Return what to run; reads the configuration file, and raises InputError with every problem
    when it, or the command line, is wrong."""
    settings = _settings(arguments)
    node_id = arguments.node_id if arguments.node_id is not None else "0"
    if node_id not in settings.nodes:
        entry = _joiner(arguments, settings)
        settings = replace(settings, nodes={**settings.nodes, node_id: entry})
    elif arguments.raft_loc or arguments.query_loc:
        raise _refusal(
            f"--node {node_id}", "its addresses are in the configuration already.",
            "Leave out --raft-loc and --query-loc, or change the file.",
        )  # fmt: skip
    node = _override(settings.node(node_id), arguments)
    if arguments.workers is not None:
        settings = replace(settings, workers=arguments.workers)
    join = Join(arguments.join, arguments.token or "") if arguments.join is not None else None
    return Launch(settings, node, join, arguments)


def data_dir_of(arguments: Arguments) -> str:
    """Return the data directory that *arguments* mean, for ``ctl``; raises InputError."""
    if arguments.data_dir is not None:
        return os.path.abspath(arguments.data_dir)
    if arguments.node_id is None:
        return prepare(arguments).node.data_dir
    # A node that joined is in no configuration, and has its place all the same.
    return prepare(replace(arguments, join="")).node.data_dir


def _settings(arguments: Arguments) -> Settings:
    if arguments.node_id is not None and not is_node_id(arguments.node_id):
        raise _refusal("--node", "a node's id is 1 to 32 of A-Z, a-z, 0-9, _ and -.")
    if arguments.join:
        _address("--join", arguments.join)
    if arguments.config is not None:
        if arguments.node_id is None:
            raise _refusal("--config", "says nothing of which node to run.", "Add -n ID.")
        return load(arguments.config, may_lack_nodes=arguments.join is not None)
    if arguments.node_id is None and arguments.join is None:
        return embedded(os.path.abspath(arguments.home))
    if arguments.node_id is None:
        raise _refusal("--join", "the new node has no id.", "Add -n ID.")
    if arguments.join is None:
        raise _refusal(
            "--node", "says nothing of where the node's settings are.",
            "Add -c FILE, or --join HOST:PORT for a node that is in no configuration.",
        )  # fmt: skip
    return parse({}, base_dir=os.path.abspath(arguments.home), may_lack_nodes=True)


def _joiner(arguments: Arguments, settings: Settings) -> NodeEntry:
    """The entry of a node that is in no configuration, from the command line."""
    node_id = arguments.node_id
    if arguments.join is None:
        known = ", ".join(settings.nodes)
        raise _refusal(
            f"--node {node_id}", f"{arguments.config} has no such node; it has {known}.",
            "Use one of those, or --join HOST:PORT --token T for a new node.",
        )  # fmt: skip
    entry = {
        "raft_loc": arguments.raft_loc or JOINER_RAFT_LOC,
        "query_loc": list(arguments.query_loc) or JOINER_QUERY_LOC,
    }
    tls = settings.cluster.tls
    names = {"ca": tls.ca, "certificate": tls.certificate, "key": tls.key} if tls else None
    # The same checks as for a node of a file: addresses, loopback or TLS.
    alone = parse({"nodes": {node_id: entry}, "cluster": {"tls": names}})
    return alone.nodes[str(node_id)]


def _override(node: Node, arguments: Arguments) -> Node:
    files = tuple(ZoneFile(os.path.abspath(path), None) for path in arguments.zone_files)
    node = replace(node, zone_files=node.zone_files + files)
    if arguments.data_dir is not None:
        node = replace(node, data_dir=os.path.abspath(arguments.data_dir))
    return node


def _address(option: str, text: str) -> None:
    try:
        parse_address(text)
    except ValueError as error:
        raise _refusal(option, f"{error}.", 'Expected "HOST:PORT" of a member.') from None


def _refusal(where: str, what: str, cure: str = "") -> InputError:
    return InputError([Problem(where, what, cure)])
