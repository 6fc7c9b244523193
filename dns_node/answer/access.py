"""Who may do what: lists of networks, and the networks that clients are taken together by."""

import functools
import ipaddress
from collections.abc import Iterable


@functools.lru_cache(4096)
def address_octets(text: str) -> bytes:
    """Return the 4 or 16 octets of an address as a socket writes it; an IPv4-mapped IPv6 address
    is the IPv4 address.  Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.packed


@functools.lru_cache(4096)
def netblock(text: str, ipv4_prefix: int, ipv6_prefix: int) -> bytes:
    """Return the octets of an address with all bits after its family's prefix 0: clients with the
    same are one to the limits."""
    octets = address_octets(text)
    size = len(octets)
    shift = size * 8 - (ipv4_prefix if size == 4 else ipv6_prefix)
    return (int.from_bytes(octets, "big") >> shift << shift).to_bytes(size, "big")


class Networks:
    """A list of networks, addresses or ``any``, as the configuration writes them.

    Raises ValueError on anything else.  An IPv4-mapped IPv6 address is the IPv4 address.
    """

    def __init__(self, texts: Iterable[str]):
        self.texts = tuple(texts)
        self.is_any = "any" in self.texts
        prefixes: dict[tuple[int, int], set[int]] = {}
        for text in self.texts:
            if text != "any":
                network = ipaddress.ip_network(text, strict=False)
                shift = network.max_prefixlen - network.prefixlen
                key = (network.version, shift)
                prefixes.setdefault(key, set()).add(int(network.network_address) >> shift)
        self._prefixes = tuple((*key, frozenset(found)) for key, found in prefixes.items())
        self._is_listed = functools.lru_cache(4096)(self._look_up)

    def lists(self, address: str) -> bool:
        """Say whether *address* (its text, as a socket gives it) is in one of the networks."""
        return self.is_any or (bool(self._prefixes) and self._is_listed(address))

    def _look_up(self, text: str) -> bool:
        octets = address_octets(text)
        number, family = int.from_bytes(octets, "big"), 4 if len(octets) == 4 else 6
        return any(
            version == family and number >> shift in found
            for version, shift, found in self._prefixes
        )


ANYONE = Networks(("any",))
"""Every address."""

NOBODY = Networks(())
"""No address."""
