"""Shapes of what `recursion` is configured with: servers, names, root hints, trust anchors."""

import ipaddress
from dataclasses import dataclass
from typing import Any

from dns_node.config.address import parse_address
from dns_node.config.shape import Reading, Shape, describe, file_path

_ADDRESSES = (1, 28)
_DS_AND_DNSKEY = (43, 48)


@dataclass(frozen=True, slots=True)
class Upstream:
    """A server: an IP address in its canonical text, a port (0: that of the transport), and what
    its certificate has to be for ('': anything)."""

    host: str
    port: int = 0
    tls_name: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            host + (f":{self.port}" * bool(self.port)) + (f"#{self.tls_name}" * bool(self.tls_name))
        )


@dataclass(frozen=True, slots=True)
class Hint:
    """An address of a root server."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """A trust anchor: a DS or DNSKEY record, its rdata in hexadecimal digits."""

    owner: str
    rrtype: int
    rdata: str


def parse_name(text: str) -> str:
    """Return the canonical text of an absolute name; ValueError that says what is wrong."""
    # Imported where they are needed: most commands know no names, and start sooner without.
    import dns.exception
    import dns.name

    try:
        return dns.name.from_text(text).canonicalize().to_text()
    except dns.exception.DNSException as error:
        raise ValueError(str(error)) from None


def domain_name() -> Shape:
    """A name, absolute with or without its final dot."""
    expected = "a domain name"

    def read(value: Any, path: str, reading: Reading) -> Any:
        try:
            if not isinstance(value, str) or not value:
                raise ValueError("")
            return parse_name(value)
        except ValueError as error:
            return _refuse(value, expected, path, reading, str(error))

    return Shape(expected, read)


def upstream() -> Shape:
    """An IP address, with a port and the name in its certificate where they are needed."""
    expected = 'a server like "192.0.2.1", "[2001:db8::1]:5353" or "192.0.2.1#dns.example.com"'

    def read(value: Any, path: str, reading: Reading) -> Any:
        try:
            if not isinstance(value, str):
                raise ValueError("")
            return parse_upstream(value)
        except ValueError as error:
            return _refuse(value, expected, path, reading, str(error))

    return Shape(expected, read)


def parse_upstream(text: str) -> Upstream:
    """Return the server that *text* writes; ValueError that says what is wrong."""
    where, has_name, tls_name = text.partition("#")
    if has_name:
        tls_name = parse_name(tls_name).rstrip(".")
    plain = where[1:-1] if where.startswith("[") and where.endswith("]") else where
    try:
        return Upstream(str(ipaddress.ip_address(plain)), 0, tls_name)
    except ValueError:
        address = parse_address(where)
        return Upstream(address.host, address.port, tls_name)


def hints_file() -> Shape:
    """A file of root hints in master-file form, which is read at once."""
    inner = file_path("a file of root hints (as named.root)")

    def read(value: Any, path: str, reading: Reading) -> Any:
        name = inner.read(value, path, reading)
        if not isinstance(name, str):
            return name
        try:
            hints = [
                Hint(owner, str(rdata))
                for owner, rrtype, rdata in _records(name)
                if rrtype in _ADDRESSES
            ]
            if not hints:
                raise ValueError("there is no address in it")
        except (OSError, ValueError) as error:
            return reading.refuse(path, f"{name} can't be read: {_reason(error)}.")
        return tuple(hints)

    return Shape(inner.expected, read)


def anchors_file() -> Shape:
    """A file of DS or DNSKEY records in master-file form, which is read at once."""
    inner = file_path("a file of DS or DNSKEY records")

    def read(value: Any, path: str, reading: Reading) -> Any:
        name = inner.read(value, path, reading)
        if not isinstance(name, str):
            return name
        try:
            anchors = []
            for owner, rrtype, rdata in _records(name):
                if rrtype not in _DS_AND_DNSKEY:
                    raise ValueError(f"there is a record of another type at {owner}")
                anchors.append(Anchor(owner, int(rrtype), rdata.to_wire().hex()))
            if not anchors:
                raise ValueError("there is no record in it")
        except (OSError, ValueError) as error:
            return reading.refuse(path, f"{name} can't be read: {_reason(error)}.")
        return tuple(anchors)

    return Shape(inner.expected, read)


def _records(path: str) -> list[tuple[str, int, Any]]:
    """Return (owner, type, rdata) of the records in a file; raises OSError and ValueError."""
    import dns.exception
    import dns.zonefile

    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        rrsets = dns.zonefile.read_rrsets(text, default_ttl=3600, rdclass=None)
    except dns.exception.DNSException as error:
        raise ValueError(str(error)) from None
    return [
        (rrset.name.canonicalize().to_text(), rrset.rdtype, rdata)
        for rrset in rrsets
        for rdata in rrset
    ]


def _reason(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _refuse(value: Any, expected: str, path: str, reading: Reading, why: str) -> Any:
    because = f": {why.rstrip('.')}" if why else ""
    return reading.refuse(path, f"expected {expected}, found {describe(value)}{because}.")
