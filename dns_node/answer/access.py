"""Who may do what: lists of networks."""

import functools
import ipaddress
from collections.abc import Iterable


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
        return self.is_any or self._is_listed(address)

    def _look_up(self, text: str) -> bool:
        address = ipaddress.ip_address(text.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        number = int(address)
        return any(
            version == address.version and number >> shift in found
            for version, shift, found in self._prefixes
        )


ANYONE = Networks(("any",))
"""Every address."""
