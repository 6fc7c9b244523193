"""One question to the servers of one zone, until one of them says something that helps."""

from typing import Final

import msgspec

from dns_node.answer.query import NOTAUTH, REFUSED
from dns_node.resolver import addresses, asking, parallel
from dns_node.resolver.delegation import Delegation
from dns_node.resolver.finding import NS
from dns_node.resolver.inquiry import Inquiry, Part
from dns_node.resolver.message import AA, RA, Response
from dns_node.resolver.name_servers import NameServer, choose
from dns_node.resolver.question import Question
from dns_node.resolver.scrub import scrub
from dns_node.resolver.scrubbed import (
    Answer,
    Failure,
    Lame,
    NoData,
    NxDomain,
    Referral,
    Scrubbed,
)
from dns_node.zone.names import name_text

TRIES_MAX: Final = 4
"""How often one server is asked for one question: three retries (RFC 9520 section 3.1)."""
PARTIAL_TRIES_MAX: Final = 2
"""How often for a part of the name, which some servers do not answer: there is the whole to ask."""
_NEVER: Final = 1 << 20

OTHER_ERROR: Final = 0
NO_REACHABLE_AUTHORITY: Final = 22


def ask_cut(
    inquiry: Inquiry,
    delegation: Delegation,
    question: Question,
    depth: int,
    avoided: frozenset[NameServer] = frozenset(),
    *,
    is_partial: bool = False,
) -> Part[Scrubbed | None]:
    """Return what a server of *delegation* says to *question*, None when none says anything.

    It is no `Failure` and not `Lame`: servers that say so are passed over.  Those in *avoided* are
    not asked.  *is_partial*: it is a question on the way down, which nobody has to understand.
    Raises BudgetExceeded.
    """
    now_s = inquiry.now_s
    if delegation.failed_until_s > now_s:
        inquiry.explain(NO_REACHABLE_AUTHORITY, "the servers gave no answer a moment ago")
        return None
    if delegation.is_flooded(now_s):
        inquiry.was_failed = True
        inquiry.explain(OTHER_ERROR, "too many questions to these servers bring nothing")
        inquiry.step("too many questions to these servers bring nothing")
        return None
    load = delegation.load
    load.begin(now_s)
    scrubbed = None
    try:
        scrubbed = yield from _ask_servers(
            inquiry, delegation, question, depth, avoided, is_partial
        )
    finally:
        load.end()
        if scrubbed is None or type(scrubbed) is NxDomain:
            load.note_fruitless(inquiry.now_s)
    return scrubbed


def _ask_servers(
    inquiry: Inquiry,
    delegation: Delegation,
    question: Question,
    depth: int,
    avoided: frozenset[NameServer],
    is_partial: bool,
) -> Part[Scrubbed | None]:
    now_s = inquiry.now_s
    if delegation.absent:
        addresses.retry_absent(delegation, now_s)
    if delegation.in_parallel > 1:
        return (yield from parallel.ask_some(inquiry, delegation, question, avoided))
    tries: dict[NameServer, int] = dict.fromkeys(avoided, _NEVER)
    tries_max = PARTIAL_TRIES_MAX if is_partial else TRIES_MAX
    has_reply = False
    spare: Scrubbed | None = None
    try:
        while True:
            name_server = choose(
                delegation.servers, tries, delegation.apex, inquiry.now_s, inquiry.resolver.chance
            )
            number = _NEVER if name_server is None else tries.get(name_server, 0)
            if number and not has_reply and delegation.glue:
                addresses.doubt_glue(inquiry, delegation)
            if number and delegation.pending:
                is_more = yield from addresses.find_more(inquiry, delegation, depth)
                if is_more:
                    continue
            if name_server is None or number >= tries_max or inquiry.now_s >= inquiry.until_s:
                break
            # What servers may not understand is not waited for.
            is_alone = not is_partial and len(delegation.servers) == 1 and not delegation.pending
            scrubbed = yield from _ask_server(
                inquiry, delegation, name_server, question, number, is_alone
            )
            tries[name_server] = number + 1
            if scrubbed is None:
                continue
            if not isinstance(scrubbed, Failure | Lame):
                if delegation.failures:
                    delegation.note_answer()
                inquiry.answered_by = name_server
                has_reply = True
                return scrubbed
            tries[name_server] = _NEVER
            if isinstance(scrubbed, Lame) and scrubbed.is_resolver:
                spare = inquiry.spare or spare
            has_reply |= _pass_over(inquiry, delegation, name_server, scrubbed, is_partial)
    finally:
        if not has_reply:
            _note_silence(inquiry, delegation)
    if spare is not None:
        inquiry.step("a resolver's word is better than none")
        return spare
    inquiry.explain(NO_REACHABLE_AUTHORITY, f"at {name_text(delegation.apex)}")
    return None


def _ask_server(
    inquiry: Inquiry,
    delegation: Delegation,
    name_server: NameServer,
    question: Question,
    tries: int,
    is_alone: bool,
) -> Part[Scrubbed | None]:
    """Return what one server says to *question*, scrubbed; None when it says nothing."""
    is_forwarder = delegation.is_forwarder
    response = yield from asking.ask(
        inquiry,
        name_server,
        question,
        tries,
        is_rd=is_forwarder,
        is_cd=is_forwarder and inquiry.asks_with_cd,
        is_tls=delegation.is_tls,
        is_alone=is_alone,
    )
    if response is None or isinstance(response, Lame):
        return response
    scrubbed = scrub(
        response,
        question,
        delegation.apex,
        is_forwarder=is_forwarder,
        is_spoof_proof=inquiry.is_spoof_proof,
    )
    if isinstance(scrubbed, Answer | NoData | NxDomain) and response.flags & AA:
        _note_own_servers(inquiry, delegation, response)
    if isinstance(scrubbed, Lame) and scrubbed.is_resolver:
        inquiry.spare = _believed(response, question, delegation)
        inquiry.answered_by = name_server
    return scrubbed


def _believed(response: Response, question: Question, delegation: Delegation) -> Scrubbed | None:
    """Return what *response* says if it is that of a server of the zone, None for nothing."""
    plain = msgspec.structs.replace(response, flags=response.flags & ~RA)
    scrubbed = scrub(plain, question, delegation.apex)
    if isinstance(scrubbed, Lame):
        # It is empty.
        plain = msgspec.structs.replace(plain, flags=plain.flags | AA)
        scrubbed = scrub(plain, question, delegation.apex)
    return None if isinstance(scrubbed, Failure | Lame | Referral) else scrubbed


def _note_own_servers(inquiry: Inquiry, delegation: Delegation, response: Response) -> None:
    """Take note of name servers that the zone has by its own word alone.

    They are looked up when those that the parent names do not help, and end with the parent's word.
    """
    if delegation.is_forwarder:
        return
    names = tuple(
        record.rdata
        for records in (response.answer, response.authority)
        for record in records
        if record.rrtype == NS and record.owner == delegation.apex and record.rdata != b"\0"
    )
    if any(name not in delegation.names for name in names):
        names_max = inquiry.resolver.settings.limits.name_servers_max
        inquiry.delegations.add_names(delegation, names, names_max)


def _note_silence(inquiry: Inquiry, delegation: Delegation) -> None:
    """Let the cut be for a while when none of its servers is left to be asked.

    Silence about one name is no reason: servers that drop some questions answer others.
    """
    servers, now_s = delegation.servers, inquiry.now_s
    is_left = choose(servers, {}, delegation.apex, now_s, inquiry.resolver.chance)
    if is_left is None and not delegation.pending:
        delegation.note_failure(now_s)


def _pass_over(
    inquiry: Inquiry,
    delegation: Delegation,
    name_server: NameServer,
    scrubbed: Failure | Lame,
    is_partial: bool,
) -> bool:
    """Take note of why a server is of no use; say whether it may be for other questions."""
    asking.note_no_use(inquiry, name_server, scrubbed)
    if delegation.is_forwarder:
        return True
    if isinstance(scrubbed, Lame):
        is_good = is_partial or scrubbed.serves_zone or scrubbed.is_resolver
    else:
        is_good = is_partial or scrubbed.rcode not in (REFUSED, NOTAUTH)
    if is_good:
        return True
    name_server.note_lame(delegation.apex, inquiry.now_s)
    return False
