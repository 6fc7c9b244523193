"""Servers of signed zones for a whole resolver: what `SignedZone.claim` says, as octets."""

import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdatatype
import dns.rrset

from dns_node.resolver.dnssec.verdict import Claim
from dns_node.resolver.question import Held
from dns_node.zone.names import is_subdomain
from tests.resolver.signed_zone import SignedZone
from tests.resolver.signing import DS, NS, RRSIG
from tests.resolver.world import Host, World


class SignedHost(Host):
    """A server of one zone; *addresses* are those of the servers of all zones by apex."""

    def __init__(self, zone: SignedZone, addresses: dict[bytes, str]):
        super().__init__()
        self.zone, self.addresses = zone, addresses
        self.lies: dict[tuple[bytes, int], Claim] = {}

    def reply(self, query: dns.message.Message) -> dns.message.Message:
        """Return what the zone says, without DNSSEC when it was not asked for."""
        reply = dns.message.make_response(query)
        asked = query.question[0]
        qname, qtype = asked.name.to_digestable(), int(asked.rdtype)
        cut = self.zone.cut_of(qname)
        claim = self.lies.get((qname, qtype)) or self.zone.claim(qname, qtype)
        if cut is not None and not (cut == qname and qtype == DS):
            self._refer(reply, cut, claim)
        else:
            reply.flags |= dns.flags.AA
            reply.set_rcode(claim.rcode)
            _put(reply.answer, claim.answer)
            _put(reply.authority, claim.authority)
        return reply

    def _refer(self, reply: dns.message.Message, cut: bytes, claim: Claim) -> None:
        target = b"\2ns" + cut
        ns = Held(cut, self.zone.nodes[cut][NS])
        _put(reply.authority, (ns, *claim.answer, *claim.authority))
        glue = dns.rrset.from_text(_name(target), 3600, "IN", "A", self.addresses[cut])
        reply.additional.append(glue)


def _name(owner: bytes) -> dns.name.Name:
    return dns.name.from_wire(owner, 0)[0]


def _put(section: list[dns.rrset.RRset], held: tuple[Held, ...]) -> None:
    for each in held:
        for rrtype, rdatas in (
            (each.rrset.rrtype, each.rrset.rdatas),
            (RRSIG, each.rrset.signatures),
        ):
            if rdatas:
                made = [dns.rdata.from_wire(1, rrtype, octets, 0, len(octets)) for octets in rdatas]
                section.append(dns.rrset.from_rdata_list(_name(each.owner), each.rrset.ttl_s, made))


def world_of(root: SignedZone, *zones: SignedZone) -> tuple[World, dict[bytes, SignedHost]]:
    """Return a world with a server for each zone, the root's at 192.0.2.1, and the servers by
    apex."""
    addresses = {
        zone.zone_name: f"192.0.2.{number}" for number, zone in enumerate((root, *zones), 1)
    }
    hosts = {zone.zone_name: SignedHost(zone, addresses) for zone in (root, *zones)}
    assert all(is_subdomain(apex, root.zone_name) for apex in addresses)
    world = World({addresses[apex]: host for apex, host in hosts.items()})
    return world, hosts
