"""The servers of a scenario: every address at port 53, saying what the step's ranges say."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import dns.exception
import dns.message

from . import matching
from .scenario import Entry, Scenario

PORT = 53
_HOLDING = {"CHECK_OUT_QUERY", "REPLY", "TIMEOUT", "ERROR"}


@dataclass
class Pending:
    """A query that nothing was said to yet; *say* sends octets back."""

    address: str
    transport: str
    query: dns.message.Message
    say: Callable[[bytes], None]

    def __str__(self) -> str:
        asked = self.query.question[0] if self.query.question else "no question"
        return f"{asked} at {self.address} ({self.transport})"


@dataclass
class Network:
    """All servers; *step* is the number of the step that is played now."""

    scenario: Scenario
    step: int = 0
    pending: list[Pending] = field(default_factory=list)
    unscripted: list[str] = field(default_factory=list)
    """Queries that no range had a reply for: they were told SERVFAIL."""
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        last = [step.number for step in self.scenario.steps if step.kind in _HOLDING]
        self._held_until = max(last, default=-1)

    async def open(self, addresses: list[str]) -> None:
        """Listen at every address, over UDP and TCP."""
        loop = asyncio.get_running_loop()
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            udp = socket.socket(family, socket.SOCK_DGRAM)
            udp.bind((address, PORT))
            await loop.create_datagram_endpoint(lambda a=address: _Datagrams(self, a), sock=udp)
            await asyncio.start_server(
                lambda reader, writer, a=address: self._stream(a, reader, writer), address, PORT
            )

    def _entry_for(self, pending: Pending) -> Entry | None:
        for part in self.scenario.ranges:
            is_here = not part.addresses or pending.address in part.addresses
            if not is_here or not part.first <= self.step <= part.last:
                continue
            entry = matching.find(part.entries, pending.query, pending.transport)
            if entry is not None:
                return entry
        return None

    def take(self, pending: Pending) -> None:
        """A query came: say what the ranges say, or keep it for a step that waits for it."""
        self.asked.append(str(pending))
        entry = self._entry_for(pending)
        if entry is not None:
            self._later(self._answer(entry, pending))
        elif self.step <= self._held_until:
            self.pending.append(pending)
            self._news.set()
        else:
            self._fail(pending)

    def _fail(self, pending: Pending) -> None:
        self.unscripted.append(str(pending))
        pending.say(matching.failure(pending.query))

    def _later(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)  # type: ignore[arg-type]

    async def _answer(self, entry: Entry, pending: Pending) -> None:
        if entry.sleep_s:
            await asyncio.sleep(entry.sleep_s)
        if "do_not_answer" not in entry.adjust:
            pending.say(matching.reply(entry, pending.query))

    async def wait_for(self, entry: Entry | None, timeout_s: float) -> Pending | None:
        """Return the newest pending query that *entry* matches (any, for None), waiting for it."""
        end_s = asyncio.get_running_loop().time() + timeout_s
        while True:
            for pending in reversed(self.pending):
                if entry is None or not matching.differences(
                    entry, pending.query, pending.transport
                ):  # fmt: skip
                    return pending
            self._news.clear()
            left_s = end_s - asyncio.get_running_loop().time()
            try:
                await asyncio.wait_for(self._news.wait(), left_s)
            except TimeoutError:
                return None

    def go_to(self, step: int) -> None:
        """Play *step* now; what is pending and has a reply in its ranges gets it.

        When no later step waits for a query, the others fail.
        """
        self.step = step
        for pending in list(self.pending):
            if (entry := self._entry_for(pending)) is not None:
                self.pending.remove(pending)
                self._later(self._answer(entry, pending))
            elif step > self._held_until:
                self.pending.remove(pending)
                self._fail(pending)

    async def _stream(
        self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        def say(octets: bytes) -> None:
            writer.write(len(octets).to_bytes(2, "big") + octets)

        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                self.heard(address, "tcp", await reader.readexactly(length), say)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    def heard(
        self, address: str, transport: str, octets: bytes, say: Callable[[bytes], None]
    ) -> None:
        """Octets came in at *address*."""
        try:
            query = dns.message.from_wire(octets)
        except dns.exception.DNSException as error:
            self.unscripted.append(f"octets that are no query at {address}: {error}")
            return
        self.take(Pending(address, transport, query, say))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, network: Network, address: str):
        self._network = network
        self._address = address

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, octets: bytes, source: tuple[str, int]) -> None:
        self._network.heard(
            self._address, "udp", octets, lambda reply: self._transport.sendto(reply, source)
        )
