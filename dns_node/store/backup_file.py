"""A backup: one file, the LMDB environment of a store, then a manifest, then a footer.

The environment lies at the beginning, so that a whole backup can be opened where it lies.  The
manifest is JSON (`Manifest`).  The footer is the last 56 octets, the same in every format:
``dns-node backup\\n``, format u32, size of the manifest u32 (both big-endian), and the SHA-256 of
the manifest.
"""

import hashlib
import os
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, BinaryIO

import lmdb
import msgspec

from dns_node.errors import InputError, Problem, StoreError
from dns_node.store.generation import current_generation, generation_path, sync_directory
from dns_node.store.lmdb_view import Tables
from dns_node.store.reader import Reader
from dns_node.store.schema import READABLE, check_schema, wrong_schema

FORMAT = 1
CHUNK_OCTETS = 4 << 20
MANIFEST_OCTETS_MAX = 64 << 20
MAGIC = b"dns-node backup\n"
_FOOTER = struct.Struct("!16sII32s")

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself: the *release* that made it, when (Unix time) and on which
    *node*, of which cluster; what the store is at; the size and SHA-256 of the environment, and
    those of its chunks of *chunk_octets* (the last one is shorter)."""

    release: str
    created_at_ms: _Count
    node: str
    cluster_uuid: str
    store_schema: _Count
    revision: _Count
    applied_index: _Count
    applied_term: _Count
    digest: _Sha256
    zones: _Count
    records: _Count
    size_octets: _Count
    sha256: _Sha256
    chunk_octets: Annotated[int, msgspec.Meta(ge=4096, le=64 << 20)]
    chunks: tuple[_Sha256, ...]


def write_backup(
    data_directory: Path, path: Path, *, node: str, release: str, now_ms: int
) -> Manifest:
    """Copy the store of *data_directory*, as it is at one moment, to *path* (mode 0600), which
    appears whole and durable or not at all; return its manifest.

    The store may be written meanwhile by a running node: this process reads beside it, as a worker
    does.  Raises StoreError and InputError (*path* exists, the disk refuses).
    """
    if os.path.lexists(path):
        raise _exists(path)
    generation = current_generation(data_directory)
    if generation is None:
        raise StoreError(f"there is no store in {data_directory} yet.")
    tables = Tables(generation_path(data_directory, generation), may_write=False)
    try:
        check_schema(tables)
        return _write(tables, path, node, release, now_ms)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        tables.close()


def _write(tables: Tables, path: Path, node: str, release: str, now_ms: int) -> Manifest:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    fresh = Path(name)
    try:
        with open(descriptor, "r+b") as file:
            size_octets, sha256, chunks = _stream(tables, file)
            file.flush()
            os.fsync(descriptor)
            with opened(fresh) as view:
                meta = view.meta()
                headers = [header for _, header in view.zones()]
            if not meta.cluster_uuid:
                what = "this node belongs to no cluster yet: there is nothing to back up."
                raise InputError([Problem("", what)])
            manifest = Manifest(
                release=release,
                created_at_ms=now_ms,
                node=node,
                cluster_uuid=meta.cluster_uuid,
                store_schema=meta.schema,
                revision=meta.revision,
                applied_index=meta.applied_index,
                applied_term=meta.applied_term,
                digest=meta.digest.hex(),
                zones=len(headers),
                records=sum(header.records for header in headers),
                size_octets=size_octets,
                sha256=sha256,
                chunk_octets=CHUNK_OCTETS,
                chunks=chunks,
            )
            file.write(compose_tail(manifest))
            file.flush()
            os.fsync(descriptor)
        _publish(fresh, path)
        return manifest
    finally:
        with suppress(FileNotFoundError):
            fresh.unlink()


def _stream(tables: Tables, file: BinaryIO) -> tuple[int, str, tuple[str, ...]]:
    """Write a compacted copy to *file*; return its size, its SHA-256 and those of its chunks."""
    read_end, write_end = os.pipe()
    failures: list[Exception] = []

    def copy() -> None:
        try:
            tables.environment.copyfd(write_end, compact=True)
        except (lmdb.Error, OSError) as error:
            failures.append(error)
        finally:
            os.close(write_end)

    copying = threading.Thread(target=copy, name="copy")
    whole, chunks, size_octets = hashlib.sha256(), [], 0
    # When the disk refuses, closing this end makes the copying end too.
    with open(read_end, "rb") as pipe:
        copying.start()
        while chunk := pipe.read(CHUNK_OCTETS):
            whole.update(chunk)
            chunks.append(hashlib.sha256(chunk).hexdigest())
            size_octets += len(chunk)
            file.write(chunk)
    copying.join()
    if failures:
        raise StoreError(f"cannot copy the store {tables.path}: {failures[0]}.")
    return size_octets, whole.hexdigest(), tuple(chunks)


def _publish(fresh: Path, path: Path) -> None:
    """Give *fresh* its name, unless something has it by now."""
    try:
        os.link(fresh, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError:
        # A file system without hard links.
        if os.path.lexists(path):
            raise _exists(path) from None
        os.rename(fresh, path)
    sync_directory(path.parent)


def compose_tail(manifest: Manifest, format_number: int = FORMAT) -> bytes:
    """Return what follows the environment: the manifest and the footer."""
    octets = msgspec.json.encode(manifest)
    digest = hashlib.sha256(octets).digest()
    return octets + _FOOTER.pack(MAGIC, format_number, len(octets), digest)


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of the backup at *path*; InputError when it is none, is cut off, is
    damaged there, or is of a newer format.  The environment is not looked at."""
    try:
        with open(path, "rb") as file:
            size_octets = file.seek(0, os.SEEK_END)
            file.seek(max(0, size_octets - _FOOTER.size))
            footer = file.read(_FOOTER.size)
            if len(footer) < _FOOTER.size or not footer.startswith(MAGIC):
                raise _bad(path, "is no backup of dns-node, or is cut off.")
            _, number, manifest_octets, digest = _FOOTER.unpack(footer)
            if number != FORMAT:
                what = f"is a backup of format {number}, and this release reads {FORMAT}."
                raise _bad(path, what, "Use the release that made it, or a newer one.")
            start = size_octets - _FOOTER.size - manifest_octets
            if manifest_octets > MANIFEST_OCTETS_MAX or start < 0:
                raise _bad(path, "has a damaged footer.")
            file.seek(start)
            octets = file.read(manifest_octets)
    except OSError as error:
        raise _refused(path, error, "read") from error
    if hashlib.sha256(octets).digest() != digest:
        raise _bad(path, "has a damaged manifest.")
    try:
        manifest = msgspec.json.decode(octets, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _bad(path, f"has a manifest that can't be read: {error}.") from error
    if manifest.size_octets != start:
        raise _bad(path, f"has {start} octets of data instead of {manifest.size_octets}.")
    if manifest.store_schema not in READABLE:
        raise _bad(path, f"holds a store of {wrong_schema(manifest.store_schema)}")
    return manifest


def copy_out(path: Path, manifest: Manifest, target: Path | None) -> None:
    """Read the environment in the backup and hold it against its checksums; with *target* write it
    there, durably.  Raises InputError that names the first damaged octets."""
    whole, left = hashlib.sha256(), manifest.size_octets
    try:
        with open(path, "rb") as file, _new_file(target) as out:
            for expected in manifest.chunks:
                chunk = file.read(min(manifest.chunk_octets, left))
                if hashlib.sha256(chunk).hexdigest() != expected:
                    first = manifest.size_octets - left
                    last = first + max(len(chunk), 1) - 1
                    raise _bad(path, f"is damaged: octets {first} to {last} are not those that "
                                     "were backed up.")  # fmt: skip
                whole.update(chunk)
                left -= len(chunk)
                out.write(chunk)
            if left or whole.hexdigest() != manifest.sha256:
                raise _bad(path, "is damaged: its checksums do not fit together.")
            out.flush()
            if target is not None:
                os.fsync(out.fileno())
    except OSError as error:
        where = path if target is None else target
        raise _refused(where, error, "copied") from error


@contextmanager
def _new_file(target: Path | None) -> Iterator[BinaryIO]:
    flags = os.O_WRONLY if target is None else os.O_WRONLY | os.O_CREAT | os.O_EXCL
    descriptor = os.open(os.devnull if target is None else target, flags, 0o600)
    with open(descriptor, "wb") as file:
        yield file


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """Yield a view of the store in a backup whose octets were checked.  Raises StoreError."""
    tables = Tables(path, may_write=False, is_file=True)
    check_schema(tables)
    reader = Reader.over(lambda: tables)
    try:
        yield reader
    finally:
        reader.close()
        tables.close()


def _exists(path: Path) -> InputError:
    return _bad(path, "exists already, and is not overwritten.", "Name another file.")


def _refused(path: Path, error: OSError, what: str = "written") -> InputError:
    return _bad(path, f"cannot be {what}: {(error.strerror or str(error)).lower()}.")


def _bad(path: Path, what: str, cure: str = "") -> InputError:
    return InputError([Problem(str(path), what, cure)])
