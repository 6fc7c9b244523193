"""`+trace`: from the root servers down, one zone after the other."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver

from dns_node.query_tool.exchange import NoReply, Replied, compose, make_way, with_new_id
from dns_node.query_tool.options import DNS_PORT, Options
from dns_node.query_tool.presentation import Unreadable, read, records
from dns_node.resolver.root_hints import ROOT_HINTS

STEPS_MAX: Final = 30
SERVERS_MAX: Final = 13
ALIASES_MAX: Final = 10

Servers = list[tuple[str, str]]
"""(name, address) of each."""

FindServers = Callable[[], Servers]


class Tracer:
    """One trace; *options* are those of the question."""

    def __init__(self, options: Options):
        self._options = options
        self._port = options.port or DNS_PORT
        self.rcode: int | None = None
        """That of the last reply, None when there was none."""

    def lines(self) -> Iterator[str]:
        """Yield the trace line by line, as it goes on."""
        name, zone = self._options.name, dns.name.root
        servers = self._root_servers()
        aliases = 0
        for _ in range(STEPS_MAX):
            found = self._ask_any(servers, name)
            yield from found.notes
            if found.message is None:
                self.rcode = None
                yield f"none of the servers of {zone} answers"
                return
            message = found.message
            self.rcode = message.rcode()
            yield f"{zone}  {found.where}, {found.took_s * 1000:.2f} ms: {_kind(message)}"
            referral = None if message.answer else _referral(message, name, zone)
            shown = [*message.answer, *message.authority]
            yield from records(shown)
            yield ""
            if referral is None:
                target = _alias(message, name, self._options.rdtype)
                if target is None:
                    return
                aliases += 1
                if aliases > ALIASES_MAX:
                    yield f"more than {ALIASES_MAX} aliases"
                    return
                name, zone, servers = target, dns.name.root, self._root_servers()
                yield f"on with {name}"
                continue
            zone = referral.name
            servers = self._servers_of(message, referral)
            if not servers:
                yield f"no address of a server of {zone} can be found"
                self.rcode = None
                return
        yield f"more than {STEPS_MAX} steps"

    def _root_servers(self) -> Servers:
        if not self._options.is_default_server:
            found = self._from_server()
            if found:
                return found
        return [
            (dns.name.from_wire(name, 0)[0].to_text(), address)
            for name, address in ROOT_HINTS
            if ":" not in address
        ]

    def _from_server(self) -> Servers:
        """Ask @SERVER for the root servers, as it knows them."""
        message = self._help(dns.name.root, dns.rdatatype.NS)
        if message is None:
            return []
        names = [
            rdata.target
            for rrset in message.answer
            if rrset.rdtype == dns.rdatatype.NS
            for rdata in rrset
        ]
        return self._addresses(names, message)

    def _servers_of(self, message: dns.message.Message, referral: "dns.rrset.RRset") -> Servers:
        return self._addresses([rdata.target for rdata in referral], message)

    def _addresses(self, names: list[dns.name.Name], message: dns.message.Message) -> Servers:
        found: Servers = []
        for name in names[:SERVERS_MAX]:
            glue = [
                (name.to_text(), rdata.address)
                for rrset in message.additional
                if rrset.name == name and rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA)
                for rdata in rrset
            ]
            found += glue
        for name in [] if found else names[:SERVERS_MAX]:
            found += self._look_up(name)
            if found:
                break
        found.sort(key=lambda one: ":" in one[1])  # IPv4 first: it is there more often
        return found

    def _look_up(self, name: dns.name.Name) -> Servers:
        """Find an address without glue: @SERVER resolves it, else the resolvers of this machine."""
        if not self._options.is_default_server:
            message = self._help(name, dns.rdatatype.A)
            rrsets = message.answer if message is not None else []
            return [
                (name.to_text(), rdata.address)
                for rrset in rrsets
                if rrset.rdtype == dns.rdatatype.A
                for rdata in rrset
            ]
        try:
            answer = dns.resolver.resolve(name, "A", lifetime=self._options.timeout_s)
        except (dns.exception.DNSException, OSError):
            return []
        return [(name.to_text(), rdata.address) for rdata in answer]

    def _help(
        self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
    ) -> dns.message.Message | None:
        options = self._options
        wanted = replace(options, name=name, rdtype=rdtype, is_trace=False, is_rd=True)
        address = (options.host, options.port or DNS_PORT)
        try:
            return read(make_way(address, wanted).ask(compose(wanted)).octets)
        except (NoReply, Unreadable):
            return None

    def _ask_any(self, servers: Servers, name: dns.name.Name) -> "_Found":
        query = compose(replace(self._options, name=name))
        notes = []
        for server, address in servers[:SERVERS_MAX]:
            where = f"{server} ({address})"
            try:
                replied = _ask(address, self._port, query, self._options)
                message = read(replied.octets)
            except (NoReply, Unreadable) as error:
                notes.append(f"  {where}: {error}")
                continue
            if message.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return _Found(message, where, replied.took_s, notes)
            notes.append(f"  {where}: {dns.rcode.to_text(message.rcode())}")
        return _Found(None, "", 0.0, notes)


class _Found:
    def __init__(
        self, message: dns.message.Message | None, where: str, took_s: float, notes: list[str]
    ):
        self.message, self.where, self.took_s, self.notes = message, where, took_s, notes


def _ask(address: str, port: int, query: bytes, options: Options) -> Replied:
    way = make_way((address, port), options)
    try:
        replied = way.ask(with_new_id(query))
    finally:
        way.close()
    if replied.octets[2] & 0x02 and options.transport == "udp" and options.follows_truncation:
        return _ask(address, port, query, replace(options, transport="tcp"))
    return replied


def _referral(
    message: dns.message.Message, name: dns.name.Name, zone: dns.name.Name
) -> "dns.rrset.RRset | None":
    """Return the NS RRset of a zone below *zone* that *name* lies in."""
    for rrset in message.authority:
        is_below = rrset.name != zone and rrset.name.is_subdomain(zone)
        if rrset.rdtype == dns.rdatatype.NS and is_below and name.is_subdomain(rrset.name):
            return rrset
    return None


def _alias(
    message: dns.message.Message, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> dns.name.Name | None:
    """Return where *name* leads when the answer ends in an alias."""
    if rdtype == dns.rdatatype.CNAME:
        return None
    aliases = {
        rrset.name: rrset[0].target
        for rrset in message.answer
        if rrset.rdtype == dns.rdatatype.CNAME
    }
    end = name
    for _ in range(len(aliases)):
        end = aliases.get(end, end)
    has_data = any(rrset.name == end and rrset.rdtype == rdtype for rrset in message.answer)
    return None if end == name or has_data or message.rcode() else end


def _kind(message: dns.message.Message) -> str:
    rcode = dns.rcode.to_text(message.rcode())
    if message.answer:
        return f"{rcode}, answer"
    has_ns = any(rrset.rdtype == dns.rdatatype.NS for rrset in message.authority)
    return f"{rcode}, {'referral' if has_ns and not message.rcode() else 'no data'}"
