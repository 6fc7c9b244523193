"""The octets of the store's keys and values: the only place that knows them.

All numbers are unsigned and big-endian, as on the wire.  A native reader needs `names`, `zones`
and the first 20 octets of `state`; the tables that only Python reads are in `rows`.

**Owner key**: the labels from the root side, each followed by 00; inside a label 00 is written
01 01 and 01 is written 01 02.  Octet order of keys is the canonical order of names (RFC 4034
section 6.1), the key of an ancestor is a prefix of the key of its descendants, and the longest
is 504 octets.

**zones**: ``00 + owner key of the apex`` -> 72 fixed octets: zone id u32, serial u32, flags u16,
negative TTL u32 (s), names u32, records u64, cuts u32, DNAMEs u32, wildcards u32, zero u16,
digest 32 octets; then kind (u8 length + UTF-8) and origin (u16 length + UTF-8).

**names**: ``zone id u32 + owner key`` -> flags u8, zero u8, RRsets u16, records u32; then for
each RRset in the order of its type: type u16, TTL u32 (s), rdatas u16, signatures u16, size u32
of what follows; then each rdata and each signature as length u16 + octets, which is RDLENGTH and
RDATA of RFC 1035 section 3.2.1.

**meta** ``state`` -> schema u16, zero u16, revision u64, applied index u64, applied term u64,
next zone id u32, history horizon u64, operations horizon u64 (ms), digest 32 octets.
"""

import struct
from functools import lru_cache
from hashlib import sha256

from dns_node.zone.change import SourceKey
from dns_node.zone.rrset import Node, RRset, WireName
from dns_node.zone.view import SourceHeader, ZoneHeader

STORE_SCHEMA = 1
"""The newest schema that this release reads: of the store's octets, and of what log entries say."""
OLDEST_SCHEMA = 1
"""The oldest one: that of the release before.  A new store begins with it, and a cluster goes on
to a newer one, by a log entry, when every member reads that (`cluster.membership`)."""
DIGEST_MODULUS = 1 << 256

FLAG_APEX = 1
"""The owner has the SOA."""
FLAG_CUT = 2
"""The owner has NS records and is no apex: a delegation (RFC 1034 section 4.2.1)."""
FLAG_WILDCARD = 4
"""The leftmost label is ``*`` (RFC 4592 section 2.1.1)."""
FLAG_DNAME = 8
"""The owner has a DNAME (RFC 6672)."""

_NS, _SOA, _DNAME = 2, 6, 39
_NODE = struct.Struct("!BxHI")
_RRSET = struct.Struct("!HIHHI")
_U16 = struct.Struct("!H")
_U32 = struct.Struct("!I")
_ZONE = struct.Struct("!IIHIIQIII2x32s")
_SOURCE = struct.Struct("!I32sQBHB")
_STATE = struct.Struct("!H2xQQQIQQ32s")
NODE_HEADER_OCTETS = _NODE.size
assert _ZONE.size == 72


@lru_cache(maxsize=16384)
def owner_key(owner: WireName) -> bytes:
    """Return the owner key of a wire name, at most 504 octets; the root's is empty."""
    found = []
    at = 0
    while size := owner[at]:
        found.append(owner[at + 1 : at + 1 + size])
        at += size + 1
    assert at + 1 == len(owner) <= 255, "an owner name is one whole wire name"
    if not found:
        return b""
    found.reverse()
    found.append(b"")
    key = b"\0".join(found)
    if b"\1" in key or key.count(0) != len(found) - 1:
        key = b"\0".join(
            label.replace(b"\1", b"\1\2").replace(b"\0", b"\1\1") for label in found
        )
    assert len(key) <= 504
    return key


def parse_owner_key(key: bytes) -> WireName:
    """Return the wire name that `owner_key` made *key* from."""
    found = key.split(b"\0")
    assert not found[-1], "an owner key ends with 00"
    found.pop()
    if b"\1" in key:
        found = [label.replace(b"\1\1", b"\0").replace(b"\1\2", b"\1") for label in found]
    found.reverse()
    owner = b"".join([bytes((len(label),)) + label for label in found]) + b"\0"
    assert len(owner) <= 255
    return owner


def compose_name_key(zone_id: int, owner: WireName) -> bytes:
    """Return the key of *owner*'s row in table `names`, at most 508 octets."""
    return _U32.pack(zone_id) + owner_key(owner)


def parse_name_key(key: bytes) -> tuple[int, WireName]:
    """Return (zone id, owner) of a key of table `names`."""
    return _U32.unpack_from(key)[0], parse_owner_key(key[4:])


def zone_id_prefix(zone_id: int) -> bytes:
    """Return the 4 octets with which all keys of *zone_id* in table `names` begin."""
    return _U32.pack(zone_id)


def compose_zone_key(apex: WireName) -> bytes:
    """Return the key of the zone at *apex* in table `zones` (never empty, not even the root's)."""
    return b"\0" + owner_key(apex)


def parse_zone_key(key: bytes) -> WireName:
    """Return the apex of a key of table `zones`."""
    assert key[:1] == b"\0"
    return parse_owner_key(key[1:])


def compose_node(owner: WireName, node: Node) -> bytes:
    """Return the row of *owner* with the RRsets of *node*, of which there is at least one."""
    flags = FLAG_WILDCARD if owner[:2] == b"\1*" else 0
    if _SOA in node:
        flags |= FLAG_APEX
    elif _NS in node:
        flags |= FLAG_CUT
    if _DNAME in node:
        flags |= FLAG_DNAME
    parts = [b""]
    records = 0
    for rrtype in sorted(node):
        rrset = node[rrtype]
        rdatas, signatures = rrset.rdatas, rrset.signatures
        assert rrset.rrtype == rrtype and rdatas, "a node holds no empty RRset"
        body = b"".join([_U16.pack(len(rdata)) + rdata for rdata in rdatas + signatures])
        parts.append(_RRSET.pack(rrtype, rrset.ttl_s, len(rdatas), len(signatures), len(body)))
        parts.append(body)
        records += len(rdatas)
    assert records, "an owner without records has no row"
    parts[0] = _NODE.pack(flags, len(node), records)
    return b"".join(parts)


def parse_node(value: bytes) -> dict[int, RRset]:
    """Return the RRsets of a row of table `names`, by type, in the order of their types."""
    _, count, records = _NODE.unpack_from(value)
    node = {}
    at = _NODE.size
    for _ in range(count):
        rrtype, ttl_s, rdata_count, signature_count, size = _RRSET.unpack_from(value, at)
        at += _RRSET.size
        end = at + size
        found = []
        while at < end:
            start = at + 2
            at = start + (value[at] << 8) + value[at + 1]
            found.append(value[start:at])
        assert at == end and len(found) == rdata_count + signature_count
        if signature_count:
            rdatas, signatures = tuple(found[:rdata_count]), tuple(found[rdata_count:])
            node[rrtype] = RRset(rrtype, ttl_s, rdatas, signatures)
        else:
            node[rrtype] = RRset(rrtype, ttl_s, tuple(found))
    assert at == len(value) and records >= count
    return node


def parse_node_header(value: bytes) -> tuple[int, int, int]:
    """Return (flags, number of RRsets, number of records) of a row of table `names`."""
    flags, count, records = _NODE.unpack_from(value)
    return flags, count, records


def name_row_hash(key: bytes, value: bytes) -> int:
    """Return the SHA-256, as a number, of one row of table `names`: its owner and RRsets without
    the zone id, so that equal contents have equal digests wherever they lie."""
    return int.from_bytes(
        sha256(_U16.pack(len(key) - 4) + key[4:] + value[_NODE.size :]).digest(), "big"
    )


def node_hash(owner: WireName, node: Node) -> int:
    """Return what `name_row_hash` gives for the row of *node*; 0 for a node without records."""
    if not node:
        return 0
    return name_row_hash(b"\0\0\0\0" + owner_key(owner), compose_node(owner, node))


def store_row_hash(table: bytes, key: bytes, value: bytes) -> int:
    """Return the SHA-256, as a number, of one row of another table that the digest covers."""
    return int.from_bytes(sha256(table + b"\0" + _U16.pack(len(key)) + key + value).digest(), "big")


def rows_digest(rows: "dict[WireName, Node] | list[tuple[WireName, Node]]") -> bytes:
    """Return the 32-octet set digest of (owner, RRsets) rows: what `ZoneHeader.digest` has for
    a zone with exactly these rows, and what `Import.digest` and `PublishRows.digest` say."""
    total = 0
    for owner, node in rows.items() if isinstance(rows, dict) else rows:
        total += node_hash(owner, node)
    return (total % DIGEST_MODULUS).to_bytes(32, "big")


def compose_zone(header: ZoneHeader) -> bytes:
    """Return the value of table `zones`."""
    kind, origin = header.kind.encode(), header.origin.encode()
    fixed = _ZONE.pack(
        header.zone_id,
        header.serial,
        header.flags,
        header.negative_ttl_s,
        header.names,
        header.records,
        header.cuts,
        header.dnames,
        header.wildcards,
        header.digest,
    )
    assert len(header.digest) == 32
    return b"".join((fixed, bytes((len(kind),)), kind, _U16.pack(len(origin)), origin))


def parse_zone(value: bytes) -> ZoneHeader:
    """Return the header that `compose_zone` wrote."""
    zone_id, serial, flags, negative_ttl_s, names, records, cuts, dnames, wildcards, digest = (
        _ZONE.unpack_from(value)
    )
    kind_end = 73 + value[72]
    origin = value[kind_end + 2 :]
    assert _U16.unpack_from(value, kind_end)[0] == len(origin)
    return ZoneHeader(
        zone_id,
        serial,
        flags,
        value[73:kind_end].decode(),
        negative_ttl_s,
        names,
        records,
        cuts,
        dnames,
        wildcards,
        digest,
        origin.decode(),
    )


def compose_source_key(key: SourceKey) -> bytes:
    """Return the 32-octet key of table `files`: a path may be longer than any key of LMDB."""
    return sha256(b"\0".join((key.node.encode(), key.path.encode(), key.origin))).digest()


def compose_source(key: SourceKey, header: SourceHeader) -> bytes:
    """Return the value of table `files`: zone id u32, digest 32 octets, revision u64, the sizes
    of node u8, path u16, origin u8, and these three."""
    node, path = key.node.encode(), key.path.encode()
    sizes = (len(node), len(path), len(key.origin))
    fixed = _SOURCE.pack(header.zone_id, header.digest, header.revision, *sizes)
    return b"".join((fixed, node, path, key.origin))


def parse_source(value: bytes) -> tuple[SourceKey, SourceHeader]:
    """Return what `compose_source` wrote."""
    zone_id, digest, revision, node_size, path_size, origin_size = _SOURCE.unpack_from(value)
    path_at = _SOURCE.size + node_size
    origin_at = path_at + path_size
    assert origin_at + origin_size == len(value)
    node, path = value[_SOURCE.size : path_at].decode(), value[path_at:origin_at].decode()
    return SourceKey(node, path, value[origin_at:]), SourceHeader(zone_id, digest, revision)


def compose_state(
    revision: int,
    applied_index: int,
    applied_term: int,
    next_zone_id: int,
    history_horizon: int,
    operations_horizon_ms: int,
    digest: bytes,
    schema: int = OLDEST_SCHEMA,
) -> bytes:
    """Return the value of ``state`` in table `meta`."""
    assert len(digest) == 32
    return _STATE.pack(
        schema,
        revision,
        applied_index,
        applied_term,
        next_zone_id,
        history_horizon,
        operations_horizon_ms,
        digest,
    )


def parse_state(value: bytes) -> tuple[int, int, int, int, int, int, int, bytes]:
    """Return the schema and what `compose_state` was given, in its order."""
    schema, revision, index, term, next_zone_id, history, operations, digest = _STATE.unpack(value)
    return schema, revision, index, term, next_zone_id, history, operations, digest
