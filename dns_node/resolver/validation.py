"""Validation on the way of a question: what the validator needs is asked for here."""

from typing import Final

from dns_node.resolver import descent
from dns_node.resolver.asking import shown
from dns_node.resolver.delegation import Delegation
from dns_node.resolver.dnssec.verdict import Claim, Need, Verdict
from dns_node.resolver.inquiry import Inquiry, Part
from dns_node.resolver.name_servers import NameServer
from dns_node.resolver.negative import Denied
from dns_node.resolver.question import Held, Question, Security
from dns_node.resolver.scrubbed import Alias, Answer, NxDomain, Scrubbed, TooLong
from dns_node.zone.find import parent

DS: Final = 43
NOERROR: Final = 0
NXDOMAIN: Final = 3
YXDOMAIN: Final = 6


_NOBODY: Final[frozenset[NameServer]] = frozenset()


def validate(
    inquiry: Inquiry, question: Question, scrubbed: Scrubbed, delegation: Delegation, depth: int
) -> Part[Verdict]:
    """Return the verdict about what the servers of *delegation* said to *question*.

    Raises BudgetExceeded.
    """
    zone = None if delegation.is_forwarder else delegation.apex
    claim = claim_of(question, scrubbed, zone)
    validator = inquiry.resolver.validator
    assert validator is not None, "validation is on"
    validation = validator.validate(claim, inquiry.budget, inquiry.now_s)
    met_by: dict[Question, frozenset[NameServer]] = {}
    fresh: dict[Question, Claim | None] = {}
    try:
        need = next(validation)
        while True:
            asked = need.question
            avoided = met_by.get(asked, _NOBODY)
            is_again = need.is_fresh and asked in fresh
            if is_again and not _has_others(inquiry, asked, avoided):
                need = validation.send(fresh[asked])  # it was all that there is
                continue
            met = yield from meet(inquiry, need, depth, avoided if need.is_fresh else _NOBODY)
            if inquiry.answered_by is not None:
                met_by[asked] = avoided | {inquiry.answered_by}
            if need.is_fresh:
                fresh[asked] = met
            need = validation.send(met)
    except StopIteration as end:
        verdict: Verdict = end.value
    if inquiry.steps is not None:
        for line in verdict.steps:
            inquiry.step(line)
        inquiry.step(f"{shown(question)} is {verdict.security.name.lower()}")
    return verdict


def unchecked(question: Question, scrubbed: Scrubbed) -> Verdict:
    """Return the verdict about what nobody vouches for, nor could: it is insecure."""
    claim = claim_of(question, scrubbed, None)
    answer, authority = (
        tuple(Held(held.owner, held.rrset, Security.INSECURE) for held in helds)
        for helds in (claim.answer, claim.authority)
    )
    return Verdict(Security.INSECURE, answer, authority, rcode=claim.rcode)


def claim_of(question: Question, scrubbed: Scrubbed, zone: bytes | None) -> Claim:
    """Return what was said to *question* as the validator takes it."""
    rcode = NOERROR
    match scrubbed:
        case Answer(aliases=aliases, answer=found):
            answer = aliases + found
        case NxDomain(aliases=answer):
            rcode = NXDOMAIN
        case TooLong(aliases=answer):
            rcode = YXDOMAIN
        case _:
            answer = getattr(scrubbed, "aliases", ())
    is_open = isinstance(scrubbed, Alias)
    authority = getattr(scrubbed, "authority", ())
    return Claim(question, rcode, answer, authority, zone, is_open)


def meet(
    inquiry: Inquiry, need: Need, depth: int, avoided: frozenset[NameServer] = _NOBODY
) -> Part[Claim | None]:
    """Return what answers *need*, None when nobody says anything.

    Where there are other servers, those in *avoided* are not asked: what they said was not good.
    """
    question, resolver = need.question, inquiry.resolver
    if not need.is_fresh:
        if question.qtype == DS:
            known = inquiry.delegations.find(question.qname, inquiry.now_s)
            if known is not None and known.ds is not None:
                return known.ds
        cached = resolver.cache.find(question.qname, question.qtype, inquiry.now_s)
        if cached is not None and cached.kept.security is Security.SECURE:
            kept = cached.kept
            if isinstance(kept, Held):
                return Claim(question, NOERROR, (kept,))
            assert isinstance(kept, Denied), "there are two kinds"
            rcode = NXDOMAIN if kept.is_nxdomain else NOERROR
            return Claim(question, rcode, (), kept.authority)
    if question in inquiry.on_the_way:
        return None
    inquiry.step(f"validation needs {shown(question)}")
    if avoided and not _has_others(inquiry, question, avoided):
        avoided = _NOBODY
    inquiry.on_the_way.append(question)
    try:
        found = yield from descent.descend(inquiry, question, depth, avoided)
    finally:
        inquiry.on_the_way.pop()
    if found is None:
        return None
    scrubbed, delegation, asked = found
    zone = None if delegation.is_forwarder else delegation.apex
    return claim_of(asked, scrubbed, zone)


def _has_others(inquiry: Inquiry, question: Question, avoided: frozenset[NameServer]) -> bool:
    """Say whether the zone that knows the answer has servers beside those in *avoided*."""
    is_above = question.qtype == DS and question.qname != b"\0"
    name = parent(question.qname) if is_above else question.qname
    delegation = inquiry.delegations.deepest(name, inquiry.now_s)
    if delegation is None:
        return False
    return bool(delegation.pending) or not avoided.issuperset(delegation.servers)
