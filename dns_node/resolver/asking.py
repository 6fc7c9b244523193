"""One question to one server, until there is a response or none is to be had.

What is tried on the way: TCP when the reply is truncated (RFC 7766) or somebody seems to guess
(RFC 5452 section 9.2), no EDNS for a server that does not know it (RFC 6891 section 7), a new
cookie for one that wants it (RFC 7873 section 5.3).
"""

from typing import Final

from dns_node.answer.query import BADCOOKIE, BADVERS, FORMERR, NOTIMP
from dns_node.errors import WireError
from dns_node.resolver.inquiry import Inquiry, Part
from dns_node.resolver.message import TC, Response, compose_query, parse_response
from dns_node.resolver.name_servers import (
    OVER_TCP_S,
    STREAM_TIMEOUT_S,
    WITHOUT_EDNS_S,
    NameServer,
)
from dns_node.resolver.question import Failed, Question, Replied, Transport
from dns_node.resolver.scrubbed import Failure, Lame
from dns_node.resolver.settings import PAYLOAD_SIZE_OCTETS
from dns_node.zone.names import name_text
from dns_node.zone.rdata import type_text

NETWORK_ERROR: Final = 23
"""The info code of RFC 8914."""

MANNERS_MAX: Final = 5
"""In how many manners one server is asked for one question."""

DATAGRAM_OCTETS_MAX: Final = 4096
"""Over UDP we take three times what we said we would; whoever sends more is asked over TCP, where
nobody else can be the sender."""

_NO_WAY: Final = ("network is unreachable", "cannot assign requested address")
"""In the reason of a failure: there is no way to any server of the family (ENETUNREACH,
EADDRNOTAVAIL)."""

_NOT_SENT: Final = ("too many queries", "too many connections")
"""How the reason begins when we have not even tried: that is no fault of the server."""

_UDP, _TCP = Transport.UDP, Transport.TCP


class Manner:
    """How a server is asked: the flags of a question, and by which transport."""

    __slots__ = ("has_cookie", "has_edns", "is_cd", "is_rd", "is_recheck", "sent_s", "transport")

    def __init__(self, transport: Transport, has_edns: bool, is_rd: bool, is_cd: bool):
        self.transport = transport
        self.has_edns = has_edns
        self.is_rd = is_rd
        self.is_cd = is_cd
        self.is_recheck = False
        self.has_cookie = False
        self.sent_s = 0.0

    @property
    def is_spoof_proof(self) -> bool:
        """Whether a handshake, or a cookie that only we and the server know, says who answers."""
        return self.has_cookie or self.transport is not _UDP


def first_manner(
    name_server: NameServer, now_s: float, *, is_rd: bool, is_cd: bool, is_tls: bool
) -> Manner:
    """Return how *name_server* is asked first, by what is known of it."""
    if is_tls:
        transport = Transport.TLS
    elif name_server.over_tcp_until_s > now_s:
        transport = _TCP
    else:
        transport = _UDP
    return Manner(transport, name_server.without_edns_until_s <= now_s, is_rd, is_cd)


def ask(
    inquiry: Inquiry,
    name_server: NameServer,
    question: Question,
    tries: int,
    *,
    is_rd: bool = False,
    is_cd: bool = False,
    is_tls: bool = False,
    is_alone: bool = False,
) -> Part[Response | Lame | None]:
    """Return the response of *name_server* to *question*, None when none is to be had now, `Lame`
    for one that can't be read.

    *tries* is how often it was asked for this before: it is waited for longer then, and when there
    is no other one to ask (*is_alone*).  Raises BudgetExceeded.
    """
    manner = first_manner(name_server, inquiry.now_s, is_rd=is_rd, is_cd=is_cd, is_tls=is_tls)
    for _ in range(MANNERS_MAX):
        put(inquiry, name_server, question, manner, tries, is_alone=is_alone)
        event = yield
        response = take(inquiry, name_server, question, manner, event)
        if response is not True:
            inquiry.is_spoof_proof = manner.is_spoof_proof
            return response or None
    return None


def put(
    inquiry: Inquiry,
    name_server: NameServer,
    question: Question,
    manner: Manner,
    tries: int,
    *,
    is_alone: bool = False,
) -> int:
    """Send the query; return the number of the ask."""
    settings = inquiry.resolver.settings
    qname = question.qname
    bits = inquiry.resolver.chance(16 + len(qname))
    timeout_s = name_server.timeout_s(tries, is_alone=is_alone)
    case_bits = 0
    if manner.transport is not _UDP:
        timeout_s += STREAM_TIMEOUT_S
    elif settings.mixes_case and name_server.mixes_case:
        case_bits = bits >> 16
    payload, cookie = None, b""
    if manner.has_edns:
        payload = PAYLOAD_SIZE_OCTETS
        if settings.has_cookies and manner.transport is not Transport.TLS:
            if not name_server.client_cookie:
                name_server.client_cookie = inquiry.resolver.chance(64).to_bytes(8, "big")
            cookie = name_server.client_cookie + name_server.server_cookie
    query = compose_query(
        question,
        bits & 0xFFFF,
        is_rd=manner.is_rd,
        is_do=manner.has_edns,
        is_cd=manner.is_cd,
        payload=payload,
        cookie=cookie,
        case_bits=case_bits,
    )
    manner.sent_s = inquiry.now_s
    if inquiry.steps is not None:
        inquiry.step(f"ask {_shown(name_server, manner)} for {shown(question)}")
    return inquiry.send(name_server, manner.transport, query, timeout_s)


def take(
    inquiry: Inquiry,
    name_server: NameServer,
    question: Question,
    manner: Manner,
    event: Replied | Failed,
) -> Response | Lame | bool:
    """Return the response, `Lame` for one that can't be read, False when there is none, True when
    *manner* was changed to ask again.

    Raises BudgetExceeded.
    """
    if type(event) is Failed:
        return _take_failure(inquiry, name_server, manner, event)
    assert isinstance(event, Replied)
    is_udp = manner.transport is _UDP
    name_server.note_reply(event.rtt_s if is_udp else event.rtt_s / 2)
    name_server.replied_s = inquiry.now_s
    inquiry.budget.draw_octets(len(event.octets))
    if is_udp and event.near_misses:
        # One of the guesses may have been the right one: what came is not to be trusted.
        inquiry.step("others answered too: once more over TCP")
        return _go_over_tcp(name_server, manner, inquiry.now_s)
    if is_udp and len(event.octets) > DATAGRAM_OCTETS_MAX:
        inquiry.step("a datagram larger than we asked for: once more over TCP")
        manner.transport = _TCP
        return True
    try:
        response = parse_response(event.octets)
    except WireError as error:
        if is_udp and event.octets[2] & 0x02:
            # Cut off in the middle of a record, and honest about it.
            manner.transport = _TCP
            return True
        return Lame(f"what it says can't be read: {error}", serves_zone=True)
    if response.question is not None and response.question != question:
        return False
    if manner.has_edns and _wants_other_edns(inquiry, name_server, manner, response):
        return True
    if response.flags & TC:
        if not is_udp:
            return False
        inquiry.step("truncated: once more over TCP")
        manner.transport = _TCP
        return True
    if not manner.has_edns and name_server.without_edns_until_s <= inquiry.now_s:
        if response.rcode in (FORMERR, NOTIMP):
            return response
        name_server.without_edns_until_s = inquiry.now_s + WITHOUT_EDNS_S
    return response


def _take_failure(inquiry: Inquiry, name_server: NameServer, manner: Manner, event: Failed) -> bool:
    now_s = inquiry.now_s
    if inquiry.steps is not None:
        reason = "no reply in time" if event.is_timeout else event.reason or "can't be asked"
        inquiry.step(f"{_shown(name_server, manner)}: {reason}")
    if event.reason.startswith(_NOT_SENT):
        return False
    if manner.transport is _UDP and event.near_misses:
        # Somebody guesses, or it changes the letters of the question.
        name_server.note_failure(now_s, manner.sent_s)
        return _go_over_tcp(name_server, manner, now_s)
    if manner.transport is _TCP and name_server.over_tcp_until_s > now_s:
        # It can't be asked over TCP: by UDP again, and its letters are not looked at.
        name_server.over_tcp_until_s = 0.0
        name_server.mixes_case = False
    name_server.note_failure(now_s, manner.sent_s)
    if any(text in event.reason for text in _NO_WAY):
        name_server.family.note_unreachable(now_s)
    return False


def _go_over_tcp(name_server: NameServer, manner: Manner, now_s: float) -> bool:
    name_server.over_tcp_until_s = now_s + OVER_TCP_S
    manner.transport = _TCP
    return True


def _wants_other_edns(
    inquiry: Inquiry, name_server: NameServer, manner: Manner, response: Response
) -> bool:
    """Say whether to ask again because of what the reply says, or not, in OPT."""
    rcode, edns = response.rcode, response.edns
    if rcode in (FORMERR, NOTIMP, BADVERS):
        inquiry.step("once more without EDNS")
        manner.has_edns = False
        return True
    if not inquiry.resolver.settings.has_cookies or not name_server.client_cookie:
        return False
    cookie = edns.cookie if edns is not None else b""
    is_udp = manner.transport is _UDP
    if cookie:
        if cookie[:8] != name_server.client_cookie:
            # Not from the server that was asked (RFC 7873 section 5.3).
            if is_udp:
                inquiry.step("a wrong cookie: once more over TCP")
                manner.transport = _TCP
            return is_udp
        name_server.server_cookie = cookie[8:]
        manner.has_cookie = True
    elif name_server.server_cookie:
        if is_udp and not manner.is_recheck:
            inquiry.step("no cookie where there was one: once more over TCP")
            manner.transport, manner.is_recheck = _TCP, True
            return True
        name_server.server_cookie = b""
    if rcode == BADCOOKIE:
        if manner.is_recheck:
            manner.transport = _TCP
        manner.is_recheck = True
        return is_udp
    return False


def note_no_use(inquiry: Inquiry, name_server: NameServer, scrubbed: Failure | Lame) -> None:
    """Say that what a server said helps with nothing."""
    address = name_server.server.address
    if isinstance(scrubbed, Failure):
        text = f"{address} answers with rcode {scrubbed.rcode}"
        inquiry.explain(NETWORK_ERROR, text)
    else:
        text = f"{address} is of no use: {scrubbed.reason}"
    inquiry.step(text)


def shown(question: Question) -> str:
    """Return the question as WHY shows it."""
    return f"{name_text(question.qname)} {type_text(question.qtype)}"


def _shown(name_server: NameServer, manner: Manner) -> str:
    server = name_server.server
    return f"{server.address}#{server.port} ({manner.transport.value})"
