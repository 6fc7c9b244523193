"""`respond`: the definition of every answer.

The order of the decisions: what is no request is dropped; then opcode, the form of the question
and of EDNS, the EDNS version, who asks, the class, the type; then the zones.

A request with a well-formed COOKIE option gets one in every reply, good server cookie or not: it is
answered either way (RFC 7873 section 5.2.3), and what a good one is good for is `rate_limit`.

A client in `AnswerSettings.recursion` hears RA.  With RD it gets no referral: what our zones lead
to, and what lies outside of them, is to be resolved for it (`Recurse`); nobody else has that.
"""

from typing import Final

import msgspec

from dns_node.answer.access import ANYONE, NOBODY, Networks, address_octets
from dns_node.answer.cookies import NO_SECRETS, CookieSecrets, answer_cookie
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
    BADCOOKIE,
    COOKIE,
    FORMERR,
    HEADER_SIZE_OCTETS,
    NOERROR,
    NOTAUTH,
    NOTIMP,
    NXDOMAIN,
    QUERY,
    REFUSED,
    SERVFAIL,
    Query,
    parse,
)
from dns_node.answer.rate_limit import Kind
from dns_node.answer.sections import ANSWER, AUTHORITY, Sections, compose
from dns_node.errors import WireError
from dns_node.zone.rrset import RRset, WireName
from dns_node.zone.view import View

IN: Final = 1
CHAOS: Final = 3
TXT: Final = 16

QR: Final = 0x8000
AA: Final = 0x0400
TC: Final = 0x0200
RD: Final = 0x0100
RA: Final = 0x0080
_COPIED: Final = 0x7800 | 0x0100 | 0x0010
"""What a reply takes from the query: opcode, RD and CD.  AD and Z stay 0."""

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
    *idle_timeout_s* is what a TCP client hears that asks for it (RFC 7828).  Without
    *cookie_secrets* COOKIE options are like unknown ones.  *recursion*: whose questions are
    resolved; it counts for nothing with those that *query* does not list.
    """

    identity: bytes = b""
    version: bytes = b""
    query: Networks = ANYONE
    recursion: Networks = NOBODY
    idle_timeout_s: int = 10
    cookie_secrets: CookieSecrets = NO_SECRETS


class Reply(msgspec.Struct, frozen=True, gc=False):
    """The octets to send back.

    *kind* and *subject* say what the reply is counted as where replies are limited.  *has_cookie*:
    there is a COOKIE option in it; *has_good_cookie*: the query's was good, so that the client
    receives what is sent to its address.
    """

    octets: bytes
    kind: Kind = Kind.ERROR
    subject: WireName = b"\0"
    has_cookie: bool = False
    has_good_cookie: bool = False


class Recurse(msgspec.Struct, frozen=True, gc=False):
    """The answer lies elsewhere, and *client* may have it resolved.

    *name* is what is to be resolved, with type and class of *query*: the name that was asked for,
    or the one that the aliases in *local*, which are ours, lead to.  *cookie* is the data of the
    COOKIE option of the reply, empty for none; *has_good_cookie* as in `Reply`.  *waited_s*: how
    long the client has waited, where it was tried to be quick before.
    """

    query: Query
    name: WireName
    local: Sections
    client: Client
    cookie: bytes = b""
    has_good_cookie: bool = False
    waited_s: float = 0.0


class Drop(msgspec.Struct, frozen=True, gc=False):
    """Nothing is sent: the octets are no request, or nobody could get the reply."""


DROP: Final = Drop()


def respond(
    octets: bytes,
    view: View | None,
    client: Client,
    now_s: float,
    settings: AnswerSettings = AnswerSettings(),  # noqa: B008 (it is immutable)
) -> Reply | Recurse | Drop:
    """Return the reply to *octets* from the zones of *view*, that it has to be resolved, or that
    there is none.

    *view* is None while there is no store yet.  Raises nothing on any octets; what the view
    raises passes through, and `respond_servfail` is the answer then.  *now_s* (Unix time) is what
    cookies depend on.
    """
    exchange = _begin(octets, client, now_s, settings)
    if not isinstance(exchange, _Exchange):
        return exchange
    query = exchange.query
    if query.rcode != NOERROR:
        return exchange.error(query.rcode)
    if not settings.query.lists(client.address):
        return exchange.error(REFUSED, PROHIBITED)
    if not query.question:
        return exchange.error(BADCOOKIE if exchange.has_bad_cookie else NOERROR)
    if query.opcode != QUERY:
        return exchange.error(_rcode_of_opcode(query, view))
    if query.qclass != IN:
        return _respond_other_class(exchange)
    rcode = _TYPES_WITHOUT_DATA.get(query.qtype)
    if rcode is not None:
        return exchange.error(rcode, INVALID_QUERY_TYPE if rcode == FORMERR else None)
    if view is None:
        return exchange.error(REFUSED, NOT_READY)
    edns = query.edns
    leads_onward = exchange.may_recurse and bool(query.flags & RD)
    is_do = edns is not None and edns.is_do
    sections = look_up(view, query.qname, query.qtype, is_do, leads_onward)
    if sections.onward is not None:
        cookie, has_good_cookie = exchange.cookie, exchange.has_good_cookie
        return Recurse(query, sections.onward, sections, client, cookie, has_good_cookie)
    return exchange.reply(sections, NOT_AUTHORITATIVE if sections.rcode == REFUSED else None)


def respond_servfail(
    octets: bytes, client: Client, now_s: float, settings: AnswerSettings
) -> Reply | Drop:
    """Return the reply to a query that could not be answered because of a fault of ours."""
    exchange = _begin(octets, client, now_s, settings)
    return exchange.error(SERVFAIL, OTHER_ERROR) if isinstance(exchange, _Exchange) else exchange


def respond_limited(
    octets: bytes, client: Client, now_s: float, settings: AnswerSettings
) -> Reply | Drop:
    """Return the short reply to a query that had too many answers (`rate_limit.Verdict.SLIP`).

    A true client shows by its next query that it exists: BADCOOKIE brings one that knows cookies a
    good one (RFC 7873 section 5.2.3), TC the others to TCP.
    """
    exchange = _begin(octets, client, now_s, settings)
    if not isinstance(exchange, _Exchange):
        return exchange
    if exchange.cookie:
        return exchange.error(BADCOOKIE)
    return exchange.error(NOERROR, flags=TC)


def _begin(
    octets: bytes, client: Client, now_s: float, settings: AnswerSettings
) -> "_Exchange | Reply | Drop":
    if len(octets) < HEADER_SIZE_OCTETS or octets[2] & 0x80 or client.port == 0:
        return DROP
    try:
        query = parse(octets, client.is_tcp)
    except WireError as error:
        return Reply(_header(octets, error.rcode))
    if not query.question and not settings.cookie_secrets:
        return Reply(_header(octets, FORMERR))
    return _Exchange(query, client, now_s, settings)


def _rcode_of_opcode(query: Query, view: View | None) -> int:
    """NOTIFY and UPDATE: NOTAUTH where the zone is not ours (RFC 2136 section 3.1.2)."""
    if view is None or query.qclass != IN or view.zone(query.qname) is None:
        return NOTAUTH
    # No zone of ours is a secondary, nor takes updates.
    return REFUSED


def _respond_other_class(exchange: "_Exchange") -> Reply:
    text, query = b"", exchange.query
    if query.qclass == CHAOS and query.qtype in (TXT, 255):
        text = _CHAOS_TEXTS.get(query.qname, lambda _: b"")(exchange.settings)
    if not text:
        return exchange.error(REFUSED)
    sections = Sections()
    sections.subject = query.qname
    sections.put(ANSWER, query.qname, RRset(TXT, 0, (bytes([len(text[:255])]) + text[:255],)))
    return exchange.reply(sections, None)


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


class _Exchange:
    """One readable query and what its reply has whatever the answer is."""

    __slots__ = (
        "client", "cookie", "has_bad_cookie", "has_good_cookie", "may_recurse", "query",
        "settings",
    )  # fmt: skip

    def __init__(self, query: Query, client: Client, now_s: float, settings: AnswerSettings):
        self.query, self.client, self.settings = query, client, settings
        self.may_recurse = settings.recursion.lists(client.address)
        self.cookie = b""
        self.has_good_cookie = self.has_bad_cookie = False
        edns, secrets = query.edns, settings.cookie_secrets
        if not secrets or edns is None or (option := edns.options.get(COOKIE)) is None:
            return
        if len(option) != 8 and not 16 <= len(option) <= 40:
            return  # the FORMERR of RFC 7873 section 5.2.2
        address = address_octets(client.address)
        self.cookie, self.has_good_cookie = answer_cookie(option, address, int(now_s), secrets)
        self.has_bad_cookie = len(option) > 8 and not self.has_good_cookie

    def reply(self, sections: Sections, info: int | None) -> Reply:
        """Return the reply with *sections*; *info* is the code of an extended error."""
        query, client, edns = self.query, self.client, self.query.edns
        opt = self._opt(sections.rcode, info)
        size_octets_max = payload_size_octets_max(edns, client.is_tcp) - len(opt)
        is_do = edns is not None and edns.is_do
        message, is_truncated = compose(
            query.question, query.qname, sections, size_octets_max, is_do, query.qclass
        )
        flags = self._flags(sections.rcode)
        if sections.is_authoritative:
            flags |= AA
        if is_truncated:
            flags |= TC
        octets = message.finish(query.message_id, flags, opt)
        kind, subject = _kind(sections), b"\0"
        if kind is not Kind.ERROR:
            assert sections.subject is not None, "an answer is about a name"
            subject = sections.subject
        return Reply(octets, kind, subject, bool(self.cookie), self.has_good_cookie)

    def error(self, rcode: int, info: int | None = None, flags: int = 0) -> Reply:
        """Return a reply of the question, an OPT if there was one, and *rcode*."""
        query, opt = self.query, self._opt(rcode, info)
        flags |= self._flags(rcode)
        counts = (1 if query.question else 0) << 48 | (1 if opt else 0)
        header = query.message_id << 80 | flags << 64 | counts
        octets = header.to_bytes(12, "big") + query.question + opt
        has_cookie, has_good_cookie = bool(self.cookie), self.has_good_cookie
        return Reply(octets, has_cookie=has_cookie, has_good_cookie=has_good_cookie)

    def _flags(self, rcode: int) -> int:
        return QR | self.query.flags & _COPIED | (RA if self.may_recurse else 0) | rcode & 15

    def _opt(self, rcode: int, info: int | None) -> bytes:
        settings, edns = self.settings, self.query.edns
        if edns is None:
            return b""
        return compose_opt(
            edns,
            rcode,
            nsid=settings.identity[:IDENTITY_SIZE_OCTETS_MAX],
            cookie=self.cookie,
            idle_timeout_s=settings.idle_timeout_s if self.client.is_tcp else 0,
            error=info,
        )


def _kind(sections: Sections) -> Kind:
    """Return what a reply is counted as; one without data is an error."""
    if sections.rcode == NXDOMAIN:
        return Kind.NXDOMAIN
    if sections.rcode != NOERROR:
        return Kind.ERROR
    if sections.entries[ANSWER]:
        return Kind.ANSWER
    if not sections.is_authoritative and sections.entries[AUTHORITY]:
        return Kind.REFERRAL
    return Kind.NODATA


def _header(octets: bytes, rcode: int) -> bytes:
    """Return the reply to a message without a readable question: a header alone."""
    flags = QR | (octets[2] << 8 | octets[3]) & _COPIED | rcode
    return octets[:2] + flags.to_bytes(2, "big") + bytes(8)
