"""Raft messages as typed values, and the envelope in which they travel.

The core speaks in dicts; here each of its messages is a struct, decoded strictly, so that nothing
of an unexpected shape reaches the core.  Field names are those of the Raft paper.
"""

from typing import Any

import msgspec

from dns_node.cluster.codec import NOT_MSGPACK, CodecError

Entry = tuple[bytes, int, int]
"""A log entry: (command, index, term)."""


class RequestVote(msgspec.Struct, frozen=True, array_like=True, tag="vote?"):
    """A candidate asks for a vote; *is_transfer*: its leader asked it to stand."""

    term: int
    last_log_index: int
    last_log_term: int
    is_transfer: bool = False


class ResponseVote(msgspec.Struct, frozen=True, array_like=True, tag="vote"):
    """A vote for the receiver in *term* (there is no message for "no")."""

    term: int


class AppendEntries(msgspec.Struct, frozen=True, array_like=True, tag="append"):
    """Entries after *previous_index*; none of them: a heartbeat."""

    term: int
    commit_index: int
    previous_index: int
    previous_term: int
    entries: tuple[Entry, ...]


class Quiet(msgspec.Struct, frozen=True, array_like=True, tag="quiet"):
    """A heartbeat without a log check: it keeps the receiver's election timer quiet, no more."""

    term: int
    commit_index: int


class Ack(msgspec.Struct, frozen=True, array_like=True, tag="ack"):
    """Success: the sender's log is the leader's before *next_index*.  Reset: go on from
    *next_index*.  Neither: the sender is alive."""

    next_index: int
    reset: bool
    success: bool


class TimeoutNow(msgspec.Struct, frozen=True, array_like=True, tag="now"):
    """The leader asks the receiver to stand for election at once."""

    term: int


class Snapshot(msgspec.Struct, frozen=True, array_like=True, tag="snapshot"):
    """The core wants to send its dump: never sent; a snapshot travels out of band."""

    term: int


Message = RequestVote | ResponseVote | AppendEntries | Quiet | Ack | TimeoutNow | Snapshot

ALIVE = Ack(0, reset=False, success=False)


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """One frame between members.  *term*, *applied* and *durable_applied* are the sender's;
    *table* is the leader's `dns_node.cluster.checkpoint.Table`; *kind* names what *body* is."""

    term: int
    applied: int
    durable_applied: int
    table: "tuple[int, tuple[tuple[str, int, int], ...]] | None"
    kind: str
    body: bytes


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """The body of a ``status`` frame: the *digest* of the sender's store after entry *index*, and
    whether its disk is nearly full."""

    index: int
    digest: bytes
    is_disk_low: bool = False


_encoder = msgspec.msgpack.Encoder()
_conditions = msgspec.msgpack.Decoder(Condition)
_messages = msgspec.msgpack.Decoder(
    RequestVote | ResponseVote | AppendEntries | Quiet | Ack | TimeoutNow
)
_envelopes = msgspec.msgpack.Decoder(Envelope)


def compose(value: Message | Envelope | Condition) -> bytes:
    """Return the octets of a message, an envelope or a condition."""
    return _encoder.encode(value)


def parse_message(octets: bytes) -> Message:
    """Return the message; raises CodecError on anything else."""
    try:
        message: Message = _messages.decode(octets)
        return message
    except NOT_MSGPACK as error:
        raise CodecError(f"no raft message: {error}") from error


def parse_envelope(octets: bytes) -> Envelope:
    """Return the envelope; raises CodecError on anything else."""
    try:
        return _envelopes.decode(octets)
    except NOT_MSGPACK as error:
        raise CodecError(f"no envelope: {error}") from error


def parse_condition(octets: bytes) -> Condition | None:
    """Return the condition, None for no octets (an older release); CodecError on anything else."""
    if not octets:
        return None
    try:
        return _conditions.decode(octets)
    except NOT_MSGPACK as error:
        raise CodecError(f"no condition: {error}") from error


def from_core(message: dict[str, Any]) -> Message | None:
    """Return what the core wants to send; None for what no node of ours may send (forwarded
    commands, entries in parts)."""
    match message["type"]:
        case "request_vote":
            return RequestVote(message["term"], message["last_log_index"], message["last_log_term"])
        case "response_vote":
            return ResponseVote(message["term"])
        case "next_node_idx":
            return Ack(message["next_node_idx"], message["reset"], message["success"])
        case "timeout_now":
            return TimeoutNow(message["term"])
        case "append_entries":
            return _append_from_core(message)
    return None


def _append_from_core(message: dict[str, Any]) -> Message | None:
    if "prevLogIdx" not in message:
        if message.get("serialized") is None:
            return Quiet(message["term"], message["commit_index"])
        return Snapshot(message["term"])
    if "transmission" in message or message["prevLogIdx"] is None:
        return None
    return AppendEntries(
        message["term"],
        message["commit_index"],
        message["prevLogIdx"],
        message["prevLogTerm"],
        tuple(message["entries"]),
    )


def to_core(message: Message) -> dict[str, Any]:
    """Return *message* as the dict that the core reads."""
    match message:
        case RequestVote(term, last_log_index, last_log_term):
            return {
                "type": "request_vote",
                "term": term,
                "last_log_index": last_log_index,
                "last_log_term": last_log_term,
            }
        case ResponseVote(term):
            return {"type": "response_vote", "term": term}
        case Ack(next_index, reset, success):
            return {
                "type": "next_node_idx",
                "next_node_idx": next_index,
                "reset": reset,
                "success": success,
            }
        case TimeoutNow(term):
            return {"type": "timeout_now", "term": term}
        case Quiet(term, commit_index):
            return {
                "type": "append_entries",
                "term": term,
                "commit_index": commit_index,
                "serialized": None,
            }
        case AppendEntries(term, commit_index, previous_index, previous_term, entries):
            return {
                "type": "append_entries",
                "term": term,
                "commit_index": commit_index,
                "prevLogIdx": previous_index,
                "prevLogTerm": previous_term,
                "entries": list(entries),
            }
    raise AssertionError(f"{message} is not for the core")
