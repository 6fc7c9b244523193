"""Questions for ANY: an RRset of the name is enough (RFC 8482)."""

from collections.abc import Generator
from typing import Final

from dns_node.answer.query import NOERROR
from dns_node.resolver.policy.verdict import Answered, Verdict
from dns_node.resolver.question import Held, Outcome, Question, Security
from dns_node.zone.rrset import RRset

A, HINFO, AAAA, ANY = 1, 13, 28, 255
TTL_S: Final = 3600
_HINFO: Final = RRset(HINFO, TTL_S, (b"\x07RFC8482\0",))


def answer_any(question: Question) -> Generator[Question, Verdict, Verdict]:
    """Answer a question for ANY with the addresses of its name, or the alias that it is
    (section 4.1); else, when it exists, with an HINFO that says why there is no more (section
    4.2)."""
    is_shared = True
    for qtype in (A, AAAA):
        verdict = yield Question(question.qname, qtype)
        if not isinstance(verdict, Answered) or verdict.outcome.rcode != NOERROR:
            return verdict
        is_shared &= verdict.is_shared
        outcome = verdict.outcome
        if not outcome.answer:
            continue
        own = tuple(held for held in outcome.answer if held.owner == question.qname)
        first = own[:1] or outcome.answer[:1]
        return Answered(_with_answer(outcome, first), is_shared, verdict.rule)
    held = Held(question.qname, _HINFO, Security.INSECURE)
    return Answered(Outcome(NOERROR, (held,), (), Security.INSECURE, TTL_S), is_shared)


def _with_answer(outcome: Outcome, answer: tuple[Held, ...]) -> Outcome:
    return Outcome(
        outcome.rcode,
        answer,
        (),
        min(held.security for held in answer),
        min(outcome.ttl_s, *(held.rrset.ttl_s for held in answer)),
        outcome.errors,
        outcome.is_stale,
        outcome.steps,
        outcome.additional,
    )
