"""`respond`: the definition of every answer.

The order of the decisions: what is no request is dropped; then opcode, the form of the question
and of EDNS, the EDNS version, who asks, the class, the type; then the zones.
"""

from typing import Final

import msgspec

from dns_node.answer.access import ANYONE, Networks
from dns_node.answer.edns import (
    INVALID_QUERY_TYPE,
    NOT_AUTHORITATIVE,
    NOT_READY,
    OTHER_ERROR,
    PROHIBITED,
    compose_opt,
    payload_size_octets_max,
)
from dns_node.answer.lookup import look_up
from dns_node.answer.query import (
    FORMERR,
    HEADER_SIZE_OCTETS,
    NOERROR,
    NOTAUTH,
    NOTIMP,
    QUERY,
    REFUSED,
    SERVFAIL,
    Edns,
    Query,
    parse,
)
from dns_node.answer.sections import ANSWER, Sections, compose
from dns_node.errors import WireError
from dns_node.zone.rrset import RRset
from dns_node.zone.view import View

IN: Final = 1
CHAOS: Final = 3
TXT: Final = 16

QR: Final = 0x8000
AA: Final = 0x0400
TC: Final = 0x0200
_COPIED: Final = 0x7800 | 0x0100 | 0x0010
"""What a reply takes from the query: opcode, RD and CD.  AD, RA and Z stay 0."""

IDENTITY_SIZE_OCTETS_MAX: Final = 128
"""What NSID tells of the identity, so that an error with the longest question fits 512 octets."""

_TYPES_WITHOUT_DATA: Final = {
    0: FORMERR,  # reserved (RFC 6895 section 3.1)
    41: FORMERR,  # OPT
    128: FORMERR,  # NXNAME (RFC 9824 section 3.5)
    249: REFUSED,  # TKEY
    250: FORMERR,  # TSIG
    251: REFUSED,  # IXFR
    252: REFUSED,  # AXFR
    253: NOTIMP,  # MAILB, obsolete
    254: NOTIMP,  # MAILA, obsolete
}


class Client(msgspec.Struct, frozen=True, gc=False):
    """Who asks: the address and port that the query came from (behind a listed proxy, the inner
    ones), and whether it came over a stream."""

    address: str
    port: int
    is_tcp: bool = False


class AnswerSettings(msgspec.Struct, frozen=True):
    """What answers depend on beside the zones.

    *identity* is told by NSID and id.server, *version* by version.bind; empty tells nothing.
    *idle_timeout_s* is what a TCP client hears that asks for it (RFC 7828).
    """

    identity: bytes = b""
    version: bytes = b""
    query: Networks = ANYONE
    idle_timeout_s: int = 10


class Reply(msgspec.Struct, frozen=True, gc=False):
    """The octets to send back."""

    octets: bytes


class Drop(msgspec.Struct, frozen=True, gc=False):
    """Nothing is sent: the octets are no request, or nobody could get the reply."""


DROP: Final = Drop()


def respond(
    octets: bytes,
    view: View | None,
    client: Client,
    now_s: float,
    settings: AnswerSettings = AnswerSettings(),  # noqa: B008 (it is immutable)
) -> Reply | Drop:
    """Return the reply to *octets* from the zones of *view*, or that there is none.

    *view* is None while there is no store yet.  Raises nothing on any octets; what the view
    raises passes through, and `respond_servfail` is the answer then.  *now_s* is for what depends
    on time (nothing yet).
    """
    if len(octets) < HEADER_SIZE_OCTETS or octets[2] & 0x80 or client.port == 0:
        return DROP
    try:
        query = parse(octets, client.is_tcp)
    except WireError as error:
        return Reply(_header(octets, error.rcode))
    if query.rcode != NOERROR:
        return _error(query, query.rcode, client, settings)
    if not settings.query.lists(client.address):
        return _error(query, REFUSED, client, settings, PROHIBITED)
    if query.opcode != QUERY:
        return _error(query, _rcode_of_opcode(query, view), client, settings)
    if query.qclass != IN:
        return _respond_other_class(query, client, settings)
    rcode = _TYPES_WITHOUT_DATA.get(query.qtype)
    if rcode is not None:
        info = INVALID_QUERY_TYPE if rcode == FORMERR else None
        return _error(query, rcode, client, settings, info)
    if view is None:
        return _error(query, REFUSED, client, settings, NOT_READY)
    edns = query.edns
    sections = look_up(view, query.qname, query.qtype, edns is not None and edns.is_do)
    info = NOT_AUTHORITATIVE if sections.rcode == REFUSED else None
    return _reply(query, sections, client, settings, info)


def respond_servfail(octets: bytes, client: Client, settings: AnswerSettings) -> Reply | Drop:
    """Return the reply to a query that could not be answered because of a fault of ours."""
    if len(octets) < HEADER_SIZE_OCTETS or octets[2] & 0x80 or client.port == 0:
        return DROP
    try:
        query = parse(octets, client.is_tcp)
    except WireError as error:
        return Reply(_header(octets, error.rcode))
    return _error(query, SERVFAIL, client, settings, OTHER_ERROR)


def _rcode_of_opcode(query: Query, view: View | None) -> int:
    """NOTIFY and UPDATE: NOTAUTH where the zone is not ours (RFC 2136 section 3.1.2)."""
    if view is None or query.qclass != IN or view.zone(query.qname) is None:
        return NOTAUTH
    # No zone of ours is a secondary, nor takes updates.
    return REFUSED


def _respond_other_class(query: Query, client: Client, settings: AnswerSettings) -> Reply:
    text = b""
    if query.qclass == CHAOS and query.qtype in (TXT, 255):
        text = _CHAOS_TEXTS.get(query.qname, lambda _: b"")(settings)
    if not text:
        return _error(query, REFUSED, client, settings)
    sections = Sections()
    sections.put(ANSWER, query.qname, RRset(TXT, 0, (bytes([len(text[:255])]) + text[:255],)))
    return _reply(query, sections, client, settings, None)


def _identity(settings: AnswerSettings) -> bytes:
    return settings.identity


def _version(settings: AnswerSettings) -> bytes:
    return settings.version


_CHAOS_TEXTS: Final = {
    b"\x07version\x04bind\0": _version,
    b"\x07version\x06server\0": _version,
    b"\x02id\x06server\0": _identity,
    b"\x08hostname\x04bind\0": _identity,
}


def _reply(
    query: Query,
    sections: Sections,
    client: Client,
    settings: AnswerSettings,
    info: int | None,
) -> Reply:
    edns = query.edns
    opt = b"" if edns is None else _opt(edns, sections.rcode, client, settings, info)
    size_octets_max = payload_size_octets_max(edns, client.is_tcp) - len(opt)
    is_do = edns is not None and edns.is_do
    message, is_truncated = compose(
        query.question, query.qname, sections, size_octets_max, is_do, query.qclass
    )
    flags = QR | query.flags & _COPIED | sections.rcode & 15
    if sections.is_authoritative:
        flags |= AA
    if is_truncated:
        flags |= TC
    return Reply(message.finish(query.message_id, flags, opt))


def _error(
    query: Query, rcode: int, client: Client, settings: AnswerSettings, info: int | None = None
) -> Reply:
    """Return a reply of the question, an OPT if there was one, and *rcode*."""
    edns = query.edns
    opt = b"" if edns is None else _opt(edns, rcode, client, settings, info)
    flags = QR | query.flags & _COPIED | rcode & 15
    header = query.message_id << 80 | flags << 64 | 1 << 48 | (1 if opt else 0)
    return Reply(header.to_bytes(12, "big") + query.question + opt)


def _header(octets: bytes, rcode: int) -> bytes:
    """Return the reply to a message without a readable question: a header alone."""
    flags = QR | (octets[2] << 8 | octets[3]) & _COPIED | rcode
    return octets[:2] + flags.to_bytes(2, "big") + bytes(8)


def _opt(
    edns: Edns, rcode: int, client: Client, settings: AnswerSettings, info: int | None
) -> bytes:
    return compose_opt(
        edns,
        rcode,
        nsid=settings.identity[:IDENTITY_SIZE_OCTETS_MAX],
        idle_timeout_s=settings.idle_timeout_s if client.is_tcp else 0,
        error=info,
    )

