"""The ``zfX.txt`` format: ``<host> <TYPE> <rest of line>``, no TTL, no class, no $ORIGIN.

``#`` at column 0 starts a comment.  A line that starts with white space joins the line before it:
its surrounding white space goes, nothing comes between.  Names are absolute, with or without the
final dot; every TTL is 0.  MX is ``["mx.example.", 5]``, SOA ``["mname", "rname"]``, TXT the rest
of the line, split at 255 octets.  CNAME beside other data loads with a warning.
"""

from collections.abc import Callable, Iterator

from dns_node.errors import InputError
from dns_node.zone.apex import candidate_apex, template
from dns_node.zone.change import ZoneTemplate
from dns_node.zone.check import DEFAULT_LIMITS, Limits
from dns_node.zone.contents import Draft, Problems, ZoneContents
from dns_node.zone.names import BadText, ancestors, is_subdomain, name_text, parse_name
from dns_node.zone.portions import empty, lines_of
from dns_node.zone.rdata import BadRdata, parse_rdata, parse_type
from dns_node.zone.rdata_forms import NS, SOA
from dns_node.zone.record_line import is_ttl
from dns_node.zone.rrset import RRset, WireName

TTL_S = 0


def read_legacy_file(
    path: str,
    text: str,
    origin: WireName | None = None,
    *,
    limits: Limits = DEFAULT_LIMITS,
    make_template: Callable[[WireName], ZoneTemplate] = template,
) -> list[ZoneContents]:
    """Return the zones in *text*; *path* is for messages only.

    Each owner of a SOA is an apex, and a record belongs to the nearest one at or above it.
    Without any SOA the apex is *origin*, else each name's `candidate_apex`; SOA and NS that are
    missing come from *make_template*, with a warning.  Raises InputError with every bad line.
    """
    draft, problems = Draft(), Problems()
    base = draft.start_file(path)
    for line, record in _joined_lines(text):
        if problems.are_too_many:
            break
        try:
            draft.add(*_parse(record), base + line)
        except BadText as error:
            problems.add(draft.where(base + line), str(error))
    if not draft.nodes and not problems.found:
        problems.add(path, "there are no records in this file")
    zones = _split(draft, problems, origin)
    contents = []
    for apex, owners in zones.items():
        zone = ZoneContents(apex, draft.rrsets(owners))
        _complete(zone, path, make_template)
        draft.judge(zone, problems, is_legacy=True, limits=limits)
        contents.append(zone)
    problems.raise_if_any()
    empty(draft.nodes)
    return contents


def _joined_lines(text: str) -> Iterator[tuple[int, str]]:
    first, joined = 0, ""
    for number, line in enumerate(lines_of(text), 1):
        if line.startswith("#"):
            continue
        line = line.rstrip()
        if line[:1].isspace():
            if not first:
                first = number
            joined += line.lstrip()
            continue
        if joined:
            yield first, joined
        first, joined = number, line
    if joined:
        yield first, joined


def _parse(record: str) -> tuple[WireName, int, int, bytes]:
    host, *rest = record.split(None, 2)
    if len(rest) < 2:
        raise BadRdata('a line of this format is "<host> <TYPE> <data>"; here a part is missing')
    if is_ttl(rest[0]) or rest[0].upper() == "IN":
        raise BadRdata(f'this format has no column for TTL or class; remove "{rest[0]}"')
    owner, rrtype = parse_name(host), parse_type(rest[0])
    return owner, rrtype, TTL_S, parse_rdata(rrtype, rest[1])


def _split(
    draft: Draft, problems: Problems, origin: WireName | None
) -> dict[WireName, list[WireName]]:
    """Return the owners that belong to each apex; owners below none are problems."""
    apexes = {owner for owner, node in draft.nodes.items() if SOA in node}
    if origin is not None:
        for other in apexes - {origin}:
            where = draft.where(int(draft.nodes[other][SOA][1]))
            problems.add(where, f"a SOA of {name_text(other)} in the file of {name_text(origin)}")
        apexes = {origin}
    zones: dict[WireName, list[WireName]] = {}
    for owner, node in draft.nodes.items():
        where = draft.where(min(int(entry[1]) for entry in node.values()))
        apex: WireName | None = next((above for above in ancestors(owner) if above in apexes), None)
        if apex is None and not apexes:
            try:
                apex = candidate_apex(owner)
            except InputError as error:
                problems.add(where, str(error))
                continue
        if apex is None:
            known = ", ".join(sorted(name_text(name) for name in apexes))
            problems.add(where, f"{name_text(owner)} is outside the zones of this file ({known})")
            continue
        zones.setdefault(apex, []).append(owner)
    return zones


def _complete(
    zone: ZoneContents, path: str, make_template: Callable[[WireName], ZoneTemplate]
) -> None:
    """Give *zone* the SOA and NS that it lacks."""
    node = zone.nodes.setdefault(zone.origin, {})
    if SOA in node and NS in node:
        return
    try:
        model = make_template(zone.origin)
    except InputError as error:
        zone.warnings.append(f"{path}: {error}")
        return
    missing: list[tuple[str, RRset]] = []
    if SOA not in node:
        missing.append(("SOA", model.soa))
    if NS not in node:
        missing.append(("NS", model.ns))
    for what, rrset in missing:
        node[rrset.rrtype] = rrset
        zone.warnings.append(
            f"{path}: {name_text(zone.origin)} has no {what}; a default one is used."
        )
    assert all(is_subdomain(owner, zone.origin) for owner in zone.nodes)
