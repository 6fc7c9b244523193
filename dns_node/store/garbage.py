"""Deleting, in slices, what lies behind the horizons: rows of dead zone ids, history, operations
and stages.  None of it is in the digest or visible to a judgement, so each node takes its time."""

from dns_node.store import layout, rows
from dns_node.store.transaction import WriteTransaction

EXAMINED_PER_ROW = 8
"""How many operations are looked at for each row that may be deleted."""


class Garbage:
    """What was collected so far; one of them belongs to one writer."""

    def __init__(self) -> None:
        self._operations_from = b""
        self._operations_done_ms = 0
        self._stages_done_ms = 0

    def collect(self, transaction: WriteTransaction, max_rows: int) -> int:
        """Delete about *max_rows* rows at most and return how many; 0 when nothing is left."""
        meta = transaction.meta()
        done = self._stages(transaction, meta.operations_horizon_ms)
        done += self._dead(transaction, meta.history_horizon, max_rows - done)
        done += self._history(transaction, meta.history_horizon, max_rows - done)
        done += self._operations(transaction, meta.operations_horizon_ms, max_rows - done)
        return done

    def _dead(self, transaction: WriteTransaction, horizon: int, max_rows: int) -> int:
        done = 0
        dead = [
            key
            for key, value in transaction.rows_of("dead")
            if (row := rows.parse_dead(value)).header is None or row.revision < horizon
        ]
        for key in dead:
            if done >= max_rows:
                break
            prefix = layout.zone_id_prefix(int.from_bytes(key, "big"))
            deleted = delete_range(transaction, "names", prefix, max_rows - done)
            done += deleted
            if done < max_rows:
                transaction.delete_row("dead", key)
                done += 1
        return done

    def _history(self, transaction: WriteTransaction, horizon: int, max_rows: int) -> int:
        found: list[bytes] = []
        for key, _ in transaction.rows_of("history"):
            if len(found) >= max_rows or rows.parse_u64(key) >= horizon:
                break
            found.append(key)
        return _delete(transaction, "history", found)

    def _operations(self, transaction: WriteTransaction, horizon_ms: int, max_rows: int) -> int:
        if self._operations_done_ms >= horizon_ms or max_rows <= 0:
            return 0
        found: list[bytes] = []
        stored = transaction.rows_of("operations", self._operations_from)
        for looked_at, (key, value) in enumerate(stored):
            if len(found) >= max_rows or looked_at >= max_rows * EXAMINED_PER_ROW:
                self._operations_from = key
                # One more than was deleted: there is more to look at, so this is not the end.
                return _delete(transaction, "operations", found) + 1
            if rows.parse_operation(value).proposed_at_ms < horizon_ms:
                found.append(key)
        self._operations_from = b""
        self._operations_done_ms = horizon_ms
        return _delete(transaction, "operations", found)

    def _stages(self, transaction: WriteTransaction, horizon_ms: int) -> int:
        if self._stages_done_ms >= horizon_ms:
            return 0
        done = 0
        for key, value in list(transaction.rows_of("stages")):
            if len(key) != 1 + key[0]:
                continue  # a slice: it goes with its header
            stage = rows.parse_stage(value)
            if stage.began_at_ms >= horizon_ms:
                continue
            for zone_id in (stage.zone_id, stage.shadow_zone_id):
                if zone_id:
                    transaction.put_dead(zone_id, rows.DeadZone(0))
            transaction.put_stage(key[1:], None)
            done += 1 + stage.slices
        self._stages_done_ms = horizon_ms
        return done


def delete_range(transaction: WriteTransaction, table: str, prefix: bytes, max_rows: int) -> int:
    """Delete up to *max_rows* rows whose keys begin with *prefix*; return how many."""
    found: list[bytes] = []
    for key, _ in transaction.rows_of(table, prefix):
        if len(found) >= max_rows or not key.startswith(prefix):
            break
        found.append(key)
    return _delete(transaction, table, found)


def _delete(transaction: WriteTransaction, table: str, keys: list[bytes]) -> int:
    for key in keys:
        transaction.delete_row(table, key)
    return len(keys)
