"""The records of a master file as single lines: comments gone, parentheses undone."""

import re
from collections.abc import Iterator

from dns_node.zone.names import BadText
from dns_node.zone.portions import empty, split_lines

LINES_PER_RECORD_MAX = 4096

_SPECIAL = re.compile(r'[()";]')
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|"|\\.|;.*|[()]')


class BadLine(BadText):
    """A line whose quotes or parentheses do not match, *offset* lines below the record's first."""

    def __init__(self, what: str, offset: int = 0):
        super().__init__(what)
        self.offset = offset


def logical_lines(text: str) -> Iterator[tuple[int, str | BadLine]]:
    """Yield (number of the first line, record on one line) for each record or directive of *text*.

    Within parentheses line ends are blanks (RFC 1035 section 5.1).  A BadLine stands in place of
    a record that can't be told; reading goes on behind it.
    """
    lines = split_lines(text)
    yield from _records(lines)
    empty(lines)


def _records(lines: list[str]) -> Iterator[tuple[int, str | BadLine]]:
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if not _SPECIAL.search(line):
            if line and not line.isspace():
                yield at, line
            continue
        try:
            joined, taken = _join(lines, at - 1)
        except BadLine as error:
            yield at + error.offset, error
            # The rest of a broken record in parentheses is no record of its own.
            at = _resume(lines, at) if "(" in line else at
            continue
        if joined and not joined.isspace():
            yield at, joined
        at += taken - 1


def _join(lines: list[str], first: int) -> tuple[str, int]:
    """Return the record that starts at index *first*, and of how many lines it is."""
    parts: list[str] = []
    depth = 0
    for at in range(first, min(first + LINES_PER_RECORD_MAX, len(lines))):
        try:
            line, depth = _strip(lines[at], depth)
        except BadLine as error:
            raise BadLine(str(error), at - first) from None
        parts.append(line)
        if not depth:
            return " ".join(parts), at - first + 1
    raise BadLine("a parenthesis is opened here and never closed")


def _strip(line: str, depth: int) -> tuple[str, int]:
    """Return *line* without comment and parentheses, and how many parentheses are open then."""
    kept: list[str] = []
    end = 0
    for match in _PART.finditer(line):
        part = match[0]
        kept.append(line[end : match.start()])
        end = match.end()
        if part == '"':
            raise BadLine("a quote is not closed on its line")
        if part == "(":
            depth += 1
        elif part == ")":
            depth -= 1
            if depth < 0:
                raise BadLine("a parenthesis is closed that was not opened")
        if part[0] not in "();":
            kept.append(part)
        elif match.start():
            # At the start of a line a blank would mean "the last owner".
            kept.append(" ")
    kept.append(line[end:])
    return "".join(kept), depth


def _resume(lines: list[str], at: int) -> int:
    """Return the index of the next line that looks like the start of a record."""
    while at < len(lines) and (not lines[at] or lines[at][0] in " \t)"):
        at += 1
    return at
