"""Going back to an earlier revision by the history rows, from the newest one."""

import msgspec

from dns_node.errors import InputError, Problem, StoreError
from dns_node.store.history import ZoneDiff
from dns_node.store.lmdb_view import LmdbView
from dns_node.store.rows import DeadZone
from dns_node.store.tallies import tally_of
from dns_node.store.transaction import WriteTransaction
from dns_node.zone.names import name_text
from dns_node.zone.rrset import RRset, WireName
from dns_node.zone.view import ZoneHeader

SOA = 6
"""Its serial moves without the history saying so: SOAs are not compared."""


def check_reach(view: LmdbView, revision: int) -> None:
    """Return when the history reaches back to *revision*; InputError with its bounds when not."""
    meta = view.meta()
    earliest = max(meta.history_horizon, 1) - 1
    if earliest <= revision <= meta.revision:
        return
    if revision > meta.revision:
        what, cure = "is not there yet", f"The last revision here is {meta.revision}."
    else:
        what = "is further back than the history that is kept"
        cure = f"The earliest that can be had here is {earliest}; take an older backup."
    raise InputError([Problem(f"revision {revision}", f"{what}.", cure)])


def revision_at(view: LmdbView, at_ms: int) -> int:
    """Return the last revision before the first one that was proposed after *at_ms* (Unix time),
    whatever the clocks of the nodes said later; InputError when the history does not reach so far
    back."""
    meta = view.meta()
    horizon = max(meta.history_horizon, 1)
    for revision in range(horizon, meta.revision + 1):
        row = view.history(revision)
        if row is None:
            raise _gap(revision)
        if row.at_ms > at_ms and revision == horizon:
            what = f"lies before revision {horizon}, where the history that is kept begins."
            cure = "Take an older backup, or name a revision."
            raise InputError([Problem("the time", what, cure)])
        if row.at_ms > at_ms:
            return revision - 1
    return meta.revision


def rewind(transaction: WriteTransaction, revision: int) -> None:
    """Make zones and keys what they were at *revision*.

    What history says in words only stays as it is: members, tokens, remembered zone files.  The
    serials are left for `reseed` to raise; they are wrong before that.  Raises InputError as
    `check_reach` does, and StoreError when history and contents don't fit together.
    """
    check_reach(transaction, revision)
    for number in range(transaction.revision(), revision, -1):
        row = transaction.history(number)
        if row is None:
            raise _gap(number)
        for zone in reversed(row.zones):
            _go_back(transaction, number, zone)
        for key in row.keys:
            transaction.put_value(key.key, key.before)


def _go_back(transaction: WriteTransaction, revision: int, zone: ZoneDiff) -> None:
    header = transaction.zone(zone.apex)
    if (0 if header is None else header.zone_id) != zone.zone_id_after:
        raise _misfit(revision, zone)
    if header is not None and zone.zone_id_before == zone.zone_id_after:
        _put_rrsets_back(transaction, revision, zone, header)
        return
    if header is not None:
        # An earlier revision may have published it, since UNDO brings ids back to life.
        transaction.put_dead(header.zone_id, DeadZone(revision, zone.apex, header))
    before = None
    if zone.zone_id_before:
        dead = transaction.dead_zone(zone.zone_id_before)
        if dead is None or dead.apex != zone.apex:
            raise _misfit(revision, zone)
        before = dead.header
        transaction.put_dead(zone.zone_id_before, None)
    transaction.put_zone(zone.apex, before)


def _put_rrsets_back(
    transaction: WriteTransaction, revision: int, zone: ZoneDiff, header: ZoneHeader
) -> None:
    changed: dict[WireName, dict[int, RRset]] = {}
    for entry in zone.diff:
        node = changed.get(entry.owner)
        if node is None:
            node = changed[entry.owner] = dict(transaction.node(header.zone_id, entry.owner) or {})
        if entry.rrtype != SOA and node.get(entry.rrtype) != entry.after:
            raise _misfit(revision, zone)
        if entry.before is None:
            node.pop(entry.rrtype, None)
        else:
            node[entry.rrtype] = entry.before
    tally = transaction.put_rows(header.zone_id, tally_of(header), changed)
    fresh = msgspec.structs.replace(header, **msgspec.structs.asdict(tally))
    transaction.put_zone(zone.apex, fresh)


def _gap(revision: int) -> StoreError:
    return StoreError(f"the history lacks revision {revision}; name a later one.")


def _misfit(revision: int, zone: ZoneDiff) -> StoreError:
    return StoreError(
        f"the contents of zone {name_text(zone.apex)} before revision {revision} are not kept; "
        f"revision {revision} is the earliest that can be had here."
    )
