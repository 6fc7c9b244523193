"""Listening and connecting for the link, with or without mutual TLS."""

from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from dns_node.cluster.location import split_location
from dns_node.errors import InputError, Problem

CONNECT_TIMEOUT_S = 3.0
BACKLOG = 128


class Credentials(Protocol):
    """What mutual TLS needs (`credentials.NodeCredentials`): OpenSSL connections made from the
    certificates as they are now, and the id that a peer's certificate proves."""

    def clientConnectionForTLS(self, protocol: Any) -> Any:
        """Return the OpenSSL connection of a dialing side."""

    def serverConnectionForTLS(self, protocol: Any) -> Any:
        """Return the OpenSSL connection of a listening side."""

    def certified_node(self, transport: Any) -> str:
        """Return the node id in the certificate of the other end of *transport*; '' for none."""


def listen(
    reactor: Any, location: str, factory: Factory, tls: Credentials | None
) -> "Deferred[Any]":
    """Return a Deferred of the listening port; it fails with an InputError that names the address
    and what to do when the address can't be had."""
    try:
        host, port = split_location(location)
    except ValueError as error:
        return fail(InputError([Problem("raft_loc", str(error))]))
    served: Any = factory
    if tls is not None:
        served = TLSMemoryBIOFactory(tls, False, factory)  # type: ignore[arg-type]
        served.noisy = False
    if host == "localhost":
        host = "127.0.0.1"
    resolved = succeed(host) if _is_address(host) else reactor.resolve(host)
    resolved.addCallback(
        lambda address: reactor.listenTCP(port, served, backlog=BACKLOG, interface=address)
    )
    return resolved.addErrback(_explain, location)


def connect(
    reactor: Any, location: str, factory: Factory, tls: Credentials | None
) -> "Deferred[Any]":
    """Return a Deferred of the connected protocol; names are resolved off the reactor's thread.
    With TLS the handshake is still to come.  It fails with ValueError when *location* is none."""
    try:
        host, port = split_location(location)
    except ValueError as error:
        return fail(error)
    kind: Any = HostnameEndpoint
    if _is_address(host):
        kind = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
    endpoint = kind(reactor, host, port, timeout=CONNECT_TIMEOUT_S)
    if tls is not None:
        endpoint = wrapClientTLS(tls, endpoint)  # type: ignore[arg-type]
    return endpoint.connect(factory)


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _explain(failure: Failure, location: str) -> None:
    if failure.check(CannotListenError):
        cause = failure.value.socketError
        why = str(getattr(cause, "strerror", None) or cause)
    else:
        why = failure.getErrorMessage()
    port = location.rpartition(":")[2]
    raise InputError(
        [
            Problem(
                f"raft_loc {location}",
                f"cannot listen here: {why.lower()}.",
                f"See who does with `ss -ltnp 'sport = :{port}'`, stop it, or change raft_loc.",
            )
        ]
    )
