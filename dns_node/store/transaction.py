"""One write transaction: a view that sees its own writes, and the primitives that write.

The primitives keep the digest of the store: the sum, modulo 2^256, of the SHA-256 of every row of
`zones` (whose header holds the digest of the zone's own rows), `kv`, `files`, `members` and
`tokens`.  What only bounds memory (history, operations, stages, dead rows) is not in it, so that
each node may clean up when it has time.
"""

from collections.abc import Callable, Mapping
from typing import Any, Self

import lmdb
import msgspec

from dns_node.errors import StoreError
from dns_node.store import layout, rows
from dns_node.store.history import HistoryRow, compose_history
from dns_node.store.lmdb_view import LmdbView, Tables
from dns_node.store.tallies import Tallying
from dns_node.zone.change import SourceKey
from dns_node.zone.rrset import Node, WireName
from dns_node.zone.view import SourceHeader, ZoneHeader


class WriteTransaction(LmdbView):
    """Everything until `commit` happens, or nothing of it.

    Every primitive raises StoreError when LMDB refuses (disk full, map full); the transaction is
    then good for `abort` only.  As a context manager it commits, or aborts on an exception.
    """

    def __init__(self, tables: Tables, on_end: Callable[[], None]):
        """Begin a transaction on *tables*; *on_end* is called once, at commit or abort."""
        self._tables = tables
        self._on_end = on_end
        try:
            self._transaction: Any = tables.environment.begin(write=True)
        except lmdb.Error as error:
            raise failure(tables, error) from error
        meta = super().meta()
        self._meta = meta
        self._digest = int.from_bytes(meta.digest, "big")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()

    def commit(self) -> None:
        """Make everything visible at once, with its data on disk; raises StoreError, and then
        nothing of the transaction was done."""
        try:
            digest = (self._digest % layout.DIGEST_MODULUS).to_bytes(32, "big")
            meta = self._meta
            state = layout.compose_state(
                meta.revision,
                meta.applied_index,
                meta.applied_term,
                meta.next_zone_id,
                meta.history_horizon,
                meta.operations_horizon_ms,
                digest,
                meta.schema,
            )
            self._put(b"state", state, self._tables.meta)
            self._transaction.commit()
        except lmdb.Error as error:
            self.abort()
            raise failure(self._tables, error) from error
        except StoreError:
            self.abort()
            raise
        self._end()

    def abort(self) -> None:
        """Undo everything; never raises, and may be called twice."""
        if self._transaction is not None:
            self._transaction.abort()
            self._end()

    def _end(self) -> None:
        self._transaction = None
        self._on_end()

    def meta(self) -> rows.Meta:
        """Return the store as a whole, with what this transaction did so far."""
        digest = (self._digest % layout.DIGEST_MODULUS).to_bytes(32, "big")
        return msgspec.structs.replace(self._meta, digest=digest)

    def revision(self) -> int:
        """Return the number of the last change, of this transaction too."""
        return self._meta.revision

    # What follows writes.  The store's state is kept in memory until the commit.

    def put_applied(self, index: int, term: int) -> None:
        """Record that the log is applied up to *index*, which had *term*."""
        self._change_meta(applied_index=index, applied_term=term)

    def put_revision(self, revision: int, next_zone_id: int) -> None:
        """Record the number of a change and the first zone id that is still free."""
        self._change_meta(revision=revision, next_zone_id=next_zone_id)

    def put_schema(self, schema: int) -> None:
        """Record that the cluster goes on with *schema*."""
        self._change_meta(schema=schema)

    def put_horizons(self, history_revision: int, operations_ms: int) -> None:
        """Forget history before a revision, operations and stages before a time (Unix ms)."""
        self._change_meta(history_horizon=history_revision, operations_horizon_ms=operations_ms)

    def _change_meta(self, **what: int) -> None:
        self._meta = msgspec.structs.replace(self._meta, **what)

    def put_rows(
        self, zone_id: int, tally: rows.Tally, changed: Mapping[WireName, Node | None]
    ) -> rows.Tally:
        """Write the *changed* nodes under *zone_id* (None or empty: no records any more) and
        return the tally afterwards; *tally* is the one before."""
        tallying = Tallying(tally)
        names = self._tables.names
        for owner, node in changed.items():
            key = layout.compose_name_key(zone_id, owner)
            old = self._get(key, names)
            if old is not None:
                tallying.take(key, old)
            if node:
                row = layout.compose_node(owner, node)
                tallying.put(key, row)
                self._put(key, row, names)
            elif old is not None:
                self._delete(key, names)
        return tallying.result()

    def put_staged_rows(self, stage: rows.Stage, nodes: Mapping[WireName, Node]) -> rows.Tally:
        """Write *nodes* under both zone ids of *stage*, and return its tally afterwards."""
        tallying = Tallying(stage.tally)
        names = self._tables.names
        for owner, node in nodes.items():
            key = layout.compose_name_key(stage.zone_id, owner)
            old = self._get(key, names)
            if old is not None:
                tallying.take(key, old)
            row = layout.compose_node(owner, node)
            tallying.put(key, row)
            self._put(key, row, names)
            self._put(layout.compose_name_key(stage.shadow_zone_id, owner), row, names)
        return tallying.result()

    def put_untallied_rows(self, zone_id: int, changed: Mapping[WireName, Node | None]) -> None:
        """Write nodes as `put_rows` does where the caller knows the digest: a source's memory."""
        names = self._tables.names
        for owner, node in changed.items():
            key = layout.compose_name_key(zone_id, owner)
            if node:
                self._put(key, layout.compose_node(owner, node), names)
            else:
                self._delete(key, names)

    def put_zone(self, apex: WireName, header: ZoneHeader | None) -> None:
        """Publish *header* at *apex*, or with None withdraw the zone."""
        value = None if header is None else layout.compose_zone(header)
        self._set("zones", layout.compose_zone_key(apex), value)

    def put_source(self, key: SourceKey, header: SourceHeader | None) -> None:
        """Remember a managed zone file, or with None forget it."""
        value = None if header is None else layout.compose_source(key, header)
        self._set("files", layout.compose_source_key(key), value)

    def put_value(self, key: str, value: str | None) -> None:
        """Set or (None) delete a key of the key-value space."""
        self._set("kv", rows.compose_key(key), None if value is None else value.encode())

    def put_member(self, node: str, member: rows.MemberRow | None) -> None:
        """Record or (None) forget a member."""
        value = None if member is None else rows.compose(member)
        self._set("members", b"m" + node.encode(), value)

    def put_token(self, token_hash: bytes, expires_at_ms: int | None) -> None:
        """Record or (None) forget a join token."""
        value = None if expires_at_ms is None else rows.compose_u64(expires_at_ms)
        self._set("tokens", b"t" + token_hash, value)

    def put_cluster_uuid(self, cluster_uuid: str) -> None:
        """Fix which cluster this store belongs to."""
        self._put(b"cluster", cluster_uuid.encode(), self._tables.meta)
        self._change_cluster(cluster_uuid)

    def _change_cluster(self, cluster_uuid: str) -> None:
        self._meta = msgspec.structs.replace(self._meta, cluster_uuid=cluster_uuid)

    def put_history(self, row: HistoryRow) -> None:
        """Write the history row of one revision."""
        self._put(rows.compose_u64(row.revision), compose_history(row), self._tables.history)

    def put_operation(self, operation_id: bytes, row: rows.OperationRow) -> None:
        """Record the outcome of an operation id."""
        self._put(operation_id, rows.compose(row), self._tables.operations)

    def put_retired_serial(self, apex: WireName, serial: int) -> None:
        """Remember the last serial of a zone that goes."""
        self._put(layout.compose_zone_key(apex), rows.compose_u32(serial), self._tables.retired)

    def put_dead(self, zone_id: int, dead: rows.DeadZone | None) -> None:
        """Record that a zone id is published no more, or (None) that it is again."""
        key = rows.compose_u32(zone_id)
        if dead is None:
            self._delete(key, self._tables.dead)
        else:
            self._put(key, rows.compose(dead), self._tables.dead)

    def put_stage(self, stage: bytes, header: rows.Stage | None) -> None:
        """Write a stage's header, or (None) delete the stage with its slices."""
        stages = self._tables.stages
        if header is not None:
            self._put(rows.compose_stage_key(stage), rows.compose(header), stages)
            return
        value = self._get(rows.compose_stage_key(stage), stages)
        if value is not None:
            for number in range(rows.parse_stage(value).slices):
                self._delete(rows.compose_stage_key(stage, number), stages)
            self._delete(rows.compose_stage_key(stage), stages)

    def put_stage_slice(self, stage: bytes, number: int, octets: bytes) -> None:
        """Write one slice of a staged command."""
        self._put(rows.compose_stage_key(stage, number), octets, self._tables.stages)

    def delete_row(self, table: str, key: bytes) -> None:
        """Delete a row that neither the digest nor a tally covers."""
        self._delete(key, getattr(self._tables, table))

    def _set(self, table: str, key: bytes, value: bytes | None) -> None:
        """Write a row that the digest covers."""
        handle = getattr(self._tables, table)
        old = self._get(key, handle)
        if old == value:
            return
        if old is not None:
            self._digest -= layout.store_row_hash(table.encode(), key, old)
        if value is None:
            self._delete(key, handle)
        else:
            self._digest += layout.store_row_hash(table.encode(), key, value)
            self._put(key, value, handle)

    def _put(self, key: bytes, value: bytes, table: Any) -> None:
        try:
            self._transaction.put(key, value, True, True, False, table)
        except lmdb.Error as error:
            raise failure(self._tables, error) from error

    def _delete(self, key: bytes, table: Any) -> None:
        try:
            self._transaction.delete(key, b"", table)
        except lmdb.Error as error:
            raise failure(self._tables, error) from error


def failure(tables: Tables, error: lmdb.Error) -> StoreError:
    """Return what to tell about *error*: nothing was changed, and how to go on."""
    text = str(error)
    if isinstance(error, lmdb.MapFullError):
        what = "its address space is full"
    elif isinstance(error, lmdb.DiskError) or "No space" in text or "File too large" in text:
        what = "the disk is full"
    elif "Input/output error" in text:
        # LMDB says this of a write that the disk took a part of only.
        what = "the disk is full, or broken"
    else:
        what = text
    return StoreError(
        f"cannot write the store {tables.path}: {what}. Nothing was changed; the node goes on "
        "answering DNS from what it has. Free some space, then changes are taken again."
    )
