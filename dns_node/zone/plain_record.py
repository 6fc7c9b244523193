"""A short way through the everyday lines of a master file.

Nine of ten lines of a big zone are ``name [ttl] [IN] TYPE data`` without quotes, parentheses,
escapes or comments.  What is returned here equals what the long way gives; where that is not
certain, None is returned and the long way goes.
"""

import re
from typing import Any

import dns.exception
import dns.ipv4
import dns.ipv6

from dns_node.zone.names import BadName, parse_name
from dns_node.zone.rrset import WireName

_LINE = re.compile(
    r"([A-Za-z0-9_*-][A-Za-z0-9_*.-]*|@)?[ \t]+(?:([0-9]{1,9})[ \t]+)?(?:IN[ \t]+)?"
    r"(A|AAAA|NS|CNAME|PTR|MX|TXT)[ \t]+"
    r'([A-Za-z0-9_*.:-]+|@|[0-9]{1,5}[ \t]+[A-Za-z0-9_*.-]+|"[A-Za-z0-9_=:/+,. -]{1,255}")[ \t]*'
)
_NAME = re.compile(r"[A-Za-z0-9_*.-]+|@")
_TYPES = {"A": 1, "AAAA": 28, "NS": 2, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16}
ADDRESSES: dict[int, Any] = {1: dns.ipv4, 28: dns.ipv6}
"""Addresses are what changes most, and need neither tokenizer nor objects."""

_PREFERENCE_MAX = 65_535


def split_plain(line: str) -> tuple[str, int | None, int, str] | None:
    """Return (owner or "" for the last one, TTL or None, type, rdata text) of an everyday line."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    owner, ttl, kind, data = match.groups()
    return owner or "", None if ttl is None else int(ttl), _TYPES[kind], data


def plain_rdata(rrtype: int, text: str, origin: WireName) -> bytes | None:
    """Return the canonical rdata of *text*, which `split_plain` gave, or None."""
    if rrtype in ADDRESSES:
        return plain_address(rrtype, text)
    try:
        if rrtype == 16:
            octets = text.encode()
            return bytes((len(octets) - 2,)) + octets[1:-1] if octets[:1] == b'"' else None
        if rrtype == 15:
            preference, _, exchange = text.partition(" ")
            if not exchange or not preference.isdigit() or int(preference) > _PREFERENCE_MAX:
                return None
            return int(preference).to_bytes(2) + parse_name(exchange.strip(), origin)
        return parse_name(text, origin) if _NAME.fullmatch(text) else None
    except BadName:
        return None


def plain_address(rrtype: int, text: str) -> bytes | None:
    """Return the octets of an address of type A or AAAA (RFC 4291 section 2.2), None for what is
    written otherwise."""
    try:
        octets: bytes = ADDRESSES[rrtype].inet_aton(text)
    except dns.exception.DNSException:
        return None
    return octets
