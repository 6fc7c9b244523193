"""Response policy zones (draft-vixie-dnsop-dns-rpz): records to rules.

A rule has a trigger, which its owner name spells, and an action, which its records spell.  Triggers
become keys: one octet of `Trigger`, then a name, or a prefix length and an address whose other bits
are 0.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Final

import msgspec

from dns_node.zone.names import (
    ROOT,
    from_labels,
    is_subdomain,
    is_wildcard,
    labels,
    name_text,
    parse_name,
)
from dns_node.zone.rdata import is_meta_type
from dns_node.zone.rrset import RRset, WireName

NS, CNAME, SOA, DNAME = 2, 5, 6, 39
_NOT_DATA: Final = frozenset((NS, SOA, DNAME, 43, 46, 47, 48, 50, 51, 59, 60, 63))
"""Types that are of the policy zone itself: delegation, aliases of trees, DNSSEC."""

COMPLAINTS_MAX: Final = 20
"""Complaints about one version of a zone that are worth telling."""

Key = bytes


class Trigger(IntEnum):
    """What a rule looks at, in the order of precedence within one zone."""

    CLIENT_IP = 1
    QNAME = 2
    IP = 3
    NSDNAME = 4
    NSIP = 5

    @property
    def label(self) -> str:
        """Its name in words."""
        return self.name.lower().replace("_", "-")


_BY_LABEL: Final = {
    b"rpz-client-ip": Trigger.CLIENT_IP,
    b"rpz-ip": Trigger.IP,
    b"rpz-nsdname": Trigger.NSDNAME,
    b"rpz-nsip": Trigger.NSIP,
}
_TEXTS: Final = {trigger: label.decode() for label, trigger in _BY_LABEL.items()}


class Kind(IntEnum):
    """What a rule does."""

    NXDOMAIN = 1
    NODATA = 2
    PASSTHRU = 3
    DROP = 4
    TCP_ONLY = 5
    DATA = 6

    @property
    def label(self) -> str:
        """Its name in words."""
        return self.name.lower().replace("_", "-")


_TARGETS: Final = {
    ROOT: Kind.NXDOMAIN,
    b"\x01*\0": Kind.NODATA,
    parse_name("rpz-passthru."): Kind.PASSTHRU,
    parse_name("rpz-drop."): Kind.DROP,
    parse_name("rpz-tcp-only."): Kind.TCP_ONLY,
}


class Action(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a rule does; *rrsets* are its local data, an alias among them."""

    kind: Kind
    ttl_s: int
    rrsets: tuple[RRset, ...] = ()


class BadRule(ValueError):
    """A rule that can't be followed; the text says why."""


def read_rules(
    apex: WireName, nodes: Iterable[tuple[WireName, Mapping[int, RRset]]], complaints: list[str]
) -> Iterator[tuple[Key, Action]]:
    """Yield the rules of a policy zone.

    What is no rule is left out; the first `COMPLAINTS_MAX` reasons are added to *complaints*.
    """
    for owner, node in nodes:
        if owner == apex or not is_subdomain(owner, apex):
            continue
        try:
            spelled = owner[: -len(apex)] + ROOT
            key = read_trigger(spelled)
            action = read_action(spelled, node, apex)
        except BadRule as error:
            if len(complaints) < COMPLAINTS_MAX:
                complaints.append(f"{name_text(owner)}: {error}")
            continue
        if action is not None:
            yield key, action


def read_trigger(name: WireName) -> Key:
    """Return the key of a trigger as it is spelled below the apex; raises BadRule."""
    parts = labels(name)
    trigger = _BY_LABEL.get(parts[-1])
    if trigger is None:
        if parts[-1].startswith(b"rpz-"):
            raise BadRule(f"{parts[-1].decode('ascii', 'replace')} is no trigger")
        return bytes((Trigger.QNAME,)) + name
    rest = parts[:-1]
    if trigger is Trigger.NSDNAME:
        if not rest:
            raise BadRule("there is no name before rpz-nsdname")
        return bytes((trigger,)) + from_labels(rest)
    network = _network(rest)
    return address_key(trigger, network.prefixlen, network.network_address.packed)


def address_key(trigger: Trigger, prefix: int, network: bytes) -> Key:
    """Return the key of an address trigger."""
    return bytes((trigger, prefix)) + network


def _network(parts: tuple[bytes, ...]) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return the network that ``24.0.2.0.192`` or ``48.zz.1.db8.2001`` spells; raises BadRule."""
    try:
        words = [part.decode("ascii") for part in reversed(parts)]
        prefix = words.pop()
        if not prefix.isdigit() or prefix == "0":
            raise ValueError(f"{prefix!r} is no prefix length")
        is_ipv4 = len(words) == 4 and "zz" not in words
        if is_ipv4:
            return ipaddress.IPv4Network(f"{'.'.join(words)}/{prefix}")
        if words.count("zz") > 1:
            raise ValueError("zz stands for zeros once only")
        text = ":".join("" if word == "zz" else word for word in words)
        if words and words[0] == "zz":
            text = ":" + text
        if words and words[-1] == "zz":
            text += ":"
        return ipaddress.IPv6Network(f"{text}/{prefix}")
    except (ValueError, IndexError) as error:
        raise BadRule(f"no address prefix: {error}") from None


def read_action(spelled: WireName, node: Mapping[int, RRset], apex: WireName) -> Action | None:
    """Return what the records at a trigger say, None when they say nothing; raises BadRule."""
    rrsets = [
        RRset(rrtype, rrset.ttl_s, rrset.rdatas)
        for rrtype, rrset in sorted(node.items())
        if rrtype not in _NOT_DATA and not is_meta_type(rrtype)
    ]
    if not rrsets:
        return None
    ttl_s = min(rrset.ttl_s for rrset in rrsets)
    if CNAME not in node:
        return Action(Kind.DATA, ttl_s, tuple(rrsets))
    if len(rrsets) > 1 or len(rrsets[0].rdatas) > 1:
        raise BadRule("a CNAME stands beside other records")
    target = rrsets[0].rdatas[0]
    kind = _TARGETS.get(target)
    if kind is None and target == spelled:
        kind = Kind.PASSTHRU  # how it was written before rpz-passthru
    if kind is not None:
        return Action(kind, ttl_s)
    parts = labels(target)
    if parts[-1].startswith(b"rpz-"):
        raise BadRule(f"the CNAME to {name_text(target)} is no action")
    if target.endswith(apex) and target[: -len(apex)] + ROOT in _TARGETS and apex != ROOT:
        raise BadRule(f"the CNAME to {name_text(target)} lacks its final dot")
    return Action(Kind.DATA, ttl_s, tuple(rrsets))


def rule_text(apex: WireName, key: Key) -> str:
    """Return the owner name of the rule with this key, as it stands in the policy zone."""
    trigger = Trigger(key[0])
    zone = "" if apex == ROOT else name_text(apex)
    if trigger is Trigger.QNAME:
        return name_text(key[1:]) + zone
    if trigger is Trigger.NSDNAME:
        return f"{name_text(key[1:])}{_TEXTS[trigger]}.{zone}"
    address = ipaddress.ip_address(key[2:])
    if address.version == 4:
        words = str(address).split(".")
    else:
        before, zeros, after = str(address).partition("::")
        words = [word for word in before.split(":") if word]
        words += ["zz"] * bool(zeros) + [word for word in after.split(":") if word]
    return f"{key[1]}.{'.'.join(reversed(words))}.{_TEXTS[trigger]}.{zone}"


def redirect(target: WireName, qname: WireName) -> WireName:
    """Return where an alias leads for *qname*: a target ``*.garden.`` has it in place of the
    asterisk.  Raises BadName when that is too long."""
    if not is_wildcard(target):
        return target
    return from_labels((*labels(qname), *labels(target)[1:]))
