"""Making the sockets of the workers: one UDP and one TCP socket per worker and address."""

import contextlib
import errno
import socket
import time
from dataclasses import dataclass, field

from dns_node.errors import InputError, Problem

BUFFER_OCTETS = 1 << 20
"""For about 1,300 small datagrams that wait in each direction; the kernel doubles it for its own
book-keeping, and without CAP_NET_ADMIN gives no more than net.core.rmem_max and wmem_max."""

# Linux numbers that the socket module does not name.
_IP_PKTINFO = 8
_IPV6_RECVPKTINFO = 49
_MTU_DISCOVER = {
    socket.AF_INET: (socket.IPPROTO_IP, 10),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 23),
}
_PMTUDISC_DONT, _PMTUDISC_OMIT = 0, 5
_BUFFERS = ((33, socket.SO_RCVBUF), (32, socket.SO_SNDBUF))
"""Each with the option that may go beyond the system's limits (SO_RCVBUFFORCE, SO_SNDBUFFORCE)."""

BINDS_MAX = 5
BIND_WAIT_S = 0.05

WILDCARDS = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class BoundSocket:
    """One bound socket and the address that was asked for (its real port)."""

    socket: socket.socket
    host: str
    port: int

    def description(self) -> dict[str, object]:
        """Return it as a worker's start description names it."""
        return {
            "fd": self.socket.fileno(),
            "address": self.host,
            "port": self.port,
            "wildcard": self.host in WILDCARDS,
        }


@dataclass(slots=True)
class WorkerSockets:
    """All sockets of one worker, in the order of the addresses."""

    udp: list[BoundSocket] = field(default_factory=list)
    tcp: list[BoundSocket] = field(default_factory=list)

    def descriptors(self) -> list[int]:
        """Return the descriptors that the worker inherits."""
        return [bound.socket.fileno() for bound in (*self.udp, *self.tcp)]

    def close(self) -> None:
        """Close all of them."""
        for bound in (*self.udp, *self.tcp):
            bound.socket.close()


def location(host: str, port: int) -> str:
    """Return ``127.0.0.1:53`` or ``[::1]:53``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def settle(addresses: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    """Check that nobody holds the addresses; return them with a real port in place of port 0.

    SO_REUSEPORT would let a second node of the same user bind beside the first and take half of
    its queries: so plain sockets are bound once, and closed.  All problems in one InputError.
    """
    problems: list[Problem] = []
    settled = []
    for host, port in addresses:
        try:
            settled.append((host, _probe(host, port)))
        except OSError as error:
            problems.append(_problem(host, port, error))
    if problems:
        raise InputError(problems)
    return tuple(settled)


def bind_worker(addresses: tuple[tuple[str, int], ...]) -> WorkerSockets:
    """Return one worker's share: a UDP and a TCP socket per address, bound with SO_REUSEPORT,
    not blocking, TCP not yet listening (the worker calls listen).  All problems in one
    InputError, nothing left open then."""
    sockets = WorkerSockets()
    problems: list[Problem] = []
    for host, port in addresses:
        try:
            sockets.udp.append(BoundSocket(_bound(host, port, socket.SOCK_DGRAM), host, port))
            sockets.tcp.append(BoundSocket(_bound(host, port, socket.SOCK_STREAM), host, port))
        except OSError as error:
            problems.append(_problem(host, port, error))
    if problems:
        sockets.close()
        raise InputError(problems)
    return sockets


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _new(host: str, kind: socket.SocketKind) -> socket.socket:
    made = socket.socket(_family(host), kind)
    if made.family == socket.AF_INET6:
        # A node may listen on 0.0.0.0 and [::] at once; one socket must not take both.
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if kind == socket.SOCK_STREAM:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # past TIME_WAIT
    return made


def _probe(host: str, port: int) -> int:
    for _ in range(20):
        with _new(host, socket.SOCK_DGRAM) as udp, _new(host, socket.SOCK_STREAM) as tcp:
            _bind(udp, (host, port))
            free = int(udp.getsockname()[1])
            try:
                tcp.bind((host, free))
                tcp.listen(1)
            except OSError as error:
                if port == 0 and error.errno == errno.EADDRINUSE:
                    continue
                raise
            return free
    raise OSError(errno.EADDRINUSE, "no port is free for both UDP and TCP")


def _bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    made = _new(host, kind)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.setblocking(False)
        if kind == socket.SOCK_DGRAM:
            _prepare_udp(made, host)
        _bind(made, (host, port))
    except OSError:
        made.close()
        raise
    return made


def _bind(made: socket.socket, where: tuple[str, int]) -> None:
    """Bind *made*; a resolver on this machine may have a UDP port for the moment that one of its
    queries takes."""
    for left in range(BINDS_MAX, 0, -1):
        try:
            made.bind(where)
            return
        except OSError as error:
            is_in_use = error.errno == errno.EADDRINUSE and made.type == socket.SOCK_DGRAM
            if not is_in_use or left == 1:
                raise
            time.sleep(BIND_WAIT_S)


def _prepare_udp(made: socket.socket, host: str) -> None:
    for beyond_limits, within_limits in _BUFFERS:
        _set_first(made, socket.SOL_SOCKET, (beyond_limits, within_limits), BUFFER_OCTETS)
    # Forged ICMP "fragmentation needed" must not make us send fragments: what it says of the path
    # is left out, and no reply is larger than any link takes (RFC 9715 section 3.1, R2 and R3).
    level, option = _MTU_DISCOVER[made.family]
    for value in (_PMTUDISC_OMIT, _PMTUDISC_DONT):
        with contextlib.suppress(OSError):
            made.setsockopt(level, option, value)
            break
    if host in WILDCARDS:  # replies must leave from the address that was asked
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)


def _set_first(made: socket.socket, level: int, options: tuple[int, ...], value: int) -> None:
    """Set the first of *options* that may be set."""
    for option in options:
        with contextlib.suppress(OSError):
            made.setsockopt(level, option, value)
            return


def _problem(host: str, port: int, error: OSError) -> Problem:
    reason = (error.strerror or str(error)).lower()
    if error.errno == errno.EADDRINUSE:
        cure = (f"Another program holds the port: `ss -lunp 'sport = :{port}'` (UDP) and "
                f"`ss -ltnp 'sport = :{port}'` (TCP) show which.")  # fmt: skip
    elif error.errno in (errno.EACCES, errno.EPERM):
        cure = ("Ports below 1024 need root or CAP_NET_BIND_SERVICE; or set query_loc to a port "
                "above 1023.")  # fmt: skip
    elif error.errno == errno.EADDRNOTAVAIL:
        cure = "This machine has no such address (`ip addr` shows those it has); see query_loc."
    else:
        cure = "See query_loc in the configuration."
    return Problem(f"cannot listen on {location(host, port)}", f"{reason}.", cure)
