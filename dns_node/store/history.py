"""History rows: what each revision changed, who asked for it, by which door and why."""

import msgspec

from dns_node.zone.rrset import RRset, WireName


class RRsetDiff(msgspec.Struct, frozen=True, array_like=True):
    """One RRset of one revision, *before* and *after* (None: it did not exist)."""

    owner: WireName
    rrtype: int
    before: RRset | None
    after: RRset | None


class ZoneDiff(msgspec.Struct, frozen=True, array_like=True):
    """What one revision did to the zone at *apex*.

    A zone id of 0 (and serial -1) means that there was no zone before, or is none after.  With two
    different ids other than 0 the contents were swapped (publish, restore) and *diff* is empty;
    so it is for a zone that was dropped, or created by an import.  The SOA is in *diff* only when
    more than its serial changed.
    """

    apex: WireName
    serial_before: int
    serial_after: int
    zone_id_before: int
    zone_id_after: int
    diff: tuple[RRsetDiff, ...] = ()


class KeyDiff(msgspec.Struct, frozen=True, array_like=True):
    """One key of the key-value space, *before* and *after* (None: it was absent)."""

    key: str
    before: str | None
    after: str | None


class HistoryRow(msgspec.Struct, frozen=True, array_like=True):
    """One revision.  *at_ms* is when it was proposed (Unix time); *others* says in words what else
    changed (members, tokens, remembered zone files), which UNDO does not cover."""

    revision: int
    at_ms: int
    door: str
    actor: str
    reason: str
    zones: tuple[ZoneDiff, ...]
    keys: tuple[KeyDiff, ...] = ()
    others: tuple[str, ...] = ()


def compose_history(row: HistoryRow) -> bytes:
    """Return the value of table `history`; its key is the revision as u64."""
    return _encoder.encode(row)


def parse_history(value: bytes) -> HistoryRow:
    """Return the row that `compose_history` wrote."""
    return _decoder.decode(value)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(HistoryRow)
