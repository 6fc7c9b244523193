"""Whether a command's values have the shape that their types promise.

Doors make well-formed commands.  One that is not, from a faulty door or another release, must be
refused by every node alike: an exception inside apply would stop them all at the same entry.
"""

from functools import lru_cache

from dns_node.cluster.command import (
    OPERATION_ID_OCTETS,
    Command,
    DropMember,
    FormCluster,
    Operation,
    PublishRows,
    PutMember,
    PutToken,
    RaiseSchema,
    RRsetIs,
    RunStaged,
    StageRows,
    StageSlice,
)
from dns_node.store.rows import STAGE_OCTETS_MAX
from dns_node.zone.change import Add, DropZone, Import, Remove, Replace, RestoreZone
from dns_node.zone.rrset import RRset, WireName

RDATA_OCTETS_MAX = 65_000
TTL_S_MAX = (1 << 31) - 1
_U8_MAX = 255
_U32_MAX = (1 << 32) - 1
_TEXT_OCTETS_MAX = 4096
_NODE_OCTETS_MAX = 255
_HASH_OCTETS = 32


def misshapen(command: Command) -> str:
    """Return what is wrong with the first value that is out of shape, '' when none is."""
    if len(command.operation_id) != OPERATION_ID_OCTETS:
        return f"an operation id has {OPERATION_ID_OCTETS} octets"
    if not 0 <= command.proposed_at_ms < 1 << 63 or not 0 <= command.serial_floor <= _U32_MAX:
        return "the time or the serial floor is out of range"
    if len(command.door.encode()) > _TEXT_OCTETS_MAX:
        return "the door's name is too long"
    for template in command.candidates:
        if not _is_name(template.apex) or _is_bad_rrset(template.soa) or _is_bad_rrset(template.ns):
            return "a suggested zone is malformed"
        if (template.soa.rrtype, len(template.soa.rdatas), template.ns.rrtype) != (6, 1, 2):
            return "a suggested zone needs one SOA and its NS"
        if len(template.soa.rdatas[0]) < 22:
            return "the SOA of a suggested zone is malformed"
    for condition in command.preconditions:
        if not _is_name(getattr(condition, "apex", b"\0")) or (
            isinstance(condition, RRsetIs) and not _is_condition(condition)
        ):
            return f"{type(condition).__name__}: malformed"
    for operation in command.operations:
        what = _misshapen_operation(operation)
        if what:
            return f"{type(operation).__name__}: {what}"
    return ""


def _misshapen_operation(operation: Operation) -> str:
    match operation:
        case Add() | Replace():
            if not _is_name(operation.owner):
                return "the owner is no canonical wire name"
            ttl_s = operation.default_ttl_s if operation.ttl_s is None else operation.ttl_s
            if not _is_record(operation.rrtype, ttl_s, operation.rdatas):
                return "type, TTL or record data is out of range"
            if not 0 <= operation.default_ttl_s <= TTL_S_MAX:
                return "the TTL is out of range"
            return ""
        case Remove():
            is_right = _is_name(operation.owner) and _is_record(operation.rrtype, 0, ())
            return "" if is_right else "owner or type is malformed"
        case DropZone() | RestoreZone():
            is_id = 0 < getattr(operation, "zone_id", 1) <= _U32_MAX
            return "" if is_id and _is_name(operation.apex) else "no zone can be named so"
        case Import():
            return _misshapen_import(operation)
        case StageSlice(stage) | RunStaged(stage):
            return "" if _is_stage(stage) else f"a stage has 1 to {STAGE_OCTETS_MAX} octets"
        case StageRows():
            names = all(_is_name(owner) for owner, _ in operation.rows)
            bad = any(_is_bad_rrset(rrset) for _, rrsets in operation.rows for rrset in rrsets)
            is_right = names and not bad and _is_stage(operation.stage)
            return "" if is_right else "a row is malformed"
        case PublishRows():
            is_right = _is_source(operation.source_node, operation.source_path)
            is_right = is_right and _is_name(operation.apex) and _is_stage(operation.stage)
            return "" if is_right else "stage, apex or source is malformed"
        case FormCluster(_, members):
            return "" if all(_is_node(m.node) for m in members) else "a node id is malformed"
        case PutMember(member, token_hash):
            is_right = _is_node(member.node) and len(token_hash) in (0, _HASH_OCTETS)
            return "" if is_right else "node id or token is malformed"
        case DropMember(node):
            return "" if _is_node(node) else "the node id is malformed"
        case RaiseSchema(schema):
            return "" if 0 < schema <= _U8_MAX else "there is no such schema"
        case PutToken(token_hash, expires_at_ms):
            is_right = len(token_hash) == _HASH_OCTETS and 0 <= expires_at_ms < 1 << 63
            return "" if is_right else "hash or time is out of range"
    return ""


def _misshapen_import(change: Import) -> str:
    if not _is_name(change.source.origin) or not _is_source(change.source.node, change.source.path):
        return "the source is malformed"
    for owner, rrset in (*change.adds, *change.removes):
        if not _is_name(owner) or _is_bad_rrset(rrset):
            return "a record is malformed"
    return ""


def _is_bad_rrset(rrset: RRset) -> bool:
    if not rrset.rdatas or any(len(octets) > RDATA_OCTETS_MAX for octets in rrset.signatures):
        return True
    return not _is_record(rrset.rrtype, rrset.ttl_s, rrset.rdatas)


def _is_record(rrtype: int, ttl_s: int, rdatas: tuple[bytes, ...]) -> bool:
    if not 0 <= rrtype <= 65_535 or not 0 <= ttl_s <= TTL_S_MAX:
        return False
    return all(len(rdata) <= RDATA_OCTETS_MAX for rdata in rdatas)


def _is_source(node: str, path: str) -> bool:
    return len(node.encode()) <= _NODE_OCTETS_MAX and len(path.encode()) <= _TEXT_OCTETS_MAX


def _is_stage(stage: bytes) -> bool:
    return 0 < len(stage) <= STAGE_OCTETS_MAX


def _is_condition(condition: RRsetIs) -> bool:
    rrset = condition.rrset
    if not _is_name(condition.owner) or not _is_record(condition.rrtype, 0, ()):
        return False
    return rrset is None or (not _is_bad_rrset(rrset) and rrset.rrtype == condition.rrtype)


def _is_node(node: str) -> bool:
    return 0 < len(node.encode()) <= _NODE_OCTETS_MAX


@lru_cache(maxsize=16384)
def _is_name(owner: WireName) -> bool:
    """Whether *owner* is one uncompressed wire name in lower case, of at most 255 octets."""
    at = 0
    while at < len(owner) and owner[at]:
        if owner[at] > 63:
            return False
        at += owner[at] + 1
    return at + 1 == len(owner) <= 255 and owner == owner.lower()
