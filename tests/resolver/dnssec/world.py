"""A tree of zones that answers what a validation needs, and shows what it asked."""

from collections.abc import Callable

from dns_node.resolver.budget import Budget
from dns_node.resolver.dnssec.validator import Validator
from dns_node.resolver.dnssec.verdict import Claim, Need, Verdict
from dns_node.resolver.question import Question, Security
from dns_node.resolver.settings import Limits, ResolverSettings
from dns_node.zone.names import is_subdomain, name_text, parent
from tests.resolver.signed_zone import SignedZone, UnsignedZone
from tests.resolver.signing import DS, NOW_S, question

Lie = Callable[[Claim], Claim | None]

LINES = """
www A 192.0.2.1
both A 192.0.2.1
both AAAA 2001:db8::1
*.w A 192.0.2.2
a.b.c TXT x
alias CNAME www
wild CNAME x.w
away CNAME www.un.example.
d DNAME t
www.t A 192.0.2.9
"""


class World:
    """Zones with a validator that trusts the first.  *lies* replace what is said to a question;
    *asked* are the needs that were met."""

    def __init__(self, *zones: SignedZone, **settings):
        self.zones = list(zones)
        settings.setdefault("trust_anchors", zones[0].anchors())
        self.settings = ResolverSettings(**settings)
        self.validator = Validator(self.settings)
        self.now_s = NOW_S
        self.lies: dict[Question, Claim | Lie | None] = {}
        self.asked: list[tuple[str, int, bool]] = []
        self.hides_zones = False
        self.budget = self.new_budget()

    def new_budget(self, **limits) -> Budget:
        return Budget(Limits(**limits), self.now_s)

    def zone_of(self, asked: Question) -> SignedZone:
        """The zone whose servers are asked: for a DS the one above."""
        name = asked.qname
        if asked.qtype == DS and name != b"\0":
            name = parent(name)
        zones = [zone for zone in self.zones if is_subdomain(name, zone.zone_name)]
        return max(zones, key=lambda zone: len(zone.zone_name))

    def said(self, asked: Question) -> Claim | None:
        """What servers say."""
        claim = self.zone_of(asked).claim(asked.qname, asked.qtype)
        if asked in self.lies:
            lie = self.lies[asked]
            claim = lie(claim) if callable(lie) else lie
        if claim is not None and self.hides_zones:
            claim = Claim(claim.question, claim.rcode, claim.answer, claim.authority, None)
        return claim

    def validate(self, claim: Claim, budget: Budget | None = None) -> Verdict:
        """The verdict on *claim*; the budget is a new one unless given."""
        self.budget = budget or self.new_budget()
        return self.run(self.validator.validate(claim, self.budget, self.now_s))

    def run(self, validation):
        """Meet the needs of a validation; return what it returns."""
        reply = None
        while True:
            try:
                need: Need = validation.send(reply)
            except StopIteration as stop:
                return stop.value
            asked = need.question
            self.asked.append((name_text(asked.qname), asked.qtype, need.is_fresh))
            reply = self.said(asked)

    def ask(self, qname: str | bytes, qtype: str | int = "A") -> Verdict:
        """The verdict on what servers say to a question."""
        claim = self.said(question(qname, qtype))
        assert claim is not None
        return self.validate(claim)

    def security(self, qname: str | bytes, qtype: str | int = "A") -> Security:
        return self.ask(qname, qtype).security


def tree(denial: str = "nsec", **settings) -> World:
    """A root, ``example.`` with all kinds of names, a signed and an unsigned child."""
    signed = SignedZone("sub.example.", "www A 192.0.2.3\n*.w A 192.0.2.4", denial=denial)
    unsigned = UnsignedZone("un.example.", "www A 192.0.2.5")
    example = SignedZone("example.", LINES, denial=denial, children=(signed, unsigned))
    return World(SignedZone(".", children=(example,)), example, signed, unsigned, **settings)


def world_of(child: SignedZone, *more: SignedZone, **settings) -> World:
    return World(SignedZone(".", children=(child, *more)), child, *more, **settings)
