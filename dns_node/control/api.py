"""What the doors need of a node: the one interface that every verb runs against."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from dns_node.cluster.command import Command, Done, Refused, Unknown
from dns_node.control.options import Options
from dns_node.store.history import HistoryRow
from dns_node.store.rows import StateView
from dns_node.zone.rrset import WireName


@dataclass(frozen=True, slots=True)
class Answer:
    """The one answer to a proposed command.

    After a Done with ``wait`` other than ``node``: the ids of the members whose workers serve the
    revision, of those that did not by the deadline, and of those that the leader does not hear.
    """

    outcome: Done | Refused | Unknown
    visible_on: tuple[str, ...] = ()
    not_visible_on: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What (re)loading zone files did: *lines* to tell the user (warnings, what was proposed, every
    bad line), one answer per origin that was proposed, and whether anything was refused before."""

    lines: tuple[str, ...]
    answers: tuple[Answer, ...] = ()
    has_problems: bool = False


@dataclass(frozen=True, slots=True)
class JoinToken:
    """A token for one join: its text (told once, kept nowhere), when it ends (Unix time), where
    the joiner should turn to ('host:port')."""

    token: str
    expires_at_ms: int
    member: str


class ControlView(StateView, Protocol):
    """A consistent view of the store, with what the doors report beside what judging needs."""

    def digest(self) -> str:
        """Return the set digest of the store, 64 hexadecimal digits."""
        ...

    def applied(self) -> tuple[int, int]:
        """Return index and term of the last applied log entry."""
        ...

    def histories(self, apex: WireName | None, limit: int) -> Iterable[HistoryRow]:
        """Return the newest history rows first, of one zone or of all."""
        ...


class NodeApi(Protocol):
    """The running node, as the doors see it.  Used on the reactor's thread only."""

    @property
    def node_id(self) -> str:
        """This node's configured id."""
        ...

    @property
    def settings(self) -> Any:
        """The settings in force (`dns_node.config.schema.Settings`)."""
        ...

    async def propose(self, command: Command, wait: str = "node") -> Answer:
        """Have *command* ordered, applied and, by *wait*, served; never raises for an outcome."""
        ...

    def view(self) -> AbstractContextManager[ControlView]:
        """Return a context manager over a view of the newest revision; leave it soon, since it
        pins pages.  Raises StoreError."""
        ...

    def status(self) -> Mapping[str, Any]:
        """Return what STATUS prints, in its order: plain values, and mappings of mappings for
        tables (``{"members": {"0": {"role": "voter", …}}}``).

        The keys that others rely on: node, role, leader, term, commit, applied, log entries,
        revision, digest, zones, members, workers.
        """
        ...

    async def reload(self, path: str | None, options: Options) -> LoadReport:
        """Read the managed zone files again (or only that of *path*) and propose differences."""
        ...

    async def load(self, path: str, mode: str | None, options: Options) -> LoadReport:
        """Load one zone file; *mode* is ``merge``, ``replace`` or None."""
        ...

    async def join_token(self, ttl_s: int) -> tuple[JoinToken | None, Answer]:
        """Make a token for one join; the token is None unless the outcome is Done."""
        ...

    async def roll_cookies(self, is_at_once: bool) -> Answer:
        """Give the cluster a new secret of DNS cookies, in stages or at once."""
        ...

    async def add_member(self, node: str, raft_loc: str) -> Answer:
        """Admit *node* at *raft_loc* without a token (``kv join``)."""
        ...

    async def remove_member(self, node: str) -> Answer:
        """Take *node* out of the cluster."""
        ...

    async def ask_workers(
        self, message: dict[str, Any], timeout_s: float = 3.0, only: int | None = None
    ) -> dict[int, dict[str, Any]]:
        """Return what this node's workers say to *message* about recursion, by worker (*only* that
        one); who does not reply in time is left out."""
        ...

    def operation_id(self) -> bytes:
        """Return 16 fresh random octets."""
        ...

    def now_ms(self) -> int:
        """Return the time (Unix, milliseconds)."""
        ...
