"""The resolver of one worker: its caches, and the resolutions that use them."""

import ipaddress
import math
from collections.abc import Callable

import msgspec

from dns_node.answer.sections import Sections
from dns_node.resolver import chain
from dns_node.resolver.addresses import is_of_this_host
from dns_node.resolver.budget import Budget
from dns_node.resolver.delegation import Delegation, Delegations
from dns_node.resolver.dnssec.validator import Validator
from dns_node.resolver.inquiry import Inquiry, Part
from dns_node.resolver.name_servers import OVER_TCP_S, NameServer, NameServers
from dns_node.resolver.question import Held, Outcome, Question, Server
from dns_node.resolver.resolution import Resolution
from dns_node.resolver.root_hints import ROOT_HINTS
from dns_node.resolver.rrset_cache import RRsetCache
from dns_node.resolver.settings import Mode, ResolverSettings
from dns_node.zone.names import is_subdomain
from dns_node.zone.rrset import WireName

Chance = Callable[[int], int]
"""``chance(bits)`` returns an unpredictable integer of so many bits (`secrets.randbits`)."""

LocalData = Callable[[Question], Sections | None]
"""What our own zones say to a question (`answer.lookup.look_up`, with DO), None outside them.  A
referral says where a zone cut of ours leads; `Sections.onward`, where the rest is to be found."""

ROOT = b"\0"


class AskableServer(msgspec.Struct, frozen=True, gc=False):
    """A server that answered lately, how quickly, and how it is to be asked."""

    server: Server
    rtt_s: float
    has_edns: bool
    has_cookie: bool
    mixes_case: bool


class AskableCut(msgspec.Struct, frozen=True, gc=False):
    """A zone cut whose servers may be asked without more ado until *expires_s*: what they say
    needs no validation, and they are known to answer.  *servers*: the best one first.
    *is_forward*: they are resolvers, to be asked with RD."""

    apex: WireName
    servers: tuple[AskableServer, ...]
    expires_s: float
    is_forward: bool = False


class Resolver:
    """What a worker needs to resolve: settings, caches, validator, what it knows of servers.

    Time is that of the real-time clock, in seconds.
    """

    def __init__(self, settings: ResolverSettings, chance: Chance):
        self.settings = settings
        self.chance = chance
        self.cache = RRsetCache(
            settings.cache.rrset_cache_octets,
            settings.cache,
            cuts_insecure=not settings.validates,
        )
        self.validator = Validator(settings) if settings.validates else None
        self.name_servers = NameServers()
        self.delegations = Delegations()
        self.fallback: Delegations | None = None
        """The cuts of recursion where forwarders do not answer, None where that is not wanted."""
        self.hint_addresses: dict[WireName, list[NameServer]] = {}
        self.hints = self._hints()
        self.asks_itself = any(
            is_of_this_host(ipaddress.ip_address(known.server.address).packed)
            for known in self.hints.servers
        )
        """Whether name servers may be at this host: when the root servers are."""
        self._configure()

    def resolve(
        self,
        question: Question,
        now_s: float,
        *,
        is_cd: bool = False,
        wants_steps: bool = False,
        is_refresh: bool = False,
        local: LocalData | None = None,
        budget: Budget | None = None,
    ) -> Resolution:
        """Return the resolution of *question*, not yet begun.

        *is_cd*: the client checks itself, nothing is validated (RFC 4035 section 3.2.2).
        *is_refresh*: what the cache holds for the question itself is not used (prefetch).
        *local*: our own zones, for the names that aliases and delegations lead to; the question
        itself is looked up there too.
        *budget*: what is left of that of the client's question, of which this is a later part.
        """
        inquiry = Inquiry(
            self,
            question,
            now_s,
            is_cd=is_cd,
            is_refresh=is_refresh,
            wants_steps=wants_steps,
            local=local,
            budget=budget,
        )
        return Resolution(inquiry, chain.resolve(inquiry))

    def askable_cut(self, qname: WireName, now_s: float) -> AskableCut | None:
        """Return the deepest known cut for *qname* if its servers may be asked by the shortcut."""
        delegation = self.delegations.deepest(qname, now_s)
        if delegation is None or delegation.is_tls or delegation.in_parallel > 1:
            return None
        if delegation.failed_until_s > now_s or delegation.is_flooded(now_s):
            return None
        apex = delegation.apex
        expires_s = delegation.expires_s
        if self.validator is not None:
            until_s = self.validator.insecure_until_s(apex, now_s)
            if until_s is None or self._has_anchor_below(apex):
                return None
            expires_s = min(expires_s, until_s)
        good = sorted(
            (
                known
                for known in delegation.servers
                if known.answered
                and not known.timeouts
                and not known.is_lame(apex, now_s)
                and not known.is_over_tcp(now_s)
            ),
            key=lambda known: known.rtt_s,
        )
        if not good:
            return None
        servers = tuple(
            AskableServer(
                known.server,
                known.rtt_s,
                known.has_edns(now_s),
                self.settings.has_cookies,
                self.settings.mixes_case and known.mixes_case,
            )
            for known in good
        )
        return AskableCut(apex, servers, expires_s, delegation.is_forwarder)

    def _has_anchor_below(self, apex: WireName) -> bool:
        """Say whether a trust anchor makes an island below *apex*."""
        owners = (owner for owner, _, _ in self.settings.trust_anchors)
        return any(owner != apex and is_subdomain(owner, apex) for owner in owners)

    def note_shortcut(
        self,
        server: Server,
        *,
        answered: int,
        failed: int,
        near_misses: int,
        rtt_s: float,
        now_s: float,
    ) -> None:
        """Take note of what the shortcut saw of a server since the last note."""
        known = self.name_servers.of(server)
        if near_misses:
            # Somebody guesses (RFC 5452 section 9.2).
            known.over_tcp_until_s = now_s + OVER_TCP_S
        known.asked += answered + failed
        if answered:
            known.answered += answered - 1
            known.note_reply(rtt_s)
            known.replied_s = now_s
        elif failed:
            # Where others were answered meanwhile, it was not the server that was silent.
            known.note_failure(now_s, now_s)

    def find_rrset(
        self, inquiry: Inquiry, question: Question, depth: int
    ) -> Part[tuple[Held, ...] | None]:
        """Resolve *question* for the resolver's own use; see `chain.find_rrset`."""
        return chain.find_rrset(inquiry, question, depth)

    def find_stale(self, inquiry: Inquiry) -> Outcome | None:
        """Return the stale answer to the inquiry's question, None when there is none."""
        return chain.find_stale(inquiry)

    def flush(self, apex: WireName | None = None) -> int:
        """Forget all that was learnt of *apex* and the names below it, of all with None; return
        how many entries that were."""
        if self.validator is not None:
            self.validator.flush(apex)
        gone = self.delegations.flush(apex)
        if self.fallback is not None:
            gone += self.fallback.flush(apex)
        if apex is None:
            return gone + self.cache.flush_all()
        return gone + self.cache.flush_subtree(apex)

    def sweep(self, now_s: float, entries_max: int) -> int:
        """Forget what is over, looking at about *entries_max* entries; return how many went."""
        gone = self.cache.sweep(now_s, entries_max) + self.delegations.sweep(now_s, entries_max)
        if self.fallback is not None:
            gone += self.fallback.sweep(now_s, entries_max)
        if self.validator is not None:
            gone += self.validator.sweep(now_s, entries_max)
        return gone

    def _hints(self) -> Delegation:
        settings, found = self.settings, self.hint_addresses
        for name, address in settings.hints or ROOT_HINTS:
            if settings.does_ipv6 if ":" in address else settings.does_ipv4:
                server = Server(address, settings.server_port)
                found.setdefault(name, []).append(self.name_servers.of(server))
        servers = [known for each in found.values() for known in each]
        return Delegation(ROOT, tuple(found), servers, [], math.inf)

    def _configure(self) -> None:
        settings = self.settings
        if settings.mode is not Mode.RECURSIVE and settings.upstreams:
            in_parallel = settings.in_parallel if settings.mode is Mode.PARALLEL else 1
            root = self._configured(
                ROOT, settings.upstreams, is_forwarder=True, is_tls=settings.is_upstream_tls
            )
            root.in_parallel = in_parallel
            self.delegations.configure(root)
            if settings.falls_back:
                self.fallback = Delegations()
        for route in settings.routes:
            made = self._configured(
                route.suffix, route.servers, is_forwarder=not route.is_stub, is_tls=route.is_tls
            )
            for delegations in (self.delegations, self.fallback):
                if delegations is not None:
                    delegations.configure(made)

    def _configured(
        self, apex: WireName, servers: tuple[Server, ...], *, is_forwarder: bool, is_tls: bool
    ) -> Delegation:
        known = [self.name_servers.of(server) for server in servers]
        return Delegation(apex, (), known, [], math.inf, is_forwarder=is_forwarder, is_tls=is_tls)
