"""One record on one line, as a console reads it: ``name [ttl] [IN] TYPE [rdata]``."""

import re

import msgspec

from dns_node.zone.names import BadText, parse_name
from dns_node.zone.rdata import BadType, check_data_type, is_meta_type, parse_rdata, parse_type
from dns_node.zone.rdata_forms import ANY
from dns_node.zone.rrset import WireName

TTL_S_MAX = 2**31 - 1
"""The largest TTL (RFC 2181 section 8)."""

_FIELD = re.compile(r"\s*((?:\\.|[^\s\\])+)")
_TTL = re.compile(r"(?:\d+[wdhms])+|\d+", re.IGNORECASE | re.ASCII)
_TTL_PART = re.compile(r"(\d+)([wdhms]?)", re.IGNORECASE | re.ASCII)
_UNIT_S = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "": 1}
_OTHER_CLASSES = frozenset(("CH", "CHAOS", "HS", "HESIOD", "CS", "NONE"))


class BadTtl(BadText):
    """Text that is no TTL."""


class ParsedRecord(msgspec.Struct, frozen=True):
    """What a record line says.  *ttl_s* is None when none is written, *rdata* (canonical) is None
    for ``name TYPE`` alone, which means the whole RRset; *rrtype* 255 then means every type."""

    owner: WireName
    ttl_s: int | None
    rrtype: int
    rdata: bytes | None


def is_ttl(text: str) -> bool:
    """Return whether *text* has the form of a TTL, whatever its value."""
    return _TTL.fullmatch(text) is not None


def parse_ttl(text: str) -> int:
    """Return the seconds of ``3600`` or ``1h30m`` (units w d h m s).

    Raises BadTtl for other text and above 2147483647 (RFC 2181 section 8).
    """
    if not is_ttl(text):
        raise BadTtl(f'a TTL is a number of seconds or looks like 1h30m, not "{text[:40]}"')
    parts = _TTL_PART.findall(text)
    # Python refuses to read numbers of thousands of digits; no TTL has more than ten.
    if any(len(number.lstrip("0")) > 10 for number, _ in parts):
        raise BadTtl(f"the TTL {text[:20]}... is above {TTL_S_MAX}")
    ttl_s = sum(int(number) * _UNIT_S[unit.lower()] for number, unit in parts)
    if ttl_s > TTL_S_MAX:
        raise BadTtl(f"the TTL {text[:40]} is above {TTL_S_MAX}")
    return ttl_s


def split_field(text: str) -> tuple[str, str]:
    """Return the first field of *text* (escapes kept) and what follows it; both may be empty."""
    match = _FIELD.match(text)
    if match is None:
        return "", text.strip()
    return match[1], text[match.end() :]


def parse_fields(text: str) -> tuple[int | None, int, str]:
    """Return (TTL or None, type, text of the rdata) of ``[ttl] [IN] TYPE rdata``; TTL and class
    may change places (RFC 1035 section 5.1).  Raises BadTtl, BadType."""
    ttl_s: int | None = None
    has_class = False
    while True:
        field, text = split_field(text)
        if not field:
            raise BadType("there is no record type; a record is written: name [ttl] TYPE data")
        if ttl_s is None and field[0].isdigit():
            ttl_s = parse_ttl(field)
        elif not has_class and field.upper() == "IN":
            has_class = True
        elif not has_class and field.upper() in _OTHER_CLASSES:
            raise BadType(f"class {field.upper()} is not served here; only IN is")
        else:
            return ttl_s, parse_type(field), text.strip()


def parse_record(text: str, origin: WireName | None = None) -> ParsedRecord:
    """Return the record that one line says, in either value grammar (see `parse_rdata`).

    Blanks or tabs part the fields; names are absolute, with or without the final dot, unless
    *origin* is given.  Raises BadText (BadName, BadTtl, BadType, BadRdata).
    """
    owner_text, rest = split_field(text)
    if not owner_text:
        raise BadText("the line is empty; a record is written: name [ttl] TYPE data")
    owner = parse_name(owner_text, origin)
    ttl_s, rrtype, data = parse_fields(rest)
    if not data:
        if is_meta_type(rrtype) and rrtype != ANY:
            check_data_type(rrtype)
        return ParsedRecord(owner, ttl_s, rrtype, None)
    return ParsedRecord(owner, ttl_s, rrtype, parse_rdata(rrtype, data, origin))
