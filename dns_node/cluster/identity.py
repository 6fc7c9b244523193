"""Who this data directory is: ``node.json`` with its uuid, made once and never changed."""

import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec

from dns_node.cluster.private_file import write_private
from dns_node.errors import InputError, Problem

FILE_NAME = "node.json"
FORMAT = 1

_Uuid = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._-]{1,64}\Z")]


class _Wire(msgspec.Struct, frozen=True):
    uuid: _Uuid
    format: int
    cluster_uuid: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """The data directory's *uuid*, the uuid of the cluster it has become part of ('' before), and
    the id of the *node* that it was made for.

    A voter whose disk was emptied gets a new uuid: it has forgotten what it promised, so it must
    not vote in its old place.
    """

    uuid: str
    cluster_uuid: str = ""
    node: str = ""


def open_identity(data_directory: Path, node: str = "") -> Identity:
    """Return the identity of *data_directory*, made now (durably) for *node* if the directory is
    new.

    Raises InputError when ``node.json`` can't be read or written, is missing beside a journal, or
    is another node's.
    """
    path = data_directory / FILE_NAME
    try:
        identity = _parse(path, path.read_bytes())
        if node and identity.node not in ("", node):
            what = f"is the data directory of node {identity.node}, not of node {node}."
            raise InputError([Problem(str(data_directory), what, "Give each node its own.")])
        return identity
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InputError([Problem(str(path), f"cannot be read: {error.strerror}.")]) from error
    if (data_directory / "journal" / "data.mdb").exists():
        what = "is missing, but there is a journal beside it."
        cure = "Restore it; or move the whole directory away, and the node joins as a new one."
        raise InputError([Problem(str(path), what, cure)])
    identity = Identity(str(uuid.uuid4()), node=node)
    _write(path, identity)
    return identity


def record_cluster(data_directory: Path, identity: Identity, cluster_uuid: str) -> Identity:
    """Return *identity* as part of the cluster *cluster_uuid*, recorded durably before this
    returns.  Raises InputError when the disk refuses, or when it is part of another cluster."""
    if identity.cluster_uuid == cluster_uuid:
        return identity
    path = data_directory / FILE_NAME
    if identity.cluster_uuid:
        what = f"belongs to cluster {identity.cluster_uuid}, not to {cluster_uuid}."
        raise InputError([Problem(str(path), what, "Use another data directory.")])
    identity = replace(identity, cluster_uuid=cluster_uuid)
    _write(path, identity)
    return identity


def replace_identity(data_directory: Path, identity: Identity) -> None:
    """Make *identity* that of *data_directory*, durably, whatever it was before: for restore and
    recover alone, which begin another cluster.  Raises InputError when the disk refuses."""
    _write(data_directory / FILE_NAME, identity)


def _parse(path: Path, octets: bytes) -> Identity:
    try:
        wire = msgspec.json.decode(octets, type=_Wire)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        what, cure = f"is damaged: {error}.", "Restore it from a backup of this very directory."
        raise InputError([Problem(str(path), what, cure)]) from error
    if wire.format != FORMAT:
        what = f"has format {wire.format}; this release reads {FORMAT}."
        raise InputError([Problem(str(path), what, "Run a newer release.")])
    return Identity(wire.uuid, wire.cluster_uuid, wire.node)


def _write(path: Path, identity: Identity) -> None:
    wire = _Wire(identity.uuid, FORMAT, identity.cluster_uuid, identity.node)
    write_private(path, msgspec.json.encode(wire) + b"\n")
