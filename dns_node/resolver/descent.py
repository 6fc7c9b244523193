"""The way down from the deepest known cut to the zone that answers (RFC 1034 section 5.3.3)."""

from typing import Final

from dns_node.resolver import priming
from dns_node.resolver.addresses import servers_of
from dns_node.resolver.cut import ask_cut
from dns_node.resolver.delegation import Delegation, ds_question
from dns_node.resolver.dnssec.verdict import Claim
from dns_node.resolver.inquiry import Inquiry, Part
from dns_node.resolver.minimise import next_name
from dns_node.resolver.name_servers import NameServer
from dns_node.resolver.question import Question
from dns_node.resolver.rank import Rank
from dns_node.resolver.scrubbed import Alias, Answer, NoData, NxDomain, Referral, Scrubbed
from dns_node.zone.find import parent
from dns_node.zone.names import name_text
from dns_node.zone.rrset import WireName

CNAME: Final = 5
DS: Final = 43
_ROOT: Final = b"\0"


def descend(
    inquiry: Inquiry,
    question: Question,
    depth: int,
    avoided: frozenset[NameServer] = frozenset(),
    local: Delegation | None = None,
    *,
    wants_glue: bool = False,
) -> Part[tuple[Scrubbed, Delegation, Question] | None]:
    """Return what the zone that answers *question* says, whose servers said it, and to which
    question (that for a name above may be enough); None when no server says anything.
    Raises BudgetExceeded.

    A DS is asked of the zone above (RFC 4035 section 3.1.4.1).  *local* is a cut of a zone of ours
    at or above the name: nothing above it is asked.  With *wants_glue*, a referral whose glue has
    the name ends the way.  Where no server that is known from before is of use, the zone above is
    asked who serves the zone now, once for a client's question.
    """
    qname = question.qname
    delegation = _deepest(inquiry, question, local)
    if delegation is None:
        delegation = yield from priming.prime(inquiry)
    known, is_again = delegation.apex, False
    remembered = None if depth else _remembered(inquiry, delegation)
    minimises = inquiry.resolver.settings.minimises_qname and question.qtype != DS
    while True:
        name = qname
        if minimises and not delegation.is_forwarder and len(qname) > len(known):
            name = next_name(qname, known, inquiry.minimised)
        if name == qname:
            scrubbed = yield from ask_cut(inquiry, delegation, question, depth, avoided)
            if scrubbed is None:
                above = _above(inquiry, delegation) if delegation is remembered else None
                if above is None:
                    return None
                delegation, known = above, above.apex
                continue
            if question.qtype == DS:
                if not is_again and _is_of_child(inquiry, scrubbed, delegation, qname):
                    is_again = minimises = True
                    continue
                scrubbed = _ds_of(scrubbed, qname)
            if type(scrubbed) is not Referral:
                return scrubbed, delegation, question
        else:
            inquiry.minimised += 1
            asked, scrubbed = yield from _ask_on_the_way(
                inquiry, delegation, Question(name, 0, question.qclass), depth, avoided
            )
            if type(scrubbed) is NxDomain and not scrubbed.aliases and delegation.apex == _ROOT:
                # Nothing is below what does not exist (RFC 8020).
                return scrubbed, delegation, asked
            if type(scrubbed) is not Referral:
                is_there = _says_that_it_is_there(scrubbed)
                known = name if is_there else known
                minimises = is_there
                continue
        inquiry.budget.draw_referral()
        above, delegation = delegation, accept(inquiry, delegation, scrubbed)
        if wants_glue and qname in delegation.glue:
            return scrubbed, above, question
        known = delegation.apex


def _deepest(inquiry: Inquiry, question: Question, local: Delegation | None) -> Delegation | None:
    """Return the delegation to begin at, None when not even the root's is known."""
    qname = question.qname
    # The side of a cut that is above knows the DS.
    start = parent(qname) if question.qtype == DS and qname != _ROOT else qname
    delegation = inquiry.delegations.deepest(start, inquiry.now_s)
    if local is not None and (delegation is None or len(delegation.apex) <= len(local.apex)):
        return local
    return delegation


def _remembered(inquiry: Inquiry, delegation: Delegation) -> Delegation | None:
    """Return *delegation* if it was learnt, from a zone above, and not found useless just now."""
    is_learnt = inquiry.delegations.is_learnt(delegation) and delegation.apex != _ROOT
    return delegation if is_learnt and delegation.failed_until_s <= inquiry.now_s else None


def _above(inquiry: Inquiry, delegation: Delegation) -> Delegation | None:
    """Return who may know other servers of the zone of *delegation*, None after the first time."""
    if inquiry.has_asked_above:
        return None
    inquiry.has_asked_above = True
    inquiry.step("the zone above may know of other servers")
    return inquiry.delegations.deepest(parent(delegation.apex), inquiry.now_s)


def _is_of_child(
    inquiry: Inquiry, scrubbed: Scrubbed, delegation: Delegation, qname: WireName
) -> bool:
    """Say whether the absence of a DS, or an alias, may be the word of the zone it is for, by a
    server that has that zone and one far above: then the zone right above is to be found
    (RFC 4035 section 4.2)."""
    if qname == _ROOT or delegation.is_forwarder or len(delegation.apex) >= len(parent(qname)):
        return False
    match scrubbed:
        case NoData(aliases=(), soa=soa):
            if soa is not None and soa.owner != qname:
                return False
        case Referral():
            return False
        case _:
            aliases = getattr(scrubbed, "aliases", ())
            if not aliases or aliases[0].owner != qname:
                return False
    inquiry.step("the zone itself may have said that: the one above it is looked for")
    return True


def _ds_of(scrubbed: Scrubbed, qname: WireName) -> Scrubbed:
    """Return what a server of the zone above says to a question for the DS of *qname*: one that
    refers there does not know of DS, or has it beside the referral (RFC 4035 section 3.1.4)."""
    if type(scrubbed) is not Referral or scrubbed.cut != qname:
        return scrubbed
    beside = scrubbed.authority
    if beside and beside[0].rrset.rrtype == DS:
        return Answer((), qname, (), Rank.ANSWER, answer=beside)
    return NoData((), qname, None, beside, Rank.ANSWER, 0)


def _ask_on_the_way(
    inquiry: Inquiry,
    delegation: Delegation,
    about: Question,
    depth: int,
    avoided: frozenset[NameServer],
) -> Part[tuple[Question, Scrubbed | None]]:
    """Ask the servers of *delegation* about the name of *about*, of a type that tells nothing of
    what is wanted; return what was asked and what was said."""
    scrubbed = None
    for qtype in inquiry.resolver.settings.minimised_types:
        asked = Question(about.qname, qtype, about.qclass)
        scrubbed = yield from ask_cut(inquiry, delegation, asked, depth, avoided, is_partial=True)
        if scrubbed is not None:
            break
    return asked, scrubbed


def _says_that_it_is_there(scrubbed: Scrubbed | None) -> bool:
    """Say whether the name on the way exists by that word.  A denial does not count: some servers
    deny names that have only names below them (RFC 9156 section 3)."""
    match scrubbed:
        case Answer(aliases=()) | NoData(aliases=()):
            return True
        case Answer(aliases=aliases) | Alias(aliases=aliases):
            return aliases[0].rrset.rrtype == CNAME
        case _:
            return False


def accept(inquiry: Inquiry, above: Delegation, referral: Referral) -> Delegation:
    """Return the delegation that *referral*, by the servers of *above*, makes; it is kept."""
    resolver, now_s = inquiry.resolver, inquiry.now_s
    settings = resolver.settings
    limits, cache = settings.limits, settings.cache
    apex = referral.cut
    names = referral.name_servers.rrset.rdatas[: limits.name_servers_max]
    glue: dict[WireName, list[NameServer]] = {}
    for held in referral.glue:
        if found := servers_of(inquiry, (held,)):
            glue.setdefault(held.owner, []).extend(found)
    servers = [known for each in glue.values() for known in each]
    ttl_s = min(referral.name_servers.rrset.ttl_s, cache.ttl_max_s)
    ds = None
    if referral.authority:
        is_ds = referral.authority[0].rrset.rrtype == DS
        answer, proofs = (referral.authority, ()) if is_ds else ((), referral.authority)
        ds = Claim(ds_question(apex), 0, answer, proofs, above.apex, said_s=now_s)
        if resolver.validator is not None:
            resolver.validator.doubt(apex, now_s)
    delegation = Delegation(
        apex,
        names,
        list(dict.fromkeys(servers)),
        [name for name in names if name not in glue],
        now_s + ttl_s,
        ds=ds,
        glue=glue,
    )
    inquiry.delegations.put(delegation)
    if inquiry.steps is not None:
        inquiry.step(f"referred to {name_text(apex)} ({len(names)} servers, {ttl_s} s)")
    return delegation
