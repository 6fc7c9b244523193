"""What the resolver answers stands up to another validator behind it, proofs and all."""

import pytest

from dns_node.resolver.budget import Budget
from dns_node.resolver.dnssec.validator import Validator
from dns_node.resolver.dnssec.verdict import Claim
from dns_node.resolver.question import Outcome, Question, Security
from dns_node.resolver.settings import Limits, ResolverSettings
from tests.resolver.dnssec.hosts import world_of
from tests.resolver.signed_zone import SignedZone, UnsignedZone
from tests.resolver.signing import NOW_S, question

LINES = """
www A 192.0.2.101
*.w A 192.0.2.102
a.b.c TXT x
alias CNAME www
wild CNAME x.w
*.v CNAME x.w
*.u CNAME www.sub
far CNAME www.sub
farther CNAME y.w.sub
away CNAME www.un
gone CNAME nx.sub
d DNAME sub
"""
QNAMES = (
    ("www", "nx", "x.nx", "w", "x.w", "y.x.w", "b.c", "alias", "wild", "z.v", "far", "farther")
    + ("away", "gone", "www.d", "nx.d", "x.w.d", "sub", "un", "www.sub", "nx.sub", "t.w.sub")
    + ("www.un", "nx.un", "q.u")
)


class Downstream:
    """A validator that asks a resolver for everything, with CD."""

    def __init__(self, denial: str):
        sub = SignedZone("sub.example.", "www A 192.0.2.103\n*.w A 192.0.2.104", denial=denial)
        un = UnsignedZone("un.example.", "www A 192.0.2.105")
        example = SignedZone("example.", LINES, denial=denial, children=(sub, un))
        root = SignedZone(".", children=(example,))
        self.world, self.hosts = world_of(root, example, sub, un)
        anchors = root.anchors()
        self.resolver = self.world.resolver(
            "192.0.2.1", validates=True, trust_anchors=anchors, minimises_qname=False
        )
        self.validator = Validator(ResolverSettings(trust_anchors=anchors))

    def ask(self, asked: Question, **options: object) -> Outcome:
        return self.world.play(self.resolver, asked, **options).outcome

    def verdict(self, asked: Question, outcome: Outcome) -> Security:
        claim = Claim(asked, outcome.rcode, _bare(outcome.answer), _bare(outcome.authority))
        validation = self.validator.validate(claim, Budget(Limits(), NOW_S), NOW_S)
        reply = None
        while True:
            try:
                need = validation.send(reply)
            except StopIteration as stop:
                return stop.value.security
            found = self.ask(need.question, is_cd=True)
            reply = Claim(need.question, found.rcode, _bare(found.answer), _bare(found.authority))


def _bare(helds):
    """The RRsets as they come over the wire: nothing says that they were checked."""
    return tuple(type(held)(held.owner, held.rrset) for held in helds)


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
@pytest.mark.parametrize("qtype", ["A", "TXT", "DS"])
def test_answers_are_as_secure_to_the_next_validator_as_to_us(denial, qtype):
    downstream = Downstream(denial)
    wrong = []
    for _ in range(2):  # cold, and out of the caches
        for name in QNAMES:
            asked = question(f"{name}.example.", qtype)
            outcome = downstream.ask(asked)
            seen = downstream.verdict(asked, outcome)
            if outcome.security <= Security.INDETERMINATE or seen is not outcome.security:
                wrong.append((name, outcome.security.name, seen.name))
    assert not wrong
