"""The SOA record's numbers, and serials in the arithmetic of RFC 1982."""

from dns_node.zone.rrset import RRset

SOA_OCTETS_MIN = 22
_SPACE = 1 << 32
_HALF = 1 << 31


def soa_serial(rdata: bytes) -> int:
    """Return the SERIAL field of SOA rdata (RFC 1035 section 3.3.13)."""
    return int.from_bytes(rdata[-20:-16], "big")


def with_serial(rrset: RRset, serial: int) -> RRset:
    """Return the SOA RRset with its serial replaced; a signature of the other is dropped."""
    (rdata,) = rrset.rdatas
    if soa_serial(rdata) == serial:
        return rrset
    fresh = rdata[:-20] + serial.to_bytes(4, "big") + rdata[-16:]
    return RRset(rrset.rrtype, rrset.ttl_s, (fresh,))


def negative_ttl_s(rrset: RRset) -> int:
    """Return the TTL of negative answers: the lesser of the SOA's TTL and its MINIMUM field
    (RFC 2308 section 3)."""
    return min(rrset.ttl_s, int.from_bytes(rrset.rdatas[0][-4:], "big"))


def is_later(serial: int, other: int) -> bool:
    """Return whether *serial* is greater than *other* (RFC 1982 section 3.2)."""
    return serial != other and (serial - other) % _SPACE < _HALF


def serial_after(serial: int, *floors: int) -> int:
    """Return the least serial that is later than *serial* and not before any of *floors*.

    A floor of 0 says nothing; 0 itself is skipped, since some servers read it as "none".
    """
    return serial_from((serial + 1) % _SPACE, *floors)


def serial_from(serial: int, *floors: int) -> int:
    """Return the least serial that is not before *serial* (0 counts as 1) nor any of *floors*."""
    found = serial or 1
    for floor in floors:
        if floor and is_later(floor % _SPACE, found):
            found = floor % _SPACE
    return found
