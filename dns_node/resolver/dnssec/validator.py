"""The validator of one worker: what it trusts, what it knows of zones, and how to ask it."""

import math
from collections.abc import Generator, Iterable

from dns_node.resolver.budget import Budget
from dns_node.resolver.dnssec.aggressive import Absences
from dns_node.resolver.dnssec.anchors import ROOT_ANCHORS, Anchors, NegativeAnchors, Row
from dns_node.resolver.dnssec.chain import Chain
from dns_node.resolver.dnssec.judgement import Judgement
from dns_node.resolver.dnssec.keys import Algorithms, ZoneKey
from dns_node.resolver.dnssec.knowledge import Knowledge
from dns_node.resolver.dnssec.records import Delegation
from dns_node.resolver.dnssec.trust import TrustStore
from dns_node.resolver.dnssec.verdict import Claim, Need, Synthesis, Verdict
from dns_node.resolver.question import Question, Security
from dns_node.resolver.settings import ResolverSettings
from dns_node.zone.names import ancestors, name_text
from dns_node.zone.rrset import WireName

Validation = Generator[Need, Claim | None, Verdict]
"""See `dnssec.verdict`."""


class Validator:
    """Trust anchors, the keys of zones that were seen, and proofs of what is absent.

    Times are those of the real-time clock.  With ``settings.validates`` off every claim is
    INDETERMINATE, and nothing is needed.
    """

    def __init__(self, settings: ResolverSettings):
        self.settings = settings
        self.negative_anchors = NegativeAnchors(settings.negative_anchors)
        self.anchors = Anchors(settings.trust_anchors or ROOT_ANCHORS)
        self._knowledge = Knowledge(
            Algorithms.chosen(settings.accepts_sha1),
            self.anchors,
            self.negative_anchors,
            TrustStore(),
            settings.cache.failure_ttl_s,
        )
        self._absences = Absences(settings.limits)

    def validate(self, claim: Claim, budget: Budget, now_s: float) -> Validation:
        """Return the validation of *claim*."""
        if not self.settings.validates:
            return Verdict(Security.INDETERMINATE, claim.answer, claim.authority, rcode=claim.rcode)
        chain = Chain(self._knowledge, budget, now_s)
        judgement = Judgement(chain, claim)
        verdict = yield from judgement.verdict()
        if self.settings.synthesizes and verdict.security is Security.SECURE:
            self._learn(judgement, verdict, now_s)
        return verdict

    def _learn(self, judgement: Judgement, verdict: Verdict, now_s: float) -> None:
        for zone, wildcard, held in judgement.wildcards:
            self._absences.learn(zone, verdict.authority, [(wildcard, held)], now_s)
        if verdict.denial_zone is not None:
            self._absences.learn(verdict.denial_zone, verdict.authority, (), now_s)

    def synthesize(self, question: Question, now_s: float) -> Synthesis | None:
        """Answer *question* from proofs that were seen (RFC 8198), None where they do not say."""
        if self.negative_anchors.closest(question.qname, now_s) is not None:
            return None
        return self._absences.synthesize(question, now_s)

    def security_of(self, zone: WireName, now_s: float) -> Security | None:
        """Return what is known of *zone* without asking anybody, None for nothing.

        What is INSECURE needs no validation, and stays so until the time is over for which the
        zone above said so.
        """
        if not self.settings.validates:
            return Security.INSECURE
        anchor = self.anchors.closest(zone)
        if anchor is None:
            return Security.INSECURE
        negative = self.negative_anchors.closest(zone, now_s)
        if negative is not None and len(negative) >= len(anchor):
            return Security.INSECURE
        trust = self._knowledge.trusts.find(zone, now_s)
        return None if trust is None else trust.security

    def insecure_until_s(self, zone: WireName, now_s: float) -> float | None:
        """Return until when *zone* needs no validation, as far as is known without asking anybody;
        None when it does, or when nothing is known."""
        if self.security_of(zone, now_s) is not Security.INSECURE:
            return None
        if not self.settings.validates or self.anchors.closest(zone) is None:
            return math.inf
        ends_s = self.negative_anchors.ends_s(zone, now_s)
        if ends_s is not None:
            return ends_s
        trust = self._knowledge.trusts.find(zone, now_s)
        return None if trust is None else trust.expires_s

    def explain(self, name: WireName, now_s: float) -> tuple[str, ...]:
        """Return what is known now of the zones at and above *name*, from the top down: the chain
        of trust as lines for WHY."""
        if not self.settings.validates:
            return ("nothing is validated",)
        anchor = self.anchors.closest(name)
        if anchor is None:
            return (f"no trust anchor is at or above {name_text(name)}",)
        lines = [f"trust anchor {name_text(anchor)}: {_tags(self.anchors.delegations(anchor))}"]
        negative = self.negative_anchors.closest(name, now_s)
        for zone in reversed(tuple(ancestors(name))):
            if zone == negative:
                lines.append(f"negative trust anchor {name_text(zone)}")
            trust = self._knowledge.trusts.find(zone, now_s)
            if trust is None or len(zone) < len(anchor):
                continue
            left_s = int(trust.expires_s - now_s)
            if not trust.is_cut:
                lines.append(f"{name_text(zone)} is no zone of its own, for {left_s} s more")
                continue
            keys = f", {_tags(trust.keys)}" if trust.keys else ""
            why = f", {trust.error.text}" if trust.error is not None else ""
            how = trust.security.name.lower()
            lines.append(f"{name_text(zone)} is {how}{keys}{why}, for {left_s} s more")
        return tuple(lines)

    def look_at_anchors(self, budget: Budget, now_s: float) -> Generator[Need, Claim | None, None]:
        """Ask for the keys of the zones with a trust anchor that are due (RFC 5011 section 2.3).

        To be called every hour or more often; it does nothing where nothing is due.
        """
        for zone in self.anchors.due(now_s):
            # What becomes of it says when it is due again.
            self.anchors.failed(zone, now_s)
            chain = Chain(self._knowledge, budget, now_s)
            yield from chain.look_at_anchor(zone)

    def anchor_rows(self) -> tuple[Row, ...]:
        """Return what is to be kept of the trust anchors over a restart."""
        self._knowledge.anchors_changed = False
        return self.anchors.rows()

    @property
    def has_changed_anchors(self) -> bool:
        """Whether there are rows that `anchor_rows` has not yet given."""
        return self._knowledge.anchors_changed

    def load_anchor_rows(self, rows: Iterable[Row]) -> None:
        """Take up what an earlier run kept of the trust anchors."""
        self.anchors.load(rows)

    def doubt(self, zone: WireName, now_s: float) -> None:
        """Forget that *zone* is BOGUS, if it is: something new was heard of its DS."""
        trust = self._knowledge.trusts.find(zone, now_s)
        if trust is not None and trust.security is Security.BOGUS:
            self._knowledge.trusts.forget(zone)

    def flush(self, apex: WireName | None = None) -> None:
        """Forget what is known of zones at and below *apex*, of all with None."""
        self._knowledge.trusts.flush(apex)
        self._absences.flush(apex)

    def sweep(self, now_s: float, entries_max: int) -> int:
        """Forget what is over among the next so many entries; return how many that were."""
        gone = self._absences.sweep(now_s, entries_max)
        return gone + self._knowledge.trusts.sweep(now_s, entries_max)


def _tags(keys: Iterable[ZoneKey | Delegation]) -> str:
    """Return the tags and algorithms of keys as text."""
    return ", ".join(f"key {key.tag} of algorithm {key.algorithm}" for key in keys)
