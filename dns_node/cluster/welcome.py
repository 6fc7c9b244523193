"""What is said to a node that comes into the cluster, and join tokens.  Pure."""

import hashlib

import msgspec

from dns_node.cluster.command import Member
from dns_node.errors import WireError


class Welcome(msgspec.Struct, frozen=True, array_like=True, tag="welcome"):
    """You are a member of the cluster *cluster_uuid*; *voters* are raft's, *members* its table."""

    cluster_uuid: str
    voters: tuple[str, ...]
    members: tuple[Member, ...]


class Redirect(msgspec.Struct, frozen=True, array_like=True, tag="redirect"):
    """Ask the leader *node* at *raft_loc*."""

    node: str
    raft_loc: str


class NotNow(msgspec.Struct, frozen=True, array_like=True, tag="later"):
    """Ask again soon; *why*."""

    why: str


class No(msgspec.Struct, frozen=True, array_like=True, tag="no"):
    """You are not let in, for these *reasons*."""

    reasons: tuple[str, ...]


Answer = Welcome | Redirect | NotNow | No

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def compose(answer: Answer) -> bytes:
    """Return the octets of *answer*."""
    return _encoder.encode(answer)


def parse(octets: bytes) -> Answer:
    """Return the answer; raises WireError on anything else."""
    try:
        return _decoder.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"no answer to a join: {error}") from error


def make_token(chance: bytes) -> str:
    """Return the join token of 16 or more random octets: text that survives a shell, and is no
    option of a command line, as what begins with "-" would be."""
    assert len(chance) >= 16
    return chance.hex()


def hash_token(token: str) -> bytes:
    """Return the SHA-256 under which the cluster knows *token*; the token itself is never kept."""
    return hashlib.sha256(token.strip().encode()).digest()
