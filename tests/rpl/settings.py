"""The settings of a scenario, as far as a resolver under test can be told them."""

import calendar
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from .scenario import UnsupportedError

ROOT_NAME: Final = "k.root-servers.net."

_BEYOND: Final = {
    "auth-zone", "rpz", "local-zone", "local-data", "view", "serve-expired", "dns64-prefix",
    "response-ip", "remote-control", "python", "cachedb", "ipset", "dynlib", "dnscrypt",
    "forward-first", "stub-first", "stub-host", "forward-host", "cache-min-ttl", "cache-max-ttl",
    "cache-max-negative-ttl", "trust-anchor-file", "auto-trust-anchor-file", "dlv-anchor",
    "outgoing-tcp-mss", "edns-client-string", "send-client-subnet", "client-subnet-zone",
    "access-control", "local-zone-override", "wait-limit", "discard-timeout", "answer-cookie",
}  # fmt: skip
"""What a scenario with these asks for can't be told by the keys that there are."""


@dataclass
class Settings:
    """What the resolver is to do; *time_s* is what its clock says at the start, None for now."""

    root_hints: list[tuple[str, str]] = field(default_factory=list)
    stubs: list[tuple[str, list[str]]] = field(default_factory=list)
    forwards: list[tuple[str, list[str]]] = field(default_factory=list)
    trust_anchors: list[str] = field(default_factory=list)
    domain_insecure: list[str] = field(default_factory=list)
    qmin: bool | None = None
    does_ip6: bool = True
    time_s: float | None = None
    notes: list[str] = field(default_factory=list)
    """Settings that were passed over."""


def parse(lines: list[str]) -> Settings:
    """Return the settings in *lines*; raises UnsupportedError for what can't be told."""
    found = Settings()
    zone: tuple[str, list[str]] | None = None
    for line in _one_by_one(lines):
        stripped = line.strip()
        if not stripped or stripped[0] in ";#":
            continue
        key, _, rest = stripped.partition(":")
        value, comment = _split(rest)
        if key in ("stub-zone", "forward-zone"):
            zone = ("", [])
            (found.stubs if key == "stub-zone" else found.forwards).append(zone)
        elif key == "name" and zone is not None:
            filled = (_absolute(value), zone[1])
            for zones in (found.stubs, found.forwards):
                zones[:] = [filled if one is zone else one for one in zones]
            zone = filled
        elif key in ("stub-addr", "forward-addr"):
            address = value.partition("@")[0]
            if zone is not None:
                zone[1].append(address)
            elif key == "forward-addr":
                found.forwards.append((".", [address]))
            if key == "stub-addr" and (zone is None or zone[0] == "."):
                found.root_hints.append((_root_name(comment), address))
        else:
            _take(found, key, value)
    found.stubs = [zone for zone in found.stubs if zone[0] != "."]
    return found


def _one_by_one(lines: list[str]) -> Iterator[str]:
    """The lines, those that hold several settings of a zone taken apart."""
    for line in lines:
        while together := _SEVERAL.match(line):
            yield together[1]
            line = line[together.end(1) :]
        yield line


_SEVERAL: Final = re.compile(
    r"(\s*(?:(?:server|stub-zone|forward-zone):|(?:name|stub-addr|forward-addr):\s*(?:\"[^\"]*\"|\S+)))"
    r"\s+(?=[a-z])"
)


def _take(found: Settings, key: str, value: str) -> None:
    if key == "trust-anchor":
        found.trust_anchors.append(value)
    elif key == "domain-insecure":
        found.domain_insecure.append(_absolute(value))
    elif key in ("query-minimization", "qname-minimisation"):
        found.qmin = value in ("on", "yes", "true")
    elif key == "do-ip6":
        found.does_ip6 = value in ("on", "yes", "true")
    elif key == "val-override-date":
        if len(value) == 14 and value.isdigit():
            found.time_s = calendar.timegm(time.strptime(value, "%Y%m%d%H%M%S"))
        elif value != "-1":
            raise UnsupportedError(f"val-override-date: {value}")
    elif key == "val-override-timestamp":
        found.time_s = float(value)
    elif key in _BEYOND or (key == "module-config" and value not in _MODULES):
        raise UnsupportedError(f"the setting {key}: {value}")
    elif key != "server":
        found.notes.append(key)


_MODULES: Final = ("validator iterator", "iterator")


def _split(text: str) -> tuple[str, str]:
    """Value, without quotes, and comment."""
    text = text.strip()
    if quoted := re.match(r"\"([^\"]*)\"|'([^']*)'", text):
        value, rest = quoted[1] or quoted[2] or "", text[quoted.end() :]
    else:
        value, rest = re.match(r"([^#;]*)(.*)", text).groups()  # type: ignore[union-attr]
    return value.strip(), rest.strip(" \t#;")


def _absolute(name: str) -> str:
    return name if name.endswith(".") else f"{name}."


def _root_name(comment: str) -> str:
    """The name of a root server, from the comment that stands beside its address."""
    found = re.match(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\.?$", comment)
    return _absolute(found[0].lower()) if found else ROOT_NAME
