"""Asking a nameserver: one question by dnspython, hundreds at once, or the real dig."""

import selectors
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

HOST = "127.0.0.1"
NOT_YET = (OSError, EOFError, dns.exception.Timeout)
"""What a question raises while nobody answers; for `eventually(..., ignore=NOT_YET)`."""


def ask(
    port: int, name: str, rrtype: str = "A", *, tcp: bool = False, timeout_s: float = 2.0
) -> dns.message.Message:
    """Return the reply to one question; dns.exception.Timeout or OSError when there is none."""
    query = dns.message.make_query(name, rrtype)
    query.flags &= ~dns.flags.RD
    via = dns.query.tcp if tcp else dns.query.udp
    return via(query, HOST, port=port, timeout=timeout_s)


def values(reply: dns.message.Message, rrtype: str = "A") -> list[str]:
    """Return the rdata texts of *rrtype* in the answer section, sorted."""
    wanted = dns.rdatatype.from_text(rrtype)
    return sorted(
        rdata.to_text() for rrset in reply.answer if rrset.rdtype == wanted for rdata in rrset
    )


def rcode_text(reply: dns.message.Message) -> str:
    """Return "NOERROR", "NXDOMAIN", … of *reply*."""
    return dns.rcode.to_text(reply.rcode())


def is_authoritative(reply: dns.message.Message) -> bool:
    """Say whether the AA bit is set (RFC 1035 section 4.1.1)."""
    return bool(reply.flags & dns.flags.AA)


def dig(port: int, *words: str, timeout_s: float = 10.0) -> str:
    """Return what the real dig prints for *words* asked at 127.0.0.1:*port*."""
    command = ["dig", "-p", str(port), f"@{HOST}", "+tries=1", "+time=3", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    return done.stdout


def has_dig() -> bool:
    """Say whether dig is installed here."""
    return shutil.which("dig") is not None


@dataclass
class Tally:
    """What many sources were told: *values* per source, how many got no reply at all."""

    replies: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    unanswered: int = 0

    def others_than(self, rcode: str, texts: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
        """Return the replies that are not (*rcode*, *texts*): the stale ones."""
        return [reply for reply in self.replies if reply != (rcode, texts)]


class Sources:
    """*count* UDP sockets, each with its own source port, so that every worker of a SO_REUSEPORT
    group gets its share of the questions; reused from round to round."""

    def __init__(self, ports: list[int], count: int = 100):
        self._sockets: list[socket.socket] = []
        for port in ports:
            for _ in range(count):
                source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                source.setblocking(False)
                source.connect((HOST, port))
                self._sockets.append(source)

    def ask(self, name: str, rrtype: str = "A", timeout_s: float = 3.0) -> Tally:
        """Ask from every source at once and return all replies; ICMP errors count as no reply."""
        query = dns.message.make_query(name, rrtype)
        octets = query.to_wire()
        tally = Tally()
        with selectors.DefaultSelector() as selector:
            for source in self._sockets:
                try:
                    source.send(octets)
                except OSError:
                    tally.unanswered += 1
                    continue
                selector.register(source, selectors.EVENT_READ)
            end = time.monotonic() + timeout_s
            while selector.get_map() and time.monotonic() < end:
                for key, _ in selector.select(max(0.0, end - time.monotonic())):
                    _take_reply(selector, key.fileobj, query, rrtype, tally)
            tally.unanswered += len(selector.get_map())
        return tally

    def close(self) -> None:
        """Close all sockets."""
        for source in self._sockets:
            source.close()

    def __enter__(self) -> "Sources":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _take_reply(selector, source, query, rrtype: str, tally: Tally) -> None:  # type: ignore[no-untyped-def]
    try:
        octets = source.recv(65_535)
    except BlockingIOError:
        return
    except OSError:
        selector.unregister(source)
        tally.unanswered += 1
        return
    if octets[:2] != query.to_wire()[:2]:
        return  # a late reply of an earlier round
    reply = dns.message.from_wire(octets)
    selector.unregister(source)
    tally.replies.append((rcode_text(reply), tuple(values(reply, rrtype))))
