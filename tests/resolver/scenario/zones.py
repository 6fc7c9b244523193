"""The zones of a scenario: from the text of its `zone` statements to data with delegations."""

from dataclasses import dataclass, field

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from tests.resolver.scenario.script import ScriptError, Statement

DEFAULT_TTL_S = 3600
NEGATIVE_TTL_S = 300
ROOT_SERVER = dns.name.from_text("a.root-servers.net.")

Node = dict[int, dns.rrset.RRset]


class Denial:
    """The records that prove absences: none, in a zone that is not signed."""

    def of_type(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """Return what proves which types *name* has."""
        return []

    def of_name(
        self, name: dns.name.Name, encloser: dns.name.Name, *, with_wildcard: bool
    ) -> list[dns.rrset.RRset]:
        """Return what proves that nothing is closer to *name* than *encloser*; *with_wildcard*:
        and that there is no wildcard at it."""
        return []

    def rrsets(self) -> list[dns.rrset.RRset]:
        """Return all of them."""
        return []


@dataclass
class Zone:
    """A zone in clear: nodes by owner, types by number.  *options* are the words of its statement
    behind the addresses (``signed``, ``nsec3``, ``undelegated``, …), with their values."""

    apex: dns.name.Name
    addresses: tuple[str, ...]
    options: dict[str, str]
    statement: Statement
    nodes: dict[dns.name.Name, Node] = field(default_factory=dict)
    signatures: dict[tuple[dns.name.Name, int], dns.rrset.RRset] = field(default_factory=dict)
    denial: "Denial" = field(default_factory=lambda: Denial())

    def soa(self) -> dns.rrset.RRset:
        """Return the SOA with the TTL of an absence (RFC 2308 section 3)."""
        soa = self.nodes[self.apex][dns.rdatatype.SOA]
        return dns.rrset.from_rdata_list(self.apex, min(soa.ttl, soa[0].minimum), list(soa))

    def exists(self, name: dns.name.Name) -> bool:
        """Whether a node is at or below the name."""
        return name in self.nodes or any(owner.is_subdomain(name) for owner in self.nodes)

    def put(self, owner: dns.name.Name, ttl_s: int, rrtype: int, text: str) -> None:
        """Add one record."""
        rdata = dns.rdata.from_text("IN", rrtype, text, origin=self.apex, relativize=False)
        node = self.nodes.setdefault(owner, {})
        if rrtype not in node:
            node[rrtype] = dns.rrset.RRset(owner, dns.rdataclass.IN, rrtype)
        node[rrtype].add(rdata, ttl_s)

    def find(self, owner: dns.name.Name, rrtype: int) -> dns.rrset.RRset | None:
        """Return the RRset, or None."""
        return self.nodes.get(owner, {}).get(rrtype)

    def is_cut(self, name: dns.name.Name) -> bool:
        """Whether the zone delegates *name*."""
        return name != self.apex and dns.rdatatype.NS in self.nodes.get(name, {})


def zone_of(statement: Statement) -> Zone:
    """Return the zone that a statement describes, with an SOA and NS records where it has none."""
    apex = dns.name.from_text(statement.words[0])
    if statement.words[1:2] != ("at",):
        raise ScriptError(f"line {statement.line}: write zone NAME at ADDRESS,ADDRESS …")
    addresses = tuple(statement.words[2].split(","))
    options = {word.partition("=")[0]: word.partition("=")[2] for word in statement.words[3:]}
    zone = Zone(apex, addresses, options, statement)
    for line in statement.block:
        zone.put(*record_of(line, apex))
    if zone.find(apex, dns.rdatatype.SOA) is None:
        minimum_s = int(options.get("negative", NEGATIVE_TTL_S))
        zone.put(apex, DEFAULT_TTL_S, dns.rdatatype.SOA, f"ns host 1 3600 600 86400 {minimum_s}")
    if zone.find(apex, dns.rdatatype.NS) is None:
        _give_name_servers(zone)
    return zone


def record_of(
    line: str, origin: dns.name.Name, ttl_s: int = DEFAULT_TTL_S
) -> tuple[dns.name.Name, int, int, str]:
    """Return owner, TTL, type and rdata text of a line ``owner [ttl] TYPE rdata``."""
    words = line.split()
    owner = dns.name.from_text(words[0], origin) if words[0] != "@" else origin
    rest = words[1:]
    if rest[0].isdigit():
        ttl_s, rest = int(rest[0]), rest[1:]
    return owner, ttl_s, int(dns.rdatatype.from_text(rest[0])), " ".join(rest[1:])


def _give_name_servers(zone: Zone) -> None:
    """One name server for each address: ns, ns2, … in the zone; the root's have their own name."""
    ttl_s = int(zone.options.get("ns-ttl", DEFAULT_TTL_S))
    for number, address in enumerate(zone.addresses, 1):
        if zone.apex == dns.name.root:
            letter = chr(ord("a") + number - 1)
            name = dns.name.from_text(f"{letter}.root-servers.net.")
        else:
            name = dns.name.from_text("ns" if number == 1 else f"ns{number}", zone.apex)
        zone.put(zone.apex, ttl_s, dns.rdatatype.NS, name.to_text())
        rrtype = dns.rdatatype.AAAA if ":" in address else dns.rdatatype.A
        if zone.find(name, rrtype) is None or zone.apex == dns.name.root:
            zone.put(name, ttl_s, rrtype, address)


def delegate(zones: list[Zone]) -> None:
    """Give every zone's parent, where it is one of *zones*, the NS records and glue of the zone,
    unless it has an NS RRset there already or the zone is ``undelegated``."""
    for zone in zones:
        parent = parent_of(zone, zones)
        if parent is None or "undelegated" in zone.options:
            continue
        if parent.find(zone.apex, dns.rdatatype.NS) is not None:
            continue
        ns = zone.find(zone.apex, dns.rdatatype.NS)
        assert ns is not None
        for rdata in ns:
            parent.put(zone.apex, ns.ttl, dns.rdatatype.NS, rdata.target.to_text())
            for rrtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
                glue = zone.find(rdata.target, rrtype)
                if glue is None or not rdata.target.is_subdomain(parent.apex):
                    continue
                for address in glue:
                    parent.put(rdata.target, ns.ttl, rrtype, address.to_text())


def parent_of(zone: Zone, zones: list[Zone]) -> Zone | None:
    """Return the closest of *zones* above *zone*, None for a topmost one."""
    above = [
        other for other in zones if other.apex != zone.apex and zone.apex.is_subdomain(other.apex)
    ]
    return max(above, key=lambda other: len(other.apex), default=None)
