"""The block of memory that a node's processes share: the limits of the node, the cookies' secrets.

The supervisor makes it, and it lives as long as the node.  All numbers are unsigned and
little-endian, at offsets that are multiples of their size, so that native code can use them in
place; whoever writes does so by whole numbers.

**Head**, 4096 octets: at 0 the format u64 (1); at 8 a key of 16 random octets, for the hashes; at
64 the secrets of cookies, which the node process writes: version u64 (odd while it writes), count
u64, then up to four of: used from u64, accepted until u64 (Unix time, s), secret 16 octets.

**Cells**, 2^18 numbers u64: the accounts of `rate_limit`.

**Areas**, one per worker, written by that worker alone, 122,880 octets each: at 0 the number of
notices written so far u64, at 64 a ring of 64 notices, at 18,496 the number of TCP connections
that are open u64, at 20,480 a table of 16,384 numbers u16 of them by hash of the client's address;
at 53,248 the number of questions that are being resolved u64, at 57,344 and 90,112 tables of
16,384 numbers u16 of them by hash of the client and of what is asked (`question_slots`).

**Notice**, 288 octets: its number u64 (from 1), kind u8, 1 if it is only logged u8, size of the
address u8 (4 or 16), size of the name u8, address 16, name up to 255.
"""

import struct
import sys
from collections.abc import Iterator
from typing import Final

import msgspec
from siphash24 import siphash24

from dns_node.answer.cookies import NO_SECRETS, CookieSecrets
from dns_node.zone.rrset import WireName

assert sys.byteorder == "little", "the block is read as little-endian numbers in place"

FORMAT: Final = 1
HASH_KEY_SIZE_OCTETS: Final = 16

CELLS: Final = 1 << 18
CELLS_AT: Final = 4096
AREAS_AT: Final = CELLS_AT + CELLS * 8
AREA_SIZE_OCTETS: Final = 122_880

NOTICES_AT: Final = 64
NOTICES: Final = 64
NOTICE_SIZE_OCTETS: Final = 288
CONNECTIONS_AT: Final = 18_496
ADDRESSES_AT: Final = 20_480
ADDRESSES: Final = 16_384
QUESTIONS_AT: Final = 53_248
CLIENTS_AT: Final = 57_344
NAMES_AT: Final = 90_112
SLOTS: Final = 16_384

SECRETS_AT: Final = 64
SECRETS_MAX: Final = 4

_HEAD = struct.Struct("<Q16s")
_SECRET = struct.Struct("<QQ16s")
_NOTICE = struct.Struct("<QBBBB16s")

assert NOTICES_AT + NOTICES * NOTICE_SIZE_OCTETS <= CONNECTIONS_AT < ADDRESSES_AT
assert ADDRESSES_AT + ADDRESSES * 2 == QUESTIONS_AT < CLIENTS_AT
assert CLIENTS_AT + SLOTS * 2 == NAMES_AT and NAMES_AT + SLOTS * 2 == AREA_SIZE_OCTETS


class TimedSecret(msgspec.Struct, frozen=True, gc=False):
    """A secret of cookies: from when (Unix time, s) it makes them, and until when those that it
    made are good.  It is good from the beginning, before it makes any."""

    used_from_s: int
    accepted_until_s: int
    secret: bytes


class Notice(msgspec.Struct, frozen=True, gc=False):
    """The netblock (4 or 16 octets) whose answers of *kind* about *name* began to be limited, or
    would have been."""

    kind: int
    is_only_logged: bool
    netblock: bytes
    name: WireName


def block_size_octets(workers: int) -> int:
    """Return the size of the block of a node with that many workers."""
    return AREAS_AT + workers * AREA_SIZE_OCTETS


def compose_head(hash_key: bytes) -> bytes:
    """Return what a new block, otherwise all 0, begins with."""
    assert len(hash_key) == HASH_KEY_SIZE_OCTETS
    return _HEAD.pack(FORMAT, hash_key)


class SharedBlock:
    """The block over a writable *buffer* (an mmap, a bytearray); *worker* is whose area is written
    here, None for the node process."""

    def __init__(self, buffer: "bytearray | memoryview | object", worker: int | None = None):
        octets = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        found, self.hash_key = _HEAD.unpack_from(octets)
        assert found == FORMAT, "processes of one node are of one release"
        self.workers = (len(octets) - AREAS_AT) // AREA_SIZE_OCTETS
        self.octets = octets
        self.cells = octets[CELLS_AT:AREAS_AT].cast("Q")
        self._secrets_version = octets[SECRETS_AT : SECRETS_AT + 8].cast("Q")
        areas = [AREAS_AT + number * AREA_SIZE_OCTETS for number in range(self.workers)]
        self._notice_counts = [octets[at : at + 8].cast("Q") for at in areas]
        self._rings = [octets[at + NOTICES_AT : at + CONNECTIONS_AT] for at in areas]
        self.connections = [
            octets[at + CONNECTIONS_AT : at + CONNECTIONS_AT + 8].cast("Q") for at in areas
        ]
        self.addresses = [octets[at + ADDRESSES_AT : at + QUESTIONS_AT].cast("H") for at in areas]
        self.questions = [
            octets[at + QUESTIONS_AT : at + QUESTIONS_AT + 8].cast("Q") for at in areas
        ]
        self.clients = [octets[at + CLIENTS_AT : at + NAMES_AT].cast("H") for at in areas]
        self.names = [octets[at + NAMES_AT : at + AREA_SIZE_OCTETS].cast("H") for at in areas]
        self.worker = worker

    @classmethod
    def private(cls, hash_key: bytes = bytes(16)) -> "SharedBlock":
        """Return a block of one worker that nobody shares."""
        buffer = bytearray(block_size_octets(1))
        head = compose_head(hash_key)
        buffer[: len(head)] = head
        return cls(buffer, 0)

    # ---- notices

    def put_notice(self, notice: Notice) -> None:
        """Write *notice* into this worker's ring, over the oldest."""
        assert self.worker is not None
        count, ring = self._notice_counts[self.worker], self._rings[self.worker]
        number = count[0] + 1
        at = number % NOTICES * NOTICE_SIZE_OCTETS
        name_at, end = at + _NOTICE.size, at + NOTICE_SIZE_OCTETS
        block, name = notice.netblock, notice.name
        _NOTICE.pack_into(
            ring, at, 0, notice.kind, notice.is_only_logged, len(block), len(name), block
        )
        ring[name_at:end] = name.ljust(end - name_at, b"\0")
        # The number last: a reader that sees it sees the notice.
        ring[at : at + 8] = number.to_bytes(8, "little")
        count[0] = number

    def notices(self, worker: int, since: int) -> tuple[int, list[Notice]]:
        """Return how many notices *worker* has written, and those after number *since* that are
        still there."""
        last = self._notice_counts[worker][0]
        ring, found = self._rings[worker], []
        for number in range(max(since, last - NOTICES) + 1, last + 1):
            at = number % NOTICES * NOTICE_SIZE_OCTETS
            octets = bytes(ring[at : at + NOTICE_SIZE_OCTETS])
            told, kind, is_only_logged, size, name_size, block = _NOTICE.unpack_from(octets)
            if told == number == int.from_bytes(ring[at : at + 8], "little"):
                name = octets[_NOTICE.size : _NOTICE.size + name_size]
                found.append(Notice(kind, bool(is_only_logged), block[:size], name))
        return last, found

    # ---- questions

    def question_slots(self, client: bytes, qname: WireName, qtype: int) -> tuple[int, int]:
        """Return the places in the tables of clients and of names: of *client* (4 or 16 octets of
        its netblock), and of what is asked.  Who shares a place with another gets less; nobody can
        choose to, for the key of the hash is a secret."""
        by_client = siphash24(b"\0" + client, key=self.hash_key).digest()
        by_name = siphash24(b"\1%b%b" % (qtype.to_bytes(2, "big"), qname), key=self.hash_key)
        return _slot(by_client), _slot(by_name.digest())

    # ---- secrets

    @property
    def secrets_version(self) -> int:
        """A number that changes whenever the secrets do."""
        return self._secrets_version[0]

    def put_secrets(self, secrets: tuple[TimedSecret, ...]) -> None:
        """Replace the secrets; at most four."""
        assert len(secrets) <= SECRETS_MAX
        version = self._secrets_version
        version[0] |= 1
        entries = b"".join(
            _SECRET.pack(one.used_from_s, one.accepted_until_s, one.secret) for one in secrets
        )
        at = SECRETS_AT + 8
        octets = len(secrets).to_bytes(8, "little") + entries
        self.octets[at : at + len(octets)] = octets
        version[0] += 1

    def secrets(self) -> tuple[TimedSecret, ...] | None:
        """Return the secrets; None while they are being replaced."""
        version = self.secrets_version
        at = SECRETS_AT + 8
        octets = bytes(self.octets[at : at + 8 + SECRETS_MAX * _SECRET.size])
        count = int.from_bytes(octets[:8], "little")
        if version & 1 or version != self.secrets_version or count > SECRETS_MAX:
            return None
        return tuple(
            TimedSecret(*_SECRET.unpack_from(octets, 8 + number * _SECRET.size))
            for number in range(count)
        )


def secrets_at(secrets: tuple[TimedSecret, ...], now_s: int) -> CookieSecrets:
    """Return what cookies are made with and checked by at *now_s*: of the secrets whose time to
    make has come the latest, or else the first to come."""
    good = [one for one in secrets if now_s < one.accepted_until_s]
    if not good:
        return NO_SECRETS
    begun = [one for one in good if one.used_from_s <= now_s]
    making = max(begun, key=_used_from_s) if begun else min(good, key=_used_from_s)
    return CookieSecrets(making.secret, tuple(one.secret for one in good if one is not making))


def changes_s(secrets: tuple[TimedSecret, ...]) -> Iterator[int]:
    """Yield the times at which `secrets_at` changes its answer."""
    for one in secrets:
        yield one.used_from_s
        yield one.accepted_until_s


def _slot(digest: bytes) -> int:
    return int.from_bytes(digest[:2], "little") % SLOTS


def _used_from_s(secret: TimedSecret) -> int:
    return secret.used_from_s
