"""The rules of one policy zone as octets that are looked up where they lie.

Such a table is made once for each version of a zone, apart from what answers questions; a worker
maps it and needs no time to load it, and all workers share its pages.

A magic line; the size of what follows it; the header (msgpack); a hash table of offsets, open
addressing, at most half full; the entries: size of the key, offset of its action, key; the
actions, each once.  All numbers are 4 octets, little end first.
"""

import mmap
import struct
import zlib
from collections.abc import Iterable
from typing import Final

import msgspec

from dns_node.resolver.policy.rpz_rules import Action, Key, Trigger
from dns_node.zone.rrset import RRset, WireName

MAGIC: Final = b"dns-node policy zone 1\n\0"
ACTIONS_KEPT_MAX: Final = 4096

_U32 = struct.Struct("<I")
_PAIR = struct.Struct("<II")


class BadTable(ValueError):
    """Octets that are no table of rules, or one that was made by another version."""


Octets = bytes | mmap.mmap


class Header(msgspec.Struct, frozen=True, gc=False):
    """What is known of the zone as a whole.

    *lengths* are the prefix lengths that occur, longest first, by trigger and octets of the
    address; *counts* the numbers of rules by trigger.
    """

    apex: WireName
    soa: RRset
    slots: int
    actions_at: int
    lengths: dict[str, tuple[int, ...]]
    counts: dict[int, int]

    @property
    def serial(self) -> int:
        """The serial of the zone."""
        return int.from_bytes(self.soa.rdatas[0][-20:-16], "big")


def make_table(apex: WireName, soa: RRset, rules: Iterable[tuple[Key, Action]]) -> bytes:
    """Return the table of *rules*; of two with one key the first counts."""
    encode = msgspec.msgpack.encode
    entries, actions = bytearray(4), bytearray()  # no entry has offset 0
    offsets: dict[Key, int] = {}
    offset_of: dict[bytes, int] = {}
    lengths: dict[str, set[int]] = {}
    counts: dict[int, int] = {}
    for key, action in rules:
        if key in offsets:
            continue
        octets = encode(action)
        at = offset_of.get(octets)
        if at is None:
            at = offset_of[octets] = len(actions)
            actions += _U32.pack(len(octets)) + octets
        offsets[key] = len(entries)
        entries += _PAIR.pack(len(key), at) + key
        trigger = key[0]
        counts[trigger] = counts.get(trigger, 0) + 1
        if trigger not in (Trigger.QNAME, Trigger.NSDNAME):
            lengths.setdefault(_lengths_key(trigger, len(key) - 2), set()).add(key[1])
    slots = 1 << max(4, (2 * len(offsets)).bit_length())
    places = [0] * slots
    for key, at in offsets.items():
        slot = zlib.crc32(key) & slots - 1
        while places[slot]:
            slot = slot + 1 & slots - 1
        places[slot] = at
    sorted_lengths = {name: tuple(sorted(found, reverse=True)) for name, found in lengths.items()}
    header = encode(Header(apex, soa, slots, len(entries), sorted_lengths, counts))
    body = _U32.pack(len(header)) + header + struct.pack(f"<{slots}I", *places)
    body += bytes(entries) + bytes(actions)
    return MAGIC + _U32.pack(len(body)) + body


def _lengths_key(trigger: int, octets: int) -> str:
    return f"{trigger}/{octets}"


class Table:
    """The rules in *octets*; raises BadTable when there are none in it."""

    def __init__(self, octets: Octets):
        start = len(MAGIC)
        if octets[:start] != MAGIC or len(octets) < start + 8:
            raise BadTable("the octets are no table of rules of this version")
        (size,) = _U32.unpack(octets[start : start + 4])
        if len(octets) != start + 4 + size:
            raise BadTable(f"{size} octets were expected, there are {len(octets) - start - 4}")
        (header_size,) = _U32.unpack(octets[start + 4 : start + 8])
        at = start + 8
        try:
            self.header = msgspec.msgpack.decode(octets[at : at + header_size], type=Header)
        except msgspec.MsgspecError as error:
            raise BadTable(f"the header can't be read: {error}") from None
        self._octets = octets
        self._slots_at = at + header_size
        self._mask = self.header.slots - 1
        self._entries_at = self._slots_at + 4 * self.header.slots
        self._actions_at = self._entries_at + self.header.actions_at
        self._actions: dict[int, Action] = {}
        counts = self.header.counts
        self.has_clients = Trigger.CLIENT_IP in counts
        self.has_names = Trigger.QNAME in counts
        self.has_addresses = Trigger.IP in counts
        self.has_server_addresses = Trigger.NSIP in counts
        self.has_servers = self.has_server_addresses or Trigger.NSDNAME in counts

    def __len__(self) -> int:
        return sum(self.header.counts.values())

    def lengths(self, trigger: Trigger, address: bytes) -> tuple[int, ...]:
        """Return the prefix lengths that occur for addresses of this size, longest first."""
        return self.header.lengths.get(_lengths_key(trigger, len(address)), ())

    def find(self, key: Key) -> Action | None:
        """Return the action of the rule with this key, None when there is none."""
        octets, slot = self._octets, zlib.crc32(key) & self._mask
        while True:
            (offset,) = _U32.unpack_from(octets, self._slots_at + 4 * slot)
            if not offset:
                return None
            at = self._entries_at + offset
            size, action_at = _PAIR.unpack_from(octets, at)
            if size == len(key) and octets[at + 8 : at + 8 + size] == key:
                return self._actions.get(action_at) or self._action(action_at)
            slot = slot + 1 & self._mask

    def _action(self, offset: int) -> Action:
        at = self._actions_at + offset
        (size,) = _U32.unpack_from(self._octets, at)
        action = msgspec.msgpack.decode(self._octets[at + 4 : at + 4 + size], type=Action)
        if len(self._actions) >= ACTIONS_KEPT_MAX:
            self._actions.clear()
        self._actions[offset] = action
        return action
