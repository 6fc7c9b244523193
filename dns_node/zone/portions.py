"""Large values in portions.  Pure.

While the interpreter carries out one operation, such as splitting a text into a million lines or
letting go of a table of a million names, no other thread runs, the reactor's neither.
"""

from collections.abc import Iterator
from typing import Any

PORTION_CHARACTERS = 1 << 20
PORTION_ITEMS = 20_000


def lines_of(text: str) -> Iterator[str]:
    """Yield what ``text.split("\\n")`` holds, one line after the other."""
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start:end]
        start = end + 1
    yield text[start:]


def split_lines(text: str) -> list[str]:
    """Return ``text.split("\\n")``."""
    lines: list[str] = []
    start = 0
    while (end := text.find("\n", start + PORTION_CHARACTERS)) >= 0:
        lines += text[start:end].split("\n")
        start = end + 1
    lines += text[start:].split("\n")
    return lines


def empty(items: list[Any] | dict[Any, Any]) -> None:
    """Take everything out of *items*."""
    if isinstance(items, dict):
        while items:
            items.popitem()
    else:
        while items:
            del items[-PORTION_ITEMS:]
