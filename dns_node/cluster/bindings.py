"""Which connected peer is which member, and what it may say (DESIGN invariant I7)."""

from collections.abc import Iterable
from typing import Protocol

from dns_node.cluster.codec import CodecError, parse_payload
from dns_node.cluster.command import FormCluster, UnknownSchemaError, parse_entry
from dns_node.cluster.message import Ack, Message, RequestVote, ResponseVote, TimeoutNow


class Named(Protocol):
    """What a connected peer says of itself, or its certificate proves."""

    @property
    def node(self) -> str:
        """Return the configured id."""
        ...

    @property
    def uuid(self) -> str:
        """Return the uuid of the data directory."""
        ...


class Bindings:
    """The connected peers against the member table {node: (uuid, role)}.  Before a cluster is
    formed it is empty: then ids are taken as they are said, unless the log tells already."""

    def __init__(self) -> None:
        self.members: dict[str, tuple[str, str]] = {}
        self.expected: dict[str, tuple[str, str]] = {}
        """The members by the command in the log that forms the cluster, applied or not: an empty
        disk must not vote at a node that had no time to apply it.  No uuid: not heard then."""
        self.peers: dict[str, Named] = {}
        self.up: dict[str, bool] = {}
        """The peers that take part -> whether they follow without a vote."""

    def is_bound(self, node: str) -> bool:
        """Return whether the peer that is connected as *node* is the member of that id."""
        if not self.members:
            uuid, _ = self.expected.get(node, ("", ""))
            return not uuid or (node in self.peers and self.peers[node].uuid == uuid)
        uuid, _ = self.members.get(node, ("", ""))
        return bool(uuid) and node in self.peers and self.peers[node].uuid == uuid

    def may_say(self, node: str, message: Message) -> bool:
        """Return whether *message* counts.  Votes, acks and the wish to hand over count only from
        the member of that id, by uuid.  Entries may come from anyone: from a leader that this node
        has yet to hear of, or that came back with another uuid since.  A majority elected it."""
        if isinstance(message, Ack | ResponseVote | RequestVote | TimeoutNow):
            return self.is_bound(node)
        return True

    def judge(self, node: str) -> bool | None:
        """Return whether *node* has come to take part (True) or takes part no more (False), and
        None when nothing has changed; `up` says how it takes part."""
        is_up = node in self.peers and self.is_bound(node)
        is_readonly = self.members.get(node, ("", ""))[1] in ("learner", "edge")
        if is_up and self.up.get(node) != is_readonly:
            self.up[node] = is_readonly
            return True
        if not is_up and node in self.up:
            del self.up[node]
            return False
        return None


def find_founders(commands: Iterable[bytes]) -> dict[str, tuple[str, str]]:
    """Return {node: (uuid, role)} of the first command that forms a cluster, in the *commands* of
    a log in their order; {} when none does."""
    try:
        for payload in map(parse_payload, commands):
            for command in parse_entry(payload) if payload is not None else ():
                for operation in command.operations:
                    if isinstance(operation, FormCluster):
                        return {each.node: (each.uuid, each.role) for each in operation.members}
    except (CodecError, UnknownSchemaError):
        return {}  # Applying it will say so.
    return {}
