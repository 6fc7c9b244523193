"""What was found about one name and type: in the cache, in our own zones, or with servers."""

from typing import Final

import msgspec

from dns_node.answer.query import NOERROR, NXDOMAIN, YXDOMAIN
from dns_node.answer.sections import ANSWER, AUTHORITY, Entry, Sections
from dns_node.resolver.delegation import Delegation
from dns_node.resolver.dnssec.verdict import Verdict
from dns_node.resolver.negative import WHOLE_NAME, Denied
from dns_node.resolver.question import Held, Question, Security
from dns_node.resolver.rrset_cache import RRsetCache
from dns_node.resolver.rrset_entry import Found
from dns_node.resolver.scrubbed import (
    Alias,
    Answer,
    NoData,
    NxDomain,
    Referral,
    Scrubbed,
    TooLong,
)
from dns_node.resolver.settings import CacheSettings
from dns_node.zone.rrset import RRset, WireName

CNAME: Final = 5
DNAME: Final = 39
NS: Final = 2
_BESIDE_ALIAS: Final = frozenset((CNAME, 25, 46, 47, 255))
"""Types that are asked of a name itself, alias or not."""
TTL_S_MAX: Final = 0x7FFF_FFFF


class Finding(msgspec.Struct, frozen=True, gc=False):
    """What is known of one name and type.

    *target* is the name to go on with when the answer is aliases alone.  *ttl_s* is how long the
    whole may be kept.  *is_local*: from our own zones; *cut* is then the delegation to follow.
    """

    rcode: int
    answer: tuple[Held, ...] = ()
    authority: tuple[Held, ...] = ()
    target: WireName | None = None
    ttl_s: int = 0
    security: Security = Security.INDETERMINATE
    is_stale: bool = False
    is_local: bool = False


def from_cache(
    cache: RRsetCache,
    question: Question,
    now_s: float,
    *,
    needs_validated: bool,
    allows_stale: bool = False,
) -> Finding | None:
    """Return what the cache knows of *question*, None for nothing.

    With *needs_validated*, what was never validated counts for nothing.
    """
    qname, qtype = question.qname, question.qtype
    found = cache.find(qname, qtype, now_s, allows_stale=allows_stale)
    if found is not None and not found.is_stale and _may_use(found, needs_validated):
        return _finding(found, found.kept, NOERROR)
    if qtype not in _BESIDE_ALIAS:
        alias = cache.find_alias(qname, now_s, allows_stale=allows_stale)
        if alias is not None and _may_use(alias, needs_validated):
            aliased = _from_alias(qname, alias)
            if found is None or not alias.is_stale:
                return aliased
    if found is not None and _may_use(found, needs_validated):
        return _finding(found, found.kept, NOERROR)
    return None


def _may_use(found: Found, needs_validated: bool) -> bool:
    return not needs_validated or found.kept.security is not Security.INDETERMINATE


def _finding(found: Found, kept: Held | Denied, rcode: int) -> Finding:
    if isinstance(kept, Held):
        return Finding(rcode, (kept,), (), None, found.ttl_s, kept.security, found.is_stale)
    rcode = NXDOMAIN if kept.is_nxdomain else NOERROR
    return Finding(rcode, (), kept.authority, None, found.ttl_s, kept.security, found.is_stale)


def _from_alias(qname: WireName, found: Found) -> Finding:
    held = found.kept
    assert isinstance(held, Held), "an alias is an RRset"
    ttl_s, security, is_stale = found.ttl_s, held.security, found.is_stale
    target = held.rrset.rdatas[0]
    if held.rrset.rrtype == CNAME:
        return Finding(NOERROR, (held,), (), target, ttl_s, security, is_stale)
    target = qname[: -len(held.owner)] + target
    if len(target) > 255:
        return Finding(YXDOMAIN, (held,), (), None, ttl_s, security, is_stale)
    cname = Held(qname, RRset(CNAME, ttl_s, (target,)), security)
    return Finding(NOERROR, (held, cname), (), target, ttl_s, security, is_stale)


def from_servers(scrubbed: Scrubbed, verdict: Verdict | None, settings: CacheSettings) -> Finding:
    """Return what servers said, as *verdict* has it (None: nobody asked for one)."""
    target, rcode, ttl_s = None, NOERROR, TTL_S_MAX
    match scrubbed:
        case Answer(aliases=aliases, answer=found):
            answer = aliases + found
        case Alias(aliases=answer):
            target = scrubbed.target
        case NoData(aliases=answer, ttl_s=ttl_s):
            pass
        case NxDomain(aliases=answer, ttl_s=ttl_s):
            rcode = NXDOMAIN
        case TooLong(aliases=answer):
            rcode = YXDOMAIN
        case _:
            raise AssertionError("no server's word")
    authority, security = scrubbed.authority, Security.INDETERMINATE
    if verdict is not None:
        answer, authority, security = verdict.answer, verdict.authority, verdict.security
        if security is Security.SECURE:
            rcode = verdict.rcode
    ttl_max_s = settings.ttl_max_s
    if isinstance(scrubbed, NoData | NxDomain):
        if scrubbed.soa is None:
            ttl_s = settings.bare_negative_ttl_s
        ttl_s = min(ttl_s, settings.negative_ttl_max_s)
    for held in answer:
        if held.rrset.ttl_s < ttl_s:
            ttl_s = held.rrset.ttl_s
    ttl_s = min(ttl_s, ttl_max_s)
    if ttl_s < settings.ttl_min_s and answer and security is not Security.SECURE:
        ttl_s = settings.ttl_min_s
    return Finding(rcode, answer, authority, target, ttl_s, security)


def keep(
    cache: RRsetCache,
    question: Question,
    scrubbed: Scrubbed,
    verdict: Verdict | None,
    finding: Finding,
    delegation: Delegation,
    now_s: float,
) -> None:
    """Keep what *finding* says to *question*, which was asked of the servers of *delegation*.

    What a zone says of its own name servers ends with its parent's word for them.
    """
    assert not isinstance(scrubbed, Referral), "referrals are kept as delegations"
    if finding.security is Security.BOGUS:
        return
    is_wildcard = verdict is not None and verdict.is_wildcard
    if finding.answer and isinstance(scrubbed, Answer | Alias):
        for held in finding.answer:
            if _stands_alone(held, is_wildcard):
                is_of_cut = held.owner == delegation.apex and held.rrset.rrtype == NS
                until_s = delegation.expires_s if is_of_cut else None
                cache.put(held, scrubbed.rank_of(held), now_s, until_s=until_s)
    if isinstance(scrubbed, NoData | NxDomain):
        for held in finding.answer:
            if _stands_alone(held, is_wildcard):
                cache.put(held, scrubbed.rank, now_s)
        if scrubbed.soa is not None:
            rrtype = WHOLE_NAME if finding.rcode == NXDOMAIN else question.qtype
            denied = Denied(scrubbed.target, rrtype, finding.authority, finding.security)
            cache.put_denied(denied, scrubbed.ttl_s, scrubbed.rank, now_s)


def _stands_alone(held: Held, is_wildcard: bool) -> bool:
    """Return whether *held* can be told without what came with it.

    To others who validate, what a wildcard made is bogus without the proofs beside it, and a CNAME
    that a DNAME made without the DNAME.
    """
    if held.security is not Security.SECURE:
        return True
    return not is_wildcard and bool(held.rrset.signatures)


def from_sections(sections: Sections, question: Question) -> Finding | None:
    """Return what our own zones say; None when the name is outside of them.

    The finding of a name below a zone cut of ours has the NS RRset of the cut, its DS and its glue
    as *authority* and *target* set: that is where to go on.
    """
    answer = tuple(map(_held, sections.entries[ANSWER]))
    authority = tuple(map(_held, sections.entries[AUTHORITY]))
    target = getattr(sections, "onward", None)
    if target is None and answer and not authority and sections.rcode == NOERROR:
        last = answer[-1]
        if last.rrset.rrtype == CNAME and question.qtype not in (CNAME, 255):
            target = last.rrset.rdatas[0]
    is_referral = any(held.rrset.rrtype == NS for held in authority) and not any(
        held.rrset.rrtype == 6 for held in authority
    )
    if is_referral:
        target = answer[-1].rrset.rdatas[0] if answer else question.qname
    elif target is not None:
        authority = ()
        if not answer:
            return None
    helds = answer or authority
    ttl_s = min((held.rrset.ttl_s for held in helds), default=0)
    return Finding(sections.rcode, answer, authority, target, ttl_s, is_local=True)


def _held(entry: Entry) -> Held:
    rrset = entry.rrset
    if rrset.ttl_s != entry.ttl_s:
        rrset = RRset(rrset.rrtype, entry.ttl_s, rrset.rdatas, rrset.signatures)
    return Held(entry.owner, rrset)
