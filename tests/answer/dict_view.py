"""A `View` over dictionaries, filled from master-file text by dnspython: for tests only."""

from bisect import bisect_left, bisect_right

import dns.name
import dns.rdatatype
import dns.tokenizer
import dns.zone

from dns_node.zone.rrset import Node, RRset, WireName
from dns_node.zone.view import ZoneHeader


def wire(text: str) -> WireName:
    """Return the wire name of *text*, which is absolute with or without the final dot."""
    return dns.name.from_text(text).canonicalize().to_wire()


def canonical_key(name: WireName) -> tuple[bytes, ...]:
    """Return the key of the canonical order (RFC 4034 section 6.1)."""
    labels, offset = [], 0
    while name[offset]:
        labels.append(name[offset + 1 : offset + 1 + name[offset]])
        offset += name[offset] + 1
    return tuple(reversed(labels))


class DictZone:
    """One zone: its nodes by owner name, and the owner names in canonical order."""

    def __init__(self, apex: WireName, nodes: dict[WireName, dict[int, RRset]], zone_id: int):
        self.apex, self.nodes, self.zone_id = apex, nodes, zone_id
        self.owners = sorted(nodes, key=canonical_key)
        self.keys = [canonical_key(owner) for owner in self.owners]
        self.header = self._header()

    def _header(self) -> ZoneHeader:
        soa = self.nodes.get(self.apex, {}).get(6)
        numbers = soa.rdatas[0][-20:] if soa else bytes(20)
        minimum_s = int.from_bytes(numbers[16:], "big")
        return ZoneHeader(
            zone_id=self.zone_id,
            serial=int.from_bytes(numbers[:4], "big"),
            flags=0,
            kind="primary",
            negative_ttl_s=min(soa.ttl_s, minimum_s) if soa else 0,
            names=len(self.nodes),
            records=sum(len(r.rdatas) for node in self.nodes.values() for r in node.values()),
            cuts=sum(2 in node and owner != self.apex for owner, node in self.nodes.items()),
            dnames=sum(39 in node for node in self.nodes.values()),
            wildcards=sum(owner.startswith(b"\x01*") for owner in self.nodes),
            digest=bytes(32),
            origin="",
        )


class DictView:
    """Zones in dictionaries, behind the interface of the store's view."""

    def __init__(self, *zones: DictZone):
        self.by_apex = {zone.apex: zone for zone in zones}
        self.by_id = {zone.zone_id: zone for zone in zones}

    def revision(self) -> int:
        return 1

    def zone(self, apex: WireName) -> ZoneHeader | None:
        found = self.by_apex.get(apex)
        return found.header if found else None

    def enclosing_zone(self, owner: WireName) -> tuple[WireName, ZoneHeader] | None:
        while True:
            found = self.by_apex.get(owner)
            if found:
                return owner, found.header
            if len(owner) == 1:
                return None
            owner = owner[owner[0] + 1 :]

    def node(self, zone_id: int, owner: WireName) -> Node | None:
        return self.by_id[zone_id].nodes.get(owner)

    def successor(self, zone_id: int, owner: WireName) -> WireName | None:
        zone = self.by_id[zone_id]
        index = bisect_right(zone.keys, canonical_key(owner))
        return zone.owners[index] if index < len(zone.owners) else None

    def predecessor(self, zone_id: int, owner: WireName) -> WireName | None:
        zone = self.by_id[zone_id]
        index = bisect_left(zone.keys, canonical_key(owner))
        return zone.owners[index - 1] if index else None

    def walk(self, zone_id: int):
        zone = self.by_id[zone_id]
        return ((owner, zone.nodes[owner]) for owner in zone.owners)

    def zones(self):
        return ((zone.apex, zone.header) for zone in self.by_apex.values())

    def source(self, key):
        return None

    def sources(self):
        return iter(())

    def value(self, key: str) -> str | None:
        return None


def zone_from_text(origin: str, text: str, zone_id: int = 1) -> DictZone:
    """Return the zone that the master-file *text* describes; TTL 3600 where it gives none.

    RRSIG records go beside the RRsets that they cover.  A CNAME may stand beside other data.
    """
    name = dns.name.from_text(origin)
    nodes: dict[WireName, dict[int, RRset]] = {}
    owner = name
    for line in text.splitlines():
        if not line.split(";")[0].strip():
            continue
        words = line.split(";")[0].split() if '"' not in line else line.split()
        if not line[0].isspace():
            owner = dns.name.from_text(words.pop(0), name)
        ttl_s = int(words.pop(0)) if words[0].isdigit() else 3600
        if words[0] == "IN":
            words.pop(0)
        rrtype = dns.rdatatype.from_text(words.pop(0))
        rdata = dns.rdata.from_text("IN", rrtype, " ".join(words), origin=name, relativize=False)
        _put(nodes, owner.canonicalize().to_wire(), int(rrtype), ttl_s, rdata)
    return DictZone(name.canonicalize().to_wire(), nodes, zone_id)


def _put(nodes, owner, rrtype, ttl_s, rdata):
    node = nodes.setdefault(owner, {})
    octets = rdata.to_digestable()
    if rrtype == 46:
        covered = node.get(int(rdata.type_covered)) or RRset(int(rdata.type_covered), ttl_s, ())
        node[covered.rrtype] = RRset(
            covered.rrtype, covered.ttl_s, covered.rdatas, (*covered.signatures, octets)
        )
        return
    before = node.get(rrtype) or RRset(rrtype, ttl_s, ())
    rdatas = tuple(sorted({*before.rdatas, octets}))
    node[rrtype] = RRset(rrtype, ttl_s, rdatas, before.signatures)


def view_of(**zones: str) -> DictView:
    """Return a view of zones by text: ``view_of(example="@ SOA …")`` (``_`` stands for a dot)."""
    return DictView(
        *(
            zone_from_text(origin.replace("_", "."), text, number)
            for number, (origin, text) in enumerate(zones.items(), 1)
        )
    )
