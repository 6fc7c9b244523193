"""A reply: its sections as values, and how they become octets.

The octets of a reply are defined here exactly, so that another implementation can produce the same:

* Records are written in the order answer, authority, additional; an RRset is its records in the
  order of `RRset.rdatas`, with DO followed by its RRSIGs.  OPT comes last.
* Required RRsets that do not fit set TC, and then the reply holds the question and OPT alone: a
  client that sees TC asks again over TCP, and part of an answer is of no use to it.  An RRset of
  the additional section that is not required is left out whole when it does not fit, and the next
  one is tried.
* Compression (RFC 1035 section 4.1.4): the question's name stands uncompressed at octet 12.  A name
  is written from its longest suffix down: the first suffix (other than the root) that was written
  at an offset below 0x4000 is replaced by a pointer to where it was written first.  Every suffix
  that is written out below 0x4000 can be pointed to from then on, in lower case.  Names are
  compared in lower case; the question's letters stay as they were sent.
* All owner names are compressed, and the names in the rdata of the types of RFC 1035 (NS, MD, MF,
  CNAME, SOA, MB, MG, MR, PTR, MINFO, MX); in no other rdata (RFC 3597 section 4).
* The second and later records of an RRset and its RRSIGs repeat the first owner name as a pointer
  to it when it begins below 0x4000 and is not the root; these pointers are not counted.  When the
  first owner name was itself nothing but a pointer, that pointer is repeated.
* After 120 counted pointers names are written out, and can't be pointed to.
* An RRset that was left out leaves no suffix and no count behind.
"""

from typing import Final

import msgspec

from dns_node.zone.rrset import RRset, WireName

ANSWER: Final = 0
AUTHORITY: Final = 1
ADDITIONAL: Final = 2

POINTERS_MAX: Final = 120
POINTER_OFFSET_MAX: Final = 0x3FFF

_COMPRESSED: Final = {
    # type: (octets before the first name, number of names); what follows is copied
    2: (0, 1), 3: (0, 1), 4: (0, 1), 5: (0, 1), 6: (0, 2), 7: (0, 1),
    8: (0, 1), 9: (0, 1), 12: (0, 1), 14: (0, 2), 15: (2, 1),
}  # fmt: skip

_RRSIG: Final = 46


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One RRset of a section.  *ttl_s* replaces the RRset's.  What is not required may be left out
    where space is short."""

    owner: WireName
    rrset: RRset
    ttl_s: int
    is_required: bool


class Sections:
    """The answer to a question before it has a size: what `lookup` decides.

    *entries* are the RRsets of answer, authority and additional.  *subject* is the name that the
    answer is about when replies are counted (`rate_limit`): the name that was asked, or the zone's
    where it has any number of such names; None outside our zones.  *onward* is the name whose
    answer lies elsewhere, when the client may have that resolved.
    """

    __slots__ = ("_held", "aliases", "entries", "is_authoritative", "onward", "rcode", "subject")

    def __init__(self) -> None:
        self.rcode = 0
        self.is_authoritative = True
        self.aliases = 0
        self.subject: WireName | None = None
        self.onward: WireName | None = None
        self.entries: tuple[list[Entry], list[Entry], list[Entry]] = ([], [], [])
        self._held: set[tuple[WireName, int]] = set()

    def put(
        self,
        section: int,
        owner: WireName,
        rrset: RRset,
        *,
        ttl_s: int | None = None,
        is_required: bool = True,
    ) -> None:
        """Append an RRset to a section, unless one of the sections holds it already."""
        key = (owner, rrset.rrtype)
        if key not in self._held:
            self._held.add(key)
            ttl_s = rrset.ttl_s if ttl_s is None else ttl_s
            self.entries[section].append(Entry(owner, rrset, ttl_s, is_required))


class Message:
    """A reply that is being written; see the module for the rules."""

    __slots__ = ("_added", "_counts", "_offsets", "_pointers_left", "_size_max", "octets")

    def __init__(self, question: bytes, qname: WireName, size_octets_max: int):
        self.octets = bytearray(12)
        self.octets += question
        self._size_max = size_octets_max
        self._counts = [0, 0, 0]
        self._pointers_left = POINTERS_MAX
        self._added: list[bytes] = []
        self._offsets: dict[bytes, int] = {}
        offset = 0
        while qname[offset]:
            self._offsets[qname[offset:]] = 12 + offset
            offset += qname[offset] + 1

    def add(self, section: int, entry: Entry, with_signatures: bool, rrclass: int = 1) -> bool:
        """Write the RRset; returns False, and has written nothing, when it does not fit."""
        octets, rrset = self.octets, entry.rrset
        mark = len(octets), len(self._added), self._pointers_left
        repeated = b""
        groups = [(rrset.rrtype, rrset.rdatas)]
        if with_signatures and rrset.signatures:
            groups.append((_RRSIG, rrset.signatures))
        number = 0
        for rrtype, rdatas in groups:
            fixed = rrtype << 48 | rrclass << 32 | entry.ttl_s
            fixed_octets = fixed.to_bytes(8, "big")
            plan = _COMPRESSED.get(rrtype)
            for rdata in rdatas:
                if repeated:
                    octets += repeated
                else:
                    repeated = self._owner(entry.owner)
                octets += fixed_octets
                if plan is None:
                    octets += len(rdata).to_bytes(2, "big")
                    octets += rdata
                else:
                    self._rdata(rdata, *plan)
                if len(octets) > self._size_max:
                    self._undo(*mark)
                    return False
            number += len(rdatas)
        self._counts[section] += number
        return True

    def finish(self, message_id: int, flags: int, opt: bytes) -> bytes:
        """Return the whole message; *opt* is an OPT record or empty."""
        octets = self.octets
        answers, authorities, additionals = self._counts
        octets[0:12] = (
            message_id << 80
            | flags << 64
            | 1 << 48
            | answers << 32
            | authorities << 16
            | additionals + (1 if opt else 0)
        ).to_bytes(12, "big")
        octets += opt
        return bytes(octets)

    def _undo(self, size: int, added: int, pointers_left: int) -> None:
        del self.octets[size:]
        for suffix in self._added[added:]:
            del self._offsets[suffix]
        del self._added[added:]
        self._pointers_left = pointers_left

    def _owner(self, name: WireName) -> bytes:
        """Write the owner name; return what later records of the RRset write in its place."""
        start = len(self.octets)
        self._name(name)
        if len(self.octets) == start + 2 and name[0]:
            return bytes(self.octets[start:])
        if name[0] and start <= POINTER_OFFSET_MAX:
            return (0xC000 | start).to_bytes(2, "big")
        return b""

    def _rdata(self, rdata: bytes, prefix_size_octets: int, names: int) -> None:
        octets = self.octets
        start = len(octets)
        octets += b"\0\0"
        offset = prefix_size_octets
        octets += rdata[:offset]
        for _ in range(names):
            begin = offset
            while rdata[offset]:
                offset += rdata[offset] + 1
            offset += 1
            self._name(rdata[begin:offset])
        octets += rdata[offset:]
        octets[start : start + 2] = (len(octets) - start - 2).to_bytes(2, "big")

    def _name(self, name: WireName) -> None:
        octets, offsets = self.octets, self._offsets
        if self._pointers_left:
            start, offset = len(octets), 0
            while name[offset]:
                suffix = name[offset:]
                target = offsets.get(suffix)
                if target is not None:
                    octets += name[:offset]
                    octets += (0xC000 | target).to_bytes(2, "big")
                    self._pointers_left -= 1
                    return
                if start + offset <= POINTER_OFFSET_MAX:
                    offsets[suffix] = start + offset
                    self._added.append(suffix)
                offset += name[offset] + 1
        octets += name


def compose(
    question: bytes,
    qname: WireName,
    sections: Sections,
    size_octets_max: int,
    with_signatures: bool,
    rrclass: int = 1,
) -> tuple[Message, bool]:
    """Return the reply without its header and OPT, for which *size_octets_max* leaves room, and
    whether it was truncated (see the module)."""
    message = Message(question, qname, size_octets_max)
    for number, entries in enumerate(sections.entries):
        for entry in entries:
            if not message.add(number, entry, with_signatures, rrclass) and entry.is_required:
                return Message(question, qname, size_octets_max), True
    return message, False
