"""The kv text protocol of dns-raft: what a request says, and the keys that are records.  Pure."""

import re
from dataclasses import dataclass

from dns_node.cluster.command import DeleteKey, PutKey
from dns_node.control.options import bad_line
from dns_node.control.requests import check_key
from dns_node.errors import InputError
from dns_node.zone.change import Remove, Replace
from dns_node.zone.names import BadText, name_text, parse_name
from dns_node.zone.rdata import rdata_text, type_text
from dns_node.zone.record_line import parse_record
from dns_node.zone.rrset import RRset, WireName

PREFIX = b"kv "
_RECORD_KEY = re.compile(r"(\S+\.)_(\d{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ping:
    """``kv ping``."""


@dataclass(frozen=True, slots=True)
class Get:
    """``kv get K``."""

    key: str


@dataclass(frozen=True, slots=True)
class Set:
    """``kv set K V…``."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Delete:
    """``kv del K``."""

    key: str


@dataclass(frozen=True, slots=True)
class Join:
    """``kv join RAFTADDR ID``."""

    raft_loc: str
    node: str


@dataclass(frozen=True, slots=True)
class Leave:
    """``kv leave ID``."""

    node: str


KvRequest = Ping | Get | Set | Delete | Join | Leave


@dataclass(frozen=True, slots=True)
class RecordKey:
    """The key ``<fqdn>_<type number>``: an RRset of the zone data, not of the key-value space."""

    owner: WireName
    rrtype: int


def parse_request(line: str) -> KvRequest | None:
    """Return what one line (without its end) asks for; None for a wrong verb, wrong arity, or a
    key that is too long: the reply is then ``ERROR``."""
    words = line.split()
    if not words or words[0].lower() != "kv":
        return None
    match [words[1].lower(), *words[2:]] if len(words) > 1 else []:
        case ["ping"]:
            return Ping()
        case ["get", key] if _is_key(key):
            return Get(key)
        case ["set", key, _, *_] if _is_key(key):
            return Set(key, line.split(None, 3)[3].rstrip())
        case ["del", key] if _is_key(key):
            return Delete(key)
        case ["join", raft_loc, node]:
            return Join(raft_loc, node)
        case ["leave", node]:
            return Leave(node)
    return None


def _is_key(key: str) -> bool:
    try:
        check_key(key)
    except InputError:
        return False
    return True


def record_key(key: str) -> RecordKey | None:
    """Return the RRset that *key* stands for, or None when it is a plain key."""
    match = _RECORD_KEY.fullmatch(key)
    if match is None or not 1 <= int(match[2]) <= 65_535:
        return None
    try:
        return RecordKey(parse_name(match[1]), int(match[2]))
    except BadText:
        return None


def set_edit(key: str, value: str, default_ttl_s: int) -> PutKey | Replace:
    """Return the change that ``kv set`` makes: a record key gets exactly the record that the value
    spells (quotes around it are taken off).  Raises InputError."""
    wanted = record_key(key)
    if wanted is None:
        return PutKey(key, value)
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    try:
        record = parse_record(value)
    except BadText as error:
        raise bad_line(f"{error}.") from None
    if record.rdata is None or (record.owner, record.rrtype) != (wanted.owner, wanted.rrtype):
        raise bad_line(
            f"the key {key} takes a {type_text(wanted.rrtype)} record of {name_text(wanted.owner)}"
        )
    return Replace(record.owner, record.rrtype, record.ttl_s, (record.rdata,), default_ttl_s)


def delete_edit(key: str) -> DeleteKey | Remove:
    """Return the change that ``kv del`` makes."""
    wanted = record_key(key)
    return DeleteKey(key) if wanted is None else Remove(wanted.owner, wanted.rrtype)


def value_of(owner: WireName, rrset: RRset) -> str:
    """Return what ``kv get`` answers for a record key: the records, one per line."""
    head = f"{name_text(owner)} {rrset.ttl_s} IN {type_text(rrset.rrtype)} "
    return "\n".join(head + rdata_text(rrset.rrtype, rdata) for rdata in rrset.rdatas)
