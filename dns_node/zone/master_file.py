"""Master files (RFC 1035 section 5) with ``$ORIGIN``, ``$TTL``, ``$INCLUDE`` and ``$GENERATE``.

dnspython's own zone reader stops at the first bad line; this one goes on, record by record, and
names them all.  The data of each record is read by dnspython.
"""

import difflib
import os
import re
from dataclasses import dataclass

from dns_node.errors import InputError
from dns_node.zone.check import DEFAULT_LIMITS, Limits
from dns_node.zone.contents import Draft, Problems, ZoneContents, read_text
from dns_node.zone.generate import GENERATED_MAX, generated_lines
from dns_node.zone.logical_lines import BadLine, logical_lines
from dns_node.zone.names import BadText, name_text, parse_name
from dns_node.zone.plain_record import plain_rdata, split_plain
from dns_node.zone.portions import empty
from dns_node.zone.rdata import parse_master_rdata
from dns_node.zone.rdata_forms import SOA
from dns_node.zone.record_line import parse_fields, parse_ttl, split_field
from dns_node.zone.rrset import WireName

INCLUDE_DEPTH_MAX = 8
_DIRECTIVES = ("$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE")
_STEM = re.compile(r"(?:db\.)?([A-Za-z0-9_.-]+?)(\.zone|\.db|\.hosts|\.master|\.txt)?")


def read_master_file(
    path: str,
    text: str,
    *,
    zone_dir: str | None = None,
    origin: WireName | None = None,
    limits: Limits = DEFAULT_LIMITS,
    is_judged: bool = True,
) -> ZoneContents:
    """Return the zone that *text* holds; *path* names it in messages and is where includes start.

    Names are relative to *origin*, else to the first ``$ORIGIN``, else to the owner of the SOA
    when the first record is one with an absolute name, else to the file's name (example.com.zone
    holds example.com).  The owner of the SOA is the apex; it must be *origin* when that is given.
    Includes lie in *zone_dir* or below (None: there are none).  A record without a TTL takes
    that of ``$TTL`` (RFC 2308 section 4), else the one stated last (RFC 1035 section 5.1), else
    the SOA's minimum.  What makes no sense as a zone is an error too, unless *is_judged* is false.
    Raises InputError with every bad line as ``file:line``.
    """
    reader = _Reader(zone_dir, origin, _origin_of_path(path))
    reader.read(path, text)
    return reader.finish(path, limits if is_judged else None)


def _origin_of_path(path: str) -> WireName | None:
    match = _STEM.fullmatch(os.path.basename(path))
    if match is None or not ("." in match[1] or match[2] in (".zone", ".db")):
        return None
    try:
        return parse_name(match[1])
    except BadText:
        return None


@dataclass(slots=True)
class _State:
    """What a line inherits from the lines before it; an include hands none of it back."""

    origin: WireName | None
    owner: WireName | None = None
    default_ttl_s: int | None = None
    last_ttl_s: int | None = None


class _Reader:
    """Reads one file and what it includes into a draft, noting every bad line."""

    def __init__(
        self, zone_dir: str | None, origin: WireName | None, stem: WireName | None
    ) -> None:
        self.draft, self.problems = Draft(), Problems()
        self.zone_dir, self.configured, self.stem = zone_dir, origin, stem
        self.state = _State(origin)
        self.minimum_s: int | None = None
        self.generated_left = GENERATED_MAX
        self.stack: list[str] = []
        self.path = ""

    def read(self, path: str, text: str) -> None:
        """Read *text* of the file at *path*; bad lines become problems."""
        outer = self.path
        self.path = path
        self.stack.append(os.path.realpath(path))
        base = self.draft.start_file(path)
        for number, line in logical_lines(text):
            if self.problems.are_too_many:
                break
            try:
                if isinstance(line, BadLine):
                    raise line
                if line[0] == "$":
                    self.directive(line, base + number)
                else:
                    self.record(line, base + number)
            except BadText as error:
                self.problems.add(self.draft.where(base + number), str(error))
        self.stack.pop()
        self.path = outer

    def record(self, line: str, place: int) -> None:
        """Take one record; raises BadText."""
        state = self.state
        plain = split_plain(line) if state.origin is not None else None
        if plain is not None and state.origin is not None:
            owner_text, ttl_s, rrtype, data = plain
            rdata = plain_rdata(rrtype, data, state.origin)
        else:
            owner_text, rest = ("", line) if line[0] in " \t" else split_field(line)
            if not owner_text and line[0] not in " \t":
                raise BadText(f"there is no owner name at the start of {line[:40]!r}")
            ttl_s, rrtype, data = parse_fields(rest)
            rdata = None
            self.find_origin(owner_text, rrtype)
        if owner_text:
            state.owner = parse_name(owner_text, state.origin)
        if state.owner is None:
            raise BadText("the line starts with a blank, but there is no owner name before it")
        if rdata is None:
            rdata = parse_master_rdata(rrtype, data, state.origin, signatures=True)
        if rrtype == SOA and self.minimum_s is None:
            self.minimum_s = int.from_bytes(rdata[-4:])
        if ttl_s is None:
            ttl_s = self.implied_ttl_s()
        else:
            state.last_ttl_s = ttl_s
        self.draft.add(state.owner, rrtype, ttl_s, rdata, place)

    def find_origin(self, owner_text: str, rrtype: int) -> None:
        """Settle the origin before the first record that may need it."""
        if self.state.origin is not None:
            return
        if rrtype == SOA and owner_text.endswith(".") and owner_text != ".":
            self.state.origin = parse_name(owner_text)
        elif self.stem is not None:
            self.state.origin = self.stem
        else:
            raise BadText(
                "the zone's origin is not known yet; start the file with a line such as"
                " $ORIGIN example.com."
            )

    def implied_ttl_s(self) -> int:
        """Return the TTL of a record that states none."""
        state = self.state
        for ttl_s in (state.default_ttl_s, state.last_ttl_s, self.minimum_s):
            if ttl_s is not None:
                return ttl_s
        raise BadText("the record has no TTL and none was stated before; write $TTL 3600 above it")

    def directive(self, line: str, place: int) -> None:
        """Obey one directive; raises BadText."""
        word, rest = split_field(line)
        match word.upper():
            case "$ORIGIN":
                self.state.origin = self.name_of(word, rest)
            case "$TTL":
                self.state.default_ttl_s = parse_ttl(rest.strip())
            case "$INCLUDE":
                self.include(rest)
            case "$GENERATE":
                for made in generated_lines(rest, self.generated_left):
                    self.generated_left -= 1
                    self.record(made, place)
            case other:
                near = difflib.get_close_matches(other, _DIRECTIVES, n=1)
                known = f"did you mean {near[0]}?" if near else f"known: {', '.join(_DIRECTIVES)}"
                raise BadText(f"{word} is no directive; {known}")

    def name_of(self, word: str, text: str) -> WireName:
        """Return the one name after a directive; relative names need an origin."""
        fields = text.split()
        if len(fields) != 1:
            raise BadText(f"{word} takes one domain name, such as {word} example.com.")
        if self.state.origin is None and not fields[0].endswith("."):
            return parse_name(fields[0])  # the first $ORIGIN may lack its dot
        return parse_name(fields[0], self.state.origin)

    def include(self, rest: str) -> None:
        """Read the file of an ``$INCLUDE file [origin]`` line; raises BadText."""
        name, origin_text = split_field(rest)
        name = name.strip('"')
        if not name:
            raise BadText("$INCLUDE takes a file name and, if need be, an origin")
        path = self.included_path(name)
        outer = self.state
        origin = self.name_of("$INCLUDE", origin_text) if origin_text.strip() else outer.origin
        try:
            text = read_text(path)
        except InputError as error:
            raise BadText(f"$INCLUDE: {error}") from None
        # The including file's origin, owner and TTLs stay as they are (RFC 1035 section 5.1).
        self.state = _State(origin, outer.owner, outer.default_ttl_s, outer.last_ttl_s)
        self.read(path, text)
        self.state = outer

    def included_path(self, name: str) -> str:
        """Return the path of an include, which is relative to the file that includes it."""
        if self.zone_dir is None:
            raise BadText("$INCLUDE is not allowed here")
        path = os.path.join(os.path.dirname(self.path), name)
        real, root = os.path.realpath(path), os.path.realpath(self.zone_dir)
        if os.path.commonpath((real, root)) != root:
            raise BadText(f"$INCLUDE {name} is outside the zone directory {self.zone_dir}")
        if real in self.stack:
            raise BadText(f"$INCLUDE {name} is the file itself, or one that includes it")
        if len(self.stack) > INCLUDE_DEPTH_MAX:
            raise BadText(f"$INCLUDE {name}: includes are nested over {INCLUDE_DEPTH_MAX} deep")
        # The path without links: none can be turned elsewhere between this check and the reading.
        return real

    def finish(self, path: str, limits: Limits | None) -> ZoneContents:
        """Return the checked zone; raises InputError with everything that was wrong."""
        draft, problems = self.draft, self.problems
        apex = self.apex()
        if apex is None:
            if not problems.found:
                what = "there is no SOA record; a zone file needs one (RFC 1035 section 5.2)."
                problems.add(f"{path}:1", what)
            problems.raise_if_any()
        assert apex is not None
        contents = ZoneContents(apex, draft.rrsets(draft.nodes))
        if self.configured is not None and apex != self.configured:
            place = int(draft.nodes[apex][SOA][1])
            what = f"the SOA is that of {name_text(apex)}, not of {name_text(self.configured)}"
            problems.add(draft.where(place), what)
        if limits is not None:
            draft.judge(contents, problems, is_legacy=False, limits=limits)
        problems.raise_if_any()
        contents.warnings[:0] = draft.warnings
        empty(draft.nodes)
        return contents

    def apex(self) -> WireName | None:
        """Return the owner of the first SOA, the configured origin preferred."""
        owners = [owner for owner, node in self.draft.nodes.items() if SOA in node]
        if self.configured in owners:
            return self.configured
        return owners[0] if owners else None
