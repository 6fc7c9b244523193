"""The budget of one client question: what all its parts together may cost.

Every sub-task (aliases, addresses of name servers, keys of the chain of trust) draws on the same
object, and nothing resets it: that is what bounds the work that a question can cause, whatever the
servers say.
"""

import msgspec

from dns_node.resolver.settings import Limits


class BudgetExceeded(Exception):
    """A part of the budget is used up; *limit* names it, as `Limits` does."""

    def __init__(self, limit: str):
        super().__init__(f"the question costs more than {limit} allows")
        self.limit = limit


class Spent(msgspec.Struct, frozen=True, gc=False):
    """What a question has cost so far."""

    queries: int
    octets: int
    restarts: int
    referrals: int
    checks: int
    hashes: int
    address_lookups: int


class Budget:
    """What is left for one client question.  Each ``draw_…`` raises BudgetExceeded, with nothing
    drawn, when less is left than is asked for.  *began_s* is when the client asked."""

    __slots__ = (
        "address_lookups",
        "began_s",
        "checks",
        "deadline_s",
        "hashes",
        "limits",
        "octets",
        "queries",
        "referrals",
        "restarts",
    )

    def __init__(self, limits: Limits, now_s: float):
        self.limits = limits
        self.began_s = now_s
        self.deadline_s = now_s + limits.time_max_s
        self.queries = self.octets = self.restarts = self.referrals = 0
        self.checks = self.hashes = self.address_lookups = 0

    def time_left_s(self, now_s: float) -> float:
        """Return the seconds that are left, 0 when there are none."""
        return max(0.0, self.deadline_s - now_s)

    def draw_query(self, now_s: float) -> None:
        """One query to a server begins at *now_s*."""
        if now_s >= self.deadline_s:
            raise BudgetExceeded("time_max_s")
        if self.queries >= self.limits.queries_max:
            raise BudgetExceeded("queries_max")
        self.queries += 1

    def draw_octets(self, octets: int) -> None:
        """A reply of so many octets is about to be looked at."""
        if self.octets + octets > self.limits.octets_max:
            raise BudgetExceeded("octets_max")
        self.octets += octets

    def draw_restart(self) -> None:
        """The question goes on under another name."""
        if self.restarts >= self.limits.restarts_max:
            raise BudgetExceeded("restarts_max")
        self.restarts += 1

    def draw_referral(self) -> None:
        """A referral is followed."""
        if self.referrals >= self.limits.referrals_max:
            raise BudgetExceeded("referrals_max")
        self.referrals += 1

    def draw_check(self) -> None:
        """A signature is about to be checked (an operation with a public key)."""
        if self.checks >= self.limits.checks_max:
            raise BudgetExceeded("checks_max")
        self.checks += 1

    def draw_hashes(self, iterations: int) -> None:
        """So many rounds of an NSEC3 hash are about to be computed."""
        if self.hashes + iterations > self.limits.nsec3_hashes_max:
            raise BudgetExceeded("nsec3_hashes_max")
        self.hashes += iterations

    def draw_address_lookup(self) -> None:
        """The address of a name server without glue is about to be looked up."""
        if self.address_lookups >= self.limits.queries_max:
            raise BudgetExceeded("address_lookups")
        self.address_lookups += 1

    @property
    def spent(self) -> Spent:
        """What the question has cost so far."""
        return Spent(
            self.queries,
            self.octets,
            self.restarts,
            self.referrals,
            self.checks,
            self.hashes,
            self.address_lookups,
        )
