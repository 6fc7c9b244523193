"""The RRset cache (L2) of one worker: RRsets, absences and failures, each with its time.

* What is kept replaces what was there unless that lives and is more to be believed: secure before
  not secure, then by `Rank`.  Bogus data is not kept at all.
* A TTL is between the settings' bounds (the lower one does not hold for secure data, whose TTL ends
  with its signature, nor for absences) and falls with every second.
* A name that does not exist has nothing below it (RFC 8020).  Data at or below a name, and its
  absence of one type, say that the name exists: whichever was heard last counts.
* What is over is kept for `stale_max_s` more, for the day on which nobody answers (RFC 8767).
* Entries lie in numbered slots.  Where room is needed, a hand goes round over the slots and takes
  what was not used since it came by; of what was used it passes over at most `CHANCES_MAX` for one
  new entry.  `sweep` has a hand of its own and takes what nobody may be told any more.

Only class IN is kept.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Final

from dns_node.resolver.negative import PROOFS_SIZE_OCTETS_MAX, WHOLE_NAME, Denied, Unresolved
from dns_node.resolver.question import ExtendedError, Held, Question, Security
from dns_node.resolver.rank import Rank
from dns_node.resolver.rrset_entry import (
    ABSENCE,
    DUE,
    FAILURE,
    KIND_BITS,
    RANK_BITS,
    RANKS,
    SECURITY_SHIFT,
    USED,
    Entry,
    Found,
    Key,
    failure_key,
    key_of,
    pack_absence,
    pack_failure,
    pack_rrset,
    ttl_s_of,
    unpack,
    unpack_failure,
)
from dns_node.resolver.settings import CacheSettings
from dns_node.zone.names import ancestors, is_subdomain
from dns_node.zone.rrset import WireName

RRSET_SIZE_OCTETS_MAX: Final = 65_536
CHANCES_MAX: Final = 32
DUE_DIVISOR: Final = 10
"""The first use in the last tenth of an entry's life says that it is due for a refresh."""

FAILURE_TTL_S_MIN: Final = 1
FAILURE_TTL_S_MAX: Final = 300
"""RFC 9520 section 3.2."""

_WHOLE_NAME: Final = WHOLE_NAME.to_bytes(2, "big")
_CNAME_SUFFIX: Final = b"\0\5"
_DNAME_SUFFIX: Final = b"\0\x27"


class RRsetCache:
    """The cache; it holds at most *size_octets_max*.

    Of *settings* the bounds of TTLs and of stale data count.  With *cuts_insecure* unset, only an
    absence that is proven hides the names below.
    """

    def __init__(
        self,
        size_octets_max: int,
        settings: CacheSettings = CacheSettings(),  # noqa: B008 (it is immutable)
        *,
        cuts_insecure: bool = True,
    ):
        self.size_octets_max = size_octets_max
        self.settings = settings
        self.cuts_insecure = cuts_insecure
        self.hits = self.misses = self.evictions = 0
        self._clear()

    def _clear(self) -> None:
        self.size_octets = 0
        self._entries: dict[Key, Entry] = {}
        self._slots: list[Entry | None] = []
        self._free: list[int] = []
        self._hand = 0
        self._next_swept = 0
        self._nxdomains = self._dnames = 0

    def __len__(self) -> int:
        return len(self._entries)

    # What comes in

    def put(self, held: Held, rank: Rank, now_s: float, *, until_s: float | None = None) -> bool:
        """Keep an RRset, until *until_s* at most; return False when it is not kept.

        What a child zone says of its own name servers and their addresses is not to outlive what
        its parent says (ghost domains): *until_s* is for that.
        """
        rrset, settings = held.rrset, self.settings
        ttl_s = min(rrset.ttl_s, settings.ttl_max_s)
        if held.security is not Security.SECURE:
            ttl_s = max(ttl_s, settings.ttl_min_s)
        if until_s is not None and until_s < now_s + ttl_s:
            ttl_s = int(until_s - now_s)
        if held.security is Security.BOGUS or not rrset.rdatas or ttl_s <= 0:
            return False
        state = rank | held.security << SECURITY_SHIFT
        key = key_of(held.owner, rrset.rrtype)
        return self._put(Entry(key, pack_rrset(rrset, ttl_s), now_s + ttl_s, state), now_s)

    def put_denied(self, denied: Denied, ttl_s: int, rank: Rank, now_s: float) -> bool:
        """Keep an absence for *ttl_s* at most; return False when it is not kept."""
        ttl_s = min(ttl_s, self.settings.negative_ttl_max_s)
        if denied.security is Security.BOGUS or ttl_s <= 0:
            return False
        packed = pack_absence(denied, ttl_s)
        if len(packed) > PROOFS_SIZE_OCTETS_MAX:
            return False
        state = rank | denied.security << SECURITY_SHIFT | ABSENCE
        key = key_of(denied.owner, denied.rrtype)
        return self._put(Entry(key, packed, now_s + ttl_s, state), now_s)

    def put_failure(
        self,
        question: Question,
        ttl_s: int,
        now_s: float,
        errors: tuple[ExtendedError, ...] = (),
        *,
        is_cd: bool = False,
    ) -> bool:
        """Keep that *question* could not be answered.  What failed in validation alone is no
        failure for those who ask with CD: their failures are kept apart."""
        ttl_s = min(max(ttl_s, FAILURE_TTL_S_MIN), FAILURE_TTL_S_MAX)
        key = failure_key(question, is_cd)
        return self._put(Entry(key, pack_failure(errors), now_s + ttl_s, FAILURE), now_s)

    def _put(self, entry: Entry, now_s: float) -> bool:
        key, size_octets = entry.key, entry.size_octets
        if size_octets > min(RRSET_SIZE_OCTETS_MAX, self.size_octets_max // 4):
            return False
        old = self._entries.get(key)
        if old is not None:
            if now_s < old.expires_s and old.strength > entry.strength:
                return False
            self._remove(old)
        self._count(entry, 1)
        if self._nxdomains and not entry.hides and entry.state & RANK_BITS >= Rank.ANSWER:
            self._show(entry)
        if self.size_octets + size_octets > self.size_octets_max:
            self._make_room(size_octets)
        if self._free:
            entry.slot = self._free.pop()
            self._slots[entry.slot] = entry
        else:
            entry.slot = len(self._slots)
            self._slots.append(entry)
        self._entries[key] = entry
        self.size_octets += size_octets
        return True

    def _show(self, entry: Entry) -> None:
        """Forget that the owner of *entry* or a name above it does not exist; it shows it does."""
        for ancestor in ancestors(entry.owner):
            hiding = self._entries.get(ancestor + _WHOLE_NAME)
            if hiding is not None and hiding.is_secure <= entry.is_secure:
                self._remove(hiding)

    # What goes out

    def find(
        self,
        owner: WireName,
        rrtype: int,
        now_s: float,
        *,
        rank_min: Rank = Rank.ANSWER,
        allows_stale: bool = False,
    ) -> Found | None:
        """Return the RRset, that there is none, or that *owner* or a name above does not exist.

        Aliases are not looked at; see `find_alias`.  Stale data is the last thing that is told.
        """
        entry = self._entries.get(key_of(owner, rrtype))
        if entry is not None and entry.state & RANK_BITS < rank_min:
            entry = None
        if entry is not None and now_s < entry.expires_s:
            if not self._nxdomains or not self._is_hidden(owner, entry, now_s):
                self.hits += 1
                return self._found(entry, owner, now_s)
            entry = None
        if self._nxdomains and (found := self._nxdomain(owner, now_s, rank_min, False)) is not None:
            self.hits += 1
            return found
        self.misses += 1
        if not allows_stale:
            return None
        if entry is not None and now_s < entry.expires_s + self.settings.stale_max_s:
            return self._found(entry, owner, now_s, is_stale=True)
        return self._nxdomain(owner, now_s, rank_min, True) if self._nxdomains else None

    def find_alias(
        self, owner: WireName, now_s: float, *, allows_stale: bool = False
    ) -> Found | None:
        """Return the CNAME of *owner*, or else the DNAME of the nearest name above it."""
        stale_s = self.settings.stale_max_s if allows_stale else 0
        suffix = _CNAME_SUFFIX
        for name in ancestors(owner) if self._dnames else (owner,):
            entry = self._entries.get(name + suffix)
            suffix = _DNAME_SUFFIX
            if entry is None or now_s >= entry.expires_s + stale_s or entry.state & KIND_BITS:
                continue
            if entry.state & RANK_BITS >= Rank.ANSWER:
                return self._found(entry, name, now_s, is_stale=now_s >= entry.expires_s)
        return None

    def find_failure(
        self, question: Question, now_s: float, *, is_cd: bool = False
    ) -> Unresolved | None:
        """Return that *question* could not be answered lately."""
        entry = self._entries.get(failure_key(question, is_cd))
        if entry is None or now_s >= entry.expires_s:
            return None
        entry.state |= USED
        return unpack_failure(question, entry)

    def _is_hidden(self, owner: WireName, entry: Entry, now_s: float) -> bool:
        """Say whether the name of *entry* is known not to exist, by what is as secure as that.

        Data that came later and is no less secure has lifted the absence (`_show`).
        """
        hiding = self._entries.get(owner + _WHOLE_NAME)
        return (
            hiding is not None
            and hiding is not entry
            and now_s < hiding.expires_s
            and hiding.is_secure >= entry.is_secure
        )

    def _nxdomain(
        self, owner: WireName, now_s: float, rank_min: int, is_stale: bool
    ) -> Found | None:
        """Return the absence of *owner* or of a name above it."""
        stale_s = self.settings.stale_max_s if is_stale else 0
        for ancestor in ancestors(owner):
            entry = self._entries.get(ancestor + _WHOLE_NAME)
            if (
                entry is not None
                and entry.state & RANK_BITS >= rank_min
                and now_s < entry.expires_s + stale_s
                and (ancestor == owner or self.cuts_insecure or entry.is_secure)
            ):
                return self._found(entry, ancestor, now_s, is_stale=is_stale)
        return None

    def _found(
        self, entry: Entry, owner: WireName, now_s: float, *, is_stale: bool = False
    ) -> Found:
        """Return *entry* with what is left of its TTL."""
        left_s = self.settings.stale_ttl_s if is_stale else math.ceil(entry.expires_s - now_s)
        kept, left_s, ttl_s = unpack(entry, owner, left_s, is_stale=is_stale)
        state = entry.state
        before_end_s = max(ttl_s // DUE_DIVISOR, ttl_s > 1)
        is_due = state & (USED | DUE) == USED and left_s <= before_end_s and not is_stale
        entry.state = state | (USED | DUE if is_due else USED)
        return Found(kept, left_s, RANKS[state & RANK_BITS], is_stale, is_due)

    # What is forgotten

    def flush_name(self, owner: WireName) -> int:
        """Forget everything about *owner* itself; return how many entries that were."""
        return self._flush(
            entry
            for key, entry in self._entries.items()
            if key.startswith(owner) and entry.owner == owner
        )

    def flush_subtree(self, apex: WireName) -> int:
        """Forget everything about *apex* and the names below it."""
        return self._flush(
            entry
            for key, entry in self._entries.items()
            if apex in key and is_subdomain(entry.owner, apex)
        )

    def flush_type(self, rrtype: int, owner: WireName | None = None) -> int:
        """Forget what is known of one type, of all names or of *owner*."""
        suffix = rrtype.to_bytes(2, "big")
        return self._flush(
            entry
            for key, entry in self._entries.items()
            if key.endswith(suffix) and (owner is None or entry.owner == owner)
        )

    def flush_all(self) -> int:
        """Forget everything."""
        number = len(self._entries)
        self._clear()
        return number

    def sweep(self, now_s: float, slots_max: int) -> int:
        """Forget what nobody may be told any more in the next *slots_max* slots; return how many
        entries that were."""
        gone, stale_s = 0, self.settings.stale_max_s
        for _ in range(min(slots_max, len(self._slots))):
            self._next_swept %= len(self._slots)
            entry = self._slots[self._next_swept]
            self._next_swept += 1
            if entry is None:
                continue
            if now_s >= entry.expires_s + (0 if entry.is_failure else stale_s):
                self._remove(entry)
                gone += 1
        return gone

    def _flush(self, entries: Iterator[Entry]) -> int:
        found = list(entries)
        for entry in found:
            self._remove(entry)
        return len(found)

    def _make_room(self, size_octets: int) -> None:
        chances, slots = CHANCES_MAX, self._slots
        while self.size_octets + size_octets > self.size_octets_max:
            self._hand %= len(slots)
            entry = slots[self._hand]
            self._hand += 1
            if entry is None:
                continue
            if entry.state & USED and chances:
                chances -= 1
                entry.state &= ~USED
            else:
                self.evictions += 1
                self._remove(entry)

    def _remove(self, entry: Entry) -> None:
        del self._entries[entry.key]
        self._slots[entry.slot] = None
        self._free.append(entry.slot)
        self.size_octets -= entry.size_octets
        self._count(entry, -1)

    def _count(self, entry: Entry, number: int) -> None:
        """Count what makes names be looked for above the one that is asked for."""
        suffix = entry.key[-2:]
        if suffix == _WHOLE_NAME and entry.hides:
            self._nxdomains += number
        elif suffix == _DNAME_SUFFIX:
            self._dnames += number

    # What survives a restart

    def dump(self, now_s: float) -> Iterator[Entry]:
        """Yield what lives and is more than a failure; the cache is not to change meanwhile."""
        for entry in self._entries.values():
            if now_s < entry.expires_s and not entry.is_failure:
                yield entry

    def load(self, entries: Iterable[Entry], now_s: float) -> int:
        """Keep what lives of *entries*, which were dumped when the same clock said less; return
        how many were kept."""
        number = 0
        for entry in entries:
            if now_s < entry.expires_s <= now_s + ttl_s_of(entry):
                number += self._put(entry, now_s)
        return number
