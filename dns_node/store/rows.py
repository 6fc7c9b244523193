"""The rows of the tables that only Python reads, and the view that a state machine needs.

Values are msgpack of these structs (`history` has its own module).  Keys: `operations` the
16-octet id; `members` ``m`` + node id; `tokens` ``t`` + hash; `dead` the zone id u32; `retired`
as in `zones`; `kv` ``k`` + key (UTF-8); `stages` size u8 + stage, for a slice its number u32
after it.
"""

import struct
from collections.abc import Iterable
from typing import Protocol

import msgspec

from dns_node.store.history import HistoryRow
from dns_node.zone.rrset import WireName
from dns_node.zone.view import View, ZoneHeader

KEY_OCTETS_MAX = 500
STAGE_OCTETS_MAX = 64


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """What the rows under one zone id amount to; *digest* is the sum of their hashes, 32 octets."""

    names: int = 0
    records: int = 0
    cuts: int = 0
    dnames: int = 0
    wildcards: int = 0
    digest: bytes = bytes(32)


class MemberRow(msgspec.Struct, frozen=True, array_like=True):
    """One member as the store keeps it: configured id, uuid of its data directory ('' when never
    heard), role (``voter``, ``learner`` or ``edge``), and 'host:port' of its raft port."""

    node: str
    uuid: str
    role: str
    raft_loc: str


class OperationRow(msgspec.Struct, frozen=True, array_like=True):
    """The recorded outcome of one operation id (encoded) and when it was proposed."""

    proposed_at_ms: int
    outcome: bytes


class DeadZone(msgspec.Struct, frozen=True, array_like=True):
    """Rows that no header names any more.  With *header* (as it was published at *apex*) UNDO can
    bring them back until the history row of *revision* is trimmed; without, they are garbage."""

    revision: int
    apex: WireName = b""
    header: ZoneHeader | None = None


class Stage(msgspec.Struct, frozen=True, array_like=True):
    """A staged command or staged rows: when its first slice was proposed, how many slices there
    are, and for rows the unpublished ids, the tally (the same for both ids) and the owner keys of
    the first and the last row."""

    began_at_ms: int
    slices: int = 0
    zone_id: int = 0
    shadow_zone_id: int = 0
    tally: Tally = Tally()
    first: bytes = b""
    last: bytes = b""


class Meta(msgspec.Struct, frozen=True):
    """The store as a whole: *schema* of its octets, *revision* of its last change, the last
    applied log entry, the horizons (*history_horizon*: first revision that is kept;
    *operations_horizon_ms*: commands proposed before it are refused), the 32-octet set
    *digest*, and the cluster's uuid ('' before it formed)."""

    schema: int
    revision: int
    applied_index: int
    applied_term: int
    next_zone_id: int
    history_horizon: int
    operations_horizon_ms: int
    digest: bytes
    cluster_uuid: str


class StateView(View, Protocol):
    """What judging a command asks of the store, beyond the zones themselves."""

    def meta(self) -> Meta:
        """Return the store as a whole."""
        ...

    def operation(self, operation_id: bytes) -> bytes | None:
        """Return the encoded outcome that was recorded for *operation_id* (parse it with
        `dns_node.cluster.command.parse_outcome`)."""
        ...

    def history(self, revision: int) -> HistoryRow | None:
        """Return the history row of *revision*, None when it was trimmed or never was."""
        ...

    def retired_serial(self, apex: WireName) -> int | None:
        """Return the last serial of the zone that was at *apex* before."""
        ...

    def dead_zone(self, zone_id: int) -> DeadZone | None:
        """Return what is kept of a zone id that is published no more, None once its history row
        is trimmed."""
        ...

    def stage(self, stage: bytes) -> Stage | None:
        """Return the stage, None when there is none or it is older than the horizon."""
        ...

    def stage_slice(self, stage: bytes, number: int) -> bytes | None:
        """Return the octets of one slice of a staged command."""
        ...

    def members(self) -> Iterable[MemberRow]:
        """Return the members in the order of their ids."""
        ...

    def member(self, node: str) -> MemberRow | None:
        """Return the member with this id."""
        ...

    def token_expiry_ms(self, token_hash: bytes) -> int | None:
        """Return when the join token ends, None when it is unknown."""
        ...

    def tokens(self) -> Iterable[tuple[bytes, int]]:
        """Return (hash, end in ms) of the join tokens in the order of their hashes."""
        ...


def compose(row: msgspec.Struct) -> bytes:
    """Return the value of a row."""
    return _encoder.encode(row)


def parse_operation(value: bytes) -> OperationRow:
    """Return the row of table `operations`."""
    return _operation.decode(value)


def parse_member(value: bytes) -> MemberRow:
    """Return the row of table `members`."""
    return _member.decode(value)


def parse_dead(value: bytes) -> DeadZone:
    """Return the row of table `dead`."""
    return _dead.decode(value)


def parse_stage(value: bytes) -> Stage:
    """Return the header row of a stage."""
    return _stage.decode(value)


def compose_key(key: str) -> bytes:
    """Return the key of table `kv`; *key* has at most 500 octets in UTF-8."""
    octets = b"k" + key.encode()
    assert len(octets) <= KEY_OCTETS_MAX + 1
    return octets


def compose_stage_key(stage: bytes, number: int | None = None) -> bytes:
    """Return the key of a stage's header, or of its slice *number*."""
    assert 0 < len(stage) <= STAGE_OCTETS_MAX
    key = bytes((len(stage),)) + stage
    return key if number is None else key + compose_u32(number)


def compose_u32(number: int) -> bytes:
    """Return *number* as 4 octets whose order is the order of numbers."""
    return _U32.pack(number)


def compose_u64(number: int) -> bytes:
    """Return *number* as 8 octets whose order is the order of numbers."""
    return _U64.pack(number)


def parse_u64(octets: bytes) -> int:
    """Return the number that `compose_u64` wrote."""
    return int(_U64.unpack(octets)[0])


_U32 = struct.Struct("!I")
_U64 = struct.Struct("!Q")
_encoder = msgspec.msgpack.Encoder()
_operation = msgspec.msgpack.Decoder(OperationRow)
_member = msgspec.msgpack.Decoder(MemberRow)
_dead = msgspec.msgpack.Decoder(DeadZone)
_stage = msgspec.msgpack.Decoder(Stage)
