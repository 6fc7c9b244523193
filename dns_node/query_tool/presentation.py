"""A reply as text to read, as bare data, and as JSON."""

import json
from collections.abc import Iterable
from typing import Any, Final

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from dns_node.query_tool.exchange import Replied

_FLAGS: Final = (
    (dns.flags.AA, "authoritative"),
    (dns.flags.TC, "truncated"),
    (dns.flags.RD, "recursion desired"),
    (dns.flags.RA, "recursion available"),
    (dns.flags.AD, "authenticated"),
    (dns.flags.CD, "checking disabled"),
)
_SECTIONS: Final = ("Answer", "Authority", "Additional")
_NAME_WIDTH_MAX: Final = 40


class Unreadable(Exception):
    """A reply that is no DNS message; the text says why."""


def read(octets: bytes) -> dns.message.Message:
    """Return the message; raises Unreadable.  One that was cut short is read as far as it goes."""
    try:
        return dns.message.from_wire(octets, ignore_trailing=True)
    except dns.message.Truncated as error:
        return error.message()
    except (dns.exception.DNSException, ValueError) as error:
        raise Unreadable(f"the reply can't be read: {error or type(error).__name__}") from None


def show(message: dns.message.Message, replied: Replied, where: str) -> list[str]:
    """Return the reply as lines to read."""
    lines = [_first_line(message), *_edns_lines(message)]
    if message.question:
        one = message.question[0]
        lines += ["", "Question", f"  {_head(one)}"]
    for title, rrsets in zip(
        _SECTIONS, (message.answer, message.authority, message.additional), strict=True
    ):
        if rrsets:
            lines += ["", title, *records(rrsets)]
    over = replied.transport.upper()
    size = len(replied.octets)
    lines += ["", f"{replied.took_s * 1000:.2f} ms, {size} octets, {where} over {over}"]
    return lines


def _first_line(message: dns.message.Message) -> str:
    words = [dns.rcode.to_text(message.rcode())]
    if message.opcode() != dns.opcode.QUERY:
        words.append(dns.opcode.to_text(message.opcode()))
    words += [text for flag, text in _FLAGS if message.flags & flag]
    return f"{', '.join(words)} (id {message.id})"


def _edns_lines(message: dns.message.Message) -> list[str]:
    if message.edns < 0:
        return []
    words = [f"version {message.edns}", f"{message.payload} octets over UDP"]
    if message.ednsflags & dns.flags.DO:
        words.append("DNSSEC ok")
    return ["EDNS: " + ", ".join(words), *(f"  {_option(option)}" for option in message.options)]


def _option(option: dns.edns.Option) -> str:
    if isinstance(option, dns.edns.EDEOption):
        name = _ede_name(option.code)
        return f"error {option.code}: {name}" + (f" ({option.text})" if option.text else "")
    if option.otype == dns.edns.OptionType.NSID:
        octets = option.to_wire() or b""
        return f'NSID: "{octets.decode("utf-8", "backslashreplace")}"'
    try:
        name = dns.edns.OptionType.to_text(option.otype)
    except ValueError:
        name = f"option {int(option.otype)}"
    octets = option.to_wire() or b""
    return f"{name}: {octets.hex() or 'empty'}"


def _ede_name(code: int) -> str:
    try:
        return dns.edns.EDECode(code).name.replace("_", " ").lower()
    except ValueError:
        return "unknown"


def records(rrsets: Iterable[dns.rrset.RRset]) -> list[str]:
    """Return one line for each record, in columns."""
    rows = [
        (rrset.name.to_text(), str(rrset.ttl), _type(rrset), rdata.to_text())
        for rrset in rrsets
        for rdata in rrset
    ]
    widths = [min(_NAME_WIDTH_MAX, max((len(row[at]) for row in rows), default=0)) for at in (0, 1)]
    type_width = max((len(row[2]) for row in rows), default=0)
    return [
        f"  {name:<{widths[0]}}  {ttl:>{widths[1]}}  {kind:<{type_width}}  {data}"
        for name, ttl, kind, data in rows
    ]


def _type(rrset: dns.rrset.RRset) -> str:
    text = dns.rdatatype.to_text(rrset.rdtype)
    if rrset.rdclass != dns.rdataclass.IN:
        text = f"{dns.rdataclass.to_text(rrset.rdclass)} {text}"
    return text


def _head(rrset: dns.rrset.RRset) -> str:
    return f"{rrset.name.to_text()} {_type(rrset)}"


def show_short(message: dns.message.Message) -> list[str]:
    """Return the data of the answer alone."""
    return [rdata.to_text() for rrset in message.answer for rdata in rrset]


def as_json(message: dns.message.Message, replied: Replied, where: str) -> str:
    """Return the reply as one JSON object."""
    sections: dict[str, Any] = {
        title.lower(): [
            {
                "name": rrset.name.to_text(),
                "ttl": rrset.ttl,
                "class": dns.rdataclass.to_text(rrset.rdclass),
                "type": dns.rdatatype.to_text(rrset.rdtype),
                "data": rdata.to_text(),
            }
            for rrset in rrsets
            for rdata in rrset
        ]
        for title, rrsets in zip(
            _SECTIONS, (message.answer, message.authority, message.additional), strict=True
        )
    }
    whole = {
        "server": where,
        "transport": replied.transport,
        "took_ms": round(replied.took_s * 1000, 3),
        "size_octets": len(replied.octets),
        "id": message.id,
        "rcode": dns.rcode.to_text(message.rcode()),
        "flags": dns.flags.to_text(message.flags).lower().split(),
        "options": [_option(option) for option in message.options],
        "question": [_head(one) for one in message.question],
        **sections,
    }
    return json.dumps(whole, indent=2)
