"""The name servers that are known for a name, for the rules about them."""

from dns_node.answer.access import address_octets
from dns_node.resolver.policy.verdict import NameServers
from dns_node.resolver.question import Held
from dns_node.resolver.rank import Rank
from dns_node.resolver.resolver import Resolver
from dns_node.zone.names import ancestors
from dns_node.zone.rrset import WireName

NS = 2


def find_name_servers(resolver: Resolver, name: WireName, now_s: float) -> tuple[NameServers, ...]:
    """Return the zone cuts at and above *name* and their servers, deepest first: what the parents
    said, and where the zones themselves said more, that too."""
    found = []
    for cut in ancestors(name):
        delegation = resolver.delegations.find(cut, now_s)
        if delegation is not None and delegation.is_forwarder:
            delegation = None
        own = resolver.cache.find(cut, NS, now_s, rank_min=min(Rank))
        names: set[WireName] = set()
        pending: tuple[WireName, ...] = ()
        addresses: frozenset[bytes] = frozenset()
        if delegation is not None:
            names.update(delegation.names)
            pending = tuple(delegation.pending)
            addresses = frozenset(
                address_octets(known.server.address) for known in delegation.servers
            )
        if own is not None and isinstance(own.kept, Held):
            more = set(own.kept.rrset.rdatas) - names
            names |= more
            pending += tuple(sorted(more))
        if names or addresses:
            found.append(NameServers(cut, frozenset(names), addresses, pending))
    return tuple(found)
