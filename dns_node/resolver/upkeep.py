"""What the resolver asks for by itself: the keys of its trust anchors (RFC 5011)."""

from typing import TYPE_CHECKING

from dns_node.answer.query import NOERROR
from dns_node.resolver.inquiry import Inquiry, Part
from dns_node.resolver.question import Outcome, Question
from dns_node.resolver.resolution import Resolution
from dns_node.resolver.validation import meet

if TYPE_CHECKING:
    from dns_node.resolver.resolver import Resolver

DNSKEY = 48


def tend_anchors(resolver: "Resolver", now_s: float) -> Resolution | None:
    """Return the resolution that looks at the trust anchors that are due, None when none is; its
    outcome says nothing."""
    validator = resolver.validator
    due = () if validator is None else validator.anchors.due(now_s)
    if not due:
        return None
    inquiry = Inquiry(
        resolver,
        Question(due[0], DNSKEY),
        now_s,
        is_cd=False,
        is_refresh=True,
        wants_steps=False,
        local=None,
        budget=None,
    )
    return Resolution(inquiry, _look_at_anchors(inquiry))


def _look_at_anchors(inquiry: Inquiry) -> Part[Outcome]:
    validator = inquiry.resolver.validator
    assert validator is not None, "there are trust anchors"
    looking = validator.look_at_anchors(inquiry.budget, inquiry.now_s)
    try:
        need = next(looking)
        while True:
            met = yield from meet(inquiry, need, 0)
            need = looking.send(met)
    except StopIteration:
        return Outcome(NOERROR)
