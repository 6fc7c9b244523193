"""Names that are answered here and asked nowhere: special-use names and locally served zones.

localhost, invalid, test (RFC 6761), local (RFC 6762), onion (RFC 7686), alt (RFC 9476); the empty
zones for addresses that mean nothing outside a site (RFC 6303, RFC 7793) and those of the
registry of locally served zones: home.arpa (RFC 8375), resolver.arpa (RFC 9462) and
default.service.arpa (RFC 9665).  With DNS64, ipv4only.arpa too (RFC 8880).

A configured route at or below one of them, or the configuration itself, takes a name out.
"""

from collections.abc import Iterable
from typing import Final

from dns_node.answer.query import NOERROR, NXDOMAIN
from dns_node.resolver.question import Held, Outcome, Question, Security
from dns_node.zone.names import ROOT, ancestors, is_subdomain, parse_name
from dns_node.zone.rrset import RRset, WireName

TTL_S: Final = 10_800
"""The TTL of everything here, negative answers included (RFC 6303 section 3)."""

A, NS, SOA, PTR, AAAA, DS, ANY = 1, 2, 6, 12, 28, 43, 255

LOCALHOST: Final = parse_name("localhost.")
_ABSENT: Final = ("invalid.", "test.", "local.", "onion.", "alt.")
"""There are no such names: NXDOMAIN for them and all below."""

_RESOLVER_ARPA: Final = "resolver.arpa."
_LOOPBACK_4: Final = "127.in-addr.arpa."
_LOOPBACK_6: Final = "1." + "0." * 31 + "ip6.arpa."

_EMPTY: Final = (
    # RFC 6303 sections 4.1 to 4.6, in their order.
    "10.in-addr.arpa.",
    *(f"{number}.172.in-addr.arpa." for number in range(16, 32)),
    "168.192.in-addr.arpa.",
    "0.in-addr.arpa.",
    _LOOPBACK_4,
    "254.169.in-addr.arpa.",
    "2.0.192.in-addr.arpa.",
    "100.51.198.in-addr.arpa.",
    "113.0.203.in-addr.arpa.",
    "255.255.255.255.in-addr.arpa.",
    "0." * 32 + "ip6.arpa.",
    _LOOPBACK_6,
    "d.f.ip6.arpa.",
    *(f"{digit}.e.f.ip6.arpa." for digit in "89ab"),
    "8.b.d.0.1.0.0.2.ip6.arpa.",
    # RFC 7793: the shared address space.
    *(f"{number}.100.in-addr.arpa." for number in range(64, 128)),
    "home.arpa.",
    _RESOLVER_ARPA,
    "default.service.arpa.",
)

IPV4ONLY: Final = parse_name("ipv4only.arpa.")
_IPV4ONLY_ADDRESSES: Final = (bytes((192, 0, 0, 170)), bytes((192, 0, 0, 171)))

Node = dict[int, tuple[bytes, ...]]
Data = dict[WireName, Node]


def soa_of(apex: WireName) -> RRset:
    """Return the SOA of a zone that is served here alone (RFC 6303 section 3)."""
    timers = (1, 3600, 1200, 604_800, TTL_S)
    contact = parse_name("nobody.invalid.")
    numbers = b"".join(number.to_bytes(4, "big") for number in timers)
    return RRset(SOA, TTL_S, (apex + contact + numbers,))


class _Zone:
    """One zone: *data* of the names that exist in it; *below* is what every other name has, None
    when there is no other."""

    __slots__ = ("_below", "_data", "_soa", "apex", "has_parent")

    def __init__(
        self,
        apex: WireName,
        data: Data,
        below: Node | None = None,
        *,
        has_parent: bool = True,
        soa_owner: WireName | None = None,
    ):
        self.apex, self._data, self._below, self.has_parent = apex, data, below, has_parent
        soa_owner = apex if soa_owner is None else soa_owner
        self._soa = Held(soa_owner, soa_of(soa_owner), Security.INSECURE)

    def answer(self, question: Question) -> Outcome | None:
        """Return the answer to a question at or below the apex; None when the parent has it."""
        qname, qtype = question.qname, question.qtype
        if qtype == DS and qname == self.apex and self.has_parent:
            return None
        node = self._data.get(qname, self._below)
        if node is None:
            return self._negative(NXDOMAIN)
        rdatas = node.get(qtype)
        if rdatas is None and qtype == ANY and node:
            qtype, rdatas = next(iter(node.items()))  # one is enough (RFC 8482 section 4.1)
        if rdatas is None:
            return self._negative(NOERROR)
        held = Held(qname, RRset(qtype, TTL_S, rdatas), Security.INSECURE)
        return Outcome(NOERROR, (held,), (), Security.INSECURE, TTL_S)

    def _negative(self, rcode: int) -> Outcome:
        return Outcome(rcode, (), (self._soa,), Security.INSECURE, TTL_S)


class SpecialNames:
    """The special names of one resolver.

    *without* are apexes that are left out; *routes* are suffixes with servers of their own: names
    at and below a route that is a special name, or lies below one, are resolved.
    """

    def __init__(
        self,
        *,
        without: Iterable[WireName] = (),
        routes: Iterable[WireName] = (),
        has_dns64: bool = False,
    ):
        zones = _zones(has_dns64)
        for apex in without:
            zones.pop(apex, None)
        self._zones: dict[WireName, _Zone | None] = dict(zones)
        for suffix in routes:
            if any(apex in zones for apex in ancestors(suffix)):
                self._zones[suffix] = None
        self.suffixes: tuple[WireName, ...] = tuple(self._zones)

    def answer(self, question: Question) -> Outcome | None:
        """Return the answer to *question* when it is given here, else None."""
        zones = self._zones
        for name in ancestors(question.qname):
            if name in zones:
                zone = zones[name]
                return None if zone is None else zone.answer(question)
        return None


def _zones(has_dns64: bool) -> dict[WireName, _Zone]:
    zones = [_absent(parse_name(text)) for text in _ABSENT]
    zones.append(_localhost())
    zones += [_empty(text) for text in _EMPTY]
    if has_dns64:
        zones += _ipv4only()
    return {zone.apex: zone for zone in zones}


def _absent(apex: WireName) -> _Zone:
    # What doesn't exist has no SOA of its own: the name is absent from the root zone.
    return _Zone(apex, {}, has_parent=False, soa_owner=ROOT)


def _apex_data(apex: WireName) -> Node:
    return {SOA: soa_of(apex).rdatas, NS: (apex,)}


def _localhost() -> _Zone:
    addresses: Node = {A: (bytes((127, 0, 0, 1)),), AAAA: (bytes(15) + b"\1",)}
    return _Zone(
        LOCALHOST, {LOCALHOST: addresses | _apex_data(LOCALHOST)}, addresses, has_parent=False
    )


def _empty(text: str) -> _Zone:
    apex = parse_name(text)
    data: Data = {apex: _apex_data(apex)}
    if text == _LOOPBACK_6:
        data[apex][PTR] = (LOCALHOST,)
    elif text == _LOOPBACK_4:
        _put(data, apex, parse_name("1.0.0.127.in-addr.arpa."), LOCALHOST)
    elif text == _RESOLVER_ARPA:
        # The name is asked for; that there is nothing is NODATA (RFC 9462 section 4).
        data[parse_name("_dns." + text)] = {}
    return _Zone(apex, data)


def _put(data: Data, apex: WireName, owner: WireName, target: WireName) -> None:
    """Put a PTR at *owner*, and the empty non-terminals above it."""
    data[owner] = {PTR: (target,)}
    for name in ancestors(owner):
        if is_subdomain(name, apex):
            data.setdefault(name, {})


def _ipv4only() -> list[_Zone]:
    found = [_Zone(IPV4ONLY, {IPV4ONLY: {A: _IPV4ONLY_ADDRESSES} | _apex_data(IPV4ONLY)})]
    for last in (170, 171):
        apex = parse_name(f"{last}.0.0.192.in-addr.arpa.")
        found.append(_Zone(apex, {apex: {PTR: (IPV4ONLY,)} | _apex_data(apex)}))
    return found
