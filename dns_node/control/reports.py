"""What the reading verbs print, from a view of the store and the node's status."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dns_node.config.consistency import advise_voters
from dns_node.control.replies import REFUSED, Reply
from dns_node.control.requests import RESERVED, GetKey, Request, Show, ShowHistory
from dns_node.store.history import HistoryRow, ZoneDiff
from dns_node.zone.names import name_text
from dns_node.zone.rdata import rdata_text, type_text
from dns_node.zone.rrset import Node, RRset, WireName

if TYPE_CHECKING:
    from dns_node.control.session import Session

AXFR = 252
_SINGULAR = {"members": "member", "workers": "worker", "stages": "stage"}


async def zones(session: "Session", request: Request) -> Reply:
    """List the zones: name, serial, number of records, where from."""
    with session.api.view() as view:
        rows = [
            (name_text(apex), str(header.serial), str(header.records), header.origin or "-")
            for apex, header in view.zones()
        ]
    return Reply(tuple(_table(("zone", "serial", "records", "source"), rows)))


async def show(session: "Session", request: Request) -> Reply:
    """Print the records at one name in master-file form (AXFR: of the whole zone)."""
    value = request.value
    assert isinstance(value, Show)
    with session.api.view() as view:
        found = view.enclosing_zone(value.owner)
        if found is None:
            return Reply((f"no zone holds {name_text(value.owner)}",), REFUSED)
        apex, header = found
        if value.rrtype == AXFR:
            nodes: Iterable[tuple[WireName, Node]] = view.walk(header.zone_id)
            lines = [line for owner, node in nodes for line in record_lines(owner, node, None)]
        else:
            node = view.node(header.zone_id, value.owner) or {}
            lines = list(record_lines(value.owner, node, value.rrtype))
    if lines:
        return Reply(tuple(lines))
    kind = "records" if value.rrtype is None else f"{type_text(value.rrtype)} records"
    return Reply((f"no {kind} at {name_text(value.owner)} in zone {name_text(apex)}",), REFUSED)


def record_lines(owner: WireName, node: Node, rrtype: int | None) -> Iterator[str]:
    """Yield the records of *node* as master-file lines, SOA first; only *rrtype* unless None."""
    for number in sorted(node, key=lambda number: (number != 6, number)):
        if rrtype in (None, number):
            yield from _rrset_lines(owner, node[number])


def _rrset_lines(owner: WireName, rrset: RRset) -> Iterator[str]:
    head = f"{name_text(owner)} {rrset.ttl_s} IN {type_text(rrset.rrtype)} "
    for rdata in rrset.rdatas:
        yield head + rdata_text(rrset.rrtype, rdata)


async def status(session: "Session", request: Request) -> Reply:
    """Print the node's state as ``key: value`` lines."""
    return Reply(tuple(status_lines(session.api.status())))


def status_lines(state: Mapping[str, Any]) -> Iterator[str]:
    """Yield ``key: value`` lines; a table of members is counted, then one line per row."""
    for key, value in state.items():
        if key == "alarm":
            yield from (f"alarm: {text}" for text in value)
            continue
        if not isinstance(value, Mapping):
            yield f"{key}: {_plain(value)}"
            continue
        rows = {name: row for name, row in value.items() if isinstance(row, Mapping)}
        yield f"{key}: {len(rows) if rows or not value else _pairs(value)}"
        for name, row in rows.items():
            yield f"{_SINGULAR.get(key, key)} {name}: {_pairs(row)}"


def _pairs(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_plain(value)}" for key, value in row.items())


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list | tuple):
        return " ".join(map(_plain, value)) or "none"
    return str(value)


async def members(session: "Session", request: Request) -> Reply:
    """List the members: id, role, address, and what the leader knows of them."""
    known = session.api.status().get("members", {})
    with session.api.view() as view:
        rows = []
        for member in view.members():
            live = known.get(member.node, {}) if isinstance(known, Mapping) else {}
            more = _pairs({key: item for key, item in live.items() if key != "role"})
            rows.append((member.node, member.role, member.raft_loc, more or "-"))
    if not rows:
        return Reply(("no cluster has formed yet",))
    lines = list(_table(("id", "role", "address", "state"), rows))
    advice = advise_voters([node for node, role, *_ in rows if role == "voter"])
    return Reply((*lines, f"advice: {advice}") if advice else tuple(lines))


async def history(session: "Session", request: Request) -> Reply:
    """List revisions, newest first."""
    value = request.value
    assert isinstance(value, ShowHistory)
    with session.api.view() as view:
        lines = [
            line
            for row in view.histories(value.apex, value.limit)
            for line in history_lines(row)
        ]
    return Reply(tuple(lines or ["no history"]))


def history_lines(row: HistoryRow) -> Iterator[str]:
    """Yield one line for the revision, and an indented line per zone, key, or other change."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(row.at_ms / 1000))
    who = f"{row.door} {row.actor}".strip()
    reason = f'  "{row.reason}"' if row.reason else ""
    yield f"revision {row.revision}  {at} UTC  by {who}{reason}"
    for zone in row.zones:
        yield from _zone_lines(zone)
    for key in row.keys:
        if key.key.startswith(RESERVED):
            yield f"    key {key.key}: renewed (sealed)"
        else:
            yield f"    key {key.key}: {key.before or 'absent'} -> {key.after or 'absent'}"
    for other in row.others:
        yield f"    {other}"


def _zone_lines(zone: ZoneDiff) -> Iterator[str]:
    before = str(zone.serial_before) if zone.serial_before >= 0 else "none"
    after = str(zone.serial_after) if zone.serial_after >= 0 else "withdrawn"
    yield f"    {name_text(zone.apex)} serial {before} -> {after}"
    for part in zone.diff[:DIFF_LINES_MAX]:
        for sign, lost, kept in (("-", part.before, part.after), ("+", part.after, part.before)):
            gone = RRset(part.rrtype, 0, ()) if kept is None else kept
            if lost is None:
                continue
            same = gone.rdatas if gone.ttl_s == lost.ttl_s else ()
            rdatas = tuple(rdata for rdata in lost.rdatas if rdata not in same)
            yield from (
                f"      {sign} {line}"
                for line in _rrset_lines(part.owner, RRset(part.rrtype, lost.ttl_s, rdatas))
            )
    if len(zone.diff) > DIFF_LINES_MAX:
        yield f"      … and {len(zone.diff) - DIFF_LINES_MAX} more RRsets"


DIFF_LINES_MAX = 20


async def get_key(session: "Session", key: GetKey) -> Reply:
    """Print the value of one key."""
    with session.api.view() as view:
        value = view.value(key.key)
    if value is None:
        return Reply((f"there is no key {key.key}",), REFUSED)
    return Reply((value,))


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the rows in columns under their heads; the last column is not padded."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, *rows]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()
