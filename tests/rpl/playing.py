"""Playing one scenario, inside a network namespace that is its own."""

import asyncio
import secrets
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import dns.exception
import dns.message

from dns_node.resolver import root_hints
from dns_node.zone.names import name_text

from . import matching, resolvers, settings
from .network import Network
from .scenario import Entry, Scenario, Step

START_MAX_S: Final = 15.0
ANSWER_MAX_S: Final = 12.0
QUERY_MAX_S: Final = 5.0


class PlayError(Exception):
    """What was not as a step wants it."""


@dataclass
class Result:
    """How it went: "passed", "failed" or "skipped", with the reason, and what else was seen."""

    verdict: str
    reason: str = ""
    unscripted: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    seconds: float = 0.0
    log: str = ""


class _Clients(asyncio.DatagramProtocol):
    """Clients of the resolver: replies in the order in which they came."""

    def __init__(self) -> None:
        self.replies: asyncio.Queue[bytes] = asyncio.Queue()
        self._transports: dict[str, asyncio.DatagramTransport] = {}

    def datagram_received(self, octets: bytes, source: tuple[str, int]) -> None:
        self.replies.put_nowait(octets)

    async def send(self, octets: bytes, address: str) -> None:
        """Send *octets* to the resolver from *address*."""
        if address not in self._transports:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.bind((address, 0))
            made.connect((resolvers.LISTEN, resolvers.PORT))
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=made)
            self._transports[address] = transport
        self._transports[address].sendto(octets)


class Player:
    """Plays the steps of *scenario*; the resolver runs already."""

    def __init__(self, scenario: Scenario, network: Network, clock: resolvers.Clock | None):
        self._scenario = scenario
        self._network = network
        self._clock = clock
        self._clients = _Clients()
        self._unheard: set[bytes] = set()
        """The ids of octets that were sent as they are, and of which no step wanted the reply."""
        self._raw_id = b""

    async def play(self) -> None:
        """Play all steps; raises PlayError."""
        for step in self._scenario.steps:
            self._network.go_to(step.number)
            try:
                await self._play(step)
            except PlayError as error:
                raise PlayError(f"step {step.number} {step.kind} (line {step.line}): {error}") \
                    from None  # fmt: skip

    async def _play(self, step: Step) -> None:
        if step.kind == "QUERY":
            assert step.entry
            octets = matching.query(step.entry, secrets.randbits(16))
            if self._raw_id:
                self._unheard.add(self._raw_id)
            self._unheard.discard(octets[:2])
            self._raw_id = octets[:2] if step.entry.raw is not None else b""
            await self._clients.send(
                octets,
                step.address if step.address and ":" not in step.address else resolvers.LISTEN,
            )
        elif step.kind == "CHECK_ANSWER":
            assert step.entry
            await self._check_answer(step.entry)
        elif step.kind == "CHECK_OUT_QUERY":
            if await self._network.wait_for(step.entry, QUERY_MAX_S) is None:
                waiting = ", ".join(map(str, self._network.pending)) or "none"
                raise PlayError(f"no such query; pending: {waiting}")
        elif step.kind == "REPLY":
            assert step.entry
            pending = await self._network.wait_for(_asking(step.entry), QUERY_MAX_S)
            if pending is None:
                raise PlayError("there is no query to reply to")
            self._network.pending.remove(pending)
            pending.say(matching.reply(step.entry, pending.query))
        elif step.kind in ("TIMEOUT", "ERROR"):
            pending = await self._network.wait_for(step.entry and _asking(step.entry), QUERY_MAX_S)
            if pending is None:
                raise PlayError("there is no query to leave alone")
            self._network.pending.remove(pending)
        elif step.kind == "TIME_PASSES":
            assert self._clock
            # What is under way is not to be hit by the jump: let it come to rest.
            await asyncio.sleep(0.1)
            self._clock.move(step.elapse_s)

    async def _check_answer(self, entry: Entry) -> None:
        self._raw_id = b""
        try:
            octets = await asyncio.wait_for(self._clients.replies.get(), ANSWER_MAX_S)
            while octets[:2] in self._unheard:
                octets = await asyncio.wait_for(self._clients.replies.get(), ANSWER_MAX_S)
        except TimeoutError:
            raise PlayError(f"no answer within {ANSWER_MAX_S:g} s") from None
        try:
            message = dns.message.from_wire(octets)
        except dns.exception.DNSException as error:
            raise PlayError(f"the answer can't be read: {error}") from None
        found = matching.differences(entry, message)
        if found:
            lines = "\n    ".join(str(message).splitlines())
            raise PlayError("\n    ".join([*found, "the answer was:", lines]))


def known_roots(scenario: Scenario) -> list[tuple[str, str]]:
    """Return the root servers of the Internet that *scenario* plays: the hints, without others."""
    played = set(scenario.addresses())
    return [(name_text(name), one) for name, one in root_hints.ROOT_HINTS if one in played]


def _asking(entry: Entry) -> Entry:
    """The entry of a REPLY as it is held against queries: by its question alone."""
    return Entry(entry.line, match={"qname", "qtype"}, sections=entry.sections)


async def _is_up(process: subprocess.Popen[bytes]) -> None:
    end_s = time.monotonic() + START_MAX_S
    while time.monotonic() < end_s:
        if process.poll() is not None:
            raise PlayError(f"the resolver ended at once, with status {process.returncode}")
        try:
            _, writer = await asyncio.open_connection(resolvers.LISTEN, resolvers.PORT)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        return
    raise PlayError(f"the resolver does not listen within {START_MAX_S:g} s")


def _add_addresses(addresses: list[str]) -> None:
    lines = ["link set lo up\n"]
    for address in addresses:
        if ":" in address and address != "::1":
            lines.append(f"address add {address}/128 dev lo nodad\n")
        elif not address.startswith(("127.", ":")):
            lines.append(f"address add {address}/32 dev lo\n")
    subprocess.run(
        ["ip", "-batch", "-"], input="".join(lines).encode(), check=True, capture_output=True
    )


async def play(scenario: Scenario, resolver: str, folder: Path) -> Result:
    """Play *scenario* with *resolver*, whose log and settings are in *folder*."""
    told = settings.parse(scenario.settings)
    told.root_hints = told.root_hints or known_roots(scenario)
    clock = None
    environment: dict[str, str] = {}
    if told.time_s is not None or any(step.kind == "TIME_PASSES" for step in scenario.steps):
        offset_s = 0.0 if told.time_s is None else told.time_s - time.time()
        clock = resolvers.Clock(folder / "clock", offset_s)
        environment = clock.environment()
    addresses = scenario.addresses()
    asked = [root for _, root in told.root_hints]
    asked += [one for _, servers in (*told.stubs, *told.forwards) for one in servers]
    addresses += [one for one in dict.fromkeys(asked) if one not in addresses]
    asking = [step.address for step in scenario.steps if step.kind == "QUERY" and step.address]
    _add_addresses([*addresses, *dict.fromkeys(one for one in asking if one not in addresses)])
    network = Network(scenario)
    await network.open(addresses)
    process = resolvers.start(resolver, told, folder, environment)
    result = Result("passed")
    try:
        await _is_up(process)
        await Player(scenario, network, clock).play()
        if process.poll() is not None:
            raise PlayError(f"the resolver ended, with status {process.returncode}")
    except PlayError as error:
        result = Result("failed", str(error))
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
    result.unscripted = network.unscripted
    result.asked = network.asked
    result.log = (folder / "log").read_text(errors="replace")
    return result
