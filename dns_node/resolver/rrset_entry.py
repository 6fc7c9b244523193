"""What lies in the RRset cache: an entry, its cost and its strength."""

from typing import Final

import msgspec

from dns_node.resolver.negative import Denied, Unresolved
from dns_node.resolver.question import Held, Question, Security
from dns_node.resolver.rank import Rank
from dns_node.zone.rrset import RRset, WireName

ENTRY_SIZE_OCTETS: Final = 512
"""What an entry costs beside its names and data."""

DATUM_SIZE_OCTETS: Final = 48
"""What one rdata costs beside its octets."""

FAILURE: Final = 0x10000
"""Added to the type in the key of a failure."""

_CHECKING_DISABLED: Final = 0x20000

Key = tuple[WireName, int]
Kept = Held | Denied | Unresolved


class Entry(msgspec.Struct, gc=False):
    """One RRset, absence or failure; *stored_s* is when it came."""

    key: Key
    kept: Kept
    rank: int
    stored_s: float
    ttl_s: int
    size_octets: int
    slot: int = 0
    is_used: bool = False
    was_due: bool = False

    @property
    def strength(self) -> tuple[bool, int]:
        """How much it is to be believed: secure before not secure, then by rank."""
        kept = self.kept
        is_secure = not isinstance(kept, Unresolved) and kept.security is Security.SECURE
        return is_secure, self.rank

    def is_over(self, now_s: float) -> bool:
        """Say whether its time is over."""
        return now_s - self.stored_s >= self.ttl_s

    @property
    def is_failure(self) -> bool:
        """Say whether it tells of a failure."""
        return bool(self.key[1] & FAILURE)


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


def failure_key(question: Question, is_cd: bool) -> Key:
    """Return the key of the failure of *question*."""
    return question.qname, question.qtype | FAILURE | (_CHECKING_DISABLED if is_cd else 0)


def size_octets_of(kept: Kept) -> int:
    """Return what an entry with *kept* costs."""
    if isinstance(kept, Held):
        return ENTRY_SIZE_OCTETS + data_size_octets((kept,))
    if isinstance(kept, Denied):
        return ENTRY_SIZE_OCTETS + len(kept.owner) + data_size_octets(kept.authority)
    texts = sum(DATUM_SIZE_OCTETS + len(error.text) for error in kept.errors)
    return ENTRY_SIZE_OCTETS + len(kept.question.qname) + texts


def data_size_octets(sets: tuple[Held, ...]) -> int:
    """Return what RRsets cost with their names."""
    size_octets = 0
    for held in sets:
        data = held.rrset.rdatas + held.rrset.signatures
        size_octets += len(held.owner) + sum(map(len, data)) + DATUM_SIZE_OCTETS * len(data)
    return size_octets


def aged(held: Held, ttl_s: int) -> Held:
    """Return *held* with another TTL."""
    rrset = held.rrset
    if rrset.ttl_s == ttl_s:
        return held
    left = RRset(rrset.rrtype, ttl_s, rrset.rdatas, rrset.signatures)
    return Held(held.owner, left, held.security)
