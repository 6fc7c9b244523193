"""What membership needs of the replicated log."""

from collections.abc import Awaitable, Mapping
from typing import Protocol

from dns_node.cluster.command import Done, Member, Operation, Refused, Unknown


class ClusterLog(Protocol):
    """What membership asks of the replicated log (`replica_log.ReplicaLog` over a Replica)."""

    def is_formed(self) -> bool:
        """Return whether this node takes part in a cluster's log."""
        ...

    def form(self, voters: frozenset[str]) -> None:
        """Begin with an empty log among *voters* (without a vote if not among them)."""
        ...

    def is_leading(self) -> bool:
        """Return whether this node leads and has applied an entry of its own term (so that the
        member table is not an old one)."""
        ...

    def leader(self) -> str | None:
        """Return the leader's id, if one is known."""
        ...

    def voters(self) -> frozenset[str]:
        """Return raft's voters."""
        ...

    def members(self) -> Mapping[str, Member]:
        """Return the member table of the store."""
        ...

    def cluster_uuid(self) -> str:
        """Return the cluster's uuid by the store, '' before the first command."""
        ...

    def schema(self) -> int:
        """Return the schema that the store is at."""
        ...

    def is_token_good(self, token_hash: bytes) -> bool:
        """Return whether that join token exists and has not ended."""
        ...

    def lag(self, node: str) -> int | None:
        """Return how many entries *node* is behind this leader, None when that isn't known."""
        ...

    def change_voter(self, node: str, is_added: bool) -> Awaitable[str]:
        """Add or remove a voter; '' when it is committed, else why not."""
        ...

    def transfer_leadership(self) -> bool:
        """Ask the follower that is furthest to lead; return whether one was asked."""
        ...

    def propose(self, operations: tuple[Operation, ...]) -> Awaitable[Done | Refused | Unknown]:
        """Propose one command of the door ``cluster``."""
        ...

    def send(self, node: str, kind: str, body: bytes) -> bool:
        """Send a frame of *kind* to *node* over the link."""
        ...
