"""``$GENERATE range lhs [ttl] [class] type rhs``: many records from one line."""

import re
from collections.abc import Iterator

from dns_node.zone.names import BadText

GENERATED_MAX = 65_536
"""Records that the directives of one file may make in all."""

_RANGE = re.compile(r"(\d{1,10})-(\d{1,10})(?:/(\d{1,10}))?", re.ASCII)
_COUNTER = re.compile(r"\\.|\$\$|\$\{([^}]*)\}|\$")
_MODIFIER = re.compile(r"([+-]?\d{1,10})(?:,(\d{1,3})(?:,([doxXnN]))?)?", re.ASCII)
_WIDTH_MAX = 127


def generated_lines(text: str, left: int = GENERATED_MAX) -> Iterator[str]:
    """Yield a record line for each number of the range in *text* (what follows ``$GENERATE``).

    In owner and data ``$`` is the number, ``${offset,width,base}`` the number plus offset, zero
    padded to width, in base d, o, x, X, n or N (nibbles); ``$$`` and ``\\$`` are a dollar sign.
    Raises BadText when it is malformed or makes more than *left* records.
    """
    fields = text.split(None, 1)
    match = _RANGE.fullmatch(fields[0]) if len(fields) == 2 else None
    if match is None:
        raise BadText("$GENERATE looks like: $GENERATE 1-254 host-$ A 192.0.2.$")
    start, stop, step = int(match[1]), int(match[2]), int(match[3] or 1)
    if stop < start or step < 1:
        raise BadText(f"$GENERATE {fields[0]}: the range goes upwards in steps of 1 or more")
    count = (stop - start) // step + 1
    if count > left:
        raise BadText(f"$GENERATE {fields[0]} makes {count} records; {left} are left for this file")
    for number in range(start, stop + 1, step):
        yield substitute(fields[1], number)


def substitute(template: str, number: int) -> str:
    """Return *template* with *number* in place of each ``$`` form; raises BadText."""

    def replace(match: re.Match[str]) -> str:
        found = match[0]
        if found[0] == "\\":
            return found
        if found == "$$":
            # Escaped, so that it is no counter and no directive.
            return r"\$"
        return str(number) if match[1] is None else _modified(match[1], number)

    return _COUNTER.sub(replace, template)


def _modified(modifier: str, number: int) -> str:
    match = _MODIFIER.fullmatch(modifier)
    if match is None or int(match[2] or 0) > _WIDTH_MAX:
        raise BadText(f"$GENERATE: ${{{modifier}}} is no ${{offset,width,base}} such as ${{0,3,d}}")
    value, width, base = number + int(match[1]), int(match[2] or 0), match[3] or "d"
    if base not in "nN":
        return format(value, base).zfill(width)
    if value < 0:
        raise BadText("$GENERATE: a negative number has no nibbles")
    # The width counts digits and dots, as in BIND.
    digits = format(value, "x" if base == "n" else "X").zfill((width + 1) // 2)
    return ".".join(reversed(digits)) + ("." if width and len(digits) * 2 == width else "")
