"""A view over one LMDB transaction: what reader and writer have in common.

LMDB is used through py-lmdb only, with the 0.9 file format (``lib_version=0``), so that a native
reader of that line can share the environment.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb

from dns_node.errors import StoreError
from dns_node.store import layout, rows
from dns_node.store.history import HistoryRow, parse_history
from dns_node.zone.change import SourceKey
from dns_node.zone.rrset import Node, WireName
from dns_node.zone.view import SourceHeader, ZoneHeader

MAP_SIZE_OCTETS = 1 << 40
TABLES = (
    "zones", "names", "history", "kv", "files", "operations", "members", "tokens", "meta",
    "stages", "retired", "dead",
)  # fmt: skip


class Tables:
    """The open environment of one store generation and its tables' handles."""

    def __init__(self, path: Path, *, may_write: bool, is_file: bool = False):
        """Open the environment at *path*, a directory, or with *is_file* a file that nobody writes
        (so it needs no lock); raises StoreError when that can't be done."""
        self.path = path
        try:
            self.environment = lmdb.open(
                str(path),
                lib_version=0,
                map_size=MAP_SIZE_OCTETS,
                metasync=False,
                sync=True,
                max_dbs=16,
                max_readers=512,
                subdir=not is_file,
                create=may_write,
                readonly=not may_write,
                lock=not is_file,
            )
        except lmdb.Error as error:
            raise StoreError(f"cannot open the store {path}: {error}.") from error
        try:
            for table in TABLES:
                handle = self.environment.open_db(table.encode(), create=may_write)
                setattr(self, table, handle)
        except lmdb.Error as error:
            self.environment.close()
            raise StoreError(f"{path} is no store of this release: {error}.") from error

    def __getattr__(self, table: str) -> Any:
        raise AttributeError(table)

    def close(self) -> None:
        """Close the environment; views over it may not be used any more."""
        self.environment.close()


class LmdbView:
    """Implements `View` and `rows.StateView` over the transaction in ``_transaction``."""

    _tables: Tables
    _transaction: Any

    def _get(self, key: bytes, table: Any) -> bytes | None:
        value: bytes | None = self._transaction.get(key, None, table)
        return value

    def _cursor(self, table: Any) -> Any:
        return self._transaction.cursor(table)

    def meta(self) -> rows.Meta:
        """Return the store as a whole."""
        state = self._get(b"state", self._tables.meta)
        assert state is not None, "a store is created with its state row"
        return rows.Meta(*layout.parse_state(state), self.cluster_uuid())

    def cluster_uuid(self) -> str:
        """Return the uuid of the cluster, '' before it formed."""
        return (self._get(b"cluster", self._tables.meta) or b"").decode()

    def revision(self) -> int:
        """Return the number of the last change."""
        return self.meta().revision

    def applied(self) -> tuple[int, int]:
        """Return (index, term) of the last applied log entry; (0, 0) in a new store."""
        meta = self.meta()
        return meta.applied_index, meta.applied_term

    def digest(self) -> str:
        """Return the store's set digest, 64 hexadecimal digits (DESIGN invariant I2)."""
        return self.meta().digest.hex()

    def zone(self, apex: WireName) -> ZoneHeader | None:
        """Return the header of the zone whose apex is exactly *apex*."""
        value = self._get(layout.compose_zone_key(apex), self._tables.zones)
        return None if value is None else layout.parse_zone(value)

    def enclosing_zone(self, owner: WireName) -> tuple[WireName, ZoneHeader] | None:
        """Return the zone with the longest apex that is *owner* or an ancestor of it."""
        get, zones = self._transaction.get, self._tables.zones
        key = layout.compose_zone_key(owner)
        at = 0
        while True:
            value = get(key, None, zones)
            if value is not None:
                return owner[at:], layout.parse_zone(value)
            if len(key) == 1:
                return None
            at += owner[at] + 1
            # The key of the parent is this key without its last label; the first octet is 00 too.
            key = key[: key.rfind(b"\0", 0, -1) + 1]

    def node(self, zone_id: int, owner: WireName) -> Node | None:
        """Return the RRsets at *owner*, or None when no record is there."""
        value = self._transaction.get(
            layout.compose_name_key(zone_id, owner), None, self._tables.names
        )
        return None if value is None else layout.parse_node(value)

    def successor(self, zone_id: int, owner: WireName) -> WireName | None:
        """Return the first owner name with records after *owner* in canonical order."""
        cursor = self._cursor(self._tables.names)
        key = layout.compose_name_key(zone_id, owner)
        if not cursor.set_range(key) or (cursor.key() == key and not cursor.next()):
            return None
        return self._owner_in(zone_id, cursor.key())

    def predecessor(self, zone_id: int, owner: WireName) -> WireName | None:
        """Return the last owner name with records before *owner* in canonical order."""
        cursor = self._cursor(self._tables.names)
        found = (
            cursor.prev()
            if cursor.set_range(layout.compose_name_key(zone_id, owner))
            else cursor.last()
        )
        return self._owner_in(zone_id, cursor.key()) if found else None

    def _owner_in(self, zone_id: int, key: bytes) -> WireName | None:
        if key[:4] != layout.zone_id_prefix(zone_id):
            return None
        return layout.parse_owner_key(key[4:])

    def walk(self, zone_id: int) -> Iterator[tuple[WireName, Node]]:
        """Yield every owner name of the zone with its RRsets, in canonical order."""
        prefix = layout.zone_id_prefix(zone_id)
        for key, value in self._from(self._tables.names, prefix):
            if key[:4] != prefix:
                return
            yield layout.parse_owner_key(key[4:]), layout.parse_node(value)

    def rows_of(self, table: str, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) of a table from *start* on; nothing may be written meanwhile."""
        return self._from(getattr(self._tables, table), start)

    def _from(self, table: Any, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        cursor = self._cursor(table)
        if cursor.set_range(start) if start else cursor.first():
            yield from cursor

    def zones(self) -> Iterator[tuple[WireName, ZoneHeader]]:
        """Yield every published zone in canonical order of the apexes."""
        for key, value in self._from(self._tables.zones):
            yield layout.parse_zone_key(key), layout.parse_zone(value)

    def source(self, key: SourceKey) -> SourceHeader | None:
        """Return what is remembered of a managed zone file."""
        value = self._get(layout.compose_source_key(key), self._tables.files)
        return None if value is None else layout.parse_source(value)[1]

    def sources(self) -> Iterator[tuple[SourceKey, SourceHeader]]:
        """Yield every managed zone file that is remembered."""
        for _, value in self._from(self._tables.files):
            yield layout.parse_source(value)

    def value(self, key: str) -> str | None:
        """Return a value of the key-value space."""
        if len(key.encode()) > rows.KEY_OCTETS_MAX:
            return None
        value = self._get(rows.compose_key(key), self._tables.kv)
        return None if value is None else value.decode()

    def operation(self, operation_id: bytes) -> bytes | None:
        """Return the encoded outcome of *operation_id*, None when unknown or forgotten."""
        value = self._get(operation_id, self._tables.operations)
        return None if value is None else rows.parse_operation(value).outcome

    def history(self, revision: int) -> HistoryRow | None:
        """Return the history row of *revision*, None when trimmed or in the future."""
        if revision < self.meta().history_horizon:
            return None
        value = self._get(rows.compose_u64(revision), self._tables.history)
        return None if value is None else parse_history(value)

    def histories(self, apex: WireName | None, limit: int) -> list[HistoryRow]:
        """Return the last *limit* history rows, newest first; with *apex* only those that changed
        that zone."""
        horizon = self.meta().history_horizon
        found: list[HistoryRow] = []
        cursor = self._cursor(self._tables.history)
        is_there = cursor.last()
        while is_there and len(found) < limit and rows.parse_u64(cursor.key()) >= horizon:
            row = parse_history(cursor.value())
            if apex is None or any(zone.apex == apex for zone in row.zones):
                found.append(row)
            is_there = cursor.prev()
        return found

    def retired_serial(self, apex: WireName) -> int | None:
        """Return the last serial of the zone that was at *apex* before."""
        value = self._get(layout.compose_zone_key(apex), self._tables.retired)
        return None if value is None else int.from_bytes(value, "big")

    def dead_zone(self, zone_id: int) -> rows.DeadZone | None:
        """Return what is kept of a zone id that is published no more, None once trimmed."""
        value = self._get(rows.compose_u32(zone_id), self._tables.dead)
        if value is None:
            return None
        dead = rows.parse_dead(value)
        # Garbage is deleted when each node has time: a judgement may not depend on it.
        is_kept = dead.header is not None and dead.revision >= self.meta().history_horizon
        return dead if is_kept else None

    def stage(self, stage: bytes) -> rows.Stage | None:
        """Return the stage, None when there is none or it is older than the horizon."""
        value = self._get(rows.compose_stage_key(stage), self._tables.stages)
        if value is None:
            return None
        found = rows.parse_stage(value)
        return found if found.began_at_ms >= self.meta().operations_horizon_ms else None

    def stage_slice(self, stage: bytes, number: int) -> bytes | None:
        """Return the octets of one slice of a staged command."""
        return self._get(rows.compose_stage_key(stage, number), self._tables.stages)

    def members(self) -> list[rows.MemberRow]:
        """Return the members in the order of their ids."""
        return [rows.parse_member(value) for _, value in self._from(self._tables.members)]

    def member(self, node: str) -> rows.MemberRow | None:
        """Return the member with this id."""
        value = self._get(b"m" + node.encode(), self._tables.members)
        return None if value is None else rows.parse_member(value)

    def token_expiry_ms(self, token_hash: bytes) -> int | None:
        """Return when the join token ends (Unix time), None when it is unknown."""
        value = self._get(b"t" + token_hash, self._tables.tokens)
        return None if value is None else rows.parse_u64(value)

    def tokens(self) -> list[tuple[bytes, int]]:
        """Return (hash, end in ms) of the join tokens in the order of their hashes."""
        return [(key[1:], rows.parse_u64(value)) for key, value in self._from(self._tables.tokens)]
