"""What lies in the RRset cache: entries that are packed, for they are many.

The data of an entry is MessagePack: of an RRset the RRset, of an absence its TTL and what tells it,
of a failure its errors.  The TTLs are those from when it came.
"""

from enum import IntEnum
from typing import Final

import msgspec

from dns_node.resolver.negative import Denied, Unresolved
from dns_node.resolver.question import ExtendedError, Held, Question, Security
from dns_node.resolver.rank import Rank
from dns_node.zone.names import labels
from dns_node.zone.rrset import RRset, WireName

ENTRY_SIZE_OCTETS: Final = 320
"""What an entry costs beside its key and its data."""

Key = bytes
"""A name, then a type: two octets, or three for a failure, the first of which says CD."""


class Kind(IntEnum):
    """What an entry tells of."""

    RRSET = 0
    ABSENCE = 1
    FAILURE = 2


RANKS: Final = tuple(Rank)
_SECURITIES: Final = tuple(Security)

RANK_BITS: Final = 0x07
SECURITY_SHIFT: Final = 3
SECURITY_BITS: Final = 0x18
SECURE: Final = Security.SECURE << SECURITY_SHIFT
KIND_SHIFT: Final = 5
KIND_BITS: Final = 0x60
ABSENCE: Final = Kind.ABSENCE << KIND_SHIFT
FAILURE: Final = Kind.FAILURE << KIND_SHIFT
USED: Final = 0x80
DUE: Final = 0x100

_Packed = tuple[WireName, RRset, int]

_encode: Final = msgspec.msgpack.Encoder().encode
_decode_rrset: Final = msgspec.msgpack.Decoder(RRset).decode
_decode_absence: Final = msgspec.msgpack.Decoder(tuple[int, tuple[_Packed, ...]]).decode
_decode_failure: Final = msgspec.msgpack.Decoder(tuple[tuple[int, str], ...]).decode


class Entry(msgspec.Struct, gc=False):
    """One RRset, absence or failure, which is over at *expires_s*.

    *state* is made of the rank, the security and the kind, of whether it was used since the hand
    came by (USED), and of whether it was said to be due (DUE).
    """

    key: Key
    packed: bytes
    expires_s: float
    state: int
    slot: int = 0

    @property
    def security(self) -> Security:
        """What validation said."""
        return _SECURITIES[(self.state & SECURITY_BITS) >> SECURITY_SHIFT]

    @property
    def is_failure(self) -> bool:
        """Say whether it tells of a failure."""
        return self.state & KIND_BITS == FAILURE

    @property
    def is_secure(self) -> bool:
        """Say whether it was proven."""
        return self.state & SECURITY_BITS == SECURE

    @property
    def strength(self) -> int:
        """How much it is to be believed: secure before not secure, then by rank."""
        state = self.state
        rank = state & RANK_BITS
        return rank + 8 if state & SECURITY_BITS == SECURE else rank

    @property
    def hides(self) -> bool:
        """Say whether it tells that a whole name does not exist."""
        return self.key[-2:] == b"\0\0" and self.state & KIND_BITS == ABSENCE

    @property
    def size_octets(self) -> int:
        """What it costs."""
        return ENTRY_SIZE_OCTETS + len(self.key) + len(self.packed)

    @property
    def owner(self) -> WireName:
        """The name that it is about."""
        return self.key[:-3] if self.is_failure else self.key[:-2]

    @property
    def rrtype(self) -> int:
        """The type that it is about."""
        return self.key[-2] << 8 | self.key[-1]


class Found(msgspec.Struct, frozen=True, gc=False):
    """What the cache knows at one moment: the TTLs in *kept* are what is left of them.

    *is_stale*: it is over, and *ttl_s* is what a stale answer has.  *is_due*: it is used, and its
    time is nearly over, so it should be asked for again now; said once.
    """

    kept: Held | Denied
    ttl_s: int
    rank: Rank
    is_stale: bool = False
    is_due: bool = False


def key_of(owner: WireName, rrtype: int) -> Key:
    """Return the key of an RRset or an absence."""
    return owner + rrtype.to_bytes(2, "big")


def failure_key(question: Question, is_cd: bool) -> Key:
    """Return the key of the failure of *question*."""
    return question.qname + (b"\1" if is_cd else b"\0") + question.qtype.to_bytes(2, "big")


def pack_rrset(rrset: RRset, ttl_s: int) -> bytes:
    """Return the data of an RRset that is kept for *ttl_s*."""
    if rrset.ttl_s != ttl_s:
        rrset = RRset(rrset.rrtype, ttl_s, rrset.rdatas, rrset.signatures)
    return _encode(rrset)


def pack_absence(denied: Denied, ttl_s: int) -> bytes:
    """Return the data of an absence that is kept for *ttl_s*."""
    sets = [(held.owner, held.rrset, int(held.security)) for held in denied.authority]
    return _encode((ttl_s, sets))


def pack_failure(errors: tuple[ExtendedError, ...]) -> bytes:
    """Return the data of a failure."""
    return _encode([(error.code, error.text) for error in errors])


def unpack_failure(question: Question, entry: Entry) -> Unresolved:
    """Return the failure that *entry* tells of."""
    errors = _decode_failure(entry.packed)
    return Unresolved(question, tuple(ExtendedError(code, text) for code, text in errors))


def ttl_s_of(entry: Entry) -> int:
    """Return the TTL that *entry*, which is no failure, had when it came."""
    if entry.state & KIND_BITS:
        return _decode_absence(entry.packed)[0]
    return _decode_rrset(entry.packed).ttl_s


def unpack(
    entry: Entry, owner: WireName, left_s: int, *, is_stale: bool = False
) -> tuple[Held | Denied, int, int]:
    """Return what *entry*, which is no failure, holds about *owner*, what is left of its TTL, and
    the TTL that it had.  *left_s* is left, but never more than it had, unless it is stale."""
    security = _SECURITIES[(entry.state & SECURITY_BITS) >> SECURITY_SHIFT]
    if not entry.state & KIND_BITS:
        rrset = _decode_rrset(entry.packed)
        ttl_s = rrset.ttl_s
        left_s = left_s if left_s < ttl_s or is_stale else ttl_s
        rrset = RRset(rrset.rrtype, left_s, rrset.rdatas, rrset.signatures)
        return Held(owner, rrset, security), left_s, ttl_s
    ttl_s, sets = _decode_absence(entry.packed)
    left_s = left_s if left_s < ttl_s or is_stale else ttl_s
    authority = tuple(
        Held(
            name,
            RRset(rrset.rrtype, left_s, rrset.rdatas, rrset.signatures),
            _SECURITIES[proven],
        )
        for name, rrset, proven in sets
    )
    return Denied(owner, entry.rrtype, authority, security), left_s, ttl_s


def check(entry: Entry) -> None:
    """Raise ValueError when *entry*, which came from a file, can't be what was written there."""
    owner, state = entry.owner, entry.state
    kept, _, ttl_s = unpack(entry, owner, 0)
    if state & RANK_BITS >= len(RANKS) or ttl_s <= 0 or state & ~(KIND_BITS | 0x1F):
        raise ValueError("an entry of no known kind")
    if sum(len(label) + 1 for label in labels(owner)) + 1 != len(owner):
        raise ValueError("an entry without a name")
    is_rrset = isinstance(kept, Held)
    if isinstance(kept, Held) and (kept.rrset.rrtype != entry.rrtype or not kept.rrset.rdatas):
        raise ValueError("an entry of another type")
    if not is_rrset and state & KIND_BITS != ABSENCE:
        raise ValueError("an entry of no known kind")
