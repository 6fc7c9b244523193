"""What a reader of the store can ask: one interface over LMDB, a draft, and a dict in tests."""

from collections.abc import Iterator
from typing import Protocol

import msgspec

from dns_node.zone.change import SourceKey
from dns_node.zone.rrset import Node, WireName

AUTO = 1
"""Zone flag: created because a name was added; it vanishes with its last record."""


class ZoneHeader(msgspec.Struct, frozen=True):
    """One published zone.

    *kind*: ``primary`` (others come with transfers).  *negative_ttl_s* is min(SOA TTL, MINIMUM)
    (RFC 2308 section 3).  *names*, *records*, *cuts*, *dnames*, *wildcards* count what the zone
    holds, so that a lookup skips searching for what is not there.  *digest* is the 32-octet set
    hash of its rows (without the zone id: equal contents have equal digests).
    *origin* says where the zone came from (a file's path, a door).
    """

    zone_id: int
    serial: int
    flags: int
    kind: str
    negative_ttl_s: int
    names: int
    records: int
    cuts: int
    dnames: int
    wildcards: int
    digest: bytes
    origin: str


class SourceHeader(msgspec.Struct, frozen=True):
    """What is remembered of a managed zone file: the rows under *zone_id* are its last import."""

    zone_id: int
    digest: bytes
    revision: int


class View(Protocol):
    """A consistent view of the store at one revision.  Absent things are None."""

    def revision(self) -> int:
        """Return the number of the last change."""
        ...

    def zone(self, apex: WireName) -> ZoneHeader | None:
        """Return the header of the zone whose apex is exactly *apex*."""
        ...

    def enclosing_zone(self, owner: WireName) -> tuple[WireName, ZoneHeader] | None:
        """Return the zone with the longest apex that is *owner* or an ancestor of it."""
        ...

    def node(self, zone_id: int, owner: WireName) -> Node | None:
        """Return the RRsets at *owner*, or None when no record is there (a name that exists only
        as an empty non-terminal has none)."""
        ...

    def successor(self, zone_id: int, owner: WireName) -> WireName | None:
        """Return the first owner name with records after *owner* in canonical order."""
        ...

    def predecessor(self, zone_id: int, owner: WireName) -> WireName | None:
        """Return the last owner name with records before *owner* in canonical order."""
        ...

    def walk(self, zone_id: int) -> Iterator[tuple[WireName, Node]]:
        """Yield every owner name of the zone with its RRsets, in canonical order."""
        ...

    def zones(self) -> Iterator[tuple[WireName, ZoneHeader]]:
        """Yield every published zone in canonical order of the apexes."""
        ...

    def source(self, key: SourceKey) -> SourceHeader | None:
        """Return what is remembered of a managed zone file."""
        ...

    def sources(self) -> Iterator[tuple[SourceKey, SourceHeader]]:
        """Yield every managed zone file that is remembered."""
        ...

    def value(self, key: str) -> str | None:
        """Return a value of the key-value space."""
        ...
