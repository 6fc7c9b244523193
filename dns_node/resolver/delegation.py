"""Zone cuts: who serves which zone, by the word of the parent.

A delegation is what the zone above says of a cut; what the child says of itself never prolongs it
and never replaces it (it only adds to whom to ask when nobody else helps), so that a name that its
parent has taken away is gone when the parent's TTL is over (ghost domains).  Its glue is for asking
the servers alone: it answers no question.
"""

from collections.abc import Iterator
from typing import Final

from dns_node.resolver.cut_load import CutLoad
from dns_node.resolver.dnssec.verdict import Claim
from dns_node.resolver.name_servers import NameServer
from dns_node.resolver.question import IN, Question
from dns_node.zone.rrset import WireName

DELEGATIONS_COST_MAX: Final = 200_000
"""What all delegations cost together: one each, and one for every name and address."""

CUT_FAILURE_S: Final = 5.0
CUT_FAILURE_MAX_S: Final = 60.0


class Delegation:
    """The servers of the zone at *apex*.

    *glue* is where the parent says that some of *names* are.  *pending* are the names of servers
    whose addresses were not looked up yet, *absent* those whose addresses could not be found, and
    until when they are not looked up again.  *ds* is what the referral said of the DS of the apex,
    None when that is not known.  *is_forwarder*: resolvers,
    to be asked with RD for everything below, *in_parallel* of them at once.  *failures* counts
    how often in a row none of the servers gave an answer; the cut is left alone until
    *failed_until_s* then.
    """

    __slots__ = (
        "absent",
        "apex",
        "ds",
        "expires_s",
        "glue",
        "failed_until_s",
        "failures",
        "in_parallel",
        "is_forwarder",
        "is_tls",
        "is_used",
        "load",
        "names",
        "pending",
        "servers",
    )

    def __init__(
        self,
        apex: WireName,
        names: tuple[WireName, ...],
        servers: list[NameServer],
        pending: list[WireName],
        expires_s: float,
        *,
        ds: Claim | None = None,
        glue: dict[WireName, list[NameServer]] | None = None,
        is_forwarder: bool = False,
        is_tls: bool = False,
    ):
        self.apex = apex
        self.names = names
        self.servers = servers
        self.pending = pending
        self.expires_s = expires_s
        self.ds = ds
        self.glue = glue or {}
        self.is_forwarder = is_forwarder
        self.is_tls = is_tls
        self.in_parallel = 1
        self.is_used = False
        self.absent: dict[WireName, float] = {}
        self.failures = 0
        self.failed_until_s = 0.0
        self.load = CutLoad()

    @property
    def cost(self) -> int:
        """What it counts for in the bound of all of them."""
        return 1 + len(self.names) + max(len(self.servers), len(self.names))

    def note_failure(self, now_s: float) -> None:
        """None of its servers gave an answer (RFC 9520 section 3.2: it is left alone)."""
        pause_s = CUT_FAILURE_S * (1 << min(self.failures, 8))
        self.failures += 1
        self.failed_until_s = now_s + min(pause_s, CUT_FAILURE_MAX_S)

    def is_flooded(self, now_s: float) -> bool:
        """Say whether no more questions are to be brought to its servers for the moment."""
        return self.load.is_flooded(self.servers, now_s)

    def note_answer(self) -> None:
        """One of its servers gave an answer."""
        self.failures = 0
        self.failed_until_s = 0.0


class Delegations:
    """The zone cuts that are known, and those that are configured, which never expire."""

    def __init__(self) -> None:
        self._learnt: dict[WireName, Delegation] = {}
        self._configured: dict[WireName, Delegation] = {}
        self._cost = 0

    def __len__(self) -> int:
        return len(self._learnt)

    def __iter__(self) -> Iterator[Delegation]:
        yield from self._configured.values()
        yield from self._learnt.values()

    def configure(self, delegation: Delegation) -> None:
        """Let *delegation* hold for its apex and what is below, whatever is learnt above it."""
        self._configured[delegation.apex] = delegation

    def find(self, apex: WireName, now_s: float) -> Delegation | None:
        """Return the delegation of exactly *apex*."""
        found = self._configured.get(apex)
        if found is not None:
            return found
        found = self._learnt.get(apex)
        if found is None:
            return None
        if found.expires_s <= now_s:
            self._forget(found)
            return None
        return found

    def is_learnt(self, delegation: Delegation) -> bool:
        """Say whether *delegation* is one that a referral made, and still holds."""
        return self._learnt.get(delegation.apex) is delegation

    def deepest(self, name: WireName, now_s: float) -> Delegation | None:
        """Return the delegation of the deepest known cut at or above *name* that is good for
        something, or is left alone for a while because it was not."""
        learnt, configured = self._learnt, self._configured
        offset = 0
        while True:
            suffix = name[offset:] if offset else name
            found = learnt.get(suffix)
            if found is not None:
                if found.expires_s <= now_s:
                    self._forget(found)
                elif not found.failures or found.failed_until_s > now_s:
                    found.is_used = True
                    return found
                # Else its servers were of no use the last time: the zone above may know better.
            if configured and (found := configured.get(suffix)) is not None:
                return found
            if not name[offset]:
                return None
            offset += name[offset] + 1

    def put(self, delegation: Delegation) -> None:
        """Keep what a referral said; where room is needed, what was not used lately goes.

        What is known of the servers' failures stays, unless there are other servers now.
        """
        apex = delegation.apex
        if apex in self._configured:
            return
        old = self._learnt.get(apex)
        if old is not None:
            self._forget(old)
            delegation.load = old.load
            if delegation.names == old.names and set(delegation.servers) <= set(old.servers):
                delegation.failures = old.failures
                delegation.failed_until_s = old.failed_until_s
        self._learnt[apex] = delegation
        self._cost += delegation.cost
        chances = 32
        while self._cost > DELEGATIONS_COST_MAX:
            oldest = next(iter(self._learnt.values()))
            if oldest.is_used and chances:
                chances -= 1
                oldest.is_used = False
                self._learnt[oldest.apex] = self._learnt.pop(oldest.apex)
            else:
                self._forget(oldest)

    def add_servers(self, delegation: Delegation, servers: list[NameServer]) -> None:
        """Add the addresses that were found for a name of *delegation*."""
        is_kept = self.is_learnt(delegation)
        cost = delegation.cost
        delegation.servers.extend(server for server in servers if server not in delegation.servers)
        if is_kept:
            self._cost += delegation.cost - cost

    def add_names(
        self, delegation: Delegation, names: tuple[WireName, ...], names_max: int
    ) -> None:
        """Add the *names* of servers that are new, up to *names_max* in all."""
        is_kept = self.is_learnt(delegation)
        cost = delegation.cost
        new = [name for name in dict.fromkeys(names) if name not in delegation.names]
        new = new[: max(0, names_max - len(delegation.names))]
        delegation.names += tuple(new)
        delegation.pending += new
        if is_kept:
            self._cost += delegation.cost - cost

    def flush(self, apex: WireName | None = None) -> int:
        """Forget what was learnt of cuts at and below *apex*, of all with None; return how many."""
        if apex is None:
            found = list(self._learnt.values())
        else:
            found = [each for each in self._learnt.values() if _is_at_or_below(each.apex, apex)]
        for delegation in found:
            self._forget(delegation)
        return len(found)

    def sweep(self, now_s: float, entries_max: int) -> int:
        """Forget what is over among the *entries_max* oldest; return how many that were."""
        over = []
        for number, delegation in enumerate(self._learnt.values()):
            if number >= entries_max:
                break
            if delegation.expires_s <= now_s:
                over.append(delegation)
        for delegation in over:
            self._forget(delegation)
        return len(over)

    def _forget(self, delegation: Delegation) -> None:
        del self._learnt[delegation.apex]
        self._cost -= delegation.cost


def ds_question(apex: WireName) -> Question:
    """Return the question for the DS of *apex*."""
    return Question(apex, 43, IN)


def _is_at_or_below(name: WireName, apex: WireName) -> bool:
    offset = 0
    while len(name) - offset > len(apex):
        offset += name[offset] + 1
    return name[offset:] == apex
