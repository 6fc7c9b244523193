"""How operations and their objections are said."""

from dns_node.zone.names import name_text
from dns_node.zone.rdata import rdata_text, type_text
from dns_node.zone.rrset import RRset, WireName


def record_text(owner: WireName, rrtype: int, rdata: bytes) -> str:
    """Return ``www.example.com. A 192.0.2.1``."""
    return f"{name_text(owner)} {type_text(rrtype)} {rdata_text(rrtype, rdata)}"


def rrset_name(owner: WireName, rrtype: int) -> str:
    """Return ``www.example.com. A``."""
    return f"{name_text(owner)} {type_text(rrtype)}"


def rrset_text(rrset: RRset | None) -> str:
    """Return ``300 A 192.0.2.1, 192.0.2.2`` (at most three of them), or ``absent``."""
    if rrset is None:
        return "absent"
    shown = ", ".join(rdata_text(rrset.rrtype, rdata) for rdata in rrset.rdatas[:3])
    more = f" and {len(rrset.rdatas) - 3} more" if len(rrset.rdatas) > 3 else ""
    return f"{rrset.ttl_s} {type_text(rrset.rrtype)} {shown}{more}"
