"""Policy: one question on its way past the rules.

The caller begins a `Ruling` for each question of a client, resolves what it asks for, and hands the
outcome back, until there is a verdict.  Everything that is resolved is validated first: what is
bogus stays SERVFAIL, whatever the rules say of it.
"""

from collections.abc import Callable, Generator

from dns_node.resolver.policy.verdict import Answered, NameServers, Request, Resolve, Verdict
from dns_node.resolver.question import Outcome
from dns_node.zone.rrset import WireName

FindNameServers = Callable[[WireName], tuple[NameServers, ...]]
"""The zone cuts at and above a name and their servers, as the cache knows them, deepest first."""

Steps = Generator[Resolve, Outcome, Verdict]


class Ruling:
    """One question on its way: `begin`, and `take` for each outcome, say what comes next."""

    __slots__ = ("_steps",)

    def __init__(self, steps: Steps):
        self._steps = steps

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
    """The rules of one worker."""

    def rule(self, request: Request) -> Ruling:
        """Return the way of *request* past the rules, not yet begun."""
        return Ruling(self._steps(request))

    @property
    def depends_on_client(self) -> bool:
        """Whether some answers differ by client: kept replies may then be sent without asking
        policy only if their `Answered.is_shared` and the client is in no rule (`names_client`)."""
        return False

    def names_client(self, address: str) -> bool:
        """Whether a rule is about this client."""
        return False

    @property
    def allows_shortcut(self) -> bool:
        """Whether a plain answer from outside may be sent without asking policy at all, for names
        that are not at or below one of `local_suffixes`."""
        return True

    @property
    def local_suffixes(self) -> tuple[WireName, ...]:
        """The names at and below which policy answers (most of) the questions itself."""
        return ()

    def _steps(self, request: Request) -> Steps:
        outcome = yield Resolve(request.question)
        return Answered(outcome)
