"""Response policy zones: which rule rewrites an answer, and into what.

One rule at most, from all that match anywhere on the way, changes an answer; one that says
PASSTHRU is that one too.  Rules are preferred, in this order: by the place in the alias chain, the
first name first; by the order of the policy zones; by the trigger (client, name, address, name of
a name server, address of one); the closest name before a wildcard above it; among names of
name servers the smallest; among addresses the longest prefix, then the smallest address.

What can be decided by the question is decided without asking anybody, unless a zone that comes
before has rules about answers, or the client wants signed data, which stays as it is.
"""

from collections.abc import Callable, Generator, Iterable
from typing import Final

import msgspec

from dns_node.answer.access import address_octets
from dns_node.answer.query import NOERROR, NXDOMAIN, SERVFAIL
from dns_node.resolver.policy.rpz_match import (
    Hit,
    PolicyZone,
    find_address,
    make_hit,
    matches_of_question,
    matches_of_servers,
)
from dns_node.resolver.policy.rpz_rules import Kind, Trigger, redirect, rule_text
from dns_node.resolver.policy.verdict import (
    Answered,
    Dropped,
    NameServers,
    Request,
    Resolve,
    Truncated,
    Verdict,
    is_bogus,
)
from dns_node.resolver.question import ExtendedError, Held, Outcome, Question, Security
from dns_node.zone.names import ROOT, BadName, ancestors, parent
from dns_node.zone.rrset import RRset, WireName

A, NS, CNAME, AAAA = 1, 2, 5, 28
FORGED: Final = 4
BLOCKED: Final = 15
LOOKUPS_MAX: Final = 4
"""Name servers and addresses of theirs that are looked up for one question, because a rule may be
about them and they aren't known."""

Steps = Generator[Resolve, Outcome, Verdict]
FindNameServers = Callable[[WireName], tuple[NameServers, ...]]


class _Chain(msgspec.Struct, frozen=True, gc=False):
    """The names of an alias chain, and where in the answer what belongs to each begins."""

    names: tuple[WireName, ...]
    starts: tuple[int, ...]
    addresses: tuple[bytes, ...]


class Rpz:
    """The policy zones of one resolver, in their order.

    *breaks_dnssec*: signed answers are rewritten for clients that asked for signatures too; they
    may then find them bogus.
    """

    def __init__(
        self,
        zones: Iterable[PolicyZone],
        find_name_servers: FindNameServers,
        *,
        breaks_dnssec: bool = False,
    ):
        self.zones = tuple(zones)
        self._find_name_servers, self._breaks_dnssec = find_name_servers, breaks_dnssec

    def names_client(self, address: str) -> bool:
        """Say whether a rule is about the client with this address."""
        octets = address_octets(address)
        return any(
            zone.table is not None and find_address(zone.table, Trigger.CLIENT_IP, (octets,))
            for zone in self.zones
        )

    @property
    def depends_on_client(self) -> bool:
        """Whether there are rules about clients."""
        return any(zone.table is not None and zone.table.has_clients for zone in self.zones)

    def steps(self, request: Request) -> Steps:
        """Resolve the question of *request*, or don't, by the rules."""
        keeps_signed = request.is_do and not self._breaks_dnssec
        hit, is_final = self._before(request)
        if hit is None or not is_final or keeps_signed:
            outcome = yield Resolve(request.question)
            if is_bogus(outcome) or (keeps_signed and _is_signed(outcome)):
                return Answered(outcome)
            chain = _chain_of(request.question, outcome)
            hit = yield from self._after(request, chain)
            if hit is None or hit.action.kind is Kind.PASSTHRU:
                return self._passed(hit, outcome)
            prefix = outcome.answer[: chain.starts[hit.position]]
            name = chain.names[hit.position]
        else:
            if hit.action.kind is Kind.PASSTHRU:
                return self._passed(hit, (yield Resolve(request.question)))
            prefix, name = (), request.question.qname
        return (yield from _apply(request, hit, name, prefix))

    def _passed(self, hit: Hit | None, outcome: Outcome) -> Answered:
        if hit is None:
            return Answered(outcome)
        return Answered(outcome, not _is_about_client(hit), _text(hit))

    def _before(self, request: Request) -> tuple[Hit | None, bool]:
        """Return the rule that the question alone matches, and whether no answer can change it."""
        is_final = True
        for zone in self.zones:
            for hit in matches_of_question(zone, request, 0, request.question.qname):
                if zone.is_applied:
                    return hit, is_final
            if zone.is_applied and zone.may_need_answer():
                is_final = False
        return None, False

    def _after(self, request: Request, chain: _Chain) -> Generator[Resolve, Outcome, Hit | None]:
        """Return the rule that applies to an answer."""
        last = len(chain.names) - 1
        budget = [LOOKUPS_MAX]
        for position, name in enumerate(chain.names):
            servers: tuple[NameServers, ...] | None = None
            for zone in self.zones:
                table = zone.table
                if table is None:
                    continue
                hits = list(matches_of_question(zone, request, position, name))
                if position == last and (found := find_address(table, Trigger.IP, chain.addresses)):
                    hits.append(make_hit(zone, *found, position))
                if table.has_servers and not hits:
                    if servers is None:
                        servers = yield from self._servers_of(name, budget)
                    hits += matches_of_servers(zone, servers, position)
                    if table.has_server_addresses and not hits:
                        servers = yield from _complete(servers, budget)
                        hits += matches_of_servers(zone, servers, position)
                for hit in hits:
                    if zone.is_applied:
                        return hit
                    _count(hit)
        return None

    def _servers_of(
        self, name: WireName, budget: list[int]
    ) -> Generator[Resolve, Outcome, tuple[NameServers, ...]]:
        """Return the servers of the zones above *name*; where none is known (what was learnt of
        them ended before the answer did, or a forwarder did the asking) they are asked for."""
        # The servers of the root and of the TLDs are everybody's: rules are not about them.
        known = tuple(found for found in self._find_name_servers(name) if _is_below_tld(found.cut))
        if known:
            return known
        for apex in ancestors(name):
            if not _is_below_tld(apex) or not budget[0]:
                break
            budget[0] -= 1
            outcome = yield Resolve(Question(apex, NS))
            names = tuple(
                rdata
                for held in outcome.answer
                if held.rrset.rrtype == NS and held.owner == apex
                for rdata in held.rrset.rdatas
            )
            if names:
                return (NameServers(apex, frozenset(names), frozenset(), names),)
        return ()


def _is_below_tld(name: WireName) -> bool:
    return name != ROOT and parent(name) != ROOT


def _complete(
    servers: tuple[NameServers, ...], budget: list[int]
) -> Generator[Resolve, Outcome, tuple[NameServers, ...]]:
    """Return *servers* with addresses that were missing looked up, `LOOKUPS_MAX` in all."""
    found = []
    for cut in servers:
        addresses = set(cut.addresses)
        for name in cut.without_address:
            for rrtype in (A, AAAA):
                if budget[0]:
                    budget[0] -= 1
                    outcome = yield Resolve(Question(name, rrtype))
                    addresses.update(_addresses_in(outcome.answer))
        found.append(NameServers(cut.cut, cut.names, frozenset(addresses)))
    return tuple(found)


def _chain_of(question: Question, outcome: Outcome) -> _Chain:
    names, starts = [question.qname], [0]
    if question.qtype != CNAME:
        for number, held in enumerate(outcome.answer):
            if held.rrset.rrtype == CNAME and held.owner == names[-1]:
                names.append(held.rrset.rdatas[0])
                starts.append(number + 1)
    return _Chain(tuple(names), tuple(starts), _addresses_in(outcome.answer))


def _addresses_in(answer: Iterable[Held]) -> tuple[bytes, ...]:
    return tuple(
        rdata
        for held in answer
        if held.rrset.rrtype in (A, AAAA)
        for rdata in held.rrset.rdatas
    )  # fmt: skip


def _is_signed(outcome: Outcome) -> bool:
    return outcome.security is Security.SECURE or any(
        held.rrset.signatures for held in (*outcome.answer, *outcome.authority)
    )


def _is_about_client(hit: Hit) -> bool:
    return hit.key[0] == Trigger.CLIENT_IP


def _count(hit: Hit) -> None:
    hits, kind = hit.zone.hits, hit.action.kind
    hits[kind] = hits.get(kind, 0) + 1


def _text(hit: Hit) -> str:
    """Count the rule as followed, and name it."""
    _count(hit)
    return rule_text(hit.zone.apex, hit.key)


def _apply(request: Request, hit: Hit, name: WireName, prefix: tuple[Held, ...]) -> Steps:
    """Do what the rule says to *name*, to which the aliases in *prefix* lead."""
    action, question, client = hit.action, request.question, request.client
    rule = _text(hit)
    is_shared = not _is_about_client(hit)
    match action.kind:
        case Kind.DROP:
            return Dropped(rule)
        case Kind.TCP_ONLY:
            if client is None or client.is_tcp:
                return Answered((yield Resolve(question)), False, rule)
            return Truncated(rule)
        case Kind.NXDOMAIN | Kind.NODATA:
            rcode = NXDOMAIN if action.kind is Kind.NXDOMAIN else NOERROR
            return Answered(_rewritten(hit, rcode, prefix), is_shared, rule)
    ttl_s = min(action.ttl_s, hit.zone.ttl_max_s)
    alias = next((rrset for rrset in action.rrsets if rrset.rrtype == CNAME), None)
    if alias is None:
        data = tuple(
            Held(name, RRset(rrset.rrtype, ttl_s, rrset.rdatas), Security.INSECURE)
            for rrset in action.rrsets
            if rrset.rrtype == question.qtype
        )
        return Answered(_rewritten(hit, NOERROR, (*prefix, *data)), is_shared, rule)
    try:
        target = redirect(alias.rdatas[0], name)
    except BadName:
        return Answered(_rewritten(hit, NXDOMAIN, prefix), is_shared, rule)
    held = Held(name, RRset(CNAME, ttl_s, (target,)), Security.INSECURE)
    if question.qtype == CNAME:
        return Answered(_rewritten(hit, NOERROR, (*prefix, held)), is_shared, rule)
    outcome = yield Resolve(Question(target, question.qtype))
    if is_bogus(outcome) or any(one.owner == name for one in outcome.answer):
        security = min(outcome.security, Security.INSECURE)
        failed = Outcome(SERVFAIL, errors=outcome.errors, security=security)
        return Answered(failed, False, rule)
    whole = _rewritten(hit, outcome.rcode, (*prefix, held, *outcome.answer), outcome)
    return Answered(whole, is_shared, rule)


def _rewritten(
    hit: Hit, rcode: int, answer: tuple[Held, ...], onward: Outcome | None = None
) -> Outcome:
    zone, table = hit.zone, hit.zone.table
    ttl_s = min(
        [zone.ttl_max_s, hit.action.ttl_s, *(held.rrset.ttl_s for held in answer)]
        + ([] if onward is None else [onward.ttl_s])
    )
    is_data = hit.action.kind is Kind.DATA
    error = ExtendedError(FORGED if is_data else BLOCKED, "by policy")
    additional = () if table is None else (Held(zone.apex, table.header.soa, Security.INSECURE),)
    return Outcome(
        rcode,
        answer,
        () if onward is None else onward.authority,
        Security.INSECURE,
        ttl_s,
        (error, *(() if onward is None else onward.errors)),
        onward is not None and onward.is_stale,
        () if onward is None else onward.steps,
        additional,
    )
