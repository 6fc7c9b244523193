"""Record data: text to canonical wire form and back, for every type that dnspython knows and,
in the form of RFC 3597, for those it does not.

Canonical means uncompressed, with the names inside in lower case where RFC 4034 section 6.2 says
so: equal records are equal octets.
"""

import difflib
import json
from collections.abc import Iterable

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer

from dns_node.zone.names import ROOT, BadName, BadText, parse_name
from dns_node.zone.plain_record import ADDRESSES, plain_address
from dns_node.zone.rdata_forms import MX, OPT, RRSIG, SOA, SPF, TXT, wrong_form
from dns_node.zone.rrset import RRset, WireName

SOA_TIMERS = (1, 3600, 600, 604_800, 300)
"""Serial, refresh, retry, expire and minimum of a SOA that is written without them."""

RDATA_OCTETS_MAX = 65_535
STRING_OCTETS_MAX = 255
_IN = dns.rdataclass.IN


class BadType(BadText):
    """Text that names no record type, or a type that can't be data."""


class BadRdata(BadText):
    """Text or octets that are no data of their type."""


def parse_type(text: str) -> int:
    """Return the number of a type mnemonic or of ``TYPEnnn`` (RFC 3597 section 5).

    Meta types such as ANY are returned too.  Raises BadType with the nearest mnemonic.
    """
    try:
        return int(dns.rdatatype.from_text(text.upper()))
    except (dns.exception.DNSException, ValueError):
        pass
    near = difflib.get_close_matches(text.upper(), dns.rdatatype.RdataType.__members__, n=1)
    hint = f"; did you mean {near[0]}?" if near else "; an unknown one is written like TYPE65534"
    raise BadType(f'"{text[:40]}" is no record type{hint}')


def type_text(rrtype: int) -> str:
    """Return the mnemonic of *rrtype*, or ``TYPEnnn``."""
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rrtype))


def is_meta_type(rrtype: int) -> bool:
    """Return whether *rrtype* exists in messages only: 0, OPT, and 128 to 255 (RFC 6895
    section 3.1), so that no zone can hold it."""
    return rrtype == 0 or rrtype == OPT or 128 <= rrtype <= 255


def check_data_type(rrtype: int, *, signatures: bool = False) -> None:
    """Raise BadType when *rrtype* can't be stored: a meta type, or RRSIG unless *signatures*."""
    if is_meta_type(rrtype):
        raise BadType(f"{type_text(rrtype)} is a type of messages and can't be stored in a zone")
    if rrtype == RRSIG and not signatures:
        raise BadType("RRSIG records come from signing or from a signed zone file, not by hand")


def parse_rdata(rrtype: int, text: str, origin: WireName | None = None) -> bytes:
    """Return the canonical rdata that *text* writes, in any of the forms that a user may type.

    These are the master file's (names relative to *origin*; None: all names are absolute), the
    form of RFC 3597, and those of ``zfX.txt``: ``["mx.example.", 5]`` for MX, ``["mname",
    "rname"]`` for SOA with `SOA_TIMERS`, and for TXT a text without any quote, taken as it
    stands as one string.  Strings of over 255 octets are split.  Raises BadType, BadRdata.
    """
    check_data_type(rrtype)
    text = text.strip()
    if rrtype in ADDRESSES and (address := plain_address(rrtype, text)) is not None:
        return address
    if text.startswith("[") and rrtype in (MX, SOA):
        return _parse_list(rrtype, text, origin)
    if rrtype in (TXT, SPF) and text and not text.startswith("\\#"):
        strings = _read_strings(rrtype, text) if '"' in text else [_octets(text)]
        return _compose_strings(rrtype, text, strings)
    return parse_master_rdata(rrtype, text, origin)


def parse_master_rdata(
    rrtype: int, text: str, origin: WireName | None = None, *, signatures: bool = False
) -> bytes:
    """Return the canonical rdata that *text* writes in a master file (RFC 1035 section 5.1).

    Names are relative to *origin* (None: the root).  RRSIG is allowed with *signatures*.
    Raises BadType, BadRdata.
    """
    check_data_type(rrtype, signatures=signatures)
    base = dns.name.root if origin is None else dns.name.from_wire(origin, 0)[0]
    try:
        rdata = dns.rdata.from_text(
            _IN, dns.rdatatype.RdataType.make(rrtype), text, base, False,
            idna_codec=dns.name.IDNA_2008_Practical,
        )  # fmt: skip
        octets = canonical(rdata)
    except (dns.exception.DNSException, ValueError, OverflowError) as error:
        reason = str(error)
        if isinstance(error, dns.exception.UnexpectedEnd) and text.count('"') % 2:
            reason = "a quote is not closed"
        raise BadRdata(wrong_form(rrtype, type_text(rrtype), text.strip(), reason)) from None
    _check_mailbox(rrtype, text)
    if len(octets) > RDATA_OCTETS_MAX:
        raise BadRdata(f"{type_text(rrtype)} data of {len(octets)} octets; at most 65535 fit")
    return octets


def canonical(rdata: dns.rdata.Rdata) -> bytes:
    """Return the canonical octets of a dnspython rdata whose names are absolute."""
    return rdata.to_digestable()


def canonical_rdata(rrtype: int, octets: bytes) -> bytes:
    """Return uncompressed wire rdata in canonical form; raises BadRdata when it is malformed."""
    check_data_type(rrtype, signatures=True)
    return canonical(_from_wire(rrtype, octets))


def rdata_text(rrtype: int, rdata: bytes) -> str:
    """Return the master file text of *rdata*, names absolute; the form of RFC 3597 where no other
    gives the same octets back.  Never raises."""
    try:
        if rrtype in ADDRESSES:
            return str(ADDRESSES[rrtype].inet_ntoa(rdata))
        text = _from_wire(rrtype, rdata).to_text(relativize=False)
        if rrtype in _PLAIN_TEXT or parse_master_rdata(rrtype, text, signatures=True) == rdata:
            return text
    except (BadText, dns.exception.DNSException, ValueError):
        pass
    return f"\\# {len(rdata)} {rdata.hex()}".rstrip()


# Types whose text surely gives the same octets back; for others rdata_text looks.
_PLAIN_TEXT = frozenset((2, 5, 6, 12, 15, 16, 33, 39))


def covered_type(rdata: bytes) -> int:
    """Return the type that an RRSIG rdata covers (RFC 4034 section 3.1.1)."""
    return int.from_bytes(rdata[:2])


def make_rrset(
    rrtype: int, ttl_s: int, rdatas: Iterable[bytes], signatures: Iterable[bytes] = ()
) -> RRset:
    """Return the RRset of canonical *rdatas*, sorted by octets and without duplicates."""
    return RRset(rrtype, ttl_s, tuple(sorted(set(rdatas))), tuple(sorted(set(signatures))))


def _from_wire(rrtype: int, octets: bytes) -> dns.rdata.Rdata:
    kind = dns.rdatatype.RdataType.make(rrtype)
    try:
        rdata = dns.rdata.from_wire(_IN, kind, octets, 0, len(octets))
        # A compression pointer into the rdata itself would be followed silently.
        if rdata.to_wire() == octets:
            return rdata
        reason = "names inside must not be compressed"
    except (dns.exception.DNSException, ValueError) as error:
        reason = str(error)
    raise BadRdata(f"{len(octets)} octets are no {type_text(rrtype)} data: {reason}")


def _parse_list(rrtype: int, text: str, origin: WireName | None) -> bytes:
    try:
        items = json.loads(text)
        if len(items) < 2 or (rrtype == MX and len(items) > 2):
            raise TypeError
        if rrtype == MX:
            exchange, preference = items
            if type(preference) is not int or not 0 <= preference <= 65_535:
                raise ValueError(f"the preference {preference!r} is no number of 0 to 65535")
            return preference.to_bytes(2) + parse_name(exchange, origin)
        mname, rname, *rest = items
        # Timers may follow one by one or as one list.
        timers = rest[0] if len(rest) == 1 and isinstance(rest[0], list) else rest
        timers = timers or SOA_TIMERS
        if len(timers) != 5 or any(type(n) is not int or not 0 <= n < 1 << 32 for n in timers):
            raise ValueError("after the two names come five numbers or nothing")
        _check_mailbox(rrtype, f"{mname} {rname}")
        numbers = b"".join(n.to_bytes(4) for n in timers)
        return parse_name(mname, origin) + parse_name(rname, origin) + numbers
    except BadText as error:
        raise BadRdata(f"{type_text(rrtype)}: {error}") from None
    except (ValueError, TypeError, RecursionError) as error:
        form = '["mx.example.", 10]' if rrtype == MX else '["ns.example.", "admin.example."]'
        reason = "" if isinstance(error, (json.JSONDecodeError, TypeError)) else f" ({error})"
        raise BadRdata(
            f"{type_text(rrtype)} as a list looks like {form}, not {text[:60]}{reason}"
        ) from None


def _check_mailbox(rrtype: int, text: str) -> None:
    if rrtype == SOA and "@" in (text.split() + ["", ""])[1].strip("@"):
        mailbox = text.split()[1]
        raise BadRdata(f'SOA: write the mailbox with a dot: {mailbox.replace("@", ".", 1)}')


def _read_strings(rrtype: int, text: str) -> list[bytes]:
    tokenizer = dns.tokenizer.Tokenizer(text)
    try:
        return [token.unescape_to_bytes().value for token in tokenizer.get_remaining()]
    except (dns.exception.DNSException, ValueError) as error:
        quotes = "a quote is not closed" if text.count('"') % 2 else str(error)
        raise BadRdata(wrong_form(rrtype, type_text(rrtype), text, quotes)) from None


def _octets(text: str) -> bytes:
    # A terminal hands over octets that are no UTF-8 as surrogates: they become octets again.
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise BadRdata("TXT: the text has half of a surrogate pair") from None


def _compose_strings(rrtype: int, text: str, strings: list[bytes]) -> bytes:
    if not strings:
        raise BadRdata(wrong_form(rrtype, type_text(rrtype), text, "no string"))
    octets = b""
    for string in strings:
        for at in range(0, len(string) or 1, STRING_OCTETS_MAX):
            part = string[at : at + STRING_OCTETS_MAX]
            octets += bytes((len(part),)) + part
    if len(octets) > RDATA_OCTETS_MAX:
        raise BadRdata(f"{type_text(rrtype)} data of {len(octets)} octets; at most 65535 fit")
    return octets


__all__ = [
    "ROOT", "BadName", "BadRdata", "BadText", "BadType", "SOA_TIMERS",
    "canonical", "canonical_rdata", "check_data_type", "covered_type", "is_meta_type",
    "make_rrset", "parse_master_rdata", "parse_rdata", "parse_type", "rdata_text", "type_text",
]  # fmt: skip
