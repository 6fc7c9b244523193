"""Policy: one question on its way past the rules.

The caller begins a `Ruling` for each question of a client, resolves what it asks for, and hands the
outcome back, until there is a verdict.  Everything that is resolved is validated first: what is
bogus stays SERVFAIL, whatever the rules say of it.
"""

from collections.abc import Generator

import msgspec

from dns_node.resolver.policy.any_type import ANY, answer_any
from dns_node.resolver.policy.dns64 import EXCLUDED, Dns64
from dns_node.resolver.policy.rebinding import Rebinding
from dns_node.resolver.policy.rpz import FindNameServers, Rpz, Steps
from dns_node.resolver.policy.rpz_match import PolicyZone
from dns_node.resolver.policy.special_names import SpecialNames
from dns_node.resolver.policy.verdict import Answered, NameServers, Request, Resolve, Verdict
from dns_node.resolver.question import Outcome, Question
from dns_node.zone.names import ROOT
from dns_node.zone.rrset import WireName


class PolicySettings(msgspec.Struct, frozen=True):
    """What policy does by configuration; `config.recursion_policy` fills it.

    *routes* are the suffixes with servers of their own; *private_networks* are what names from
    outside must not lead to, none: no protection; *private_names* may all the same.  Without
    *dns64_prefixes* there is no DNS64.
    """

    has_special_names: bool = True
    without_special_names: tuple[WireName, ...] = ()
    routes: tuple[WireName, ...] = ()
    private_networks: tuple[str, ...] = ()
    private_names: tuple[WireName, ...] = ()
    dns64_prefixes: tuple[str, ...] = ()
    dns64_excluded: tuple[str, ...] = EXCLUDED
    rpz_breaks_dnssec: bool = False


def no_name_servers(_name: WireName) -> tuple[NameServers, ...]:
    """What a resolver without a cache knows."""
    return ()


class Ruling:
    """One question on its way: `begin`, and `take` for each outcome, say what comes next."""

    __slots__ = ("_policy", "_steps", "_version")

    def __init__(self, steps: Steps, policy: "Policy"):
        self._steps = steps
        self._policy, self._version = policy, policy.version

    @property
    def is_current(self) -> bool:
        """Whether the rules are still those of its beginning; else its verdict is not to be kept
        for others."""
        return self._policy.version == self._version

    def begin(self) -> Resolve | Verdict:
        """Return what is to be resolved first, or the verdict when nothing is."""
        try:
            return next(self._steps)
        except StopIteration as end:
            verdict: Verdict = end.value
            return verdict

    def take(self, outcome: Outcome) -> Resolve | Verdict:
        """Take what became of the last `Resolve`; return the next, or the verdict."""
        try:
            return self._steps.send(outcome)
        except StopIteration as end:
            verdict: Verdict = end.value
            return verdict


class Policy:
    """The rules of one worker.

    *zones* are its policy zones, whose tables may be replaced while it is in use; `rules_changed`
    is to be called then, and kept replies are to be forgotten.
    """

    def __init__(
        self,
        settings: PolicySettings = PolicySettings(),  # noqa: B008 (it is immutable)
        zones: tuple[PolicyZone, ...] = (),
        find_name_servers: FindNameServers = no_name_servers,
    ):
        has_dns64 = bool(settings.dns64_prefixes)
        self.zones = zones
        self.version = 0
        self._special: SpecialNames | None = None
        if settings.has_special_names:
            self._special = SpecialNames(
                without=settings.without_special_names,
                routes=settings.routes,
                has_dns64=has_dns64,
            )
        self._dns64: Dns64 | None = None
        if has_dns64:
            self._dns64 = Dns64(settings.dns64_prefixes, settings.dns64_excluded)
        self._rebinding: Rebinding | None = None
        if settings.private_networks:
            # A route for everything says nothing of where its names may lead.
            routes = tuple(suffix for suffix in settings.routes if suffix != ROOT)
            allowed = (*settings.private_names, *routes)
            self._rebinding = Rebinding(settings.private_networks, allowed)
        self._rpz = Rpz(zones, find_name_servers, breaks_dnssec=settings.rpz_breaks_dnssec)

    def rule(self, request: Request) -> Ruling:
        """Return the way of *request* past the rules, not yet begun."""
        return Ruling(self._steps(request), self)

    def rules_changed(self) -> None:
        """Note that the rules are others from here on."""
        self.version += 1

    @property
    def depends_on_client(self) -> bool:
        """Whether some answers differ by client: a kept reply may then be sent without asking
        policy only to a client that is in no rule (`names_client`)."""
        return self._rpz.depends_on_client

    def names_client(self, address: str) -> bool:
        """Whether a rule is about this client."""
        return self._rpz.names_client(address)

    @property
    def allows_shortcut(self) -> bool:
        """Whether what was resolved may be sent without asking policy at all, to any question but
        ANY for a name that is not at or below one of `local_suffixes`."""
        return not self.zones and self._dns64 is None and self._rebinding is None

    @property
    def local_suffixes(self) -> tuple[WireName, ...]:
        """The names at and below which policy answers (most of) the questions itself."""
        return () if self._special is None else self._special.suffixes

    def _steps(self, request: Request) -> Steps:
        parts: Generator[Question, Verdict, Verdict]
        if self._special is not None:
            outcome = self._special.answer(request.question)
            if outcome is not None and not self._is_for_dns64(request):
                return Answered(outcome)
        if request.question.qtype == ANY:
            parts = answer_any(request.question)
        elif self._dns64 is not None and self._is_for_dns64(request):
            parts = self._dns64.answer(request.question)
        else:
            return (yield from self._filtered(request))
        try:
            question = next(parts)
            while True:
                verdict = yield from self._plain(
                    msgspec.structs.replace(request, question=question)
                )
                question = parts.send(verdict)
        except StopIteration as end:
            result: Verdict = end.value
            return result

    def _is_for_dns64(self, request: Request) -> bool:
        return self._dns64 is not None and self._dns64.concerns(request)

    def _plain(self, request: Request) -> Steps:
        """The way of a question that stands for another."""
        if self._special is not None:
            outcome = self._special.answer(request.question)
            if outcome is not None:
                return Answered(outcome)
        return (yield from self._filtered(request))

    def _filtered(self, request: Request) -> Steps:
        """The way of a question that goes outside."""
        if self.zones:
            verdict = yield from self._rpz.steps(request)
        else:
            verdict = Answered((yield Resolve(request.question)))
        if self._rebinding is None or not isinstance(verdict, Answered) or verdict.rule:
            return verdict
        outcome = self._rebinding.protect(verdict.outcome)
        return verdict if outcome is verdict.outcome else Answered(outcome, verdict.is_shared)
