"""Response policy zones: which rules of one zone match a question, a name, an address."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from dns_node.answer.access import address_octets
from dns_node.resolver.policy.rpz_rules import Action, Key, Kind, Trigger, address_key
from dns_node.resolver.policy.rpz_table import Table
from dns_node.resolver.policy.verdict import NameServers, Request
from dns_node.zone.names import ROOT, ancestors, canonical_key
from dns_node.zone.rrset import WireName

TTL_MAX_S: Final = 300
"""The longest TTL of what a rule says, unless the zone is configured otherwise."""


class PolicyZone:
    """One policy zone.

    *override* replaces what its rules say (None: as given); a zone whose *is_applied* is false only
    counts what it would do.  *table* is None as long as the zone was never loaded; it may be
    replaced at any time.
    """

    def __init__(
        self,
        apex: WireName,
        table: Table | None = None,
        *,
        override: Action | None = None,
        is_applied: bool = True,
        ttl_max_s: int = TTL_MAX_S,
    ):
        self.apex, self.table, self.override = apex, table, override
        self.is_applied, self.ttl_max_s = is_applied, ttl_max_s
        self.hits: dict[Kind, int] = {}
        """How often its rules were followed (or would have been)."""

    def may_need_answer(self) -> bool:
        """Say whether there are rules about answers and name servers."""
        table = self.table
        return table is not None and (table.has_addresses or table.has_servers)


class Hit(msgspec.Struct, frozen=True, gc=False):
    """A rule that matched the name at *position* of the alias chain."""

    zone: PolicyZone
    key: Key
    action: Action
    position: int = 0


def make_hit(zone: PolicyZone, key: Key, action: Action, position: int) -> Hit:
    """Return the match of a rule, with what the zone has done in its place."""
    return Hit(zone, key, zone.override or action, position)


def matches_of_question(
    zone: PolicyZone, request: Request, position: int, name: WireName
) -> Iterator[Hit]:
    """Yield the rule about the client, then the one about the name."""
    table = zone.table
    if table is None:
        return
    if table.has_clients and position == 0 and request.client is not None:
        address = address_octets(request.client.address)
        if by_client := find_address(table, Trigger.CLIENT_IP, (address,)):
            yield make_hit(zone, *by_client, position)
    if table.has_names and (by_name := find_name(table, Trigger.QNAME, name)):
        yield make_hit(zone, *by_name, position)


def matches_of_servers(
    zone: PolicyZone, servers: tuple[NameServers, ...], position: int
) -> list[Hit]:
    """Return the rule about the name of a name server, then the one about an address of one."""
    table, hits = zone.table, []
    if table is None:
        return []
    if table.has_servers:
        names = {name for cut in servers for name in cut.names}
        by_name = [
            (_closeness(found[0]), canonical_key(name), found)
            for name in names
            if (found := find_name(table, Trigger.NSDNAME, name))
        ]
        if by_name:
            hits.append(make_hit(zone, *min(by_name)[2], position))
    addresses = {address for cut in servers for address in cut.addresses}
    if by_address := find_address(table, Trigger.NSIP, addresses):
        hits.append(make_hit(zone, *by_address, position))
    return hits


def _closeness(key: Key) -> tuple[int, bool]:
    """Sort the rules about names: more labels first, then those without an asterisk."""
    name = key[1:]
    return -len(canonical_key(name)), name[:2] == b"\x01*"


def find_name(table: Table, trigger: Trigger, name: WireName) -> tuple[Key, Action] | None:
    """Return the rule about *name*, else the one about the closest wildcard above it."""
    first = bytes((trigger,))
    key = first + name
    action = table.find(key)
    if action is not None:
        return key, action
    if name == ROOT:
        return None
    first += b"\x01*"
    for above in ancestors(name[name[0] + 1 :]):
        key = first + above
        action = table.find(key)
        if action is not None:
            return key, action
    return None


def find_address(
    table: Table, trigger: Trigger, addresses: Iterable[bytes]
) -> tuple[Key, Action] | None:
    """Return the rule with the longest prefix of any of *addresses*; of two for the smallest."""
    best: tuple[int, bytes, Key, Action] | None = None
    for address in addresses:
        bits, number = 8 * len(address), int.from_bytes(address, "big")
        for length in table.lengths(trigger, address):
            shift = bits - length
            network = (number >> shift << shift).to_bytes(len(address), "big")
            key = address_key(trigger, length, network)
            action = table.find(key)
            if action is None:
                continue
            # Prefixes of IPv4 addresses count as those of the mapped IPv6 addresses.
            rank = (bits - 128 - length, address.rjust(16, b"\0"))
            if best is None or rank < best[:2]:
                best = (*rank, key, action)
            break
    return None if best is None else best[2:]
