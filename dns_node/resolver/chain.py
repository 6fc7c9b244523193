"""From a question to its outcome: name after name along the aliases (RFC 1034 section 5.3.3)."""

from typing import Final

from dns_node.answer.query import NOERROR, SERVFAIL
from dns_node.resolver import descent, local_data
from dns_node.resolver.asking import shown
from dns_node.resolver.budget import BudgetExceeded
from dns_node.resolver.delegation import Delegation
from dns_node.resolver.dnssec import sentinel
from dns_node.resolver.dnssec.verdict import ErrorCode
from dns_node.resolver.finding import TTL_S_MAX, Finding, from_cache, from_servers, keep
from dns_node.resolver.inquiry import Inquiry, Part
from dns_node.resolver.name_servers import NameServer
from dns_node.resolver.question import ExtendedError, Held, Outcome, Question, Security
from dns_node.resolver.scrubbed import Answer, Referral
from dns_node.resolver.validation import unchecked, validate
from dns_node.zone.names import is_subdomain, name_text
from dns_node.zone.rrset import WireName

OTHER_ERROR: Final = 0
STALE_ANSWER: Final = 3
CACHED_ERROR: Final = 13
STALE_NXDOMAIN: Final = 19
NO_REACHABLE_AUTHORITY: Final = 22

BOGUS_RETRIES_MAX: Final = 2
"""How many more servers are asked when what one said is bogus."""

BOGUS_CODES: Final = frozenset(range(6, 13))
"""The info codes that tell of failed validation: what is bogus is not made up for by stale data."""

_OF_VALIDATION: Final = frozenset(ErrorCode) - BOGUS_CODES
"""What is told beside an answer; what went wrong on the way to it is not."""

_NO_ANSWER: Final = Finding(SERVFAIL)


def resolve(inquiry: Inquiry) -> Part[Outcome]:
    """Return the outcome of the inquiry's question; never raises."""
    question, resolver = inquiry.question, inquiry.resolver
    try:
        outcome = yield from _follow(inquiry)
    except BudgetExceeded as error:
        is_time = error.limit == "time_max_s"
        inquiry.explain(NO_REACHABLE_AUTHORITY if is_time else OTHER_ERROR, str(error))
        inquiry.step(str(error))
        outcome = None
    if outcome is not None:
        if _is_withheld(inquiry, outcome):
            inquiry.step("what the name says of the root's keys is not so (RFC 8509)")
            return Outcome(SERVFAIL, steps=tuple(inquiry.steps or ()))
        return outcome
    errors = tuple(inquiry.errors.values())
    settings, now_s = resolver.settings.cache, inquiry.now_s
    stale = find_stale(inquiry)
    hold_s = settings.failure_ttl_s if stale is None else settings.stale_ttl_s
    if not inquiry.was_failed:
        resolver.cache.put_failure(question, hold_s, now_s, errors, is_cd=inquiry.is_cd)
    if stale is not None:
        return stale
    return Outcome(
        SERVFAIL,
        ttl_s=settings.failure_ttl_s,
        errors=errors,
        security=Security.BOGUS if inquiry.is_bogus else Security.INDETERMINATE,
        steps=tuple(inquiry.steps or ()),
    )


def _is_withheld(inquiry: Inquiry, outcome: Outcome) -> bool:
    validator = inquiry.resolver.validator
    if validator is None or not inquiry.validates or outcome.security is not Security.SECURE:
        return False
    return sentinel.contradicts(validator.anchors, inquiry.question)


def _follow(inquiry: Inquiry) -> Part[Outcome | None]:
    """Return the outcome at the end of the aliases, None when there is no good one."""
    first = inquiry.question
    question, finding = first, _NO_ANSWER
    answer: tuple[Held, ...] = ()
    proofs: tuple[Held, ...] = ()
    security, ttl_s = Security.SECURE, TTL_S_MAX
    names: set[WireName] = {first.qname}
    while True:
        finding = yield from _find(inquiry, question)
        if finding is _NO_ANSWER:
            return None
        answer += finding.answer
        security = min(security, finding.security)
        ttl_s = min(ttl_s, finding.ttl_s)
        target = finding.target
        if target is None:
            break
        # An alias that a wildcard made needs its proofs wherever its chain ends.
        proofs += finding.authority
        if target in names or len(names) > inquiry.resolver.settings.limits.aliases_max:
            inquiry.explain(OTHER_ERROR, "the aliases go in a circle, or are too many")
            inquiry.step("the aliases go in a circle, or are too many")
            return None
        names.add(target)
        inquiry.budget.draw_restart()
        if inquiry.steps is not None:
            inquiry.step(f"an alias of {name_text(target)}")
        question = Question(target, first.qtype, first.qclass)
    validator = inquiry.resolver.validator
    if inquiry.steps is not None and inquiry.validates and validator is not None:
        for line in validator.explain(question.qname, inquiry.now_s):
            inquiry.step(line)
    return Outcome(
        finding.rcode,
        answer,
        finding.authority + tuple(one for one in proofs if one not in finding.authority),
        security,
        ttl_s,
        tuple(each for each in inquiry.errors.values() if each.code in _OF_VALIDATION),
        steps=tuple(inquiry.steps or ()),
    )


def _find(inquiry: Inquiry, question: Question) -> Part[Finding]:
    """Return what is to be found about one name of the chain; _NO_ANSWER for nothing."""
    resolver, now_s = inquiry.resolver, inquiry.now_s
    is_first = question is inquiry.question
    local = None
    if inquiry.local is not None:
        found = local_data.look_up(inquiry, question)
        if isinstance(found, Finding):
            return found
        local = found
    if not (is_first and inquiry.is_refresh):
        cached = from_cache(
            resolver.cache,
            question,
            now_s,
            needs_validated=inquiry.validates,
            allows_stale=True,
        )
        if cached is not None:
            if not cached.is_stale:
                if inquiry.steps is not None:
                    inquiry.step(f"{shown(question)} is in the cache for {cached.ttl_s} s more")
                return cached
            inquiry.has_stale = True
        failure = resolver.cache.find_failure(question, now_s, is_cd=inquiry.is_cd)
        if failure is not None:
            inquiry.was_failed = is_first
            for error in failure.errors:
                inquiry.explain(error.code, error.text)
                inquiry.is_bogus |= error.code in BOGUS_CODES
            inquiry.explain(CACHED_ERROR)
            inquiry.step(f"{shown(question)} could not be resolved a moment ago")
            return _NO_ANSWER
    if inquiry.validates and resolver.validator is not None:
        made = resolver.validator.synthesize(question, now_s)
        if made is not None:
            inquiry.step(f"{shown(question)} follows from proofs that were seen (RFC 8198)")
            return Finding(
                made.rcode, made.answer, made.authority, made.target, made.ttl_s, Security.SECURE
            )
    found_out = yield from _ask(inquiry, question, local)
    return found_out


def _ask(
    inquiry: Inquiry, question: Question, local: Delegation | None, depth: int = 0
) -> Part[Finding]:
    """Return what servers say to *question*, validated, and keep it."""
    resolver = inquiry.resolver
    avoided: frozenset[NameServer] = frozenset()
    verdict = None
    while True:
        found = yield from descent.descend(inquiry, question, depth, avoided, local)
        if found is None:
            if inquiry.falls_back():
                continue
            return _NO_ANSWER
        scrubbed, delegation, asked = found
        if not inquiry.validates:
            break
        if local is not None and not _is_anchored(inquiry, question, local):
            verdict = unchecked(asked, scrubbed)
            break
        answered_by = inquiry.answered_by
        verdict = yield from validate(inquiry, asked, scrubbed, delegation, depth)
        if verdict.security is not Security.BOGUS:
            break
        inquiry.is_bogus = True
        inquiry.errors.clear()
        for error in verdict.errors:
            inquiry.explain(error.code, error.text)
        assert answered_by is not None, "somebody answered"
        avoided |= {answered_by}
        has_others = delegation.pending or not avoided.issuperset(delegation.servers)
        if len(avoided) > BOGUS_RETRIES_MAX or not has_others:
            return _NO_ANSWER
        inquiry.step("what one server said is bogus: others are asked")
    if avoided:
        inquiry.is_bogus = False
        inquiry.errors.clear()
    finding = from_servers(scrubbed, verdict, resolver.settings.cache)
    if verdict is not None:
        for error in verdict.errors:
            inquiry.explain(error.code, error.text)
    keep(resolver.cache, asked, scrubbed, verdict, finding, delegation, inquiry.now_s)
    return finding


def _is_anchored(inquiry: Inquiry, question: Question, cut: Delegation) -> bool:
    """Say whether a trust anchor speaks for the name, at or below a cut of a zone of ours: that
    zone's own word is what there is no signature for."""
    validator = inquiry.resolver.validator
    assert validator is not None, "validation is on"
    anchor = validator.anchors.closest(question.qname)
    return anchor is not None and is_subdomain(anchor, cut.apex)


def find_rrset(inquiry: Inquiry, question: Question, depth: int) -> Part[tuple[Held, ...] | None]:
    """Return the RRset of a question that we ask for ourselves, without aliases and validation;
    () when there is none, None when that could not be found out.  Raises BudgetExceeded."""
    resolver = inquiry.resolver
    local = None
    if inquiry.local is not None:
        found = local_data.look_up(inquiry, question)
        if isinstance(found, Finding):
            return found.answer
        local = found
    cached = from_cache(resolver.cache, question, inquiry.now_s, needs_validated=False)
    if cached is not None:
        return cached.answer if cached.target is None else ()
    if resolver.cache.find_failure(question, inquiry.now_s, is_cd=True) is not None:
        return None
    wants_glue = question.qname not in inquiry.doubted
    answered = yield from descent.descend(
        inquiry, question, depth, local=local, wants_glue=wants_glue
    )
    if answered is None:
        hold_s = resolver.settings.cache.failure_ttl_s
        resolver.cache.put_failure(question, hold_s, inquiry.now_s, is_cd=True)
        return None
    scrubbed, delegation, asked = answered
    if isinstance(scrubbed, Referral):
        return tuple(held for held in scrubbed.glue if held.owner == question.qname)
    finding = from_servers(scrubbed, None, resolver.settings.cache)
    keep(resolver.cache, asked, scrubbed, None, finding, delegation, inquiry.now_s)
    if isinstance(scrubbed, Answer) and not scrubbed.aliases:
        return scrubbed.answer
    return ()


def find_stale(inquiry: Inquiry) -> Outcome | None:
    """Return what the cache held for the question when it was fresh (RFC 8767), None for nothing.

    All of the chain has to be there.
    """
    resolver, question = inquiry.resolver, inquiry.question
    if not inquiry.has_stale or inquiry.is_bogus:
        return None
    answer: tuple[Held, ...] = ()
    security = Security.SECURE
    for _ in range(resolver.settings.limits.aliases_max + 1):
        finding = from_cache(
            resolver.cache,
            question,
            inquiry.now_s,
            needs_validated=inquiry.validates,
            allows_stale=True,
        )
        if finding is None:
            return None
        answer += finding.answer
        security = min(security, finding.security)
        if finding.target is None:
            code = STALE_ANSWER if finding.rcode == NOERROR else STALE_NXDOMAIN
            errors = (ExtendedError(code), *inquiry.errors.values())
            inquiry.step("nobody answers: what was known before is told")
            ttl_s = resolver.settings.cache.stale_ttl_s
            steps = tuple(inquiry.steps or ())
            return Outcome(
                finding.rcode, answer, finding.authority, security, ttl_s, errors, True, steps
            )
        question = Question(finding.target, question.qtype, question.qclass)
    return None
