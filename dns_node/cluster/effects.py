"""What an accepted command writes: plain values, decided before the first write."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dns_node.cluster.command import Member
from dns_node.store.history import HistoryRow
from dns_node.store.rows import DeadZone, Stage, Tally
from dns_node.zone.change import SourceKey
from dns_node.zone.rrset import Node, WireName
from dns_node.zone.view import SourceHeader, ZoneHeader


@dataclass(slots=True)
class RowsChange:
    """Nodes to write under *zone_id* (None: no records any more), whose rows are tallied as
    *tally* before."""

    zone_id: int
    tally: Tally
    changed: Mapping[WireName, Node | None]


@dataclass(slots=True)
class ZoneChange:
    """The zone at *apex*: publish *header* (its counts and digest come from *rows*), or withdraw
    it when that is None."""

    apex: WireName
    header: ZoneHeader | None
    rows: RowsChange | None


@dataclass(slots=True)
class SourceChange:
    """The memory of one managed zone file, and the rows to write under its header's zone id."""

    key: SourceKey
    header: SourceHeader
    changed: Mapping[WireName, Node | None]


@dataclass(slots=True)
class StageChange:
    """One stage: its new *header* (None: delete it all), and slices or rows to write."""

    header: Stage | None
    slices: dict[int, bytes] = field(default_factory=dict)
    rows: Mapping[WireName, Node] = field(default_factory=dict)


@dataclass(slots=True)
class Effects:
    """All writes of one command.  *revision* and *history* are set when it made a revision."""

    revision: int | None = None
    history: HistoryRow | None = None
    next_zone_id: int = 0
    zones: list[ZoneChange] = field(default_factory=list)
    retired: dict[WireName, int] = field(default_factory=dict)
    dead: dict[int, DeadZone | None] = field(default_factory=dict)
    sources: list[SourceChange] = field(default_factory=list)
    keys: dict[str, str | None] = field(default_factory=dict)
    members: dict[str, Member | None] = field(default_factory=dict)
    tokens: dict[bytes, int | None] = field(default_factory=dict)
    cluster_uuid: str | None = None
    schema: int | None = None
    stages: dict[bytes, StageChange] = field(default_factory=dict)
    horizons: tuple[int, int] | None = None
    also_recorded: bytes | None = None
    """The operation id of the staged command that was run, when it is another one."""
