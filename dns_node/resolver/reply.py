"""The reply to a client whose question was resolved, and the message that the cache keeps of it.

* Beside the answer a reply holds the SOA of what is absent; with DO the signatures and the proofs
  too.  A client without DO gets NSEC and NSEC3 only when it asked for them (RFC 4035 section
  3.2.1).
* RA is set, AA never: what our zones say alone is no such reply.  AD is set when all of the answer
  and of the authority section is secure, and only for a client that sets AD or DO (RFC 6840
  sections 5.7 and 5.8); what begins in our own zones has no AD, for these are not validated.
* What validation found bogus is SERVFAIL, except for a client that checks itself (CD).
* The message cache keeps the whole as one message; what a client gets is cut to its size as
  `message_cache` does it, so that the first reply is like those that come from the cache.
"""

from typing import Final

import msgspec

from dns_node.answer.edns import compose_opt, payload_size_octets_max
from dns_node.answer.query import SERVFAIL, Query
from dns_node.answer.respond import (
    IDENTITY_SIZE_OCTETS_MAX,
    QR,
    RA,
    RD,
    TC,
    AnswerSettings,
    Recurse,
    Reply,
)
from dns_node.answer.sections import ADDITIONAL, ANSWER, AUTHORITY, Message, Sections
from dns_node.resolver.message_cache import Key
from dns_node.resolver.question import Outcome, Security

AD: Final = 0x0020
CD: Final = 0x0010
_PROOFS: Final = (47, 50)
_OPCODE: Final = 0x7800
_MESSAGE_SIZE_OCTETS_MAX: Final = 65535
_TTL_S_MAX: Final = 0x7FFF_FFFF


class Resolved(msgspec.Struct, frozen=True, gc=False):
    """*reply* goes to the client.

    *message* is what may be kept under *key* for *ttl_s*, with *error*, the info code that OPT
    tells (`MessageCache.put`); without *message* nothing may be.
    """

    reply: Reply
    key: Key
    message: bytes = b""
    ttl_s: int = 0
    error: int | None = None


def compose_reply(recurse: Recurse, outcome: Outcome, settings: AnswerSettings) -> Resolved:
    """Return the reply to *recurse*, whose name was resolved to *outcome*."""
    query, client = recurse.query, recurse.client
    edns = query.edns
    is_do, is_cd = edns is not None and edns.is_do, bool(query.flags & CD)
    has_local = bool(recurse.local.entries[ANSWER])
    if outcome.security is Security.BOGUS and not is_cd:
        outcome = Outcome(SERVFAIL, ttl_s=outcome.ttl_s, errors=outcome.errors)
    flags = QR | RA | query.flags & _OPCODE | outcome.rcode & 15
    if outcome.security is Security.SECURE and not has_local:
        flags |= AD
    message, required_size_octets = _compose(query, _sections(recurse, outcome, is_do), is_do)
    error = outcome.errors[0].code if outcome.errors else None
    opt = b""
    if edns is not None:
        opt = compose_opt(
            edns,
            outcome.rcode,
            nsid=settings.identity[:IDENTITY_SIZE_OCTETS_MAX],
            cookie=recurse.cookie,
            idle_timeout_s=settings.idle_timeout_s if client.is_tcp else 0,
            error=error,
        )
    sent_flags = flags | query.flags & (RD | CD)
    if not is_do and not query.flags & AD:
        sent_flags &= ~AD
    room = payload_size_octets_max(edns, client.is_tcp) - len(opt)
    octets = _fit(message, required_size_octets, query, sent_flags, opt, room)
    reply = Reply(octets, has_cookie=bool(recurse.cookie), has_good_cookie=recurse.has_good_cookie)
    key = Key(query.qname, query.qtype, query.qclass, is_do, is_cd)
    if has_local or outcome.ttl_s <= 0 or not message or outcome.rcode > 15:
        return Resolved(reply, key)
    kept = b"\0\0" + flags.to_bytes(2, "big") + message[4:]
    return Resolved(reply, key, kept, outcome.ttl_s, error)


def _sections(recurse: Recurse, outcome: Outcome, is_do: bool) -> Sections:
    """Return the sections of the reply: the aliases that are ours, then what they lead to."""
    sections, qtype = Sections(), recurse.query.qtype
    for entry in recurse.local.entries[ANSWER]:
        sections.put(ANSWER, entry.owner, entry.rrset, ttl_s=entry.ttl_s)
    for held in outcome.answer:
        sections.put(ANSWER, held.owner, held.rrset)
    # An absence is not to be kept for longer than the SOA says (RFC 2308 section 5).
    ttl_s_max = outcome.ttl_s if outcome.ttl_s > 0 else _TTL_S_MAX
    for held in outcome.authority:
        rrset = held.rrset
        if is_do or rrset.rrtype not in _PROOFS or rrset.rrtype == qtype:
            sections.put(AUTHORITY, held.owner, rrset, ttl_s=min(rrset.ttl_s, ttl_s_max))
    for held in outcome.additional:
        sections.put(ADDITIONAL, held.owner, held.rrset, is_required=False)
    return sections


def _compose(query: Query, sections: Sections, is_do: bool) -> tuple[bytes, int]:
    """Return the whole message, and where its additional section begins; an empty message when it
    is too long for any."""
    message = Message(query.question, query.qname, _MESSAGE_SIZE_OCTETS_MAX)
    required_size_octets = 0
    for number, entries in enumerate(sections.entries):
        if number == ADDITIONAL:
            required_size_octets = len(message.octets)
        for entry in entries:
            if not message.add(number, entry, is_do, query.qclass) and entry.is_required:
                return b"", 0
    return message.finish(0, 0, b""), required_size_octets


def _fit(
    message: bytes, required_size_octets: int, query: Query, flags: int, opt: bytes, room: int
) -> bytes:
    """Return the octets that the client gets, at most *room* of them before *opt*."""
    head = (query.message_id << 16 | flags).to_bytes(4, "big")
    additionals = 1 if opt else 0
    if message and len(message) <= room:
        if opt:
            additionals += message[10] << 8 | message[11]
            return b"".join(
                (head, message[4:10], additionals.to_bytes(2, "big"), message[12:], opt)
            )
        return head + message[4:]
    if message and required_size_octets <= room:
        rest = message[12:required_size_octets]
        return b"".join((head, message[4:10], additionals.to_bytes(2, "big"), rest, opt))
    head = (query.message_id << 16 | flags | TC).to_bytes(4, "big")
    return b"".join((head, b"\0\1\0\0\0\0", additionals.to_bytes(2, "big"), query.question, opt))
