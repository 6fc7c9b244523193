"""Reading a whole store and holding its rows against the digests and counts that it states."""

import struct
from collections.abc import Iterator

import msgspec

from dns_node.store import layout
from dns_node.store.lmdb_view import LmdbView
from dns_node.store.rows import Tally
from dns_node.store.tallies import Tallying, tally_of
from dns_node.zone.names import name_text
from dns_node.zone.rrset import WireName
from dns_node.zone.soa import soa_serial
from dns_node.zone.view import ZoneHeader

DIGESTED = "zones", "kv", "files", "members", "tokens"
"""The tables whose rows the digest of the store is the sum of (see `store.transaction`)."""

SOA = 6
_UNREADABLE = AssertionError, IndexError, ValueError, struct.error, msgspec.MsgspecError


def audit(view: LmdbView) -> list[str]:
    """Return what is wrong with the store that *view* sees, one line each; [] when every row is
    accounted for.  Reads every published row."""
    try:
        found = [line for apex, header in view.zones() for line in _zone(view, apex, header)]
        if digest_of(view) != view.digest():
            found.append("the rows of the store do not have the digest that it states")
        return found
    except _UNREADABLE as error:
        return [f"a row can't be read: {error!r}"]


def digest_of(view: LmdbView) -> str:
    """Return the digest of the store, computed from its rows: 64 hexadecimal digits."""
    total = 0
    for table in DIGESTED:
        for key, value in view.rows_of(table):
            total += layout.store_row_hash(table.encode(), key, value)
    return (total % layout.DIGEST_MODULUS).to_bytes(32, "big").hex()


def _zone(view: LmdbView, apex: WireName, header: ZoneHeader) -> Iterator[str]:
    tallying = Tallying(Tally())
    prefix = layout.zone_id_prefix(header.zone_id)
    for key, row in view.rows_of("names", prefix):
        if not key.startswith(prefix):
            break
        layout.parse_node(row)
        tallying.put(key, row)
    name = name_text(apex)
    found = tallying.result()
    if found != tally_of(header):
        yield (f"zone {name} has {found.records} records of digest {found.digest.hex()[:16]}, "
               f"and states {header.records} of {header.digest.hex()[:16]}")  # fmt: skip
    soa = (view.node(header.zone_id, apex) or {}).get(SOA)
    if soa is None or soa_serial(soa.rdatas[0]) != header.serial:
        yield f"zone {name} states serial {header.serial}, which its SOA has not"
