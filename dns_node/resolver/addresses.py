"""Addresses of name servers that came without glue (RFC 1034 section 5.3.3, RFC 9471).

What a delegation can make us look up is bounded: so many names per cut and question, addresses per
name, and levels of delegations that need delegations (NXNSAttack, self-pointing delegations).
"""

import ipaddress
from typing import Final

from dns_node.resolver.delegation import Delegation
from dns_node.resolver.inquiry import Inquiry, Part
from dns_node.resolver.name_servers import NameServer
from dns_node.resolver.question import Held, Question, Server
from dns_node.resolver.scrub import may_ask
from dns_node.zone.names import is_subdomain, name_text
from dns_node.zone.rrset import WireName

A: Final = 1
AAAA: Final = 28

ABSENT_S: Final = 60.0
"""For how long a name server is believed to have no address."""
UNKNOWN_S: Final = 5.0
"""For how long it is not looked up again when that failed."""


def find_more(inquiry: Inquiry, delegation: Delegation, depth: int) -> Part[bool]:
    """Look up names of servers of *delegation* until one has an address that was not known; say
    whether there is one.  Raises BudgetExceeded."""
    limits = inquiry.resolver.settings.limits
    if depth >= limits.depth_max:
        inquiry.step("too many delegations need delegations")
        return False
    while delegation.pending:
        looked_up = inquiry.address_lookups.get(delegation.apex, 0)
        if looked_up >= limits.address_lookups_per_cut_max:
            inquiry.step("enough names of servers were looked up")
            return False
        inquiry.address_lookups[delegation.apex] = looked_up + 1
        at = inquiry.resolver.chance(16) % len(delegation.pending)
        name = delegation.pending.pop(at)
        known = len(delegation.servers)
        yield from _find(inquiry, delegation, name, depth)
        if len(delegation.servers) > known:
            return True
    return False


def _find(inquiry: Inquiry, delegation: Delegation, name: WireName, depth: int) -> Part[None]:
    """Look up the addresses of *name*."""
    settings, now_s = inquiry.resolver.settings, inquiry.now_s
    enclosing = inquiry.delegations.deepest(name, now_s)
    found: list[NameServer] = []
    if enclosing is not None and name not in inquiry.doubted:
        found += enclosing.glue.get(name, ())
    is_certain = True
    for qtype, does in ((A, settings.does_ipv4), (AAAA, settings.does_ipv6)):
        question = Question(name, qtype)
        if not does or found:
            continue
        if question in inquiry.on_the_way:
            # Its address can only be learnt from itself.
            inquiry.step(f"a circle of delegations at {name_text(name)}")
            continue
        inquiry.budget.draw_address_lookup()
        inquiry.on_the_way.append(question)
        try:
            helds = yield from inquiry.resolver.find_rrset(inquiry, question, depth + 1)
        finally:
            inquiry.on_the_way.pop()
        if helds is None:
            is_certain = False
        else:
            found += servers_of(inquiry, helds)
    if found:
        inquiry.delegations.add_servers(delegation, found)
    else:
        delegation.absent[name] = now_s + (ABSENT_S if is_certain else UNKNOWN_S)


def servers_of(
    inquiry: Inquiry, helds: tuple[Held, ...], *, is_ours: bool = False
) -> list[NameServer]:
    """Return the servers at the addresses in *helds*, those of families that we do.

    Nobody but the hints and, with *is_ours*, our own zones can make us ask this host itself.
    """
    resolver = inquiry.resolver
    settings = resolver.settings
    asks_itself = is_ours or resolver.asks_itself
    found: list[NameServer] = []
    for held in helds:
        rrset = held.rrset
        if rrset.rrtype == A and settings.does_ipv4 or rrset.rrtype == AAAA and settings.does_ipv6:
            for rdata in rrset.rdatas[: settings.limits.addresses_per_name_server_max]:
                if not may_ask(rdata) or is_of_this_host(rdata) and not asks_itself:
                    continue
                server = Server(address_text(rdata), settings.server_port)
                found.append(resolver.name_servers.of(server))
    return found


def doubt_glue(inquiry: Inquiry, delegation: Delegation) -> None:
    """Let the names be looked up whose addresses only the parent gave, and which other zones know
    better: nobody answers at those addresses."""
    apex = delegation.apex
    doubtful = [name for name in delegation.glue if not is_subdomain(name, apex)]
    for name in doubtful:
        del delegation.glue[name]
    delegation.pending += doubtful
    inquiry.doubted.update(doubtful)


def retry_absent(delegation: Delegation, now_s: float) -> None:
    """Let the names whose addresses could not be found be looked up again when it is time."""
    over = [name for name, until_s in delegation.absent.items() if until_s <= now_s]
    for name in over:
        del delegation.absent[name]
        delegation.pending.append(name)


def is_of_this_host(address: bytes) -> bool:
    """Say whether *address*, of 4 or 16 octets, leads to this host whatever its networks are:
    the loopback addresses, ::/64 with all that is written in it (mapped addresses among them)."""
    return address[0] == 127 if len(address) == 4 else not any(address[:8])


def address_text(octets: bytes) -> str:
    """Return the text of an address of 4 or 16 octets."""
    if len(octets) == 4:
        return f"{octets[0]}.{octets[1]}.{octets[2]}.{octets[3]}"
    return str(ipaddress.IPv6Address(octets))
