"""RRsets and nodes as plain values; the form that commands, store and answers share."""

from collections.abc import Mapping

import msgspec

WireName = bytes
"""An owner name: uncompressed wire form, ASCII letters lower case, with the final zero octet."""


class RRset(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All records of one type at one owner name: they share one TTL (RFC 2181 section 5.2).

    *rdatas* are in canonical wire form (RFC 4034 section 6.2: uncompressed, embedded names in
    lower case), sorted by octets, without duplicates: equal RRsets are equal values.
    *signatures* are the rdatas of the RRSIG records that cover this type, stored beside.
    """

    rrtype: int
    ttl_s: int
    rdatas: tuple[bytes, ...]
    signatures: tuple[bytes, ...] = ()


Node = Mapping[int, RRset]
"""All RRsets of one owner name, by type.  RRSIG (46) is no key: signatures lie in the RRsets."""
