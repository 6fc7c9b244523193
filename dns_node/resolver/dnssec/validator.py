"""The validator of one worker: what it trusts, what it knows of zones, and how to ask it."""

from collections.abc import Generator

from dns_node.resolver.budget import Budget
from dns_node.resolver.dnssec.verdict import Claim, Need, Synthesis, Verdict
from dns_node.resolver.question import Question, Security
from dns_node.resolver.settings import ResolverSettings
from dns_node.zone.rrset import WireName

Validation = Generator[Need, Claim | None, Verdict]
"""See `dnssec.verdict`."""


class Validator:
    """Trust anchors, the keys of zones that were seen, and proofs of what is absent."""

    def __init__(self, settings: ResolverSettings):
        self.settings = settings

    def validate(self, claim: Claim, budget: Budget, now_s: float) -> Validation:
        """Return the validation of *claim*; *now_s* is the time of the real-time clock."""
        raise NotImplementedError

    def synthesize(self, question: Question, now_s: float) -> Synthesis | None:
        """Answer *question* from proofs that were seen (RFC 8198), None where they do not say."""
        raise NotImplementedError

    def security_of(self, zone: WireName, now_s: float) -> Security | None:
        """Return what is known of *zone* without asking anybody, None for nothing."""
        raise NotImplementedError

    def flush(self, apex: WireName | None = None) -> None:
        """Forget what is known of zones at and below *apex*, of all with None."""
        raise NotImplementedError

    def sweep(self, now_s: float, entries_max: int) -> int:
        """Forget what is over among the next so many entries; return how many that were."""
        raise NotImplementedError
