"""The message cache (L1): whole replies, kept as octets for as long as their records live.

This is the definition; the native core has the same cache, operation for operation:

* A reply is kept under its question, and whether DO and CD were set, as one message without OPT.
* It lives until its shortest TTL, or the time that was given with it, is over.  On the way out
  every TTL is lower by the whole seconds that have passed; id, RD, CD and question come from
  the query, so that a name that points into the question has the case of the question.  AD is told
  to who asks with AD or DO (RFC 6840 section 5.8).
* What does not fit is sent without its additional section, or else, with TC, without all sections.
* Entries stand in a queue.  Where room is needed, the oldest goes; one that was used since it came
  or was passed over goes to the end of the queue instead, `CHANCES_MAX` of them for one new entry.
* What is over stays for *stale_s*, for who asks for it expressly (`find_stale`, RFC 8767), unless
  its room is needed; `find` does not find it.
* Entries lie in numbered slots, the slot that was freed last is taken first.  `sweep` looks at some
  slots after those it looked at before.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from dns_node.answer.query import HEADER_SIZE_OCTETS, Query
from dns_node.zone.rrset import WireName

ENTRY_SIZE_OCTETS: Final = 256
"""What an entry costs beside its name, its message and two octets per record."""

CHANCES_MAX: Final = 32
"""Used entries that one new entry passes over: putting never takes long."""

DUE_DIVISOR: Final = 10
"""The first use in the last tenth of an entry's life, or in its last second, says that it is due
for a refresh; one that lives for a second only never is."""

_QR, _TC, _RD, _AD, _CD = 0x8000, 0x0200, 0x0100, 0x0020, 0x0010
_KEPT: Final = ~(_TC | _RD | _CD) & 0xFFFF
_OPT: Final = 41
_TTL_S_MAX: Final = 0x7FFF_FFFF


class Key(msgspec.Struct, frozen=True, gc=False):
    """What a reply is kept under; *qname* is in lower case."""

    qname: WireName
    qtype: int
    qclass: int
    is_do: bool = False
    is_cd: bool = False


class Entry(msgspec.Struct, gc=False):
    """One kept reply.

    *ttl_offsets* say where the TTLs stand, *required_size_octets* where the additional section
    begins; *error* is the info code of RFC 8914 that OPT tells, or None.
    """

    key: Key
    message: bytes
    ttl_offsets: tuple[int, ...]
    required_size_octets: int
    error: int | None
    stored_s: float
    ttl_s: int
    slot: int = 0
    is_used: bool = False
    was_due: bool = False

    @property
    def size_octets(self) -> int:
        """What the entry costs."""
        octets = len(self.key.qname) + len(self.message) + 2 * len(self.ttl_offsets)
        return ENTRY_SIZE_OCTETS + octets

    def is_over(self, now_s: float, stale_s: int = 0) -> bool:
        """Say whether its time, and *stale_s* after it, is over."""
        return now_s - self.stored_s >= self.ttl_s + stale_s


class Found(msgspec.Struct, frozen=True, gc=False):
    """A kept reply at one moment.  *is_due* says that it should be asked for again now."""

    entry: Entry
    age_s: int
    is_due: bool

    def compose(self, query: Query, opt: bytes, size_octets_max: int) -> bytes:
        """Return the reply to *query*: *opt* stands at its end, and the whole has at most
        *size_octets_max* octets (which question and OPT never fill)."""
        entry = self.entry
        message = bytearray(entry.message)
        room = size_octets_max - len(opt)
        flags = (message[2] << 8 | message[3]) & _KEPT | query.flags & (_RD | _CD)
        if not query.flags & _AD and not (query.edns is not None and query.edns.is_do):
            flags &= ~_AD
        if len(message) > room:
            message[10:12] = b"\0\0"
            del message[entry.required_size_octets :]
        if len(message) > room:
            flags |= _TC
            message[6:10] = bytes(4)
            del message[HEADER_SIZE_OCTETS + len(query.question) :]
        for offset in entry.ttl_offsets:
            if offset < len(message):
                ttl_s = int.from_bytes(message[offset : offset + 4], "big") - self.age_s
                message[offset : offset + 4] = max(0, ttl_s).to_bytes(4, "big")
        message[0:4] = (query.message_id << 16 | flags).to_bytes(4, "big")
        message[12 : 12 + len(query.question)] = query.question
        if opt:
            additionals = (message[10] << 8 | message[11]) + 1
            message[10:12] = additionals.to_bytes(2, "big")
        return bytes(message + opt)


class MessageCache:
    """The message cache of one worker; it holds at most *size_octets_max*, and what is over for
    *stale_s*."""

    def __init__(self, size_octets_max: int, stale_s: int = 0):
        self.size_octets_max = size_octets_max
        self.stale_s = stale_s
        self._clear()

    def _clear(self) -> None:
        self.size_octets = 0
        self._queue: dict[Key, Entry] = {}
        self._slots: list[Entry | None] = []
        self._free: list[int] = []
        self._next_slot = 0

    def __len__(self) -> int:
        return len(self._queue)

    def put(
        self, key: Key, message: bytes, ttl_s: int, now_s: float, error: int | None = None
    ) -> bool:
        """Keep *message*, a reply without OPT to the question of *key*, for at most *ttl_s*.

        Return False, with nothing kept under the key, when it has another question, is out of
        form, lives for no second or is larger than a quarter of the cache.
        """
        if (old := self._queue.get(key)) is not None:
            self._remove(old)
        layout = _lay_out(key, message)
        if layout is None:
            return False
        ttl_offsets, required_size_octets, ttl_s_min = layout
        ttl_s = min(ttl_s, ttl_s_min)
        entry = Entry(key, message, ttl_offsets, required_size_octets, error, now_s, ttl_s)
        if ttl_s <= 0 or entry.size_octets > self.size_octets_max // 4:
            return False
        self._make_room(entry.size_octets)
        if self._free:
            entry.slot = self._free.pop()
            self._slots[entry.slot] = entry
        else:
            entry.slot = len(self._slots)
            self._slots.append(entry)
        self._queue[key] = entry
        self.size_octets += entry.size_octets
        return True

    def find(self, key: Key, now_s: float) -> Found | None:
        """Return what is kept under *key*, None when there is nothing, or nothing any more."""
        entry = self._queue.get(key)
        if entry is None:
            return None
        if entry.is_over(now_s):
            if entry.is_over(now_s, self.stale_s):
                self._remove(entry)
            return None
        entry.is_used = True
        age_s = max(0, int(now_s - entry.stored_s))
        before_end_s = max(entry.ttl_s // DUE_DIVISOR, entry.ttl_s > 1)
        is_due = not entry.was_due and before_end_s > 0 and age_s >= entry.ttl_s - before_end_s
        entry.was_due |= is_due
        return Found(entry, age_s, is_due)

    def find_stale(self, key: Key, now_s: float) -> Entry | None:
        """Return what was kept under *key* and is over, None when there is nothing such."""
        entry = self._queue.get(key)
        if entry is None or not entry.is_over(now_s) or entry.is_over(now_s, self.stale_s):
            return None
        return entry

    def flush_name(self, qname: WireName) -> int:
        """Forget all replies about *qname*; return how many there were."""
        return self._flush(entry for entry in self._queue.values() if entry.key.qname == qname)

    def flush_subtree(self, apex: WireName) -> int:
        """Forget all replies about *apex* and the names below it; return how many there were."""
        return self._flush(
            entry for entry in self._queue.values() if _is_at_or_below(entry.key.qname, apex)
        )

    def flush_all(self) -> int:
        """Forget everything; return how many replies that were."""
        number = len(self._queue)
        self._clear()
        return number

    def sweep(self, now_s: float, slots_max: int) -> int:
        """Forget what is over in the next *slots_max* slots; return how many entries that were."""
        gone = 0
        for _ in range(min(slots_max, len(self._slots))):
            self._next_slot = self._next_slot % len(self._slots)
            entry = self._slots[self._next_slot]
            if entry is not None and entry.is_over(now_s, self.stale_s):
                self._remove(entry)
                gone += 1
            self._next_slot += 1
        return gone

    def _flush(self, entries: Iterator[Entry]) -> int:
        found = list(entries)
        # In the order of the slots: the next entries take the last of them first.
        for entry in sorted(found, key=lambda entry: entry.slot):
            self._remove(entry)
        return len(found)

    def _make_room(self, size_octets: int) -> None:
        chances = CHANCES_MAX
        while self.size_octets + size_octets > self.size_octets_max:
            oldest = next(iter(self._queue.values()))
            if oldest.is_used and chances:
                chances -= 1
                oldest.is_used = False
                self._queue[oldest.key] = self._queue.pop(oldest.key)
            else:
                self._remove(oldest)

    def _remove(self, entry: Entry) -> None:
        del self._queue[entry.key]
        self._slots[entry.slot] = None
        self._free.append(entry.slot)
        self.size_octets -= entry.size_octets


def _is_at_or_below(name: WireName, apex: WireName) -> bool:
    offset = 0
    while len(name) - offset > len(apex):
        offset += name[offset] + 1
    return name[offset:] == apex


def _lay_out(key: Key, message: bytes) -> tuple[tuple[int, ...], int, int] | None:
    """Return (offsets of the TTLs, offset of the additional section, shortest TTL) of a reply to
    the question of *key*; None when it is none."""
    name_end = HEADER_SIZE_OCTETS + len(key.qname)
    offset = name_end + 4
    is_reply = offset <= len(message) <= 65535 and message[4:6] == b"\0\1" and message[2] & 0x80
    if not is_reply or message[HEADER_SIZE_OCTETS:name_end].lower() != key.qname:
        return None
    if message[name_end:offset] != key.qtype.to_bytes(2, "big") + key.qclass.to_bytes(2, "big"):
        return None
    answers, authorities, additionals = (message[at] << 8 | message[at + 1] for at in (6, 8, 10))
    offsets: list[int] = []
    ttl_s_min, required_size_octets = _TTL_S_MAX, offset
    try:
        for number in range(answers + authorities + additionals):
            if number == answers + authorities:
                required_size_octets = offset
            offset = _name_end(message, offset)
            rrtype = message[offset] << 8 | message[offset + 1]
            end = offset + 10 + (message[offset + 8] << 8 | message[offset + 9])
            if rrtype == _OPT or end > len(message):
                return None
            offsets.append(offset + 4)
            # A TTL with the highest bit set counts as 0 (RFC 2181 section 8).
            ttl_s = int.from_bytes(message[offset + 4 : offset + 8], "big")
            ttl_s_min = min(ttl_s_min, ttl_s if ttl_s <= _TTL_S_MAX else 0)
            offset = end
    except IndexError:
        return None
    if offset != len(message):
        return None
    if not additionals:
        required_size_octets = offset
    return tuple(offsets), required_size_octets, ttl_s_min


def _name_end(message: bytes, offset: int) -> int:
    """Return the offset behind the name at *offset*; raises IndexError where there is none."""
    while True:
        length = message[offset]
        if length >= 0xC0:
            return offset + 2
        if length > 63:
            raise IndexError("not a name")
        offset += length + 1
        if not length:
            return offset
