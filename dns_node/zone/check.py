"""What zone data must obey, for one node, and for a whole zone.

`check_node` is what apply asks of every node that a command leaves behind; `zone_findings` adds
what only the whole zone shows.  Both are pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dns_node.zone.names import ROOT, ancestors, is_subdomain, labels, name_text, parent
from dns_node.zone.rdata import is_meta_type, type_text
from dns_node.zone.rdata_forms import (
    AAAA,
    CNAME,
    DNAME,
    KEY,
    MX,
    NS,
    NSEC,
    NXT,
    RRSIG,
    SIG,
    SOA,
    SRV,
    A,
)
from dns_node.zone.rrset import Node, RRset, WireName

RRSET_OCTETS_MAX = 65_535 - 12 - 255 - 4 - 11
"""An RRset must fit one message: header, question and OPT leave this much (RFC 1035 4.2.2)."""
_RECORD_OCTETS = 12  # a compressed owner, type, class, TTL, rdata length

_BESIDE_CNAME = frozenset((CNAME, SIG, KEY, NXT, NSEC))
_SINGLE = {SOA: "RFC 2181 section 6.1", CNAME: "RFC 2181 section 10.1", DNAME: "RFC 6672 section 2"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How many records of one type at one name, and types at one name, a zone may hold."""

    records_per_type: int = 100
    types_per_name: int = 100


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong at *owner*; *rrtype* names the RRset that causes it.

    A warning lets the zone load.  *is_cname_clash* marks CNAME beside other data, which the
    legacy format loads with a warning.
    """

    owner: WireName
    rrtype: int
    text: str
    is_warning: bool = False
    is_cname_clash: bool = False


def check_node(
    owner: WireName, node: Node, is_apex: bool, limits: Limits = DEFAULT_LIMITS
) -> list[str]:
    """Return one line for each rule that *node* breaks; none when it may be stored."""
    return [finding.text for finding in node_findings(owner, node, is_apex, limits)]


def node_findings(
    owner: WireName, node: Node, is_apex: bool, limits: Limits = DEFAULT_LIMITS
) -> list[Finding]:
    """Return what `check_node` finds, as values."""
    if len(node) == 1 and not is_apex:
        ((rrtype, rrset),) = node.items()
        if (
            rrtype == A
            and not rrset.signatures
            and len(rrset.rdatas) <= min(limits.records_per_type, 1000)
        ):
            return []  # the everyday node: no other rule can bite
    found = [f for rrset in node.values() for f in _rrset_findings(owner, rrset, is_apex, limits)]
    shown = name_text(owner)
    if len(node) > limits.types_per_name:
        text = f"{shown} has {len(node)} types; at most {limits.types_per_name} are allowed"
        found.append(Finding(owner, max(node), text))
    if CNAME in node and not _BESIDE_CNAME.issuperset(node):
        other = min(rrtype for rrtype in node if rrtype not in _BESIDE_CNAME)
        text = (
            f"{shown} has a CNAME and {_with_article(other)} record; a CNAME must stand alone"
            " (RFC 1034 section 3.6.2). Remove one of them."
        )
        found.append(Finding(owner, CNAME, text, is_cname_clash=True))
    if DNAME in node and NS in node and not is_apex:
        text = f"{shown} has DNAME and NS records; they may meet at a zone's apex only"
        found.append(Finding(owner, DNAME, f"{text} (RFC 6672 section 2.3). Remove one of them."))
    return found


def _rrset_findings(
    owner: WireName, rrset: RRset, is_apex: bool, limits: Limits
) -> Iterator[Finding]:
    rrtype, count = rrset.rrtype, len(rrset.rdatas)
    where = f"{name_text(owner)} {type_text(rrtype)}"
    if is_meta_type(rrtype) or rrtype == RRSIG:
        yield Finding(owner, rrtype, f"{where}: this type can't be stored")
    if rrtype == SOA and not is_apex:
        yield Finding(owner, rrtype, f"{where}: a SOA may only be at the zone's apex")
    if count > 1 and rrtype in _SINGLE:
        text = f"{where}: {count} records; one is allowed ({_SINGLE[rrtype]})"
        yield Finding(owner, rrtype, text)
    elif count > limits.records_per_type:
        text = f"{where}: {count} records; at most {limits.records_per_type} are allowed"
        yield Finding(owner, rrtype, text)
    octets = sum(map(len, rrset.rdatas)) + _RECORD_OCTETS * count
    octets += sum(map(len, rrset.signatures)) + _RECORD_OCTETS * len(rrset.signatures)
    if octets > RRSET_OCTETS_MAX:
        text = f"{where}: the records take {octets} octets; a message holds {RRSET_OCTETS_MAX}"
        yield Finding(owner, rrtype, text)
    for target in host_targets(rrset):
        if _is_address(target):
            text = f"{where}: {name_text(target)[:-1]} is an address; a host name must stand here"
            yield Finding(owner, rrtype, f"{text} (RFC 1035 section 3.3).")
        elif target == ROOT and rrtype == NS:
            yield Finding(owner, rrtype, f"{where}: the root is no server; name a host")


def host_targets(rrset: RRset) -> list[WireName]:
    """Return the host names that the records of *rrset* point to (CNAME, NS, MX, SRV)."""
    skip = {CNAME: 0, NS: 0, MX: 2, SRV: 6}.get(rrset.rrtype)
    return [] if skip is None else [rdata[skip:] for rdata in rrset.rdatas]


def _is_address(name: WireName) -> bool:
    parts = labels(name)
    return len(parts) == 4 and all(part.isdigit() and int(part) < 256 for part in parts)


def _with_article(rrtype: int) -> str:
    text = type_text(rrtype)
    # Read letter by letter (an MX, an NS); those that are said as words: (a SRV, a LOC).
    return f"an {text}" if text[0] in "AEHMNRSX" and text not in ("SRV", "SOA") else f"a {text}"


def zone_findings(
    origin: WireName, nodes: Mapping[WireName, Node], limits: Limits = DEFAULT_LIMITS
) -> list[Finding]:
    """Return what is wrong with the whole zone at *origin*, errors and warnings.

    Errors: no or several SOA, no NS at the apex, owners outside, names below a DNAME
    (RFC 6672 section 2.4), and all of `check_node`.  Warnings: servers without an address in the
    zone (RFC 1912 section 2.8), MX or NS that point to a CNAME (RFC 2181 section 10.3), data
    hidden below a delegation.
    """
    found: list[Finding] = []
    apex = nodes.get(origin, {})
    if SOA not in apex:
        text = f"{name_text(origin)} has no SOA record; a zone needs one (RFC 1035 section 5.2)."
        found.append(Finding(origin, SOA, text))
    if NS not in apex:
        text = f"{name_text(origin)} has no NS record at its apex; a zone needs one"
        found.append(Finding(origin, NS, f"{text} (RFC 1035 section 5.2)."))
    cuts = {owner for owner, node in nodes.items() if NS in node and owner != origin}
    dnames = {owner for owner, node in nodes.items() if DNAME in node}
    for owner, node in nodes.items():
        if not is_subdomain(owner, origin):
            text = f"{name_text(owner)} is outside the zone {name_text(origin)}"
            found.append(Finding(owner, min(node), text))
            continue
        found.extend(node_findings(owner, node, owner == origin, limits))
        found.extend(_pointer_findings(origin, nodes, owner, node))
        if (cuts or dnames) and owner != origin:
            found.extend(_hidden_findings(origin, owner, node, cuts, dnames))
    return found


def _pointer_findings(
    origin: WireName, nodes: Mapping[WireName, Node], owner: WireName, node: Node
) -> Iterator[Finding]:
    for rrtype in (NS, MX):
        for target in host_targets(node[rrtype]) if rrtype in node else ():
            there = nodes.get(target, {})
            what = f"{name_text(owner)} {type_text(rrtype)}: {name_text(target)}"
            if CNAME in there:
                text = f"{what} is a CNAME; name the host itself (RFC 2181 section 10.3)."
                yield Finding(owner, rrtype, text, is_warning=True)
            elif rrtype == NS and A not in there and AAAA not in there:
                # Below another name's cut the address is that child's affair, unless it is glue.
                inside = is_subdomain(target, owner) if owner != origin else (
                    is_subdomain(target, origin) and not _below_cut(origin, target, nodes)
                )  # fmt: skip
                if inside:
                    text = f"{what} has no address in this zone; add an A or AAAA record."
                    yield Finding(owner, rrtype, text, is_warning=True)


def _below_cut(origin: WireName, name: WireName, nodes: Mapping[WireName, Node]) -> bool:
    for above in ancestors(name):
        if above == origin:
            return False
        if NS in nodes.get(above, {}):
            return True
    return False


def _hidden_findings(
    origin: WireName, owner: WireName, node: Node, cuts: set[WireName], dnames: set[WireName]
) -> Iterator[Finding]:
    for above in ancestors(parent(owner)):
        if above in dnames:
            text = (
                f"{name_text(owner)} lies below the DNAME at {name_text(above)}, where nothing"
                " may be (RFC 6672 section 2.4). Remove one of them."
            )
            yield Finding(owner, min(node), text)
        if above == origin:
            return
        if above in cuts and not {A, AAAA}.issuperset(node):
            text = (
                f"{name_text(owner)} lies below the delegation {name_text(above)}: only its"
                " addresses are ever sent, as glue."
            )
            yield Finding(owner, min(node), text, is_warning=True)
            return
