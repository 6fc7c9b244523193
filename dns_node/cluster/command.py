"""Commands: what every door makes, what the log carries, and what apply answers.

A log entry's payload is ``schema octet + msgpack([Command, …])``: independent commands of any
nodes, each judged whole, applied in one LMDB transaction.  Compose and parse here are the only
codec of the log; an unknown schema or operation stops apply (the node goes on serving DNS).

The schema is the cluster's (`RaiseSchema`).  A release that adds an operation, or a field that
means something when it is not the default, raises `STORE_SCHEMA` and names the operation in
`SINCE`: it is refused, on every node alike, until all members read it.  What the same operation
does may only depend on the schema of the store, never on the release.
"""

import msgspec

from dns_node.store.layout import OLDEST_SCHEMA, STORE_SCHEMA
from dns_node.zone.change import (
    Add,
    DropZone,
    Import,
    Remove,
    Replace,
    RestoreZone,
    ZoneTemplate,
)
from dns_node.zone.rrset import RRset, WireName

ENTRY_SIZE_OCTETS_MAX = 256 * 1024
OPERATION_ID_OCTETS = 16


class StoreRevisionIs(msgspec.Struct, frozen=True, array_like=True, tag="rev"):
    """Holds when the store's revision is *revision*."""

    revision: int


class ZoneSerialIs(msgspec.Struct, frozen=True, array_like=True, tag="serial"):
    """Holds when the zone at *apex* exists and has *serial*."""

    apex: WireName
    serial: int


class RRsetIs(msgspec.Struct, frozen=True, array_like=True, tag="is"):
    """Holds when the RRset of *rrtype* at *owner* in the zone at *apex* equals *rrset*
    (None: it does not exist).  Of a SOA the serial is not compared.  UNDO lists every one that
    does not hold as a conflict."""

    apex: WireName
    owner: WireName
    rrtype: int
    rrset: RRset | None


class ZoneIs(msgspec.Struct, frozen=True, array_like=True, tag="zone"):
    """Holds when the zone at *apex* is published from *zone_id* (None: there is no such zone)
    and, if *serial* is given, has that serial."""

    apex: WireName
    zone_id: int | None
    serial: int | None = None


class KeyIs(msgspec.Struct, frozen=True, array_like=True, tag="key"):
    """Holds when *key* of the key-value space has *value* (None: it is absent)."""

    key: str
    value: str | None


Precondition = StoreRevisionIs | ZoneSerialIs | RRsetIs | ZoneIs | KeyIs


class PutKey(msgspec.Struct, frozen=True, array_like=True, tag="put"):
    """Set *key* of the key-value space."""

    key: str
    value: str


class DeleteKey(msgspec.Struct, frozen=True, array_like=True, tag="del"):
    """Delete *key* of the key-value space; deleting what is absent succeeds."""

    key: str


class Member(msgspec.Struct, frozen=True, array_like=True):
    """One member: configured id, data directory's uuid ('' until it is first heard), role
    (``voter``, ``learner`` or ``edge``) and where its raft port listens ('host:port')."""

    node: str
    uuid: str
    role: str
    raft_loc: str


class FormCluster(msgspec.Struct, frozen=True, array_like=True, tag="form"):
    """The first command: fixes the cluster's uuid, its id-to-uuid table, and a secret seed."""

    cluster_uuid: str
    members: tuple[Member, ...]


class PutMember(msgspec.Struct, frozen=True, array_like=True, tag="member"):
    """Record or change one member (bind its uuid, its address, its role)."""

    member: Member
    token_hash: bytes = b""
    """The join token that this admission uses up, if any; refused when it is unknown or expired
    at *proposed_at_ms* of the command."""


class DropMember(msgspec.Struct, frozen=True, array_like=True, tag="unmember"):
    """Forget the member *node*."""

    node: str


class PutToken(msgspec.Struct, frozen=True, array_like=True, tag="token"):
    """Allow one join: SHA-256 of the token, and when it ends."""

    token_hash: bytes
    expires_at_ms: int


class StageSlice(msgspec.Struct, frozen=True, array_like=True, tag="slice"):
    """Slice *number* of the encoding of a command that is larger than an entry."""

    stage: bytes
    number: int
    octets: bytes


class RunStaged(msgspec.Struct, frozen=True, array_like=True, tag="run"):
    """Judge and apply the command whose encoding is the *slices* slices of *stage*; refused when
    a slice is missing or the SHA-256 is not *digest*."""

    stage: bytes
    slices: int
    digest: bytes


class StageRows(msgspec.Struct, frozen=True, array_like=True, tag="rows"):
    """Write (owner, RRsets) rows under new, unpublished zone ids of *stage*: the contents of
    one zone, and beside them the managed source's memory of them."""

    stage: bytes
    rows: tuple[tuple[WireName, tuple[RRset, ...]], ...]


class PublishRows(msgspec.Struct, frozen=True, array_like=True, tag="publish"):
    """Publish the staged rows as the zone at *apex* (swap its id), and, with *source*, record them
    as the source's last import.  *mode* as in `Import`; *digest* is what the rows must have."""

    stage: bytes
    apex: WireName
    mode: str
    digest: bytes
    source_node: str = ""
    source_path: str = ""


class Trim(msgspec.Struct, frozen=True, array_like=True, tag="trim"):
    """Forget history rows before *history_revision*, outcomes of operations proposed before
    *operations_before_ms* (commands older than that are refused from now on), stages that began
    before it, and tokens that ended."""

    history_revision: int
    operations_before_ms: int


class RaiseSchema(msgspec.Struct, frozen=True, array_like=True, tag="schema"):
    """Go on with *schema*, which every member reads; apply stops where that is not so."""

    schema: int


Operation = (
    Add | Remove | Replace | DropZone | RestoreZone | Import
    | PutKey | DeleteKey
    | FormCluster | PutMember | DropMember | PutToken
    | StageSlice | RunStaged | StageRows | PublishRows | Trim | RaiseSchema
)  # fmt: skip

SINCE: dict[type, int] = {}
"""The schema that an operation came with; 1 when it is not here."""


class Command(msgspec.Struct, frozen=True, array_like=True):
    """One atomic change over any zones: all of it, or nothing of it.

    The proposer decides everything that apply may not: the 16-octet *operation_id*, the time, the
    *serial_floor* (a suggestion: yyyymmdd00 of the proposer's day), the *candidates* for zones
    that have to be created.  *door*, *actor* and *reason* go into the history row.
    """

    operation_id: bytes
    proposed_at_ms: int
    door: str
    actor: str
    operations: tuple[Operation, ...]
    preconditions: tuple[Precondition, ...] = ()
    candidates: tuple[ZoneTemplate, ...] = ()
    serial_floor: int = 0
    reason: str = ""
    dry_run: bool = False


class Done(msgspec.Struct, frozen=True, array_like=True, tag="done"):
    """Applied: the store's *revision* afterwards, the (apex, serial) of each zone that changed
    (serial -1: the zone is gone), and *notes* for the user, such as "exists already".
    Nothing changed when *changed* is false; the revision is then the one before."""

    revision: int
    changed: bool
    zones: tuple[tuple[WireName, int], ...] = ()
    notes: tuple[str, ...] = ()


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused"):
    """Judged and refused: nothing changed; *reasons* holds all of them."""

    reasons: tuple[str, ...]


class Unknown(msgspec.Struct, frozen=True, array_like=True, tag="unknown"):
    """The deadline passed after the command was handed on: it may still be applied.  Proposing
    the same *operation_id* again is safe and gives the answer."""

    operation_id: bytes
    why: str


Outcome = Done | Refused


class UnknownSchemaError(Exception):
    """The payload was written by a newer release; apply stops here."""


_READS = (
    f"this release reads {STORE_SCHEMA}"
    if OLDEST_SCHEMA == STORE_SCHEMA
    else f"this release reads {OLDEST_SCHEMA} to {STORE_SCHEMA}"
) + "; upgrade this node"


_encoder = msgspec.msgpack.Encoder()
_entry_decoder = msgspec.msgpack.Decoder(tuple[Command, ...])
_command_decoder = msgspec.msgpack.Decoder(Command)
_outcome_decoder = msgspec.msgpack.Decoder(Done | Refused)


def needed_schema(command: Command) -> int:
    """Return the oldest schema in which *command* means what it says."""
    return max((SINCE.get(type(operation), 1) for operation in command.operations), default=1)


def compose_entry(commands: tuple[Command, ...], schema: int = OLDEST_SCHEMA) -> bytes:
    """Return the payload of one log entry of a cluster that is at *schema*."""
    return bytes((schema,)) + _encoder.encode(commands)


def parse_entry(payload: bytes) -> tuple[Command, ...]:
    """Return the commands of a log entry; raises UnknownSchemaError on what this release
    does not know, so that apply stops instead of skipping."""
    if not payload or not OLDEST_SCHEMA <= payload[0] <= STORE_SCHEMA:
        found = payload[0] if payload else "none"
        raise UnknownSchemaError(f"a log entry of schema {found}: {_READS}")
    try:
        return _entry_decoder.decode(payload[1:])
    except msgspec.ValidationError as error:
        raise UnknownSchemaError(f"a log entry with an unknown operation: {error}") from error


def compose_command(command: Command) -> bytes:
    """Return one command's encoding (for forwarding and staging)."""
    return _encoder.encode(command)


def parse_command(octets: bytes) -> Command:
    """Return the command; raises UnknownSchemaError on what this release does not know."""
    try:
        return _command_decoder.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnknownSchemaError(f"no command of this release: {error}") from error


def compose_outcome(outcome: Outcome) -> bytes:
    """Return an outcome's encoding (for the operations table)."""
    return _encoder.encode(outcome)


def parse_outcome(octets: bytes) -> Outcome:
    """Return the outcome that `compose_outcome` encoded."""
    outcome: Outcome = _outcome_decoder.decode(octets)
    return outcome
