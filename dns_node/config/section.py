"""Sections: JSON objects that are read into dataclasses, key by key."""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from dns_node.config.shape import REQUIRED, UNREADABLE, Reading, Shape, describe


def read_section(section: type, value: Any, path: str, reading: Reading) -> Any:
    """Return *section* filled from the JSON object *value*, or UNREADABLE.

    Every unknown key, missing key and wrong value is noted with its JSON path.  Absent keys take
    their defaults, read as if they stood in the file.
    """
    if not isinstance(value, Mapping):
        return reading.refuse(path, f"expected an object, found {describe(value)}.")
    fields = {field.name: field for field in dataclasses.fields(section)}
    for name in value:
        if name not in fields:
            refuse_unknown_key(name, fields, path, reading)
    found: dict[str, Any] = {}
    for name, field in fields.items():
        raw = value[name] if name in value else field.metadata["default"]
        here = join(path, name)
        shape: Shape = field.metadata["shape"]
        if raw is REQUIRED:
            found[name] = reading.refuse(here, "is missing.", f"Expected {shape.expected}.")
        else:
            found[name] = shape.read(raw, here, reading)
    return UNREADABLE if any(part is UNREADABLE for part in found.values()) else section(**found)


def refuse_unknown_key(name: str, known: Mapping[str, Any], path: str, reading: Reading) -> None:
    """Note that *name* is no key here, and the nearest one that is."""
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    cure = f'Did you mean "{nearest[0]}"?' if nearest else f"Known here: {', '.join(known)}."
    reading.refuse(join(path, name), "is no key of the configuration.", cure)


def section_shape(section: type) -> Shape:
    """A JSON object that is read into *section*."""

    def read(value: Any, path: str, reading: Reading) -> Any:
        return read_section(section, value, path, reading)

    return Shape("an object", read)


def join(path: str, name: str) -> str:
    """Return the JSON path of *name* inside *path*."""
    return f"{path}.{name}" if path else name


def leaves(section: Any, path: str = "") -> Iterator[tuple[str, Any, bool]]:
    """Yield (JSON path, value, whether a reload changes it live) of every key of a filled section.

    A section inside is walked; dictionaries and tuples are values.
    """
    for field in dataclasses.fields(section):
        if not field.metadata:
            continue
        value = getattr(section, field.name)
        here = join(path, field.name)
        if dataclasses.is_dataclass(value) and dataclasses.fields(value)[0].metadata:
            yield from leaves(value, here)
        else:
            yield here, value, field.metadata["is_live"]
