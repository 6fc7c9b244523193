"""The OPT record of a reply (RFC 6891) and what it carries: NSID, cookies, keepalive, errors."""

from typing import Final

from dns_node.answer.query import COOKIE, NSID, TCP_KEEPALIVE, Edns

PAYLOAD_SIZE_OCTETS: Final = 1232
"""The largest UDP message that we take and send; it is never fragmented (RFC 9715)."""

EDE: Final = 15

OTHER_ERROR: Final = 0
NOT_READY: Final = 14
PROHIBITED: Final = 18
NOT_AUTHORITATIVE: Final = 20
NOT_SUPPORTED: Final = 21
INVALID_QUERY_TYPE: Final = 30


def payload_size_octets_max(edns: Edns | None, is_tcp: bool) -> int:
    """Return the size that a reply may have: 65,535 over TCP; over UDP 512 without EDNS, else
    what the client takes, between 512 and 1232."""
    if is_tcp:
        return 65535
    if edns is None:
        return 512
    return min(edns.payload_size_octets, PAYLOAD_SIZE_OCTETS)


def compose_opt(
    edns: Edns,
    rcode: int,
    *,
    nsid: bytes = b"",
    cookie: bytes = b"",
    idle_timeout_s: int = 0,
    error: int | None = None,
) -> bytes:
    """Return the OPT record that answers *edns*, without which there is none.

    The order of the options is NSID, COOKIE, keepalive, extended error; DO is echoed, other flags
    and options are not (RFC 6891 section 6.1.4).  *cookie* is the data of the COOKIE option, empty
    for none.  *idle_timeout_s* is 0 for UDP, where a keepalive is never sent (RFC 7828 section
    3.2.2); *error* is an info code of RFC 8914 without text.
    """
    options = b""
    if nsid and NSID in edns.options:
        options += NSID.to_bytes(2, "big") + len(nsid).to_bytes(2, "big") + nsid
    if cookie:
        options += COOKIE.to_bytes(2, "big") + len(cookie).to_bytes(2, "big") + cookie
    if idle_timeout_s and TCP_KEEPALIVE in edns.options:
        timeout = min(idle_timeout_s * 10, 65535)
        options += b"\0\x0b\0\2" + timeout.to_bytes(2, "big")
    if error is not None:
        options += b"\0\x0f\0\2" + error.to_bytes(2, "big")
    return b"\0\0\x29\x04\xd0%c\0%c\0%b%b" % (
        rcode >> 4,
        0x80 if edns.is_do else 0,
        len(options).to_bytes(2, "big"),
        options,
    )
