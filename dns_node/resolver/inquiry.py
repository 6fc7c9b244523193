"""One client question while it is resolved: what its parts share.

The parts are generators.  One puts asks out (`send`) and then yields; it is resumed with the event
of one of them.  So the way of a question reads from top to bottom, and no part knows a socket.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING, Final, TypeVar

from dns_node.resolver.budget import Budget
from dns_node.resolver.name_servers import NameServer
from dns_node.resolver.question import (
    Ask,
    Event,
    ExtendedError,
    Forget,
    Outcome,
    Question,
    Step,
    Transport,
)
from dns_node.resolver.scrubbed import Scrubbed
from dns_node.zone.rrset import WireName

if TYPE_CHECKING:
    from dns_node.resolver.resolver import LocalData, Resolver

T = TypeVar("T")
Part = Generator[None, Event, T]
"""A part of a resolution that ends with a T."""


FALLBACK_S: Final = 1.5
"""How long forwarders are waited for where there is another way: a client still waits then."""


class Inquiry:
    """What the parts of one resolution share.

    *actions* are those that were decided and not yet handed out.  *errors* explain failures, for
    the outcome; *steps* is None when nobody wants them.  *on_the_way* are the questions about
    addresses and keys that are being resolved for others: one of them again is a circle.
    *minimised* counts the names that were asked on the way down (RFC 9156).  *address_lookups* of
    name servers count by cut.  *answered_by* said what was heard last; *is_spoof_proof*: it came
    by a way that is hard to forge.  *has_stale*: the cache holds what was true before.
    *until_s*: what is done now is to be over by then, for there is another way to try.
    *spare* is what the last server said that answered as a resolver.
    *doubted* are names of servers that are not where glue says.
    *was_failed*: it is known from before that there is no answer.  *has_asked_above*: the zone
    above a cut was asked again who serves it.
    """

    __slots__ = (
        "actions",
        "address_lookups",
        "answered_by",
        "began_s",
        "budget",
        "delegations",
        "doubted",
        "errors",
        "has_asked_above",
        "has_stale",
        "is_bogus",
        "is_cd",
        "is_refresh",
        "is_spoof_proof",
        "local",
        "minimised",
        "now_s",
        "on_the_way",
        "open",
        "question",
        "resolver",
        "serial",
        "spare",
        "steps",
        "until_s",
        "validates",
        "was_failed",
    )

    def __init__(
        self,
        resolver: "Resolver",
        question: Question,
        now_s: float,
        *,
        is_cd: bool,
        is_refresh: bool,
        wants_steps: bool,
        local: "LocalData | None",
        budget: Budget | None = None,
    ):
        self.resolver = resolver
        self.question = question
        self.began_s = self.now_s = now_s
        self.budget = budget or Budget(resolver.settings.limits, now_s)
        self.until_s = self.budget.deadline_s
        if resolver.fallback is not None:
            self.until_s = min((now_s + self.until_s) / 2, self.budget.began_s + FALLBACK_S)
        self.is_cd = is_cd
        self.is_refresh = is_refresh
        self.local = local
        self.actions: list[Ask | Forget | Outcome] = []
        self.open: dict[int, NameServer] = {}
        self.errors: dict[int, ExtendedError] = {}
        self.steps: list[Step] | None = [] if wants_steps else None
        self.on_the_way: list[Question] = []
        self.minimised = 0
        self.serial = 0
        self.delegations = resolver.delegations
        self.address_lookups: dict[WireName, int] = {}
        self.validates = resolver.validator is not None and not is_cd
        self.answered_by: NameServer | None = None
        self.doubted: set[WireName] = set()
        self.spare: Scrubbed | None = None
        self.has_stale = self.is_bogus = self.was_failed = self.is_spoof_proof = False
        self.has_asked_above = False

    @property
    def asks_with_cd(self) -> bool:
        """Whether resolvers are asked for what they may think is bogus: it is judged here, or by
        the client (RFC 6840 section 5.9)."""
        return self.is_cd or self.validates

    def falls_back(self) -> bool:
        """Go over from forwarders that do not answer to recursion; say whether that is new."""
        fallback = self.resolver.fallback
        if fallback is None or self.delegations is fallback:
            return False
        self.step("the resolvers that are configured do not answer: the root is asked")
        self.delegations = fallback
        self.until_s = self.budget.deadline_s
        return True

    def send(
        self, name_server: NameServer, transport: Transport, query: bytes, timeout_s: float
    ) -> int:
        """Ask *name_server*; return the number of the ask.  Raises BudgetExceeded."""
        budget = self.budget
        budget.draw_query(self.now_s)
        left_s = self.until_s - self.now_s
        if timeout_s > left_s:
            # What is left for this way may be over; what is left for the question is not.
            timeout_s = left_s if left_s > 0 else budget.deadline_s - self.now_s
        number = self.serial
        self.serial = number + 1
        self.open[number] = name_server
        name_server.asked += 1
        name_server.in_flight += 1
        self.actions.append(Ask(number, name_server.server, transport, query, timeout_s))
        return number

    def forget(self, number: int) -> None:
        """Do not wait any more for the ask *number*, if it is outstanding."""
        name_server = self.open.pop(number, None)
        if name_server is not None:
            name_server.in_flight -= 1
            self.actions.append(Forget(number))

    def explain(self, code: int, text: str = "") -> None:
        """Say why there may be no good answer (RFC 8914); the first of each code is kept."""
        if code not in self.errors:
            self.errors[code] = ExtendedError(code, text)

    def step(self, text: str) -> None:
        """Write a line for WHY.  Where the text is dear to make, ask `steps` first."""
        if self.steps is not None and len(self.steps) < 500:
            self.steps.append(Step(self.now_s - self.began_s, text))
