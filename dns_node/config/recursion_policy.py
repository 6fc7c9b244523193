"""`recursion.policy`: what stands between a question and its resolution."""

import ipaddress
from dataclasses import dataclass
from typing import Any

from dns_node.config.section import read_section, section_shape
from dns_node.config.shape import (
    UNREADABLE,
    Reading,
    Shape,
    boolean,
    choice,
    describe,
    file_path,
    list_of,
    network,
    optional,
    setting,
    whole,
)
from dns_node.config.upstream import Upstream, domain_name, upstream

_PREFIX_LENGTHS = (32, 40, 48, 56, 64, 96)
_PRIVATE = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
    "172.16.0.0/12", "192.168.0.0/16", "::/128", "::1/128", "fc00::/7", "fe80::/10",
]  # fmt: skip


def dns64_prefix() -> Shape:
    """A prefix of RFC 6052."""
    expected = 'an IPv6 prefix of 32, 40, 48, 56, 64 or 96 bits like "64:ff9b::/96"'

    def read(value: Any, path: str, reading: Reading) -> Any:
        why = ""
        try:
            if not isinstance(value, str):
                raise ValueError("")
            found = ipaddress.IPv6Network(value)
            if found.prefixlen in _PREFIX_LENGTHS and not found.network_address.packed[8]:
                return str(found)
            why = ": bits 64 to 71 have to be 0" if found.network_address.packed[8] else ""
        except ValueError as error:
            why = f": {error}" if str(error) else ""
        return reading.refuse(path, f"expected {expected}, found {describe(value)}{why}.")

    return Shape(expected, read)


@dataclass(frozen=True, slots=True)
class PolicyZone:
    """One of `recursion.policy.zones`: a response policy zone (RPZ).

    It has a file, or primaries, or is one of our own zones.
    """

    name: str = setting(
        domain_name(),
        "The name of the zone. Without a file and primaries it is one of our own zones.",
        is_live=True,
    )
    file: str | None = setting(
        optional(file_path("a zone file")),
        "The zone file; read again whenever it changes.",
        None,
        is_live=True,
    )
    primaries: tuple[Upstream, ...] = setting(
        list_of(upstream()),
        "Where the zone is transferred from (AXFR, then IXFR), the first that answers.",
        [],
        is_live=True,
    )
    tsig_key: str | None = setting(
        optional(file_path("a key file")),
        "The file of the key that transfers are signed with, as `tsig-keygen` writes it.",
        None,
        is_live=True,
    )
    refresh_max_s: int = setting(
        whole(1, 86_400, "seconds"),
        "How often primaries are asked for a new version at least; the SOA may say more often.",
        3600,
        is_live=True,
    )
    action: str = setting(
        choice("given", "nxdomain", "nodata", "passthru", "drop", "tcp-only", "watch"),
        "What its rules do: what they say (`given`), one thing all of them, or nothing but be "
        "counted (`watch`).",
        "given",
        is_live=True,
    )
    ttl_max_s: int = setting(
        whole(0, 86_400, "seconds"),
        "The longest TTL of what its rules put into answers.",
        300,
        is_live=True,
    )


def policy_zone() -> Shape:
    """A policy zone that has one source at most."""

    def read(value: Any, path: str, reading: Reading) -> Any:
        found = read_section(PolicyZone, value, path, reading)
        if found is UNREADABLE or found.file is None or not found.primaries:
            return found
        return reading.refuse(path, "has a file and primaries.", 'Give "file" or "primaries".')

    return Shape("a policy zone", read)


@dataclass(frozen=True, slots=True)
class Policy:
    """`recursion.policy`: names and addresses that are answered otherwise than they are."""

    special_names: bool = setting(
        boolean(),
        "Whether special-use names (localhost, test, onion, …) and the locally served zones (10.in-"
        "addr.arpa, home.arpa, …) are answered here (RFC 6303, RFC 6761).",
        True,
        is_live=True,
    )
    resolved_special_names: tuple[str, ...] = setting(
        list_of(domain_name()),
        "Those of them that are resolved all the same.",
        [],
        is_live=True,
    )
    rebinding_protection: bool = setting(
        boolean(),
        "Whether addresses of the private networks are taken out of what is resolved, so that no "
        "page of the Internet gets a name for what is inside.",
        False,
        is_live=True,
    )
    private_networks: tuple[str, ...] = setting(
        list_of(network()), "The networks that are inside.", _PRIVATE, is_live=True
    )
    private_names: tuple[str, ...] = setting(
        list_of(domain_name()),
        "Names at and below which answers may lead inside; those with a route may anyway.",
        [],
        is_live=True,
    )
    dns64: tuple[str, ...] = setting(
        list_of(dns64_prefix()),
        "The prefixes in which names with IPv4 addresses alone get IPv6 addresses (RFC 6147).",
        [],
        is_live=True,
    )
    zones: tuple[PolicyZone, ...] = setting(
        list_of(policy_zone()),
        "Response policy zones (RPZ), the first one wins.",
        [],
        is_live=True,
    )
    rewrite_signed: bool = setting(
        boolean(),
        "Whether policy zones change signed answers for clients that ask for signatures too; such "
        "a client may take them for forged.",
        False,
        is_live=True,
    )


def policy_shape() -> Shape:
    """The section, in which no policy zone is there twice."""
    inner = section_shape(Policy)

    def read(value: Any, path: str, reading: Reading) -> Any:
        found = inner.read(value, path, reading)
        if found is UNREADABLE:
            return found
        names = [zone.name for zone in found.zones]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            return reading.refuse(f"{path}.zones", f"{twice[0]} is there twice.")
        return found

    return Shape(inner.expected, read)
