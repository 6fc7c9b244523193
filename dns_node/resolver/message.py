"""Messages to servers and from them (RFC 1035 section 4, RFC 6891): octets to values and back.

What a server sends may be anything.  Parsing costs time in proportion to the octets: a compression
pointer points backwards from where its name, or the part of it that was followed last, begins; at
most `POINTERS_MAX` are followed in one name; the names of one message have at most
`NAMES_SIZE_OCTETS_MAX` octets together.  A message with more records than we want to hold is
refused whole, for part of an RRset is no RRset.
"""

import struct
from collections import Counter
from typing import Final

import msgspec

from dns_node.answer.query import COOKIE, FORMERR, HEADER_SIZE_OCTETS, NOTIMP
from dns_node.errors import WireError
from dns_node.resolver.question import ExtendedError, Question
from dns_node.zone.rrset import WireName

QR: Final = 0x8000
AA: Final = 0x0400
TC: Final = 0x0200
RD: Final = 0x0100
RA: Final = 0x0080
AD: Final = 0x0020
CD: Final = 0x0010

NAMES_SIZE_OCTETS_MAX: Final = 65_536
"""What all names of one message have together when they are written out."""

POINTERS_MAX: Final = 32
"""Compression pointers that are followed in one name."""

SECTION_RECORDS_MAX: Final = 256
RRSET_RECORDS_MAX: Final = 100

OPTIONS_MAX: Final = 32
ERRORS_MAX: Final = 4
ERROR_TEXT_MAX: Final = 160

_OPT: Final = 41
_NAPTR: Final = 35
_EDE: Final = 15
_TTL_S_MAX: Final = 0x7FFF_FFFF
_FIXED: Final = struct.Struct(">HHIH")
_HEADER: Final = struct.Struct(">HHHHHH")
_CASE_MASK: Final = bytes(0x20 if 0x61 <= octet <= 0x7A else 0 for octet in range(256))
_BIT_MASK: Final = bytes(0x20 if octet == 0x31 else 0 for octet in range(256))

_SIZES_OCTETS: Final = {1: 4, 28: 16}

_NAMES: Final = {
    # type: (octets before the first name, number of names, fewest and most octets behind them).
    # The types whose names are in lower case in canonical form (RFC 4034 section 6.2 without NSEC,
    # RFC 6840 section 5.1); a name of theirs may come compressed (RFC 3597 section 4).
    2: (0, 1, 0, 0), 3: (0, 1, 0, 0), 4: (0, 1, 0, 0), 5: (0, 1, 0, 0), 6: (0, 2, 20, 20),
    7: (0, 1, 0, 0), 8: (0, 1, 0, 0), 9: (0, 1, 0, 0), 12: (0, 1, 0, 0), 14: (0, 2, 0, 0),
    15: (2, 1, 0, 0), 17: (0, 2, 0, 0), 18: (2, 1, 0, 0), 21: (2, 1, 0, 0), 24: (18, 1, 1, 65535),
    26: (2, 2, 0, 0), 33: (6, 1, 0, 0), 35: (4, 1, 0, 0), 36: (2, 1, 0, 0), 39: (0, 1, 0, 0),
    46: (18, 1, 1, 65535),
}  # fmt: skip


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record; *rdata* is in canonical form (RFC 4034 section 6.2)."""

    owner: WireName
    rrtype: int
    rrclass: int
    ttl_s: int
    rdata: bytes


class ResponseEdns(msgspec.Struct, frozen=True, gc=False):
    """What the OPT record of a response says.  *cookie* is the data of the COOKIE option, empty
    when there is none or its size is wrong; *errors* are the first extended errors."""

    payload_size_octets: int
    version: int
    is_do: bool
    cookie: bytes = b""
    errors: tuple[ExtendedError, ...] = ()


class Response(msgspec.Struct, frozen=True, gc=False):
    """A response of a server.

    *rcode* is the extended one (RFC 6891 section 6.1.3).  *question* is None, and
    *question_octets* empty, when the server says that it could not read ours.  OPT is in none of
    the sections.
    """

    message_id: int
    flags: int
    rcode: int
    question: Question | None
    question_octets: bytes
    answer: tuple[Record, ...]
    authority: tuple[Record, ...]
    additional: tuple[Record, ...]
    edns: ResponseEdns | None

    @property
    def is_authoritative(self) -> bool:
        """Say whether AA is set."""
        return bool(self.flags & AA)

    @property
    def is_truncated(self) -> bool:
        """Say whether TC is set."""
        return bool(self.flags & TC)


def parse_response(octets: bytes) -> Response:
    """Return the response that *octets* hold; raises WireError when they hold none.

    A TTL with the highest bit set is 0 (RFC 2181 section 8).
    """
    try:
        message_id, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(
            octets
        )
        if not flags & QR or flags & 0x7800:
            raise WireError("it is no response to a QUERY")
        if questions > 1:
            raise WireError("QDCOUNT is above 1 (RFC 9619)")
        if max(answers, authorities, additionals) > SECTION_RECORDS_MAX:
            raise WireError(f"a section has more than {SECTION_RECORDS_MAX} records")
        reader = _Reader(octets)
        offset = HEADER_SIZE_OCTETS
        question = None
        if questions:
            qname, offset = reader.name(offset)
            offset += 4
            qtype, qclass = struct.unpack_from(">HH", octets, offset - 4)
            question = Question(qname, qtype, qclass)
        question_octets = octets[HEADER_SIZE_OCTETS:offset]
        answer, offset = reader.records(offset, answers)
        authority, offset = reader.records(offset, authorities)
        additional, offset = reader.records(offset, additionals, may_have_opt=True)
    except (IndexError, struct.error):
        raise WireError("the message is cut short") from None
    if offset != len(octets):
        raise WireError("there are octets behind the last record")
    rcode = flags & 15 | reader.rcode_high << 4
    return Response(
        message_id, flags, rcode, question, question_octets, answer, authority, additional,
        reader.edns,
    )  # fmt: skip


class _Reader:
    """The octets of one message, and the names that were read in it."""

    __slots__ = ("edns", "names", "octets", "rcode_high", "room")

    def __init__(self, octets: bytes):
        self.octets = octets
        self.names: dict[int, WireName] = {}
        self.room = NAMES_SIZE_OCTETS_MAX
        self.edns: ResponseEdns | None = None
        self.rcode_high = 0

    def name(self, offset: int) -> tuple[WireName, int]:
        """Return the name at *offset* in lower case, and the offset behind it."""
        octets, names = self.octets, self.names
        start = segment = offset
        head, end, pointers = b"", 0, 0
        while True:
            length = octets[offset]
            if not length:
                offset += 1
                tail = name = octets[segment:offset].lower()
                if segment != start:
                    names[segment] = tail
                    name = head.lower() + tail
                break
            if length < 64:
                offset += length + 1
                continue
            if length < 0xC0:
                raise WireError(f"the label at octet {offset} has an unknown type")
            target = (length & 0x3F) << 8 | octets[offset + 1]
            if target >= segment:
                raise WireError(f"the pointer at octet {offset} does not point backwards")
            head += octets[segment:offset]
            end = end or offset + 2
            known = names.get(target)
            if known is not None:
                name = head.lower() + known
                break
            pointers += 1
            if pointers > POINTERS_MAX or len(head) > 254:
                raise WireError(f"the name at octet {start} is too long")
            segment = offset = target
        if len(name) > 255:
            raise WireError(f"the name at octet {start} is longer than 255 octets")
        self.room -= len(name)
        if self.room < 0:
            raise WireError("the names are too long together")
        names[start] = name
        return name, end or offset

    def records(
        self, offset: int, number: int, *, may_have_opt: bool = False
    ) -> tuple[tuple[Record, ...], int]:
        """Return *number* records from *offset* on, and the offset behind them."""
        if not number:
            return (), offset
        octets, names, size = self.octets, self.names, len(self.octets)
        found = []
        for _ in range(number):
            start = offset
            owner = None
            if octets[offset] >= 0xC0:
                owner = names.get((octets[offset] & 0x3F) << 8 | octets[offset + 1])
                offset += 2
            if owner is None:
                owner, offset = self.name(start)
            rrtype, rrclass, ttl_s, rdata_size = _FIXED.unpack_from(octets, offset)
            offset += 10
            end = offset + rdata_size
            if end > size:
                raise WireError(f"the record at octet {start} is cut short")
            if rrtype in _NAMES:
                rdata = self._rdata(rrtype, offset, end)
            elif rrtype == _OPT:
                self._opt(may_have_opt and owner == b"\0", rrclass, ttl_s, octets[offset:end])
                offset = end
                continue
            else:
                rdata = octets[offset:end]
                if _SIZES_OCTETS.get(rrtype, rdata_size) != rdata_size:
                    raise WireError(f"the address at octet {offset} has a wrong size")
            offset = end
            if ttl_s > _TTL_S_MAX:
                ttl_s = 0
            found.append(Record(owner, rrtype, rrclass, ttl_s, rdata))
        if len(found) > RRSET_RECORDS_MAX:
            [(_, most)] = Counter((each.owner, each.rrtype) for each in found).most_common(1)
            if most > RRSET_RECORDS_MAX:
                raise WireError(f"an RRset has more than {RRSET_RECORDS_MAX} records")
        return tuple(found), offset

    def _rdata(self, rrtype: int, offset: int, end: int) -> bytes:
        """Return the rdata between *offset* and *end* with its names written out."""
        octets = self.octets
        start = offset
        before, names, rest_min, rest_max = _NAMES[rrtype]
        offset += before
        if rrtype == _NAPTR:
            for _ in range(3):
                offset += octets[offset] + 1
        rdata = octets[start:offset]
        for _ in range(names):
            name, offset = self.name(offset)
            rdata += name
        if not rest_min <= end - offset <= rest_max:
            raise WireError(f"the data at octet {start} of type {rrtype} has a wrong size")
        return rdata + octets[offset:end] if rest_max else rdata

    def _opt(self, is_in_place: bool, payload: int, ttl: int, options: bytes) -> None:
        """Take the OPT record."""
        if self.edns is not None or not is_in_place:
            raise WireError("OPT stands twice, or where it may not (RFC 6891 section 6.1.1)")
        self.rcode_high = ttl >> 24
        version, is_do = ttl >> 16 & 0xFF, bool(ttl & 0x8000)
        cookie, errors = _parse_options(options) if not version else (b"", ())
        self.edns = ResponseEdns(max(512, payload), version, is_do, cookie, errors)


def _parse_options(octets: bytes) -> tuple[bytes, tuple[ExtendedError, ...]]:
    """Return (COOKIE, extended errors) of the options of an OPT record."""
    offset, number = 0, 0
    cookie = b""
    errors: list[ExtendedError] = []
    while offset < len(octets):
        code, size = struct.unpack_from(">HH", octets, offset)
        offset += 4 + size
        number += 1
        if offset > len(octets) or number > OPTIONS_MAX:
            raise WireError("the options of OPT are cut short or too many")
        data = octets[offset - size : offset]
        if code == COOKIE and not cookie and 16 <= size <= 40:
            cookie = data
        elif code == _EDE and size >= 2 and len(errors) < ERRORS_MAX:
            text = data[2:].decode("utf-8", "replace")[:ERROR_TEXT_MAX]
            text = "".join(letter for letter in text if letter.isprintable())
            errors.append(ExtendedError(data[0] << 8 | data[1], text))
    return cookie, tuple(errors)


def compose_query(
    question: Question,
    message_id: int,
    *,
    is_rd: bool = False,
    is_do: bool = False,
    is_cd: bool = False,
    payload: int | None = None,
    cookie: bytes = b"",
    case_bits: int = 0,
) -> bytes:
    """Return the query for *question*; without EDNS when *payload* is None.

    A letter of the name is in upper case when its bit of *case_bits* is set, one bit for every
    octet of the name, so that as many bits as the name has octets mix the case of all of it.
    """
    qname = question.qname
    if case_bits:
        size = len(qname)
        bits = format(case_bits & ((1 << size) - 1), f"0{size}b").encode().translate(_BIT_MASK)
        mask = int.from_bytes(qname.translate(_CASE_MASK), "big") & int.from_bytes(bits, "big")
        qname = (int.from_bytes(qname, "big") ^ mask).to_bytes(size, "big")
    flags = (RD if is_rd else 0) | (CD if is_cd else 0)
    head = _HEADER.pack(message_id, flags, 1, 0, 0, 0 if payload is None else 1)
    asked = (question.qtype << 16 | question.qclass).to_bytes(4, "big")
    if payload is None:
        return head + qname + asked
    option = b"\0\x0a" + len(cookie).to_bytes(2, "big") + cookie if cookie else b""
    fixed = _FIXED.pack(_OPT, payload, 0x8000 if is_do else 0, len(option))
    return b"".join((head, qname, asked, b"\0", fixed, option))


def is_reply(query: bytes, octets: bytes, *, checks_case: bool = True) -> bool:
    """Say whether *octets* are the reply to *query*, which `compose_query` made.

    Its id and its question are those of the query (RFC 5452 section 9.1), with *checks_case* to the
    letter.  A server that could not read the query may leave the question out; nothing else is in
    such a reply.
    """
    if len(octets) < HEADER_SIZE_OCTETS or octets[:2] != query[:2] or octets[2] & 0xF8 != 0x80:
        return False
    if octets[4:6] == b"\0\0":
        return octets[6:10] == b"\0\0\0\0" and octets[3] & 15 in (FORMERR, NOTIMP)
    if octets[4:6] != b"\0\1":
        return False
    end = HEADER_SIZE_OCTETS
    while query[end]:
        end += query[end] + 1
    end += 5
    theirs, ours = octets[HEADER_SIZE_OCTETS:end], query[HEADER_SIZE_OCTETS:end]
    if checks_case:
        return theirs == ours
    return theirs[:-4].lower() == ours[:-4].lower() and theirs[-4:] == ours[-4:]
