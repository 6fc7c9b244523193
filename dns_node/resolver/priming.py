"""The root servers: from the hints to what the root zone itself says (RFC 9609)."""

from typing import Final

from dns_node.resolver import addresses
from dns_node.resolver.asking import ask
from dns_node.resolver.delegation import Delegation
from dns_node.resolver.inquiry import Inquiry, Part
from dns_node.resolver.name_servers import NameServer, choose
from dns_node.resolver.question import Held, Question
from dns_node.resolver.scrub import scrub
from dns_node.resolver.scrubbed import Answer, Lame
from dns_node.zone.rrset import RRset, WireName

NS: Final = 2
TRIES_MAX: Final = 2
"""How many root servers are asked before the hints themselves have to do for a while."""
HINTS_S: Final = 600.0
ROOT: Final = b"\0"


def prime(inquiry: Inquiry) -> Part[Delegation]:
    """Return the root's delegation, asked for with the help of the hints (section 3.1)."""
    resolver = inquiry.resolver
    hints = resolver.hints
    question = Question(ROOT, NS)
    tries: dict[NameServer, int] = {}
    for _ in range(TRIES_MAX):
        name_server = choose(hints.servers, tries, ROOT, inquiry.now_s, resolver.chance)
        if name_server is None:
            break
        inquiry.step("the root servers are asked who they are")
        response = yield from ask(inquiry, name_server, question, tries.get(name_server, 0))
        tries[name_server] = tries.get(name_server, 0) + 1
        if response is None or isinstance(response, Lame):
            continue
        scrubbed = scrub(response, question, ROOT)
        if isinstance(scrubbed, Answer) and not scrubbed.aliases:
            records = response.additional
            rrset = scrubbed.answer[0].rrset
            glue = tuple(
                Held(each.owner, RRset(each.rrtype, each.ttl_s, (each.rdata,)))
                for each in records
                if each.owner in rrset.rdatas and each.rrtype in (addresses.A, addresses.AAAA)
            )
            return _keep(inquiry, rrset.rdatas, glue, inquiry.now_s + rrset.ttl_s)
        break
    root = Delegation(ROOT, hints.names, hints.servers, [], inquiry.now_s + HINTS_S)
    inquiry.delegations.put(root)
    return root


def _keep(
    inquiry: Inquiry, names: tuple[WireName, ...], glue: tuple[Held, ...], expires_s: float
) -> Delegation:
    resolver, hints = inquiry.resolver, inquiry.resolver.hints
    limits, cache = resolver.settings.limits, resolver.settings.cache
    names = names[: limits.name_servers_max]
    servers: list[NameServer] = []
    pending: list[WireName] = []
    for name in names:
        found = addresses.servers_of(inquiry, tuple(each for each in glue if each.owner == name))
        if not found:
            # Not all addresses fit into a small reply: for the others the hints are good enough.
            found = resolver.hint_addresses.get(name, [])
        servers += found[: 2 * limits.addresses_per_name_server_max]
        if not found:
            pending.append(name)
    expires_s = min(expires_s, inquiry.now_s + cache.ttl_max_s)
    # Without a root server nobody could say where its servers are.
    servers = list(dict.fromkeys(servers)) or hints.servers
    root = Delegation(ROOT, names, servers, pending, expires_s)
    inquiry.delegations.put(root)
    inquiry.step(f"the root has {len(names)} servers")
    return root
