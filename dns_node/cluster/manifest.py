"""What is said about a snapshot, and the messages of its transfer.  Pure.

The receiver asks with Fetch; the sender answers Manifest and then Chunks in order, or NoSnapshot;
after its installation the receiver says Installed.
"""

import hashlib
from typing import Annotated

import msgspec

from dns_node.errors import WireError

CHUNK_OCTETS = 1 << 20

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
_Id = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{0,32}\Z")]


class Fetch(msgspec.Struct, frozen=True, array_like=True, tag="fetch"):
    """Send the snapshot *snapshot_id* from *offset*; '' or one that is gone: a new one from 0."""

    snapshot_id: _Id
    offset: _Count


class Manifest(msgspec.Struct, frozen=True, array_like=True, tag="manifest"):
    """A copy of the store that has applied *index* (of *term*), in which *voters* were the raft
    members; *size_octets* and *sha256* are of the LMDB file."""

    snapshot_id: _Id
    index: _Count
    term: _Count
    cluster_uuid: str
    voters: tuple[str, ...]
    size_octets: _Count
    sha256: _Digest


class Chunk(msgspec.Struct, frozen=True, array_like=True, tag="chunk"):
    """Octets of the file from *offset*, with their SHA-256."""

    offset: _Count
    sha256: _Digest
    octets: bytes


class NoSnapshot(msgspec.Struct, frozen=True, array_like=True, tag="none"):
    """There is no snapshot to be had, and *why*."""

    why: str


class Installed(msgspec.Struct, frozen=True, array_like=True, tag="installed"):
    """The receiver has it on disk and goes on from it."""


Message = Fetch | Manifest | Chunk | NoSnapshot | Installed

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


def compose(message: Message) -> bytes:
    """Return the octets of *message*."""
    return _encoder.encode(message)


def parse(octets: bytes) -> Message:
    """Return the message; raises WireError on anything else."""
    try:
        return _decoder.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"no message of a snapshot's transfer: {error}") from error


def make_chunk(offset: int, octets: bytes) -> Chunk:
    """Return the chunk of *octets* with its checksum."""
    return Chunk(offset, hashlib.sha256(octets).digest(), octets)


def check_chunk(chunk: Message, offset: int, manifest: Manifest) -> Chunk:
    """Return *chunk* if it is the next one at *offset* and whole; raises WireError otherwise."""
    if not isinstance(chunk, Chunk):
        raise WireError("something other than the next chunk")
    expected = min(CHUNK_OCTETS, manifest.size_octets - offset)
    if chunk.offset != offset or len(chunk.octets) != expected:
        raise WireError(f"a chunk out of order at octet {chunk.offset}")
    if hashlib.sha256(chunk.octets).digest() != chunk.sha256:
        raise WireError(f"a damaged chunk at octet {offset}")
    return chunk


def check_manifest(
    manifest: Message, cluster_uuid: str, applied_index: int, free_octets: int
) -> Manifest:
    """Return *manifest* if its snapshot may replace a store of *cluster_uuid* ('' for none) that
    has applied *applied_index*; raises WireError, saying why not, otherwise."""
    if isinstance(manifest, NoSnapshot):
        raise WireError(f"no snapshot: {manifest.why}")
    if not isinstance(manifest, Manifest):
        raise WireError("something other than a manifest")
    if cluster_uuid and manifest.cluster_uuid != cluster_uuid:
        raise WireError(f"a snapshot of cluster {manifest.cluster_uuid}, not of {cluster_uuid}")
    # An older store would take back what this node has acknowledged.
    if manifest.index <= applied_index:
        raise WireError(f"a snapshot at entry {manifest.index}, not after {applied_index}")
    if manifest.size_octets > free_octets:
        raise WireError(
            f"a snapshot of {manifest.size_octets} octets, and only {free_octets} are free"
        )
    return manifest
