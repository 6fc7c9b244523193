"""The typed changes of zone data that every door makes (the parts of a command)."""

import msgspec

from dns_node.zone.rrset import RRset, WireName


class Add(msgspec.Struct, frozen=True, array_like=True, tag="add"):
    """Add *rdatas* to the RRset of *rrtype* at *owner*.

    With *ttl_s* the whole RRset gets that TTL; with None it keeps its own, or takes
    *default_ttl_s* when it is new.  Records that are there already are said and change nothing.
    """

    owner: WireName
    rrtype: int
    ttl_s: int | None
    rdatas: tuple[bytes, ...]
    default_ttl_s: int = 3600


class Remove(msgspec.Struct, frozen=True, array_like=True, tag="remove"):
    """Remove *rdatas* from the RRset, or with None the whole RRset; *rrtype* 255 is every type."""

    owner: WireName
    rrtype: int
    rdatas: tuple[bytes, ...] | None = None


class Replace(msgspec.Struct, frozen=True, array_like=True, tag="replace"):
    """Make the RRset of *rrtype* at *owner* exactly *rdatas* (with none of them: remove it).

    *ttl_s* None keeps the TTL, or takes *default_ttl_s* when the RRset is new.  With *apex* it is
    the RRset in exactly that zone, also at and below a zone cut (UNDO puts back what was there,
    so that a CNAME beside other data from a legacy file may come back too).
    """

    owner: WireName
    rrtype: int
    ttl_s: int | None
    rdatas: tuple[bytes, ...]
    default_ttl_s: int = 3600
    apex: WireName | None = None


class DropZone(msgspec.Struct, frozen=True, array_like=True, tag="drop"):
    """Withdraw the whole zone at *apex*; UNDO can publish it again."""

    apex: WireName


class RestoreZone(msgspec.Struct, frozen=True, array_like=True, tag="restore"):
    """Publish the contents under *zone_id* at *apex* again (UNDO of a drop or a publish)."""

    apex: WireName
    zone_id: int


class SourceKey(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A managed zone file: which node reads it, from which path, for which origin."""

    node: str
    path: str
    origin: WireName


class Import(msgspec.Struct, frozen=True, array_like=True, tag="import"):
    """Carry the difference of one managed zone file into its zone, as one atomic change.

    *adds* and *removes* are (owner, RRset) pairs against the source's own last import; adding what
    is there and removing what is not do nothing.  *mode*:
    ``new``     the origin has no zone yet (refused when it has one by then);
    ``update``  the source is known: apply the difference, last reload wins;
    ``adopt``   remember *adds* as the source's last import, touch no zone;
    ``merge``   add to what is there; ``replace`` make the zone exactly the file.
    *digest* is the 32-octet set digest that the source's contents have afterwards.
    """

    source: SourceKey
    mode: str
    adds: tuple[tuple[WireName, RRset], ...]
    removes: tuple[tuple[WireName, RRset], ...]
    digest: bytes


class ZoneTemplate(msgspec.Struct, frozen=True, array_like=True):
    """The zone that is created when none encloses an added name: apex, SOA and NS."""

    apex: WireName
    soa: RRset
    ns: RRset


Change = Add | Remove | Replace | DropZone | RestoreZone | Import
