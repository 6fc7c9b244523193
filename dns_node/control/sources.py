"""Managed zone files: what a (re)load of one proposes; decisions only."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dns_node.zone.change import Import, SourceKey
from dns_node.zone.names import name_text
from dns_node.zone.portions import empty
from dns_node.zone.rrset import Node, RRset, WireName
from dns_node.zone.view import View

MODES = ("merge", "replace")

Rows = tuple[tuple[WireName, RRset], ...]


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What to propose for one origin of one file (None: nothing), and what to tell the user."""

    operation: Import | None
    warning: str = ""


def plan_import(
    view: View,
    key: SourceKey,
    contents: Mapping[WireName, Node],
    digest: bytes,
    mode: str | None = None,
) -> ImportPlan:
    """Return what loading *contents*, read from the file of *key*, has to propose.

    *digest* is the set digest of *contents*.  A source that is known proposes exactly the
    difference to its own last import, nothing when there is none.  A new source for an origin
    without a zone creates it; for an origin that has one it is adopted when it equals a recorded
    source, and else proposes nothing and says how to go on, unless the user gave *mode*
    (``merge`` or ``replace``).
    """
    assert mode is None or mode in MODES, mode
    known = view.source(key)
    zone = view.zone(key.origin)
    if mode == "replace" or (mode == "merge" and (known is None or zone is None)):
        return ImportPlan(_whole(key, contents, digest, mode if zone else "new"))
    if known is not None:
        if known.digest == digest and mode is None:
            return ImportPlan(None)
        removes, adds = difference(view.walk(known.zone_id), contents)
        if not adds and not removes:
            return ImportPlan(None)
        return ImportPlan(Import(key, "update", adds, removes, digest))
    if zone is None:
        return ImportPlan(_whole(key, contents, digest, "new"))
    if any(
        other.origin == key.origin and header.digest == digest for other, header in view.sources()
    ):
        return ImportPlan(_whole(key, contents, digest, "adopt"))
    return ImportPlan(
        None,
        f"{key.path}: the zone {name_text(key.origin)} exists already with other contents; nothing "
        f"was loaded.  Say LOAD {key.path} merge to add these records to it, or "
        f"LOAD {key.path} replace to make the zone exactly this file.",
    )


def difference(
    old: Iterable[tuple[WireName, Node]], new: Mapping[WireName, Node]
) -> tuple[Rows, Rows]:
    """Return what has to be (removed, added) to turn *old* into *new*, as (owner, RRset) pairs.

    An RRset whose TTL or signatures changed is added whole; records that are in both are not
    removed.  Pairs are in the order of *old*, then of *new*.
    """
    removes: list[tuple[WireName, RRset]] = []
    before: dict[WireName, Node] = {}
    for owner, node in old:
        before[owner] = node
        here = new.get(owner, {})
        removes.extend((owner, rrset) for rrset in _gone(node, here))
    adds: list[tuple[WireName, RRset]] = []
    for owner, node in new.items():
        there = before.get(owner, {})
        adds.extend((owner, rrset) for rrset in _new(there, node))
    empty(before)
    return tuple(removes), tuple(adds)


def _gone(before: Node, after: Node) -> Iterator[RRset]:
    for rrtype, rrset in before.items():
        kept = set(after[rrtype].rdatas) if rrtype in after else set()
        gone = tuple(rdata for rdata in rrset.rdatas if rdata not in kept)
        if gone:
            yield RRset(rrtype, rrset.ttl_s, gone)


def _new(before: Node, after: Node) -> Iterator[RRset]:
    for rrtype, rrset in after.items():
        old = before.get(rrtype)
        if old == rrset:
            continue
        if old is None or (old.ttl_s, old.signatures) != (rrset.ttl_s, rrset.signatures):
            yield rrset
            continue
        fresh = tuple(rdata for rdata in rrset.rdatas if rdata not in old.rdatas)
        if fresh:
            yield RRset(rrtype, rrset.ttl_s, fresh)


def _whole(key: SourceKey, contents: Mapping[WireName, Node], digest: bytes, mode: str) -> Import:
    rows = tuple((owner, rrset) for owner, node in contents.items() for rrset in node.values())
    return Import(key, mode, rows, (), digest)
