"""Shapes: what a value of the configuration may look like, and how it is read.

A shape reads one JSON value.  What is wrong goes into the list of problems, so that one run of
``dns-node check`` shows them all, and UNREADABLE comes back instead of a value.
"""

import dataclasses
import ipaddress
import os
from collections.abc import Callable, Mapping
from typing import Any

from dns_node.config.address import parse_address
from dns_node.errors import Problem

UNREADABLE: Any = object()
"""Stands for a value that was refused; its problem is in the list already."""

REQUIRED: Any = object()
"""The default of a key that has none."""


@dataclasses.dataclass(slots=True)
class Reading:
    """One reading of a configuration: *base_dir*, from which relative paths count, and the
    problems met so far."""

    base_dir: str
    problems: list[Problem] = dataclasses.field(default_factory=list)

    def refuse(self, path: str, what: str, cure: str = "") -> Any:
        """Note a problem at the JSON path *path*; returns UNREADABLE."""
        self.problems.append(Problem(path, what, cure))
        return UNREADABLE


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """*expected* finishes the sentence "expected …"; *read* turns (value, path, reading) into the
    setting, or into UNREADABLE."""

    expected: str
    read: Callable[[Any, str, Reading], Any]


def setting(shape: Shape, document: str, default: Any = REQUIRED, *, is_live: bool = False) -> Any:
    """Declare one key of a section: its shape, its documentation, its default as it would be
    written in JSON, and whether a reload changes it live (else only a restart does)."""
    return dataclasses.field(
        metadata={"shape": shape, "document": document, "default": default, "is_live": is_live}
    )


def _refused(value: Any, shape_text: str, path: str, reading: Reading, why: str = "") -> Any:
    because = f": {why}" if why else ""
    return reading.refuse(path, f"expected {shape_text}, found {describe(value)}{because}.")


def describe(value: Any) -> str:
    """Return *value* as JSON would show it, shortened for an error line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def whole(least: int, most: int, unit: str = "") -> Shape:
    """A whole number from *least* to *most*."""
    expected = f"a whole number{' of ' + unit if unit else ''} from {least} to {most}"

    def read(value: Any, path: str, reading: Reading) -> Any:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            return _refused(value, expected, path, reading)
        return value

    return Shape(expected, read)


def boolean() -> Shape:
    """true or false."""

    def read(value: Any, path: str, reading: Reading) -> Any:
        return value if isinstance(value, bool) else _refused(value, "true or false", path, reading)

    return Shape("true or false", read)


def choice(*words: str) -> Shape:
    """One of *words*."""
    expected = "one of " + ", ".join(f'"{word}"' for word in words)

    def read(value: Any, path: str, reading: Reading) -> Any:
        return value if value in words else _refused(value, expected, path, reading)

    return Shape(expected, read)


def text(expected: str = "a text", *, size_max: int = 255) -> Shape:
    """A text of 1 to *size_max* octets without control characters."""

    def read(value: Any, path: str, reading: Reading) -> Any:
        if not isinstance(value, str) or not value or not value.isprintable():
            return _refused(value, expected, path, reading)
        if len(value.encode()) > size_max:
            return _refused(value, expected, path, reading, f"longer than {size_max} octets")
        return value

    return Shape(expected, read)


def file_path(expected: str = "a path", *, is_per_node: bool = False) -> Shape:
    """A path; a relative one counts from the directory of the configuration file."""
    if is_per_node:
        expected += "; {id} in it is the node's id"

    def read(value: Any, path: str, reading: Reading) -> Any:
        if not isinstance(value, str) or not value or "\0" in value:
            return _refused(value, expected, path, reading)
        return os.path.normpath(os.path.join(reading.base_dir, value))

    return Shape(expected, read)


def address(*, is_wildcard_allowed: bool) -> Shape:
    """``host:port`` with an IP address, IPv6 in brackets."""
    expected = 'an address like "127.0.0.1:10053" or "[::1]:10053"'

    def read(value: Any, path: str, reading: Reading) -> Any:
        if not isinstance(value, str):
            return _refused(value, expected, path, reading)
        try:
            found = parse_address(value)
        except ValueError as error:
            return _refused(value, expected, path, reading, str(error))
        if found.is_wildcard and not is_wildcard_allowed:
            return _refused(value, expected, path, reading, "the others can't reach a wildcard")
        return found

    return Shape(expected, read)


def network() -> Shape:
    """An address or a network in CIDR form, in its canonical text, or the word any."""
    expected = '"any", an address or a network like "192.0.2.0/24"'

    def read(value: Any, path: str, reading: Reading) -> Any:
        if value == "any":
            return value
        try:
            if not isinstance(value, str):
                raise ValueError("")
            return str(ipaddress.ip_network(value))
        except ValueError as error:
            return _refused(value, expected, path, reading, str(error))

    return Shape(expected, read)


def list_of(item: Shape, *, may_be_single: bool = False, least: int = 0) -> Shape:
    """A list of *item*, read as a tuple; with *may_be_single* a bare item is a list of one."""
    expected = f"a list, each {item.expected}"
    if may_be_single:
        expected = f"{item.expected}, or a list of such"

    def read(value: Any, path: str, reading: Reading) -> Any:
        if may_be_single and not isinstance(value, list):
            single = item.read(value, path, reading)
            return UNREADABLE if single is UNREADABLE else (single,)
        if not isinstance(value, list) or len(value) < least:
            return _refused(value, expected, path, reading)
        found = [item.read(part, f"{path}.{n}", reading) for n, part in enumerate(value)]
        return UNREADABLE if any(part is UNREADABLE for part in found) else tuple(found)

    return Shape(expected, read)


def optional(inner: Shape) -> Shape:
    """*inner*, or null for none."""

    def read(value: Any, path: str, reading: Reading) -> Any:
        return None if value is None else inner.read(value, path, reading)

    return Shape(f"{inner.expected}, or null", read)
