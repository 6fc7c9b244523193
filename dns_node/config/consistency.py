"""What has to hold between the keys of a configuration."""

import pwd
from collections.abc import Iterator, Sequence

from dns_node.config.address import Address
from dns_node.config.schema import NodeEntry, Settings
from dns_node.errors import Problem

_LOOPBACK_CURE = "Use a loopback address, or make certificates with `dns-node certs init DIR`"


def check_consistency(settings: Settings) -> tuple[list[Problem], list[str]]:
    """Return every contradiction in *settings*, and advice about what works but may surprise."""
    problems = [
        *_check_raft_locs(settings),
        *_check_kv_locs(settings),
        *_check_ports(settings),
        *_check_directories(settings),
        *_check_user(settings),
    ]
    return problems, list(_advise(settings))


def _check_raft_locs(settings: Settings) -> Iterator[Problem]:
    if settings.cluster.tls is not None:
        return
    for node_id, entry in settings.nodes.items():
        if not entry.raft_loc.is_loopback:
            yield Problem(
                f"nodes.{node_id}.raft_loc",
                f"{entry.raft_loc} can be reached from other machines, and cluster.tls is not set.",
                f"{_LOOPBACK_CURE} and name them in cluster.tls.",
            )


def _check_kv_locs(settings: Settings) -> Iterator[Problem]:
    for node_id, entry in settings.nodes.items():
        if entry.kv_loc and not entry.kv_loc.is_loopback and settings.access.kv is None:
            yield Problem(
                f"nodes.{node_id}.kv_loc",
                f"{entry.kv_loc} can be reached from other machines, and the kv protocol asks for "
                "no password.",
                "Use a loopback address, or list in access.kv the networks that may use it.",
            )


def _listeners(entry: NodeEntry) -> list[tuple[str, Address]]:
    found = [("raft_loc", entry.raft_loc)]
    found += [(f"query_loc {address}", address) for address in entry.query_loc]
    return found + ([("kv_loc", entry.kv_loc)] if entry.kv_loc else [])


def _check_ports(settings: Settings) -> Iterator[Problem]:
    """Two listeners that can't both open.  Wildcards of two nodes meet only when their raft
    addresses say that both run on one machine."""
    listeners = [
        (node_id, entry, key, address)
        for node_id, entry in settings.nodes.items()
        for key, address in _listeners(entry)
    ]
    for index, (node_id, entry, key, address) in enumerate(listeners):
        for other_id, other_entry, other_key, other in listeners[:index]:
            is_one_machine = (
                node_id == other_id or entry.raft_loc.host == other_entry.raft_loc.host
            )
            if _collide(address, other, is_one_machine):
                yield Problem(
                    f"nodes.{node_id}.{key.split()[0]}",
                    f"{address} is taken by nodes.{other_id}.{other_key.split()[0]} ({other}).",
                    "Give one of them another port.",
                )


def _collide(one: Address, other: Address, is_one_machine: bool) -> bool:
    if one.port != other.port or one.is_ipv6 != other.is_ipv6:
        return False
    return one.host == other.host and (not one.is_wildcard or is_one_machine) or (
        is_one_machine and (one.is_wildcard or other.is_wildcard)
    )


def _check_directories(settings: Settings) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for node_id in settings.nodes:
        data_dir = settings.node(node_id).data_dir
        if data_dir in taken:
            yield Problem(
                f"nodes.{node_id}.data_dir",
                f"{data_dir} is the data directory of node {taken[data_dir]} too.",
                'Write "{id}" into data_dir, or give each node its own.',
            )
        taken[data_dir] = node_id


def _check_user(settings: Settings) -> Iterator[Problem]:
    if settings.user is None:
        return
    try:
        pwd.getpwnam(settings.user)
    except KeyError:
        yield Problem(
            "user", f'there is no user "{settings.user}" here.', "Create it, or remove the key."
        )


def _advise(settings: Settings) -> Iterator[str]:
    voters = [node_id for node_id, entry in settings.nodes.items() if entry.role == "voter"]
    if settings.nodes and not voters:
        yield "nodes: no node is a voter, so no change can ever be made."
    advice = advise_voters(voters)
    if advice:
        yield f"nodes: {advice}"


def advise_voters(voters: Sequence[str]) -> str:
    """Return what the cluster of these *voters* can't survive and should know; '' for an odd
    number of them."""
    if len(voters) == 2:
        return (
            f"2 voters ({' and '.join(voters)}) tolerate no failure: if either is lost no change "
            "can be made (DNS is answered all the same), and a majority can't form again without "
            "it. Add a third voter, or make one of them a learner."
        )
    if len(voters) and len(voters) % 2 == 0:
        failures = len(voters) // 2 - 1
        return (
            f"{len(voters)} voters tolerate {failures} failure{'s' * (failures > 1)}, as "
            f"{len(voters) - 1} do, and wait for more of them. An odd number is better: add a "
            "voter, or make one of them a learner or an edge."
        )
    return ""
