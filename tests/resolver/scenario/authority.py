"""What an honest authoritative server replies from the zones of a scenario."""

from dataclasses import dataclass

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.resolver.scenario.zones import Zone

ALIASES_MAX = 8
COOKIE = 10
NS, CNAME, SOA, DNAME, DS = 2, 5, 6, 39, 43


@dataclass
class Answering:
    """A reply in the making: which zone speaks, and with or without the records of DNSSEC."""

    reply: dns.message.Message
    is_do: bool

    def put(self, section: list, zone: Zone, rrset: dns.rrset.RRset, owner=None) -> None:
        """Add an RRset and, with DO, its signatures; *owner* is what a wildcard is expanded to."""
        section.append(_renamed(rrset, owner))
        covering = zone.signatures.get((rrset.name, rrset.rdtype))
        if self.is_do and covering is not None:
            section.append(_renamed(covering, owner))

    def prove(self, zone: Zone, rrsets: list[dns.rrset.RRset]) -> None:
        """Add the records that prove an absence, each once."""
        if self.is_do:
            for rrset in rrsets:
                if not any(
                    rrset.name == other.name and rrset.rdtype == other.rdtype
                    for other in self.reply.authority
                ):
                    self.put(self.reply.authority, zone, rrset)


def _renamed(rrset: dns.rrset.RRset, owner: dns.name.Name | None) -> dns.rrset.RRset:
    if owner is None or owner == rrset.name:
        return rrset
    return dns.rrset.from_rdata_list(owner, rrset.ttl, list(rrset))


def answer(octets: bytes, zones: list[Zone], is_udp: bool) -> bytes:
    """Return the reply to a query, from *zones* (those of one server); over UDP it fits what the
    query takes, or has TC."""
    query = dns.message.from_wire(octets)
    reply = make_reply(query)
    question = query.question[0]
    _look_up(Answering(reply, bool(query.ednsflags & dns.flags.DO)), zones, question)
    if any("cookies" in zone.options for zone in zones):
        _add_cookie(reply, query)
    return compose(reply, query, is_udp)


def _add_cookie(reply: dns.message.Message, query: dns.message.Message) -> None:
    """Add the client's cookie and ours, the same for all (RFC 7873 section 5.2)."""
    for option in query.options:
        if option.otype == COOKIE:
            data = option.to_wire()[:8] + b"oatmeal!"
            reply.use_edns(0, query.ednsflags, 1232, options=[dns.edns.GenericOption(COOKIE, data)])


def make_reply(query: dns.message.Message) -> dns.message.Message:
    """Return an empty reply with AA, and an OPT when the query has one."""
    reply = dns.message.make_response(query, our_payload=1232)
    reply.flags |= dns.flags.AA
    return reply


def compose(reply: dns.message.Message, query: dns.message.Message, is_udp: bool) -> bytes:
    """Return the octets of a reply; what does not fit a datagram is cut to a header with TC."""
    size = 65535 if not is_udp else max(512, min(query.payload, 1232) if query.edns >= 0 else 512)
    try:
        return reply.to_wire(max_size=size)
    except dns.exception.TooBig:
        cut = make_reply(query)
        cut.flags |= dns.flags.TC
        return cut.to_wire()


def _look_up(answering: Answering, zones: list[Zone], question: dns.rrset.RRset) -> None:
    reply = answering.reply
    name, rrtype = question.name, question.rdtype
    for count in range(ALIASES_MAX + 1):
        zone = _zone_for(zones, name, rrtype)
        if zone is None:
            if not count:
                reply.set_rcode(dns.rcode.REFUSED)
                reply.flags &= ~dns.flags.AA
            return
        target = _look_in(answering, zone, name, rrtype)
        if target is None:
            return
        name = target


def _zone_for(zones: list[Zone], name: dns.name.Name, rrtype: int) -> Zone | None:
    enclosing = [zone for zone in zones if name.is_subdomain(zone.apex)]
    if rrtype == DS and len(enclosing) > 1:
        enclosing = [zone for zone in enclosing if zone.apex != name] or enclosing
    return max(enclosing, key=lambda zone: len(zone.apex), default=None)


def _look_in(
    answering: Answering, zone: Zone, name: dns.name.Name, rrtype: int
) -> dns.name.Name | None:
    """Put what the zone says into the reply; return the name that an alias leads to."""
    reply = answering.reply
    for depth in range(len(zone.apex), len(name) + 1):
        above = dns.name.Name(name[len(name) - depth :])
        if zone.is_cut(above) and not (rrtype == DS and above == name):
            _refer(answering, zone, above)
            return None
        dname = zone.find(above, DNAME)
        if dname is not None and above != name:
            return _follow_dname(answering, zone, name, dname, rrtype)
    if name in zone.nodes:
        return _from_node(answering, zone, zone.nodes[name], name, name, rrtype)
    if zone.exists(name):
        answering.put(reply.authority, zone, zone.soa())
        answering.prove(zone, zone.denial.of_type(name))
        return None
    encloser = name.parent()
    while not zone.exists(encloser):
        encloser = encloser.parent()
    wildcard = dns.name.Name((b"*", *encloser.labels))
    if wildcard in zone.nodes:
        before = len(reply.answer)
        target = _from_node(answering, zone, zone.nodes[wildcard], wildcard, name, rrtype)
        answering.prove(zone, zone.denial.of_name(name, encloser, with_wildcard=False))
        assert target is None or len(reply.answer) > before
        return target
    reply.set_rcode(dns.rcode.NXDOMAIN)
    answering.put(reply.authority, zone, zone.soa())
    answering.prove(zone, zone.denial.of_name(name, encloser, with_wildcard=True))
    return None


def _from_node(
    answering: Answering, zone: Zone, node: dict, source: dns.name.Name, owner, rrtype: int
) -> dns.name.Name | None:
    reply = answering.reply
    if CNAME in node and rrtype not in (CNAME, 255):
        answering.put(reply.answer, zone, node[CNAME], owner)
        return node[CNAME][0].target
    if rrtype == 255:
        for rrset in node.values():
            answering.put(reply.answer, zone, rrset, owner)
        return None
    if rrtype not in node:
        answering.put(reply.authority, zone, zone.soa())
        answering.prove(zone, zone.denial.of_type(source))
        return None
    answering.put(reply.answer, zone, node[rrtype], owner)
    if rrtype == NS:
        _put_addresses(answering, zone, node[rrtype])
    return None


def _refer(answering: Answering, zone: Zone, cut: dns.name.Name) -> None:
    reply = answering.reply
    ns = zone.find(cut, NS)
    if not reply.answer:
        reply.flags &= ~dns.flags.AA
    reply.authority.append(ns)
    ds = zone.find(cut, DS)
    if ds is not None and answering.is_do:
        answering.put(reply.authority, zone, ds)
    else:
        answering.prove(zone, zone.denial.of_type(cut))
    _put_addresses(answering, zone, ns)


def _put_addresses(answering: Answering, zone: Zone, ns: dns.rrset.RRset) -> None:
    for rdata in ns:
        for rrtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            found = zone.find(rdata.target, rrtype)
            if found is not None:
                answering.reply.additional.append(found)


def _follow_dname(
    answering: Answering, zone: Zone, name: dns.name.Name, dname: dns.rrset.RRset, rrtype: int
) -> dns.name.Name | None:
    reply = answering.reply
    answering.put(reply.answer, zone, dname)
    try:
        target = name.relativize(dname.name).concatenate(dname[0].target)
    except dns.name.NameTooLong:
        reply.set_rcode(dns.rcode.YXDOMAIN)
        return None
    reply.answer.append(dns.rrset.from_text(name, dname.ttl, "IN", "CNAME", target.to_text()))
    return None if rrtype == CNAME else target
