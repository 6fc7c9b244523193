"""Where a hierarchy lives: its addresses and its port."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Numbered hosts at *prefix*; *prefix6* is "" where there is no IPv6; all listen on *port*.

    The default is for a network namespace (RFC 2544 and RFC 3849 name the networks).
    """

    prefix: str = "198.18.53."
    prefix6: str = "2001:db8:53::"
    port: int = 53

    def address(self, host: int) -> str:
        """Return the IPv4 address of *host*."""
        return f"{self.prefix}{host}"

    def address6(self, host: int) -> str:
        """Return the IPv6 address of *host*; "" where there is none."""
        return f"{self.prefix6}{host:x}" if self.prefix6 else ""

    def addresses(self, host: int) -> list[str]:
        """Return all addresses of *host*."""
        return [one for one in (self.address(host), self.address6(host)) if one]

    @property
    def is_on_loopback(self) -> bool:
        """Whether its addresses are those that every machine has."""
        return self.prefix.startswith("127.")


def on_loopback(port: int) -> Place:
    """Return a place that needs no namespace: 127.53.0.0/24 at *port*."""
    return Place("127.53.0.", "", port)
