"""The replica as membership sees it."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dns_node.cluster.command import Command, Done, Member, Operation, Refused, Unknown
from dns_node.cluster.replica import Replica


class ReplicaLog:
    """`cluster_log.ClusterLog` over *replica*.

    *view()* returns the store's reader (``members``, ``cluster_uuid``, ``token_expiry_ms``) at the
    present revision, which is reset after each use; *now_ms()* and *new_operation_id()* are for
    commands.
    """

    def __init__(
        self,
        replica: Replica,
        view: Callable[[], Any],
        now_ms: Callable[[], int],
        new_operation_id: Callable[[], bytes],
    ) -> None:
        self._replica = replica
        self._view = view
        self._now_ms = now_ms
        self._new_operation_id = new_operation_id

    def is_formed(self) -> bool:
        """Return whether this node takes part in a cluster's log."""
        return self._replica.is_formed

    def form(self, voters: frozenset[str]) -> None:
        """Begin with an empty log among *voters*."""
        self._replica.form(voters)

    def is_leading(self) -> bool:
        """Return whether this node leads and has applied an entry of its own term."""
        status = self._replica.status()
        if status.role != "leader":
            return False
        return self._replica.journal.term_at(status.applied_index) == status.term

    def leader(self) -> str | None:
        """Return the leader's id, if one is known."""
        return self._replica.status().leader

    def voters(self) -> frozenset[str]:
        """Return raft's voters."""
        return self._replica.journal.voters() if self._replica.is_formed else frozenset()

    def members(self) -> Mapping[str, Member]:
        """Return the member table of the store."""
        with self._read() as view:
            rows = view.members()
        return {row.node: Member(row.node, row.uuid, row.role, row.raft_loc) for row in rows}

    def cluster_uuid(self) -> str:
        """Return the cluster's uuid by the store, '' before the first command."""
        with self._read() as view:
            uuid: str = view.cluster_uuid()
        return uuid

    def schema(self) -> int:
        """Return the schema that the store is at."""
        with self._read() as view:
            schema: int = view.meta().schema
        return schema

    def is_token_good(self, token_hash: bytes) -> bool:
        """Return whether that join token exists and has not ended."""
        with self._read() as view:
            expires_at_ms = view.token_expiry_ms(token_hash)
        return expires_at_ms is not None and expires_at_ms > self._now_ms()

    @contextmanager
    def _read(self) -> Iterator[Any]:
        # A follower asks seldom: a view that stays open would pin every page that is freed until
        # the next time, and the store would grow without end.
        view = self._view()
        try:
            yield view
        finally:
            view.reset()

    def lag(self, node: str) -> int | None:
        """Return how many entries *node* is behind this leader, None when that isn't known."""
        return self._replica.lag(node)

    def change_voter(self, node: str, is_added: bool) -> Awaitable[str]:
        """Add or remove a voter; '' when it is committed, else why not."""
        return self._replica.change_voter(node, is_added)

    def transfer_leadership(self) -> bool:
        """Ask the follower that is furthest to lead; return whether one was asked."""
        return self._replica.transfer_leadership()

    def propose(self, operations: tuple[Operation, ...]) -> Awaitable[Done | Refused | Unknown]:
        """Propose one command of the door ``cluster``."""
        command = Command(
            operation_id=self._new_operation_id(),
            proposed_at_ms=self._now_ms(),
            door="cluster",
            actor=self._replica.node,
            operations=operations,
        )
        return self._replica.propose(command)

    def send(self, node: str, kind: str, body: bytes) -> bool:
        """Send a frame of *kind* to *node* over the link."""
        return self._replica.send(node, kind, body)
