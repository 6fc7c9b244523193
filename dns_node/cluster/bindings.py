"""Which connected peer is which member, and what it may say (DESIGN invariant I7)."""

from typing import Protocol

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
    """The connected peers against the member table {node: (uuid, role)}, which is empty before a
    cluster is formed: then ids are taken as they are said."""

    def __init__(self) -> None:
        self.members: dict[str, tuple[str, str]] = {}
        self.peers: dict[str, Named] = {}
        self.up: dict[str, bool] = {}
        """The peers that take part -> whether they follow without a vote."""

    def is_bound(self, node: str) -> bool:
        """Return whether the peer that is connected as *node* is the member of that id."""
        if not self.members:
            return True
        uuid, _ = self.members.get(node, ("", ""))
        return bool(uuid) and node in self.peers and self.peers[node].uuid == uuid

    def may_say(self, node: str, message: Message) -> bool:
        """Return whether *message* counts.  Votes, acks and the wish to hand over count only from
        the member of that id, by uuid; entries may come from a leader that this node has yet to
        hear of."""
        if isinstance(message, Ack | ResponseVote | RequestVote | TimeoutNow):
            return self.is_bound(node)
        return node not in self.members or self.is_bound(node)

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
