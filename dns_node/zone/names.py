"""Domain names: text to wire form and back, and how names lie in the tree.

The one form inside the program is `WireName`: uncompressed, ASCII letters lower case (RFC 4343
section 3), with the final zero octet.  Text is read as in master files (RFC 1035 section 5.1);
labels with other letters are taken through UTS 46 to IDNA 2008 A-labels (RFC 5891).
"""

import re
from collections.abc import Iterable, Iterator

import dns.exception
import dns.name

from dns_node.zone.rrset import WireName

ROOT: WireName = b"\0"
NAME_OCTETS_MAX = 255
LABEL_OCTETS_MAX = 63

_PLAIN = re.compile(r"[A-Za-z0-9_*/-]{1,63}(?:\.[A-Za-z0-9_*/-]{1,63})*\.?")
_SPELLED = re.compile(r"(?:\\.|[^\\\s\"();])+", re.DOTALL)
_LENGTH_OCTETS = [bytes((octets,)) for octets in range(256)]
_LOWER = bytes(range(65)) + bytes(range(97, 123)) + bytes(range(91, 256))
_LABEL_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_*/")


class BadText(ValueError):
    """Text that is no name, type, TTL or record; ``str(error)`` is one line that says why."""


class BadName(BadText):
    """Text that is no domain name."""


def parse_name(text: str, origin: WireName | None = None) -> WireName:
    """Return the wire form of *text*, letters lower case.

    Without a final dot the name is relative to *origin*; with None it is absolute all the same.
    ``@`` is the origin itself.  Raises BadName when a label is empty or over 63 octets, when the
    whole is over 255 octets (RFC 1035 section 2.3.4), or when letters are no valid IDN.
    """
    if _PLAIN.fullmatch(text):
        absolute = text[-1] == "."
        parts = text.lower().encode().split(b".")
        if absolute:
            parts.pop()
        wire = b"".join([_LENGTH_OCTETS[len(part)] + part for part in parts])
        wire += ROOT if absolute or origin is None else origin
    elif text == "@":
        if origin is None:
            raise BadName("@ stands for the origin, and there is none here; write the whole name")
        return origin
    else:
        wire = _parse_unusual(text, origin)
    if len(wire) > NAME_OCTETS_MAX:
        raise BadName(
            f"{_shown(text)} is too long: the name has {len(wire)} octets in wire form,"
            f" at most {NAME_OCTETS_MAX} are allowed"
        )
    return wire


def _parse_unusual(text: str, origin: WireName | None) -> WireName:
    if not text:
        raise BadName("the name is empty")
    if text == ".":
        return ROOT
    if not _SPELLED.fullmatch(text):
        raise BadName(f'{_shown(text)} is no domain name: blanks and ()"; need a backslash before')
    try:
        name = dns.name.from_text(text, None, dns.name.IDNA_2008_Practical)
    except (dns.exception.DNSException, ValueError) as error:
        raise BadName(f"{_shown(text)} {_why(error)}") from None
    own = tuple(label for label in name.labels if label)
    wire = b"".join(_LENGTH_OCTETS[len(label)] + label.translate(_LOWER) for label in own)
    return wire + (ROOT if name.is_absolute() or origin is None else origin)


def _why(error: Exception) -> str:
    match error:
        case dns.name.EmptyLabel():
            return "has an empty label (two dots in a row, or one first)"
        case dns.name.LabelTooLong():
            return f"has a label of more than {LABEL_OCTETS_MAX} octets"
        case dns.name.NameTooLong():
            return f"has more than {NAME_OCTETS_MAX} octets in wire form"
        case dns.name.BadEscape():
            return "has a bad escape; write \\. or \\032, three digits"
        case dns.name.IDNAException():
            return f"is no internationalized name: {error}"
    return f"is no domain name: {error}"


def _shown(text: str) -> str:
    return f'"{text}"' if len(text) <= 80 else f'"{text[:77]}..."'


def name_text(name: WireName) -> str:
    """Return *name* as absolute text with the final dot, special octets escaped; the root is
    ``.``.  `parse_name` undoes it."""
    if name == ROOT:
        return "."
    return "".join([_label_text(label) + "." for label in labels(name)])


def _label_text(label: bytes) -> str:
    if _LABEL_PLAIN.issuperset(label):
        return label.decode("ascii")
    return dns.name.Name([label]).to_text()


def relative_text(name: WireName, origin: WireName) -> str:
    """Return *name* as a master file below *origin* would write it: ``@``, a relative name, or an
    absolute one when it is not at or below *origin*."""
    if name == origin:
        return "@"
    if origin == ROOT or not is_subdomain(name, origin):
        return name_text(name)
    return name_text(name[: -len(origin)] + ROOT)[:-1]


def labels(name: WireName) -> tuple[bytes, ...]:
    """Return the labels of *name*, leftmost first, without the root's empty one."""
    found = []
    at = 0
    while length := name[at]:
        at += 1
        found.append(name[at : at + length])
        at += length
    return tuple(found)


def from_labels(parts: Iterable[bytes]) -> WireName:
    """Return the name made of *parts* (leftmost first, no root label), letters lower case.

    Raises BadName when a label is empty or over 63 octets or the name is over 255.
    """
    wire = bytearray()
    for part in parts:
        if not 1 <= len(part) <= LABEL_OCTETS_MAX:
            raise BadName(f"a label has {len(part)} octets; 1 to {LABEL_OCTETS_MAX} are allowed")
        wire += _LENGTH_OCTETS[len(part)] + part.translate(_LOWER)
    wire += ROOT
    if len(wire) > NAME_OCTETS_MAX:
        raise BadName(f"the name has {len(wire)} octets; at most {NAME_OCTETS_MAX} are allowed")
    return bytes(wire)


def lower(name: bytes) -> WireName:
    """Return an uncompressed wire name with its ASCII letters in lower case (RFC 4343)."""
    # Length octets are at most 63, below "A": translating the whole name can't change them.
    return name.translate(_LOWER)


def parent(name: WireName) -> WireName:
    """Return *name* without its leftmost label; the root has no parent and must not be asked."""
    assert name != ROOT, "the root has no parent"
    return name[name[0] + 1 :]


def ancestors(name: WireName) -> Iterator[WireName]:
    """Yield *name* itself, then each name above it, up to and with the root."""
    while True:
        yield name
        length = name[0]
        if not length:
            return
        name = name[length + 1 :]


def is_subdomain(name: WireName, apex: WireName) -> bool:
    """Return whether *name* is *apex* or lies below it."""
    if not name.endswith(apex):
        return False
    # The octets of the apex may also end a longer label: only label borders count.
    border = len(name) - len(apex)
    at = 0
    while at < border:
        at += name[at] + 1
    return at == border


def is_wildcard(name: WireName) -> bool:
    """Return whether the leftmost label is a lone asterisk (RFC 4592 section 2.1.1)."""
    return name[:2] == b"\x01*"


def canonical_key(name: WireName) -> tuple[bytes, ...]:
    """Return a sort key that puts names in the canonical order of RFC 4034 section 6.1."""
    return labels(name)[::-1]
