"""Unpredictable numbers: from the kernel's generator alone, a page at a time (RFC 5452)."""

import os
from typing import Final

_PAGE_OCTETS: Final = 4096

PORT_MIN: Final = 1024
_PORTS: Final = 65536 - PORT_MIN


class Chance:
    """``chance(bits)`` returns an unpredictable integer of so many bits, as `secrets.randbits`
    does, for a tenth of its price.  No octet is used twice."""

    __slots__ = ("_at", "_page")

    def __init__(self) -> None:
        self._page = b""
        self._at = 0

    def __call__(self, bits: int) -> int:
        """Return an integer of *bits* bits, at most 4096."""
        size = bits + 7 >> 3
        at = self._at
        if at + size > len(self._page):
            self._page, at = os.urandom(_PAGE_OCTETS), 0
        self._at = at + size
        return int.from_bytes(self._page[at : at + size], "little") >> (-bits & 7)

    def port(self) -> int:
        """Return a port from 1024 to 65535, each with the same probability."""
        while (port := self(16)) >= _PORTS:
            pass  # so that none is more likely
        return PORT_MIN + port
