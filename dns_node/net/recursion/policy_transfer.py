"""Policy zones from their primaries: SOA, AXFR and IXFR (RFC 5936, RFC 1995), with TSIG (RFC 8945).

It blocks: the process that feeds policy zones does nothing else.
"""

import os
import re
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any, Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.xfr
import dns.zone

TIMEOUT_S: Final = 10.0
"""How long a primary may be silent."""

TRANSFER_MAX_S: Final = 600.0
OCTETS_MAX: Final = 1 << 30
"""What one transfer may take, so that no primary can hold or fill the process for ever."""

_KEY: Final = re.compile(
    r'key\s+"?(?P<name>[^\s"{]+)"?\s*\{\s*'
    r'algorithm\s+"?(?P<algorithm>[\w.-]+)"?\s*;\s*'
    r'secret\s+"?(?P<secret>[A-Za-z0-9+/=]+)"?\s*;\s*\}\s*;'
)


class TransferError(Exception):
    """There is no new version of the zone to be had; the text says why."""


@dataclass(frozen=True)
class Primary:
    """A server that has the zone, as an IP address and a port."""

    host: str
    port: int = 53

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"


@dataclass(frozen=True)
class TsigKey:
    """A key that both sides have."""

    name: str
    algorithm: str
    secret: str

    def arguments(self) -> dict[str, Any]:
        """Return what dnspython wants to sign with it."""
        name = dns.name.from_text(self.name)
        return {
            "keyring": dns.tsigkeyring.from_text({self.name: (self.algorithm, self.secret)}),
            "keyname": name,
            "keyalgorithm": dns.name.from_text(self.algorithm),
        }


def read_key(path: str) -> TsigKey:
    """Return the key in a file as ``tsig-keygen`` writes it; raises TransferError."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            match = _KEY.search(file.read(65_536))
    except OSError as error:
        raise TransferError(f"{path} can't be read: {error.strerror}") from None
    if match is None:
        raise TransferError(f"{path} holds no key as tsig-keygen writes it")
    key = TsigKey(match["name"], match["algorithm"].lower(), match["secret"])
    try:
        key.arguments()
    except (dns.exception.DNSException, ValueError) as error:
        raise TransferError(f"{path} holds no good key: {error}") from None
    return key


def serial_at(zone: dns.name.Name, primary: Primary, key: TsigKey | None) -> int:
    """Return the serial of *zone* at *primary*; raises TransferError."""
    query = dns.message.make_query(zone, dns.rdatatype.SOA)
    query.flags &= ~dns.flags.RD
    if key is not None:
        arguments = key.arguments()
        query.use_tsig(
            arguments["keyring"], arguments["keyname"], algorithm=arguments["keyalgorithm"]
        )
    try:
        reply = dns.query.tcp(query, primary.host, TIMEOUT_S, primary.port)
        if key is not None and not reply.had_tsig:
            raise TransferError("the reply is not signed")
        if reply.rcode() != dns.rcode.NOERROR:
            raise TransferError(f"the reply is {dns.rcode.to_text(reply.rcode())}")
        for rrset in reply.answer:
            if rrset.rdtype == dns.rdatatype.SOA and rrset.name == zone:
                return int(rrset[0].serial)
    except (dns.exception.DNSException, OSError, ValueError) as error:
        raise TransferError(_reason(error)) from None
    raise TransferError("the reply has no SOA of the zone: it is not served there")


def transfer(
    name: dns.name.Name, old: dns.zone.Zone | None, primary: Primary, key: TsigKey | None
) -> dns.zone.Zone:
    """Return the zone as *primary* has it; *old* is brought up to date by IXFR.

    Raises TransferError; *old* is as it was then.
    """
    zone = old if old is not None else dns.zone.Zone(name, relativize=False)
    arguments = key.arguments() if key is not None else {}
    try:
        query, serial = dns.xfr.make_query(
            zone, None if old is None else 0, use_edns=False, **arguments
        )
        with socket.create_connection((primary.host, primary.port), TIMEOUT_S) as connection:
            _receive(connection, zone, query, serial, key is not None)
    except TransferError:
        raise
    except (dns.exception.DNSException, OSError, ValueError, EOFError) as error:
        raise TransferError(_reason(error)) from None
    return zone


def _receive(
    connection: socket.socket,
    zone: dns.zone.Zone,
    query: Any,
    serial: int | None,
    is_signed: bool,
) -> None:
    wire = query.to_wire()
    connection.sendall(struct.pack("!H", len(wire)) + wire)
    deadline_s = time.monotonic() + TRANSFER_MAX_S
    octets_left = OCTETS_MAX
    rdtype = query.question[0].rdtype
    context, is_first = None, True
    with dns.xfr.Inbound(zone, rdtype, serial) as inbound:
        is_done = False
        while not is_done:
            (size,) = struct.unpack("!H", _read(connection, 2))
            octets_left -= size
            if octets_left < 0 or time.monotonic() > deadline_s:
                raise TransferError("the zone is too large, or comes too slowly")
            message = dns.message.from_wire(
                _read(connection, size),
                keyring=query.keyring,
                request_mac=query.mac,
                xfr=True,
                origin=zone.from_wire_origin(),
                tsig_ctx=context,
                multi=True,
                one_rr_per_rrset=rdtype == dns.rdatatype.IXFR,
            )
            if not query.is_response(message, xfr_continuation=not is_first):
                raise TransferError("what came is no reply to the request")
            is_first = False
            is_done = inbound.process_message(message)
            context = message.tsig_ctx
        if is_signed and not message.had_tsig:
            # Every hundredth message may lack a signature, the last one never (RFC 8945 5.3.1).
            raise TransferError("the transfer is not signed to its end")


def _read(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise EOFError("the connection ended in the middle")
        parts += part
    return bytes(parts)


def _reason(error: Exception) -> str:
    if isinstance(error, TransferError):
        return str(error)
    if isinstance(error, TimeoutError | dns.exception.Timeout):
        return "no reply in time"
    if isinstance(error, OSError):
        return error.strerror or os.strerror(error.errno or 0)
    return str(error) or type(error).__name__
