"""PROXY protocol, version 2: the client's address as a proxy in front of us tells it.

Only proxies that the configuration lists are believed; to everyone else's octets nothing here is
applied (they are a bad DNS message then).  The text version 1 is not understood.
"""

import ipaddress
from typing import Final

import msgspec

from dns_node.errors import WireError

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
HEADER_SIZE_OCTETS: Final = 16
SIZE_OCTETS_MAX: Final = 1024
"""Addresses take 36 octets at most; the rest is room for the additions (TLVs) of a proxy."""

_ADDRESS_SIZE_OCTETS: Final = {1: 4, 2: 16}
_LOCAL, _PROXY = 0x20, 0x21


class Proxied(msgspec.Struct, frozen=True, gc=False):
    """A header of *size_octets* octets; *source* and *destination* are (address, port), or None
    when the proxy speaks for itself (LOCAL, UNSPEC)."""

    size_octets: int
    source: tuple[str, int] | None
    destination: tuple[str, int] | None


def begins_header(octets: bytes) -> bool:
    """Say whether *octets* begin with the signature."""
    return octets.startswith(SIGNATURE)


def parse_header(octets: bytes) -> Proxied | None:
    """Return the header at the beginning of *octets*, None while it is not complete.

    Raises WireError when it is none.
    """
    if len(octets) < HEADER_SIZE_OCTETS:
        if octets[: len(SIGNATURE)] != SIGNATURE[: len(octets)]:
            raise WireError("no PROXY header")
        return None
    if not begins_header(octets):
        raise WireError("no PROXY header")
    command, kind = octets[12], octets[13]
    size_octets = HEADER_SIZE_OCTETS + (octets[14] << 8 | octets[15])
    if command not in (_LOCAL, _PROXY) or size_octets > SIZE_OCTETS_MAX:
        raise WireError("a PROXY header of another version or too long")
    if len(octets) < size_octets:
        return None
    address_size_octets = _ADDRESS_SIZE_OCTETS.get(kind >> 4)
    if command == _LOCAL or address_size_octets is None:
        return Proxied(size_octets, None, None)
    start, step = HEADER_SIZE_OCTETS, address_size_octets
    if size_octets < start + 2 * step + 4:
        raise WireError("a PROXY header that is too short for its addresses")
    ports = octets[start + 2 * step : start + 2 * step + 4]
    return Proxied(
        size_octets,
        (_address(octets[start : start + step]), int.from_bytes(ports[:2], "big")),
        (_address(octets[start + step : start + 2 * step]), int.from_bytes(ports[2:], "big")),
    )


def compose_header(source: tuple[str, int], destination: tuple[str, int], is_tcp: bool) -> bytes:
    """Return the header with which a proxy announces a client (for tests and forwarding)."""
    addresses = [ipaddress.ip_address(address).packed for address, _ in (source, destination)]
    kind = (0x10 if len(addresses[0]) == 4 else 0x20) | (1 if is_tcp else 2)
    rest = b"".join(addresses) + b"".join(
        port.to_bytes(2, "big") for _, port in (source, destination)
    )
    return SIGNATURE + bytes([_PROXY, kind]) + len(rest).to_bytes(2, "big") + rest


def _address(octets: bytes) -> str:
    return str(ipaddress.ip_address(octets))
