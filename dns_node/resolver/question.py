"""What is asked, of whom, and what came of it: the values that the rooms of the resolver share.

A resolution does no I/O.  It hands out `Ask` and `Forget`, is fed an `Event` for each ask, and ends
with an `Outcome` (`resolver.resolution`).
"""

from enum import Enum, IntEnum
from typing import Final

import msgspec

from dns_node.zone.rrset import RRset, WireName

IN: Final = 1


class Question(msgspec.Struct, frozen=True, gc=False):
    """A question; *qname* is in lower case."""

    qname: WireName
    qtype: int
    qclass: int = IN


class Transport(Enum):
    """How a server is asked."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class Server(msgspec.Struct, frozen=True, gc=False):
    """An address that answers questions.  *tls_name* is what its certificate has to be for; '' for
    any certificate (RFC 7858 section 4.1, opportunistic)."""

    address: str
    port: int = 53
    tls_name: str = ""


class Ask(msgspec.Struct, frozen=True, gc=False):
    """Send *query* to *server* from a port of its own, and wait *timeout_s* at most.

    *query* has its final id and letters: an octet string is its reply when `message.is_reply` says
    so.  *number* tells the asks of one resolution apart.
    """

    number: int
    server: Server
    transport: Transport
    query: bytes
    timeout_s: float


class Forget(msgspec.Struct, frozen=True, gc=False):
    """The reply to this ask is not wanted any more."""

    number: int


class Replied(msgspec.Struct, frozen=True, gc=False):
    """*octets* are the first reply to the ask, *rtt_s* after it was sent.

    *near_misses* are datagrams that came from the server's address and port before it and were not
    the reply (RFC 5452 section 9.2: somebody may be guessing).
    """

    number: int
    octets: bytes
    rtt_s: float
    near_misses: int = 0


class Failed(msgspec.Struct, frozen=True, gc=False):
    """There is no reply to the ask: its time is over, or *reason* says why there can be none
    (refused connection, no route, a certificate that is not good)."""

    number: int
    is_timeout: bool
    reason: str = ""
    near_misses: int = 0


Event = Replied | Failed


class Security(IntEnum):
    """What validation says (RFC 4035 section 4.3); a whole is as secure as its least secure part.

    INDETERMINATE: it was not validated (validation is off, CD, or data from a hint).
    """

    BOGUS = 0
    INDETERMINATE = 1
    INSECURE = 2
    SECURE = 3


class Held(msgspec.Struct, frozen=True, gc=False):
    """An RRset at its owner name, as the caches and sections hold it."""

    owner: WireName
    rrset: RRset
    security: Security = Security.INDETERMINATE


class ExtendedError(msgspec.Struct, frozen=True, gc=False):
    """An extended DNS error (RFC 8914): its info code, and a text of printable characters."""

    code: int
    text: str = ""


class Step(msgspec.Struct, frozen=True, gc=False):
    """One line of what WHY tells: when (seconds since the beginning), and what."""

    at_s: float
    text: str


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of a question.

    *answer* holds the alias chain in its order and the RRset that was asked for; *authority* the
    SOA and the proofs of what is absent; *additional* what a policy tells beside.  *ttl_s* is how
    long the whole may be kept, 0 for not at all.  *is_stale*: from the cache, after its time (RFC
    8767).  *steps* are empty unless they were asked for.
    """

    rcode: int
    answer: tuple[Held, ...] = ()
    authority: tuple[Held, ...] = ()
    security: Security = Security.INDETERMINATE
    ttl_s: int = 0
    errors: tuple[ExtendedError, ...] = ()
    is_stale: bool = False
    steps: tuple[Step, ...] = ()
    additional: tuple[Held, ...] = ()
