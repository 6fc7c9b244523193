"""Zone files of either format, told apart by what they hold.

The first line that shows one format for certain decides:

* a master file by a line that starts with ``$`` or ``;``, or by a SOA whose data is no list;
* the legacy format by a comment with ``#`` at column 0, or by data that is a list, such as
  ``["mx.example.", 5]``.

Without one (and, in a big file, without one in the 1000 lines that follow a hint) hints count: a
column of TTL or class, a repeated owner, parentheses, and MX data that is no list are a master
file's.  What has nothing but lines ``<host> <TYPE> <data>`` is a legacy file: a master file would
need a SOA.
"""

import os
import re
from collections.abc import Callable

from dns_node.errors import InputError, Problem
from dns_node.zone.apex import template
from dns_node.zone.change import ZoneTemplate
from dns_node.zone.check import DEFAULT_LIMITS, Limits
from dns_node.zone.contents import ZoneContents, read_text
from dns_node.zone.legacy_file import read_legacy_file
from dns_node.zone.master_file import read_master_file
from dns_node.zone.names import BadText
from dns_node.zone.portions import lines_of
from dns_node.zone.rdata import parse_type
from dns_node.zone.rdata_forms import MX, TXT
from dns_node.zone.record_line import is_ttl
from dns_node.zone.rrset import WireName

_LINES_AFTER_HINT = 1000
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_SOA = re.compile(r"^\S+\s+(?:(?:IN|\d\w*)\s+){0,2}SOA\s", re.IGNORECASE)


def read_zone_file(
    path: str,
    origin: WireName | None = None,
    zone_dir: str | None = None,
    *,
    limits: Limits = DEFAULT_LIMITS,
    make_template: Callable[[WireName], ZoneTemplate] = template,
) -> list[ZoneContents]:
    """Return the zones of the file at *path*: one of a master file, one or more of a legacy one.

    *origin* is the zone's name when the configuration gives it.  Includes must lie in *zone_dir*
    (None: the file's own directory).  Raises InputError with every reason against the file, each
    with ``file:line``; nothing of it is to be loaded then.
    """
    text = read_text(path)
    if is_legacy(path, text):
        return read_legacy_file(path, text, origin, limits=limits, make_template=make_template)
    directory = os.path.dirname(os.path.abspath(path)) if zone_dir is None else zone_dir
    return [read_master_file(path, text, zone_dir=directory, origin=origin, limits=limits)]


def is_legacy(path: str, text: str) -> bool:
    """Return whether *text* has the format of ``zfX.txt``, by the rule at the top of this file.

    Raises InputError when it has neither format.
    """
    first, hint, has_records = 0, 0, False
    for number, line in enumerate(lines_of(text), 1):
        if not line or line.isspace():
            continue
        first = first or number
        certain = _is_certainly_legacy(line)
        if certain is not None:
            return certain
        if hint:
            if number - hint > _LINES_AFTER_HINT:
                break
        elif _hints_at_master(line):
            hint = number
        has_records = has_records or _is_record(line)
    if not has_records and not hint:
        what = "this is no zone file" if first else "the file is empty"
        cure = "Write RFC 1035 records, with a SOA, or lines of <host> <TYPE> <data>."
        raise InputError([Problem(f"{path}:{first or 1}", f"{what}.", cure)])
    return not hint


def _is_certainly_legacy(line: str) -> bool | None:
    if line[0] == "#":
        return True
    if line[0] in "$;":
        return False
    fields = line.split(None, 2)
    if line[0].isspace() or len(fields) < 3:
        return None
    if fields[2].startswith("["):
        return True
    return False if _SOA.search(_QUOTED.sub("", line)) else None


def _hints_at_master(line: str) -> bool:
    if line[0].isspace():
        # A legacy file continues the line before so; a master file repeats its owner.
        return _has_ttl("x" + line) or _is_record("x" + line)
    if _has_ttl(line):
        return True
    if not _is_record(line):
        return False
    rrtype = parse_type(line.split(None, 2)[1])
    return rrtype == MX or (rrtype != TXT and "(" in line)


def _has_ttl(line: str) -> bool:
    fields = line.split(None, 3)
    return len(fields) > 2 and (is_ttl(fields[1]) or fields[1].upper() in ("IN", "CH", "HS"))


def _is_record(line: str) -> bool:
    fields = line.split(None, 2)
    if len(fields) < 3:
        return False
    try:
        parse_type(fields[1])
    except BadText:
        return False
    return True
