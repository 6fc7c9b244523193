"""Servers that misbehave on purpose, all in one process: slow, silent, lame, lying, counting.

    python -m tests.end_to_end.hierarchy.odd FILE

FILE (JSON) says which address does what, and where the control socket is.  Every query is logged;
a line of JSON to the socket asks for the log or changes a behaviour (`odd_control`).
"""

import asyncio
import json
import socket
import sys
import time
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zone

LOG_MAX = 100_000


@dataclass
class Behaviour:
    """What a server does.  *ways* are of: "refuses", "refers-upward", "lies", "truncates",
    "no-edns", "deaf-to-edns", "folds-case", "resolves" (answers any name with RA), "fails"."""

    address: str
    ways: tuple[str, ...] = ()
    zones: dict[str, str] = field(default_factory=dict)
    """Apex to zone file."""
    delay_s: float = 0.0
    is_silent: bool = False


@dataclass
class Entry:
    """One query as it came."""

    at_s: float
    address: str
    transport: str
    source: str
    message_id: int
    qname: str
    qtype: str
    has_edns: bool
    is_rd: bool


class OddServers:
    """The servers of one process, and their log."""

    def __init__(self, behaviours: list[Behaviour], port: int):
        self.behaviours = {one.address: one for one in behaviours}
        self.port = port
        self.log: list[Entry] = []
        self.in_flight: dict[str, int] = {}
        self.in_flight_max: dict[str, int] = {}
        self._zones: dict[str, dict[dns.name.Name, dns.zone.Zone]] = {}
        for one in behaviours:
            self._zones[one.address] = {
                dns.name.from_text(apex): dns.zone.from_file(path, apex, relativize=False)
                for apex, path in one.zones.items()
            }

    async def listen(self) -> None:
        """Open every address, for UDP and TCP."""
        loop = asyncio.get_running_loop()
        for address in self.behaviours:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            udp = socket.socket(family, socket.SOCK_DGRAM)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            udp.bind((address, self.port))
            await loop.create_datagram_endpoint(lambda a=address: _Datagrams(self, a), sock=udp)
            await asyncio.start_server(
                lambda reader, writer, a=address: self._stream(a, reader, writer),
                address, self.port,
            )  # fmt: skip

    async def reply(self, address: str, octets: bytes, transport: str, source: str) -> bytes | None:
        """Return what *address* says to *octets*, after its delay; None for nothing."""
        behaviour = self.behaviours[address]
        try:
            query = dns.message.from_wire(octets)
        except dns.exception.DNSException:
            return None
        if not query.question or query.flags & dns.flags.QR:
            return None
        asked = query.question[0]
        entry = Entry(time.time(), address, transport, source, query.id, asked.name.to_text(),
                      dns.rdatatype.to_text(asked.rdtype), query.edns >= 0,
                      bool(query.flags & dns.flags.RD))  # fmt: skip
        if len(self.log) < LOG_MAX:
            self.log.append(entry)
        if behaviour.is_silent or ("deaf-to-edns" in behaviour.ways and query.edns >= 0):
            return None
        flying = self.in_flight[address] = self.in_flight.get(address, 0) + 1
        self.in_flight_max[address] = max(flying, self.in_flight_max.get(address, 0))
        try:
            if behaviour.delay_s:
                await asyncio.sleep(behaviour.delay_s)
        finally:
            self.in_flight[address] -= 1
        if behaviour.is_silent:
            return None
        return self._answer(behaviour, query, transport)

    def _answer(self, behaviour: Behaviour, query: dns.message.Message, transport: str) -> bytes:
        ways = behaviour.ways
        has_no_edns = "no-edns" in ways or "deaf-to-edns" in ways
        if "no-edns" in ways and query.edns >= 0:
            reply = dns.message.Message(query.id)
            reply.flags = dns.flags.QR
            reply.set_rcode(dns.rcode.FORMERR)
            reply.question = query.question
            return reply.to_wire()
        reply = dns.message.make_response(query, our_payload=1232)
        if has_no_edns:
            reply.use_edns(False)
        if "refuses" in ways:
            reply.set_rcode(dns.rcode.REFUSED)
        elif "fails" in ways:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif "refers-upward" in ways:
            reply.authority.append(dns.rrset.from_text(".", 518_400, "IN", "NS", "a.root."))
        elif "resolves" in ways:
            reply.flags |= dns.flags.RA
            self._resolve(behaviour, reply)
        elif "truncates" in ways and transport == "udp":
            reply.flags |= dns.flags.TC | dns.flags.AA
        else:
            self._from_zone(behaviour, reply)
        if "lies" in ways:
            _lie(reply)
        if "folds-case" in ways:
            asked = reply.question[0]
            lower = dns.name.from_text(asked.name.to_text().lower())
            reply.question = [dns.rrset.RRset(lower, asked.rdclass, asked.rdtype)]
        return reply.to_wire(max_size=65_535)

    def _resolve(self, behaviour: Behaviour, reply: dns.message.Message) -> None:
        """An address for every name: the last octet of the server's own."""
        asked = reply.question[0]
        if asked.rdtype == dns.rdatatype.A:
            address = f"192.0.2.{behaviour.address.rpartition('.')[2]}"
            reply.answer.append(dns.rrset.from_text(asked.name, 60, "IN", "A", address))
        else:
            soa = "a.root. hostmaster.root. 1 7200 900 1209600 60"
            reply.authority.append(dns.rrset.from_text(".", 60, "IN", "SOA", soa))

    def _from_zone(self, behaviour: Behaviour, reply: dns.message.Message) -> None:
        asked = reply.question[0]
        zones = self._zones[behaviour.address]
        apex = next((apex for apex in zones if asked.name.is_subdomain(apex)), None)
        if apex is None:
            reply.set_rcode(dns.rcode.REFUSED)
            return
        zone = zones[apex]
        reply.flags |= dns.flags.AA
        name = asked.name
        exists = any(owner.is_subdomain(name) for owner in zone)
        owner = name
        wildcard = dns.name.Name((b"*",)).concatenate(apex)
        if not exists and wildcard in zone.nodes:
            exists, owner = True, wildcard
        found = zone.get_rdataset(owner, asked.rdtype)
        if found:
            rrset = dns.rrset.from_rdata_list(name, found.ttl, list(found))
            reply.answer.append(rrset)
            return
        if not exists:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        soa = zone.get_rdataset(apex, dns.rdatatype.SOA)
        ttl_s = min(soa.ttl, soa[0].minimum)
        reply.authority.append(dns.rrset.from_rdata_list(apex, ttl_s, list(soa)))

    async def _stream(
        self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        source = "{}#{}".format(*writer.get_extra_info("peername")[:2])
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                octets = await reader.readexactly(length)
                reply = await self.reply(address, octets, "tcp", source)
                if reply is not None:
                    writer.write(len(reply).to_bytes(2, "big") + reply)
                    await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


def _lie(reply: dns.message.Message) -> None:
    """Add what is none of this server's business, in every section, for a name of ill repute."""
    poison = "192.0.2.66"
    reply.answer.append(dns.rrset.from_text("www.signed.north.", 86_400, "IN", "A", poison))
    reply.answer.append(dns.rrset.from_text("www.plain.south.", 86_400, "IN", "A", poison))
    for apex in (".", "south.", "plain.south."):
        reply.authority.append(
            dns.rrset.from_text(apex, 86_400, "IN", "NS", "ns.evil.liar.south.")
        )  # fmt: skip
    for name in ("ns.evil.liar.south.", "ns1.south.", "ns1.plain.south.", "a.root."):
        reply.additional.append(dns.rrset.from_text(name, 86_400, "IN", "A", poison))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, servers: OddServers, address: str):
        self._servers = servers
        self._address = address
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, octets: bytes, source: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._reply(octets, source))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reply(self, octets: bytes, source: tuple[str, int]) -> None:
        where = f"{source[0]}#{source[1]}"
        reply = await self._servers.reply(self._address, octets, "udp", where)
        if reply is not None:
            self._transport.sendto(reply, source)


class _Control:
    """Reads one JSON object per line, and answers with one."""

    def __init__(self, servers: OddServers):
        self._servers = servers

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            told = self._do(json.loads(line))
            writer.write(json.dumps(told).encode() + b"\n")
            await writer.drain()
        writer.close()

    def _do(self, wish: dict[str, object]) -> object:
        servers = self._servers
        if wish["do"] == "log":
            return [vars(entry) for entry in servers.log]
        if wish["do"] == "in-flight":
            return {"now": servers.in_flight, "max": servers.in_flight_max}
        if wish["do"] == "forget":
            servers.log.clear()
            servers.in_flight_max = {}
        elif wish["do"] == "set":
            behaviour = servers.behaviours[str(wish["address"])]
            for name in ("delay_s", "is_silent", "ways"):
                if name in wish:
                    setattr(behaviour, name, wish[name])
        return "done"


async def serve(plan: dict[str, object]) -> None:
    """Serve what *plan* says until the end of standard input."""
    behaviours = [Behaviour(**one) for one in plan["servers"]]  # type: ignore[attr-defined]
    servers = OddServers(behaviours, int(str(plan["port"])))
    await servers.listen()
    await asyncio.start_unix_server(
        _Control(servers).talk, str(plan["control"]), limit=64 << 20
    )  # fmt: skip
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    with open(sys.argv[1]) as _file:
        asyncio.run(serve(json.load(_file)))
