"""The file that carries the RRset cache over a restart.

The first line names the form and its version.  Blocks follow: size and CRC-32 of the payload, four
octets each, then the payload, which is a MessagePack list of rows.  Times are those of the clock
that the cache is told, so that an entry is as old after the restart as it is.  What is damaged ends
the file: the cache then starts with what was whole.  The file is as much to be trusted as what it
was made from, so it belongs to the node alone.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import msgspec

from dns_node.resolver.negative import Denied
from dns_node.resolver.question import Held, Security
from dns_node.resolver.rrset_entry import Entry, size_octets_of
from dns_node.zone.rrset import RRset, WireName

MAGIC: Final = b"dns-node RRset cache 1\n"

BLOCK_ROWS: Final = 1000
BLOCK_SIZE_OCTETS_MAX: Final = 128 << 20

_HEAD: Final = struct.Struct(">II")


class _Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entry; *sets* are (owner, RRset, security), one for an RRset, or what tells an
    absence."""

    owner: WireName
    rrtype: int
    is_denied: bool
    security: int
    rank: int
    stored_s: float
    ttl_s: int
    sets: tuple[tuple[WireName, RRset, int], ...]


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[_Row])


def compose_blocks(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the octets of the file piece by piece; `RRsetCache.dump` gives the *entries*."""
    yield MAGIC
    rows = map(_row, entries)
    while block := list(islice(rows, BLOCK_ROWS)):
        payload = _encoder.encode(block)
        yield _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def parse_blocks(octets: bytes | memoryview) -> Iterator[Entry]:
    """Yield the entries of a file, for `RRsetCache.load`, up to the first octet that is wrong.

    Never raises; a file of another form has no entries.
    """
    view = memoryview(octets)
    if bytes(view[: len(MAGIC)]) != MAGIC:
        return
    offset = len(MAGIC)
    while offset + _HEAD.size <= len(view):
        size, checksum = _HEAD.unpack_from(view, offset)
        offset += _HEAD.size
        payload = view[offset : offset + size]
        if len(payload) != size or size > BLOCK_SIZE_OCTETS_MAX or zlib.crc32(payload) != checksum:
            return
        try:
            entries = [_entry(row) for row in _decoder.decode(payload)]
        except (msgspec.DecodeError, ValueError):
            return
        yield from entries
        offset += size


def _row(entry: Entry) -> _Row:
    kept = entry.kept
    owner, rrtype = entry.key
    assert isinstance(kept, Held | Denied), "a failure is not worth a file"
    sets = (kept,) if isinstance(kept, Held) else kept.authority
    return _Row(
        owner,
        rrtype,
        isinstance(kept, Denied),
        int(kept.security),
        entry.rank,
        entry.stored_s,
        entry.ttl_s,
        tuple((held.owner, held.rrset, int(held.security)) for held in sets),
    )


def _entry(row: _Row) -> Entry:
    """Return the entry of *row*; ValueError when it makes no sense."""
    sets = tuple(Held(owner, rrset, Security(security)) for owner, rrset, security in row.sets)
    kept: Held | Denied
    if row.is_denied:
        kept = Denied(row.owner, row.rrtype, sets, Security(row.security))
    else:
        [kept] = sets
    key = row.owner, row.rrtype
    return Entry(key, kept, row.rank, row.stored_s, row.ttl_s, size_octets_of(kept))
