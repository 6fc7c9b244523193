"""Protection from DNS rebinding: names from outside don't lead to addresses inside.

A web page's name whose address turns into one of the local network lets the page talk to what is
there.  Records with such an address are taken out of what was resolved: A and AAAA, and SVCB and
HTTPS whose hints hold one.  IPv4 inside IPv6 (mapped, translated, 6to4) counts as IPv4.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final

from dns_node.answer.query import NOERROR
from dns_node.resolver.question import ExtendedError, Held, Outcome, Security
from dns_node.zone.names import ancestors
from dns_node.zone.rrset import RRset, WireName

A, AAAA, SVCB, HTTPS = 1, 28, 64, 65
BLOCKED: Final = 15
_IPV4_HINT, _IPV6_HINT = 4, 6
TTL_S: Final = 300
"""How long the absence of an address may be kept."""

PRIVATE: Final = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
    "172.16.0.0/12", "192.168.0.0/16", "::/128", "::1/128", "fc00::/7", "fe80::/10",
)  # fmt: skip
"""The networks that are inside, by default."""

_IPV4_IN_IPV6: Final = (
    # (network, where the IPv4 address stands)
    (bytes(10) + b"\xff\xff", 12),
    (bytes.fromhex("0064ff9b") + bytes(8), 12),
    (bytes.fromhex("2002"), 2),
)


class Rebinding:
    """The protection: *networks* are inside, *allowed* are names at and below which records may
    lead there."""

    def __init__(self, networks: Iterable[str] = PRIVATE, allowed: Iterable[WireName] = ()):
        prefixes: dict[tuple[int, int], set[int]] = {}
        for text in networks:
            network = ipaddress.ip_network(text, strict=False)
            shift = network.max_prefixlen - network.prefixlen
            key = (network.max_prefixlen // 8, shift)
            prefixes.setdefault(key, set()).add(int(network.network_address) >> shift)
        self._prefixes = tuple((*key, frozenset(found)) for key, found in prefixes.items())
        self._allowed = frozenset(allowed)

    def is_inside(self, address: bytes) -> bool:
        """Say whether an address of 4 or 16 octets is in one of the networks."""
        number, size = int.from_bytes(address, "big"), len(address)
        for octets, shift, found in self._prefixes:
            if octets == size and number >> shift in found:
                return True
        if size == 16:
            for network, at in _IPV4_IN_IPV6:
                if address.startswith(network) and self.is_inside(address[at : at + 4]):
                    return True
        return False

    def protect(self, outcome: Outcome) -> Outcome:
        """Return *outcome* without the records that lead inside."""
        answer, is_changed = [], False
        for held in outcome.answer:
            rrset = held.rrset
            if rrset.rrtype in (A, AAAA, SVCB, HTTPS):
                kept = tuple(rdata for rdata in rrset.rdatas if not self._leads_inside(held, rdata))
                if len(kept) != len(rrset.rdatas):
                    is_changed = True
                    if kept:
                        part = RRset(rrset.rrtype, rrset.ttl_s, kept)
                        answer.append(Held(held.owner, part, Security.INSECURE))
                    continue
            answer.append(held)
        if not is_changed:
            return outcome
        text = "an address of a private network was taken out (DNS rebinding)"
        errors = (*outcome.errors, ExtendedError(BLOCKED, text))
        return Outcome(
            NOERROR,
            tuple(answer),
            (),
            min(outcome.security, Security.INSECURE),
            min(outcome.ttl_s, TTL_S),
            errors,
            outcome.is_stale,
            outcome.steps,
        )

    def _leads_inside(self, held: Held, rdata: bytes) -> bool:
        addresses = (rdata,) if held.rrset.rrtype in (A, AAAA) else _hints(rdata)
        if not any(self.is_inside(address) for address in addresses):
            return False
        return self._allowed.isdisjoint(ancestors(held.owner))


def _hints(rdata: bytes) -> list[bytes]:
    """Return the addresses in the hints of SVCB or HTTPS rdata (RFC 9460 section 7.3); what is
    out of form has none."""
    found: list[bytes] = []
    at = 2
    while at < len(rdata) and rdata[at]:
        at += rdata[at] + 1
    at += 1
    while at + 4 <= len(rdata):
        key, size = rdata[at] << 8 | rdata[at + 1], rdata[at + 2] << 8 | rdata[at + 3]
        value = rdata[at + 4 : at + 4 + size]
        width = {_IPV4_HINT: 4, _IPV6_HINT: 16}.get(key)
        if width:
            found += [value[n : n + width] for n in range(0, len(value) - width + 1, width)]
        at += 4 + size
    return found
