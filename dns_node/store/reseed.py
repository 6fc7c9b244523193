"""Making a store that of another cluster: one member, and serials above all that was published."""

from dataclasses import dataclass

import msgspec

from dns_node.store import layout, rows
from dns_node.store.history import HistoryRow
from dns_node.store.lmdb_view import LmdbView
from dns_node.store.tallies import tally_of
from dns_node.store.transaction import WriteTransaction
from dns_node.zone.rrset import WireName
from dns_node.zone.soa import is_later, negative_ttl_s, serial_from, with_serial

SOA = 6
INDEX_MIN = 2
"""A journal begins with two entries that the store has applied."""

GAP_MIN = 1_000_000
GAP_MAX = 1 << 30
GAP_PER_S = 1000
"""Changes of one zone per second that are allowed for: more than a disk can make durable."""

_SERIALS = 1 << 32


@dataclass(frozen=True, slots=True)
class Seed:
    """What the new cluster begins with: its uuid, its one member, when (Unix time) and by which
    *door* and *actor*, what HISTORY shall say, and by how much every serial is raised."""

    cluster_uuid: str
    member: rows.MemberRow
    at_ms: int
    door: str
    actor: str
    text: str
    serial_gap: int


def gap_after(elapsed_ms: int) -> int:
    """Return by how much to raise serials when others may have changed the zones for *elapsed_ms*:
    far enough for any rate of changes, and less than half the space (RFC 1982 section 3.2)."""
    return max(GAP_MIN, min(GAP_MAX, elapsed_ms * GAP_PER_S // 1000))


def known_serials(view: LmdbView) -> dict[WireName, int]:
    """Return the latest serial of every zone that is, or was, published."""
    found = {layout.parse_zone_key(key): int.from_bytes(value, "big")
             for key, value in view.rows_of("retired")}  # fmt: skip
    for apex, header in view.zones():
        known = found.get(apex)
        if known is None or is_later(header.serial, known):
            found[apex] = header.serial
    return found


def reseed(transaction: WriteTransaction, seed: Seed, serials: dict[WireName, int]) -> None:
    """Make the store that of the cluster of *seed*, in one new revision; *serials* are those of
    `known_serials`, from before anything was taken back."""
    meta = transaction.meta()
    _raise_serials(transaction, serials, seed.serial_gap)
    for member in transaction.members():
        transaction.put_member(member.node, None)
    transaction.put_member(seed.member.node, seed.member)
    for token_hash, _ in transaction.tokens():
        transaction.put_token(token_hash, None)
    transaction.put_cluster_uuid(seed.cluster_uuid)
    transaction.put_applied(max(meta.applied_index, INDEX_MIN), meta.applied_term)
    revision = meta.revision + 1
    # It names no zones: their contents may be other ones without a difference being recorded.
    row = HistoryRow(revision, seed.at_ms, seed.door, seed.actor, "", (), (), (seed.text,))
    transaction.put_history(row)
    transaction.put_revision(revision, meta.next_zone_id)


def _raise_serials(
    transaction: WriteTransaction, serials: dict[WireName, int], gap: int
) -> None:
    for apex, header in list(transaction.zones()):
        serial = _raised(serials.get(apex, header.serial), gap)
        node = dict(transaction.node(header.zone_id, apex) or {})
        node[SOA] = with_serial(node[SOA], serial)
        tally = transaction.put_rows(header.zone_id, tally_of(header), {apex: node})
        fresh = msgspec.structs.replace(
            header,
            serial=serial,
            negative_ttl_s=negative_ttl_s(node[SOA]),
            **msgspec.structs.asdict(tally),
        )
        transaction.put_zone(apex, fresh)
    for apex, serial in serials.items():
        if transaction.zone(apex) is None:
            transaction.put_retired_serial(apex, _raised(serial, gap))


def _raised(serial: int, gap: int) -> int:
    return serial_from((serial + gap) % _SERIALS)
