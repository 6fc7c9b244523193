"""Zone files of either format, told apart by what they hold.

A line decides as soon as one of these is met, from the top:

* a directive (``$ORIGIN``, ``$TTL``, …), a parenthesis or comment with ``;`` outside quotes, a
  TTL or class, a line that starts with a blank and reads as a record: a master file;
* a comment with ``#`` at column 0, or data that is a list (``["mx.example.", 5]``): the legacy
  format;
* SOA or MX with data that is no list: a master file.

What holds only lines ``<host> <TYPE> <data>`` without any of these reads the same in both formats
but for the TTL and the SOA, which a master file must have: it is a legacy file.
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
from dns_node.zone.rdata import parse_type
from dns_node.zone.rdata_forms import MX, SOA
from dns_node.zone.record_line import is_ttl
from dns_node.zone.rrset import WireName

_OUTSIDE_QUOTES = re.compile(r'"(?:[^"\\]|\\.)*"|\\.')


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
    has_records = False
    first = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line or line.isspace():
            continue
        first = first or number
        decided = _decides(line)
        if decided is not None:
            return decided
        has_records = has_records or _is_record(line)
    if not has_records:
        what = "this is no zone file" if first else "the file is empty"
        cure = "Write RFC 1035 records, with a SOA, or lines of <host> <TYPE> <data>."
        raise InputError([Problem(f"{path}:{first or 1}", f"{what}.", cure)])
    return True


def _decides(line: str) -> bool | None:
    """Return True for legacy, False for master, None when *line* may be of both."""
    if line[0] == "#":
        return True
    bare = _OUTSIDE_QUOTES.sub("", line)
    fields = line.split(None, 2)
    if line[0] in "$;" or bare.lstrip().startswith(";"):
        return False
    if line[0].isspace():
        # A legacy file continues the line before so; a master file repeats its owner.
        return False if _is_record("x" + line) or _has_ttl("x" + line) else None
    if len(fields) == 3 and fields[2].startswith("["):
        return True
    if _has_ttl(line):
        return False
    if not _is_record(line):
        return None
    rrtype = parse_type(fields[1])
    if rrtype in (SOA, MX):
        return False
    return False if "(" in bare and rrtype != 16 else None


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
