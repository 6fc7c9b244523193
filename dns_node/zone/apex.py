"""Which zone a name would get when none encloses it, and what that zone starts with."""

from collections.abc import Sequence
from functools import cache

from publicsuffixlist import PublicSuffixList

from dns_node.errors import InputError, Problem
from dns_node.zone.change import ZoneTemplate
from dns_node.zone.names import BadText, from_labels, labels, name_text, parse_name
from dns_node.zone.rdata import make_rrset
from dns_node.zone.rdata_forms import NS, SOA
from dns_node.zone.rrset import WireName

_REVERSE: dict[tuple[bytes, ...], tuple[int, str]] = {
    (b"in-addr", b"arpa"): (3, "/24"),
    (b"ip6", b"arpa"): (16, "/64"),
}


def candidate_apex(owner: WireName) -> WireName:
    """Return the apex of the zone that *owner* would belong to if it had to be created.

    That is one label below the public suffix (both sections of the list; a top-level name that
    the list does not know is a suffix by its rule ``*``); for reverse names the /24 or /64.
    Raises InputError for a public suffix, a single label, the root, and reverse names above that.
    """
    parts = labels(owner)
    reverse = _REVERSE.get(parts[-2:])
    if reverse is not None:
        digits, length = reverse
        if len(parts) < digits + 2:
            kind = "in-addr.arpa" if digits == 3 else "ip6.arpa"
            raise _refusal(owner, f"is above the {length} that a zone below {kind} is made for")
        return _without_wildcard(owner, parts[-digits - 2 :])
    if len(parts) < 2:
        raise _refusal(owner, "is a single label" if parts else "is the root")
    # A dot inside a label would look like two labels to the list.
    plain = tuple(part.replace(b".", b"?") for part in parts)
    found = _public_suffixes().privatesuffix(plain)
    if found is None:
        raise _refusal(owner, "is a public suffix")
    return _without_wildcard(owner, parts[-len(found) :])


def _without_wildcard(owner: WireName, parts: tuple[bytes, ...]) -> WireName:
    if parts[0] == b"*":
        raise _refusal(owner, "is a wildcard right below a public suffix")
    return from_labels(parts)


def _refusal(owner: WireName, what: str) -> InputError:
    cure = "Load a zone file with a SOA record for the zone that you mean (LOAD file)."
    why = f"{what}; no zone encloses it and none is made for it"
    return InputError([Problem("", f"{name_text(owner)} {why}.", cure)])


@cache
def _public_suffixes() -> PublicSuffixList:
    # Read on first use: it takes a tenth of a second and most commands never need it.
    return PublicSuffixList()


def template(
    apex: WireName,
    *,
    name_servers: Sequence[str] = ("localhost.",),
    rname: str = "hostmaster.{zone}",
    ttl_s: int = 3600,
    refresh_s: int = 3600,
    retry_s: int = 600,
    expire_s: int = 1_209_600,
    negative_ttl_s: int = 300,
) -> ZoneTemplate:
    """Return SOA (serial 1; apply raises it) and NS of a zone that is created at *apex*.

    In *name_servers* and *rname* ``{zone}`` stands for the zone's name; all names are absolute.
    The first name server is the SOA's MNAME.  Raises InputError when one is no name.
    """
    zone = name_text(apex).removesuffix(".")
    try:
        servers = [parse_name(text.replace("{zone}", zone)) for text in name_servers]
        mailbox = parse_name(rname.replace("@", ".").replace("{zone}", zone))
    except BadText as error:
        raise InputError([Problem(f"a new zone {zone}.", str(error))]) from None
    numbers = (1, refresh_s, retry_s, expire_s, negative_ttl_s)
    soa = servers[0] + mailbox + b"".join(number.to_bytes(4) for number in numbers)
    return ZoneTemplate(apex, make_rrset(SOA, ttl_s, [soa]), make_rrset(NS, ttl_s, servers))
