"""The hello: the first frame in both directions of every connection between nodes.  Pure."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from dns_node.cluster.frames import HELLO_OCTETS_MAX
from dns_node.errors import WireError
from dns_node.store.layout import OLDEST_SCHEMA, STORE_SCHEMA

FORMAT = 1
KINDS = ("raft", "snapshot", "join", "key")

_Id = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._-]{1,64}\Z")]
_Uuid = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._-]{0,64}\Z")]
_Short = Annotated[str, msgspec.Meta(max_length=300)]


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """What a node says of itself.

    *schema* is the one that its store is at (0 for an empty one), *reads* the newest that its
    release reads.
    *node* is the configured id, *uuid* the data directory's; *cluster_uuid* is '' for a node that
    knows no cluster, and *virgin* says that its store and journal are empty.  *role* is ``voter``,
    ``learner``, ``edge``, ``joiner`` or ''.  *kind* is what the connection is for; *token* is a
    join token in clear (over mutual TLS or loopback only).
    """

    format: int = FORMAT
    version: _Short = ""
    kind: str = "raft"
    cluster_uuid: _Uuid = ""
    node: _Id
    uuid: _Id
    role: _Short = ""
    raft_loc: _Short = ""
    term: Annotated[int, msgspec.Meta(ge=0)] = 0
    virgin: bool = False
    token: _Short = ""
    schema: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0
    reads: Annotated[int, msgspec.Meta(ge=1, le=255)] = 1


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of an accepted connection, by its hello; *address* is where its octets come
    from, and *is_certified* says that a certificate of the cluster's CA proves the id *node*."""

    node: str
    uuid: str
    role: str = ""
    cluster_uuid: str = ""
    term: int = 0
    virgin: bool = False
    raft_loc: str = ""
    version: str = ""
    address: str = ""
    is_certified: bool = False
    reads: int = 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a connection is refused: *code* for programs (``cluster``, ``removed`` …), *text* for
    people."""

    code: str
    text: str


_encoder = msgspec.msgpack.Encoder()
_hello_decoder = msgspec.msgpack.Decoder(Hello)


class _RefusalWire(msgspec.Struct, frozen=True):
    code: Annotated[str, msgspec.Meta(max_length=32)]
    text: Annotated[str, msgspec.Meta(max_length=1000)]


_refusal_decoder = msgspec.msgpack.Decoder(_RefusalWire)


def compose_hello(hello: Hello) -> bytes:
    """Return the payload of a hello frame, at most 4 KiB."""
    octets = _encoder.encode(hello)
    assert len(octets) <= HELLO_OCTETS_MAX
    return octets


def parse_hello(octets: bytes) -> Hello:
    """Return the hello; raises WireError on anything else.  Fields of a newer release are
    ignored."""
    try:
        hello = _hello_decoder.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"no hello: {error}") from error
    if hello.kind not in KINDS:
        raise WireError(f"a hello for a connection of unknown kind {hello.kind[:32]!r}")
    return hello


def compose_refusal(refusal: Refusal) -> bytes:
    """Return the payload of a refusal frame."""
    return _encoder.encode(_RefusalWire(refusal.code[:32], refusal.text[:1000]))


def parse_refusal(octets: bytes) -> Refusal:
    """Return the refusal; raises WireError on anything else."""
    try:
        wire = _refusal_decoder.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"no refusal: {error}") from error
    return Refusal(wire.code, wire.text)


def judge_hello(
    ours: Hello, theirs: Hello, expected_node: str | None, certified_node: str | None
) -> Refusal | None:
    """Return why the peer that said *theirs* is refused, or None when it is accepted.

    *expected_node* is whom we dialed (None: whoever answers); *certified_node* is the id in the
    peer's certificate (None without TLS).
    """
    if theirs.format != FORMAT:
        return Refusal(
            "format",
            f"node {theirs.node} ({theirs.version}) speaks format {theirs.format} of the link, "
            f"node {ours.node} ({ours.version}) speaks {FORMAT}; upgrade one of them",
        )
    for one, other, reads in ((ours, theirs, theirs.reads), (theirs, ours, ours.reads)):
        if one.schema > reads:
            return Refusal(
                "schema",
                f"the cluster of node {one.node} is at schema {one.schema}, and the release of "
                f"node {other.node} ({other.version}) reads {reads}; upgrade node {other.node}",
            )
    if 0 < theirs.schema < OLDEST_SCHEMA:
        return Refusal(
            "schema",
            f"the cluster of node {theirs.node} is at schema {theirs.schema}, and the release of "
            f"node {ours.node} ({ours.version}) reads {OLDEST_SCHEMA} to {STORE_SCHEMA}; it takes "
            "the release in between first",
        )
    if certified_node is not None and certified_node != theirs.node:
        return Refusal(
            "identity",
            f"says to be node {theirs.node}, but its certificate is of node {certified_node}",
        )
    if theirs.uuid == ours.uuid:
        return Refusal("self", f"node {ours.node} has reached itself; check its raft_loc")
    if theirs.node == ours.node:
        return Refusal("same-id", f"two data directories run as node {ours.node}; stop one of them")
    if expected_node is not None and expected_node != theirs.node:
        return Refusal(
            "wrong-node",
            f"node {theirs.node} answers where node {expected_node} should; check raft_loc",
        )
    if ours.cluster_uuid and theirs.cluster_uuid and ours.cluster_uuid != theirs.cluster_uuid:
        return Refusal(
            "cluster",
            f"node {theirs.node} is of cluster {theirs.cluster_uuid}, "
            f"node {ours.node} of cluster {ours.cluster_uuid}; they never mix",
        )
    return None


def peer_of(hello: Hello, address: str, is_certified: bool) -> Peer:
    """Return the peer that said *hello* from *address*."""
    return Peer(
        node=hello.node,
        uuid=hello.uuid,
        role=hello.role,
        cluster_uuid=hello.cluster_uuid,
        term=hello.term,
        virgin=hello.virgin,
        raft_loc=hello.raft_loc,
        version=hello.version,
        address=address,
        is_certified=is_certified,
        reads=hello.reads,
    )


def id_order(node: str) -> tuple[int, str]:
    """Return the key by which node ids are ordered; of two nodes the greater dials."""
    return len(node), node


def is_newer_kept(
    our_node: str, peer_node: str, newer: tuple[int, bool], older: tuple[int, bool]
) -> bool:
    """Return which of two connections of one pair of nodes is kept; each is (number in the order
    in which it was made here, whether we dialed it).

    Of two that the same side dialed, the later one: it dials again only when it has lost the
    first.  Of two dialed from both sides at once, the one from the greater id, so that both sides
    keep the same.
    """
    if newer[1] == older[1]:
        return newer[0] > older[0]
    return newer[1] == (id_order(our_node) > id_order(peer_node))
