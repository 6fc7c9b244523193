"""The kv door: the text protocol of dns-raft on TCP, one request per connection."""

import ipaddress
import logging
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from dns_node.cluster.command import DeleteKey, Done, PutKey, Refused, Unknown
from dns_node.control.api import Answer, NodeApi
from dns_node.control.compose import Asker, compose
from dns_node.control.kv_requests import (
    PREFIX,
    Delete,
    Get,
    Join,
    KvRequest,
    Leave,
    Ping,
    Set,
    delete_edit,
    parse_request,
    record_key,
    set_edit,
    value_of,
)
from dns_node.errors import DnsNodeError
from dns_node.zone.change import Remove, Replace

SUCCESS, ERROR, PONG = "SUCCESS", "ERROR", "PONG"
_log = logging.getLogger("dns_node.kv")


async def answer(api: NodeApi, request: KvRequest, actor: str) -> str:
    """Return the reply to one request, without a newline; raises DnsNodeError."""
    match request:
        case Ping():
            return PONG
        case Get(key):
            return _get(api, key)
        case Set(key, value):
            edit = set_edit(key, value, api.settings.default_ttl_s)
            return _text(await _propose(api, edit, actor))
        case Delete(key):
            removal = delete_edit(key)
            if isinstance(removal, Remove):
                with api.view() as view:
                    if view.enclosing_zone(removal.owner) is None:
                        return SUCCESS  # what is absent is deleted already
            return _text(await _propose(api, removal, actor))
        case Join(raft_loc, node):
            return _text(await api.add_member(node, raft_loc))
        case Leave(node):
            return _text(await api.remove_member(node))
    raise AssertionError(request)


def _get(api: NodeApi, key: str) -> str:
    wanted = record_key(key)
    with api.view() as view:
        if wanted is None:
            value = view.value(key)
            return ERROR if value is None else value
        found = view.enclosing_zone(wanted.owner)
        node = view.node(found[1].zone_id, wanted.owner) if found else None
        rrset = (node or {}).get(wanted.rrtype)
    return ERROR if rrset is None else value_of(wanted.owner, rrset)


async def _propose(
    api: NodeApi, edit: PutKey | DeleteKey | Replace | Remove, actor: str
) -> Answer:
    with api.view() as view:
        command = compose(api, view, (edit,), Asker("kv", actor))
    return await api.propose(command, "node")


def _text(reply: Answer) -> str:
    match reply.outcome:
        case Done():
            return SUCCESS
        case Refused(reasons):
            return "; ".join(reasons) or ERROR
        case Unknown(operation_id, why):
            return f"unknown outcome, operation {operation_id.hex()}: {why}"
    raise AssertionError(reply)


@implementer(IHalfCloseableProtocol)
class KvProtocol(Protocol):
    """One connection: one request that ends with a newline, one reply, close."""

    transport: Any

    def __init__(self, door: "KvDoor", actor: str):
        self._door = door
        self._actor = actor
        self._buffer = bytearray()
        self._timer: Any = None
        self._has_request = False

    def connectionMade(self) -> None:  # noqa: N802
        """Turn strangers and too many connections away."""
        if not self._door.may_begin(self, self._actor):
            self._reply(ERROR)
            return
        self._timer = self._door.reactor.callLater(self._door.limits.idle_s, self._on_idle)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Forget the connection; a change that is under way goes on."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._door.end(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take octets up to the newline."""
        if self._has_request:
            return
        self._buffer += data
        head = bytes(self._buffer[: len(PREFIX)]).lower()
        if head != PREFIX[: len(head)]:
            self._reply(ERROR)
        elif b"\n" in self._buffer:
            self._has_request = True
            line = bytes(self._buffer).partition(b"\n")[0]
            self._door.run(self._serve(line))
        elif len(self._buffer) > self._door.limits.value_size_octets_max + 64:
            self._reply(ERROR)

    def readConnectionLost(self) -> None:  # noqa: N802
        """The client sends nothing more (``nc -N``): it still waits for the reply, if it asked."""
        if not self._has_request:
            self._reply(ERROR)

    def writeConnectionLost(self) -> None:  # noqa: N802
        """The client reads nothing more: `connectionLost` follows."""

    async def _serve(self, line: bytes) -> None:
        try:
            request = parse_request(line.decode().rstrip("\r"))
            reply = ERROR if request is None else await answer(
                self._door.api, request, self._actor
            )  # fmt: skip
        except (UnicodeDecodeError, DnsNodeError) as error:
            reply = str(error) if isinstance(error, DnsNodeError) else ERROR
        except Exception:
            # A fault in the program: the peer gets an answer all the same, the log the traceback.
            _log.exception("a kv request failed")
            reply = ERROR
        self._reply(reply)

    def _reply(self, text: str) -> None:
        self._has_request = True
        if self.transport is not None:
            self.transport.write(text.encode())
            self.transport.loseConnection()

    def _on_idle(self) -> None:
        # A reply that is still awaited comes by the command's own deadline; what is cut off here
        # is a request that never arrives, or a peer that never reads.
        if not self._has_request and self.transport is not None:
            self.transport.abortConnection()


class KvDoor(Factory):
    """Listens on ``kv_loc``; only loopback addresses are served unless ``access.kv`` says who."""

    noisy = False

    def __init__(self, reactor: Any, api: NodeApi, host: str, port: int):
        self.reactor = reactor
        self.api = api
        self._host, self._port_number = host, port
        self._port: Any = None
        self._open: set[KvProtocol] = set()
        self.run: Callable[[Any], Deferred[Any]] = ensureDeferred

    @property
    def limits(self) -> Any:
        """The settings `kv` in force."""
        return self.api.settings.kv

    def start(self) -> int:
        """Listen; return the port.  Raises twisted.internet.error.CannotListenError."""
        self._port = self.reactor.listenTCP(
            self._port_number, self, backlog=256, interface=self._host
        )
        return int(self._port.getHost().port)

    async def stop(self) -> None:
        """Stop listening and drop the connections."""
        port, self._port = self._port, None
        for protocol in list(self._open):
            if protocol.transport is not None:
                protocol.transport.abortConnection()
        if port is not None:
            await port.stopListening()

    def buildProtocol(self, addr: Any) -> KvProtocol:  # noqa: N802
        """Return the protocol of one connection."""
        return KvProtocol(self, str(addr.host))

    def may_begin(self, protocol: KvProtocol, address: str) -> bool:
        """Count a new connection; False when its address is not allowed or there are too many."""
        if len(self._open) >= self.limits.connections:
            return False
        if not _is_allowed(address, self.api.settings.access.kv):
            _log.warning("kv: %s is not allowed (see access.kv)", address)
            return False
        self._open.add(protocol)
        return True

    def end(self, protocol: KvProtocol) -> None:
        """Forget a connection."""
        self._open.discard(protocol)


def _is_allowed(address: str, networks: tuple[str, ...] | None) -> bool:
    peer = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped:
        peer = peer.ipv4_mapped
    if networks is None:
        return peer.is_loopback
    return any(text == "any" or peer in ipaddress.ip_network(text, strict=False)
               for text in networks)  # fmt: skip
