"""Keeping the tally of the rows under one zone id while rows change."""

from dns_node.store import layout
from dns_node.store.rows import Tally
from dns_node.zone.view import ZoneHeader


class Tallying:
    """A `Tally` that follows the rows which are taken away and put in their place."""

    __slots__ = ("_names", "_records", "_cuts", "_dnames", "_wildcards", "_digest")

    def __init__(self, start: Tally):
        self._names = start.names
        self._records = start.records
        self._cuts = start.cuts
        self._dnames = start.dnames
        self._wildcards = start.wildcards
        self._digest = int.from_bytes(start.digest, "big")

    def take(self, key: bytes, row: bytes) -> None:
        """Count *row* out."""
        self._count(row, -1)
        self._digest -= layout.name_row_hash(key, row)

    def put(self, key: bytes, row: bytes) -> None:
        """Count *row* in."""
        self._count(row, 1)
        self._digest += layout.name_row_hash(key, row)

    def _count(self, row: bytes, sign: int) -> None:
        flags, _, records = layout.parse_node_header(row)
        self._names += sign
        self._records += sign * records
        if flags & ~layout.FLAG_APEX:
            self._cuts += sign * (flags & layout.FLAG_CUT != 0)
            self._dnames += sign * (flags & layout.FLAG_DNAME != 0)
            self._wildcards += sign * (flags & layout.FLAG_WILDCARD != 0)

    def result(self) -> Tally:
        """Return the tally as it is now."""
        assert min(self._names, self._records, self._cuts, self._dnames, self._wildcards) >= 0
        digest = (self._digest % layout.DIGEST_MODULUS).to_bytes(32, "big")
        return Tally(
            self._names, self._records, self._cuts, self._dnames, self._wildcards, digest
        )


def tally_of(header: ZoneHeader) -> Tally:
    """Return the tally that a zone's header holds."""
    return Tally(
        header.names, header.records, header.cuts, header.dnames, header.wildcards, header.digest
    )
