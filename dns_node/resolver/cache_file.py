"""The file that carries the RRset cache over a restart.

The first line names the form and its version.  Blocks follow: size and CRC-32 of the payload, four
octets each, then the payload, which is a MessagePack list of (key, data, end of its time, state)
of entries.  Times are those of the clock that the cache is told, so that the time while nothing ran
counts too.  What is damaged ends
the file: the cache then starts with what was whole.  The file is as much to be trusted as what it
was made from, so it belongs to the node alone.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import msgspec

from dns_node.resolver.rrset_entry import DUE, USED, Entry, check

MAGIC: Final = b"dns-node RRset cache 1\n"

BLOCK_ROWS: Final = 1000

_HEAD: Final = struct.Struct(">II")


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[tuple[bytes, bytes, float, int]])


def compose_blocks(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the octets of the file piece by piece; `RRsetCache.dump` gives the *entries*."""
    yield MAGIC
    rows = (
        (entry.key, entry.packed, entry.expires_s, entry.state & ~(USED | DUE)) for entry in entries
    )
    while block := list(islice(rows, BLOCK_ROWS)):
        payload = _encoder.encode(block)
        yield _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def parse_blocks(octets: bytes | memoryview) -> Iterator[Entry]:
    """Yield the entries of a file, for `RRsetCache.load`, up to the first block with an octet that
    is wrong.

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
        if len(payload) != size or zlib.crc32(payload) != checksum:
            return
        try:
            entries = [Entry(*row) for row in _decoder.decode(payload)]
            for entry in entries:
                check(entry)
        except (msgspec.DecodeError, ValueError, IndexError):
            return
        yield from entries
        offset += size
