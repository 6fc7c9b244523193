"""Addresses of the configuration: an IP address and a port."""

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where something listens.  *host* is an IP address in its canonical text, never a name."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"

    @property
    def is_ipv6(self) -> bool:
        """Whether *host* is an IPv6 address."""
        return ":" in self.host

    @property
    def is_wildcard(self) -> bool:
        """Whether it means every address of the machine (0.0.0.0 or ::)."""
        return self.host in ("0.0.0.0", "::")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback


def parse_address(text: str) -> Address:
    """Return the address of ``127.0.0.1:53`` or ``[::1]:53``.

    Raises ValueError that says what is wrong: no port, a name instead of an address, an IPv6
    address without brackets, a port outside 1 to 65535.
    """
    host, colon, port_text = text.rpartition(":")
    if not colon or not port_text.isascii() or not port_text.isdigit():
        raise ValueError(f'"{text}" does not end in ":port"')
    if not 1 <= int(port_text) <= 65535:
        raise ValueError(f"port {port_text} is not between 1 and 65535")
    is_bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if is_bracketed else host)
    except ValueError:
        raise ValueError(f'"{host}" is no IP address (names are not looked up here)') from None
    if (address.version == 6) != is_bracketed:
        raise ValueError(f'"{text}": an IPv6 address, and only that, stands in [brackets]')
    return Address(str(address), int(port_text))
