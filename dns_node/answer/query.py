"""A request: its octets parsed and judged, before any zone is looked at.

`parse` never follows a compression pointer: the question's name has none (there is nothing to
point to before it), and other names are only stepped over.
"""

from typing import Final

import msgspec

from dns_node.errors import WireError
from dns_node.zone.rrset import WireName

HEADER_SIZE_OCTETS: Final = 12

QUERY: Final = 0
NOTIFY: Final = 4
UPDATE: Final = 5

NOERROR: Final = 0
FORMERR: Final = 1
SERVFAIL: Final = 2
NXDOMAIN: Final = 3
NOTIMP: Final = 4
REFUSED: Final = 5
YXDOMAIN: Final = 6
NOTAUTH: Final = 9
BADVERS: Final = 16
BADCOOKIE: Final = 23

IXFR: Final = 251
_OPT: Final = 41

NSID: Final = 3
COOKIE: Final = 10
TCP_KEEPALIVE: Final = 11

OPTIONS_MAX: Final = 32
"""More EDNS options than that in one query are a FORMERR (long lists cost time)."""

RECORDS_MAX: Final = 16
"""A QUERY has at most an OPT, a TSIG or SIG(0), and an SOA (IXFR) beside its question."""


class Edns(msgspec.Struct, frozen=True, gc=False):
    """What the OPT record says (RFC 6891 section 6.1).

    *payload_size_octets* is at least 512.  *options* holds the first data of each option code;
    it is empty when *version* is not 0, for then nobody knows their form.
    """

    payload_size_octets: int
    version: int
    is_do: bool
    options: dict[int, bytes]


class Query(msgspec.Struct, frozen=True):
    """A request with a readable question.

    *question* is the question as it was sent; *qname* is its name in lower case.  *rcode* is
    NOERROR, or the error that answers it without a look at the zones.  A request without a question
    (*question* is empty) has a COOKIE option and asks for a cookie.
    """

    message_id: int
    flags: int
    opcode: int
    question: bytes
    qname: WireName
    qtype: int
    qclass: int
    edns: Edns | None
    rcode: int


def parse(octets: bytes, is_tcp: bool = False) -> Query:
    """Return the request that *octets* hold; they are at least 12 and QR is not set.

    Raises WireError when there is no one readable question to put into the reply (FORMERR), or
    when the opcode is not ours (NOTIMP); the reply is then a header alone.  A request whose
    question can be read and whose rest is wrong comes back with its rcode.
    """
    flags = octets[2] << 8 | octets[3]
    opcode = flags >> 11 & 15
    if opcode not in (QUERY, NOTIFY, UPDATE):
        raise WireError(f"opcode {opcode} is not implemented", NOTIMP)
    if octets[4:6] == b"\0\0" and opcode == QUERY:
        return _parse_cookie_request(octets, flags, is_tcp)
    if octets[4:6] != b"\0\1":
        # One question is the only number that has a meaning (RFC 9619 section 4).
        raise WireError("QDCOUNT is not 1", FORMERR)
    end = _name_end(octets, HEADER_SIZE_OCTETS) + 4
    if end > len(octets):
        raise WireError("the question is cut short", FORMERR)
    edns, rcode = None, NOERROR
    if octets[6:12] != b"\0\0\0\0\0\0" or len(octets) != end:
        edns, rcode = _parse_records(octets, end, opcode, is_tcp)
    return Query(
        octets[0] << 8 | octets[1],
        flags,
        opcode,
        octets[HEADER_SIZE_OCTETS:end],
        # Length octets are below 64, so that lower() touches letters of labels alone.
        octets[HEADER_SIZE_OCTETS : end - 4].lower(),
        octets[end - 4] << 8 | octets[end - 3],
        octets[end - 2] << 8 | octets[end - 1],
        edns,
        rcode,
    )


def _parse_cookie_request(octets: bytes, flags: int, is_tcp: bool) -> Query:
    """Return the request for a server cookie (RFC 7873 section 5.4); WireError when it is none."""
    edns, rcode = _parse_records(octets, HEADER_SIZE_OCTETS, QUERY, is_tcp)
    if rcode != NOERROR or edns is None or COOKIE not in edns.options:
        raise WireError("QDCOUNT is 0 and there is no COOKIE", FORMERR)
    message_id = octets[0] << 8 | octets[1]
    return Query(message_id, flags, QUERY, b"", b"\0", 0, 1, edns, NOERROR)


def _name_end(octets: bytes, offset: int) -> int:
    """Return the offset behind the name at *offset*, which may not be compressed."""
    start, size = offset, len(octets)
    while offset < size:
        length = octets[offset]
        offset += length + 1
        if not length:
            if offset - start > 255:
                raise WireError("the question's name is longer than 255 octets", FORMERR)
            return offset
        if length > 63:
            raise WireError("the question's name has a pointer or an unknown label type", FORMERR)
    raise WireError("the question's name is cut short", FORMERR)


def _parse_records(
    octets: bytes, offset: int, opcode: int, is_tcp: bool
) -> tuple[Edns | None, int]:
    """Return the EDNS part and the rcode of what follows the question."""
    answers = octets[6] << 8 | octets[7]
    authorities = octets[8] << 8 | octets[9]
    additionals = octets[10] << 8 | octets[11]
    records = answers + authorities + additionals
    if opcode == QUERY and (answers or authorities > 1 or records > RECORDS_MAX):
        return None, FORMERR
    found: Edns | None = None
    rcode = NOERROR
    try:
        for number in range(records):
            start = offset
            offset = _skip_name(octets, offset) + 10
            rrtype = octets[offset - 10] << 8 | octets[offset - 9]
            rdata_size_octets = octets[offset - 2] << 8 | octets[offset - 1]
            end = offset + rdata_size_octets
            if end > len(octets):
                return found, FORMERR
            if rrtype == _OPT:
                # One OPT, at the root, in the additional section (RFC 6891 section 6.1.1).
                if found is not None or octets[start] or number < answers + authorities:
                    return found, FORMERR
                found, rcode = _parse_opt(octets, offset, end, is_tcp)
            offset = end
    except IndexError:
        return found, FORMERR
    if offset != len(octets):
        return found, FORMERR  # octets behind the last record
    return found, rcode


def _skip_name(octets: bytes, offset: int) -> int:
    """Return the offset behind the name at *offset*; raises IndexError where there is none."""
    start = offset
    while True:
        length = octets[offset]
        if length >= 0xC0:
            if ((length & 0x3F) << 8 | octets[offset + 1]) >= start:
                raise IndexError("a compression pointer does not point backwards")
            return offset + 2
        if length > 63 or offset - start > 254:
            raise IndexError("not a name")
        offset += length + 1
        if not length:
            return offset


def _parse_opt(octets: bytes, offset: int, end: int, is_tcp: bool) -> tuple[Edns, int]:
    payload_size_octets = max(512, octets[offset - 8] << 8 | octets[offset - 7])
    version, is_do = octets[offset - 5], octets[offset - 4] >= 0x80
    options: dict[int, bytes] = {}
    edns = Edns(payload_size_octets, version, is_do, options)
    if version:
        return edns, BADVERS
    number = 0
    while offset < end:
        data = offset + 4
        if data > end:
            return edns, FORMERR
        offset = data + (octets[data - 2] << 8 | octets[data - 1])
        number += 1
        if offset > end or number > OPTIONS_MAX:
            return edns, FORMERR
        # Of two COOKIEs the first counts (RFC 7873 section 5.2); so for all.
        options.setdefault(octets[data - 4] << 8 | octets[data - 3], octets[data:offset])
    cookie = options.get(COOKIE)
    if cookie is not None and len(cookie) != 8 and not 16 <= len(cookie) <= 40:
        return edns, FORMERR  # RFC 7873 section 5.2.2
    if is_tcp and options.get(TCP_KEEPALIVE):
        return edns, FORMERR  # a client leaves the timeout out (RFC 7828 section 3.2.1)
    return edns, NOERROR
