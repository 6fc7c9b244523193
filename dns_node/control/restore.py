"""``dns-node restore`` and ``dns-node recover``: a new cluster of one, from a backup or from what
one node has left.  Both work on a data directory on which no node runs."""

import os
import pwd
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import lmdb

from dns_node.cluster.founding import (
    JOURNAL,
    SET_ASIDE,
    begin_journal,
    replay,
    set_journal_aside,
    unapplied,
)
from dns_node.cluster.identity import FILE_NAME, Identity, open_identity, replace_identity
from dns_node.control.backup import describe
from dns_node.errors import InputError, Problem, StoreError
from dns_node.store.audit import audit
from dns_node.store.backup_file import Manifest, copy_out, read_manifest
from dns_node.store.generation import (
    generation_path,
    point_at,
    store_directory,
    sync_directory,
)
from dns_node.store.lmdb_view import LmdbView, Tables
from dns_node.store.reader import Reader
from dns_node.store.reseed import GAP_MAX, Seed, gap_after, known_serials, reseed
from dns_node.store.rewind import check_reach, revision_at, rewind
from dns_node.store.rows import MemberRow
from dns_node.store.schema import check_schema
from dns_node.store.transaction import WriteTransaction
from dns_node.store.writer import Writer
from dns_node.supervise import data_directory
from dns_node.supervise.privileges import find_user, may_become_another

MAY_BE_THERE = {"lock", "lost+found"}
"""What an empty data directory may hold."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the new cluster's first node lives: its id, data directory, raft address, the user
    that it becomes when root starts it, and by how much serials are raised (None: by the age)."""

    node: str
    data_dir: str
    raft_loc: str
    user: str | None = None
    serial_gap: int | None = None


def restore(file: str, place: Place, as_of: str | None) -> list[str]:
    """Make *place*, which is empty or missing, the seed of a new cluster with the contents of the
    backup *file*, at the revision or time *as_of*; return what to tell.

    Raises InputError and StoreError; the data directory is then as empty as before.
    """
    _check_gap(place)
    path = Path(file).absolute()
    manifest = read_manifest(path)
    with _held(place) as directory:
        left = sorted(set(os.listdir(directory)) - MAY_BE_THERE)
        if left:
            what = f"is not empty: it holds {', '.join(left[:5])}."
            cure = ("A restore makes a new cluster in an empty data directory: name another. "
                    "On a running cluster UNDO reverses single revisions.")  # fmt: skip
            raise InputError([Problem(place.data_dir, what, cure)])
        try:
            with _told(directory):
                return _restore(path, manifest, directory, place, as_of)
        except BaseException:
            for name in ("store", JOURNAL, "journal.new"):
                shutil.rmtree(directory / name, ignore_errors=True)
            with suppress(FileNotFoundError):
                (directory / FILE_NAME).unlink()
            raise


def _restore(
    path: Path, manifest: Manifest, directory: Path, place: Place, as_of: str | None
) -> list[str]:
    generation = generation_path(directory, 1)
    generation.mkdir(mode=0o700, parents=True)
    copy_out(path, manifest, generation / "data.mdb")
    now_ms = time.time_ns() // 1_000_000
    seed = _new_seed(place, str(uuid.uuid4()), "restore", now_ms, now_ms - manifest.created_at_ms)
    tables = Tables(generation, may_write=True)
    try:
        check_schema(tables)
        with WriteTransaction(tables, lambda: None) as transaction:
            revision = _wanted_revision(transaction, as_of)
            serials = known_serials(transaction)
            rewind(transaction, revision)
            what = f"restored as of revision {revision} from a backup at revision"
            text = f"{what} {manifest.revision} of cluster {manifest.cluster_uuid}"
            reseed(transaction, replace(seed, text=text), serials)
            index, term = transaction.applied()
            fresh_revision = transaction.revision()
            zones = [header for _, header in transaction.zones()]
        tables.environment.sync(True)
    finally:
        tables.close()
    replace_identity(directory, Identity(seed.member.uuid, seed.cluster_uuid, place.node))
    sync_directory(generation)
    point_at(directory, 1)
    begin_journal(directory, place.node, index, max(term, 1))
    with suppress(PermissionError):
        sync_directory(directory.parent)
    records = sum(header.records for header in zones)
    return [
        f"backup: {describe(manifest)}",
        f"restored revision {revision} into {place.data_dir}: {len(zones)} zones, {records} "
        f"records, as revision {fresh_revision} of the new cluster {seed.cluster_uuid}, which has "
        f"the one member {place.node}",
        f"every serial is {seed.serial_gap} above the last one that the backup knows",
        _others_text(place),
    ]


def recover(place: Place, is_agreed: bool) -> tuple[list[str], bool]:
    """Make the store of the stopped node *place* that of a new cluster with itself as the only
    member; return what to tell, and whether it was done: not unless *is_agreed*.

    Raises InputError and StoreError.  An attempt that broke off leaves no node that starts, and is
    made again.
    """
    _check_gap(place)
    if not data_directory.has_store(place.data_dir):
        raise InputError([Problem(place.data_dir, "holds no store; there is nothing to recover.")])
    with _held(place) as directory, _told(directory):
        identity = open_identity(directory, place.node)
        warning = _warning(directory, place)
        if not is_agreed:
            return [*warning, "Nothing was done. The same command with --yes does it."], False
        return [*warning, *_recover(directory, place, identity)], True


def _recover(directory: Path, place: Place, identity: Identity) -> list[str]:
    now_ms = time.time_ns() // 1_000_000
    written_ms = _last_written_ms(directory)
    writer = Writer(directory)
    try:
        aside = set_journal_aside(directory)
        journal_term = replay(aside, writer)
        seed = _new_seed(place, identity.uuid, "recover", now_ms, now_ms - written_ms)
        with writer.begin() as transaction:
            was = transaction.meta().cluster_uuid
            if not was:
                raise StoreError(f"the store in {directory} belongs to no cluster yet.")
            text = f"cluster of node {place.node} alone, by force, from cluster {was}"
            reseed(transaction, replace(seed, text=text), known_serials(transaction))
            index, term = transaction.applied()
            revision = transaction.revision()
        writer.sync()
    finally:
        writer.close()
    replace_identity(directory, replace(identity, cluster_uuid=seed.cluster_uuid, node=place.node))
    begin_journal(directory, place.node, index, max(term, journal_term, 1))
    return [
        f"node {place.node} is the one member of the new cluster {seed.cluster_uuid}, at revision "
        f"{revision}; every serial was raised by {seed.serial_gap}",
        f"the old journal is kept in {aside}; remove it when all is well",
        _others_text(place),
    ]


def _warning(directory: Path, place: Place) -> list[str]:
    reader = Reader(directory)
    try:
        meta, members = reader.meta(), reader.members()
        damages = [f"  The store is DAMAGED: {finding}." for finding in audit(reader)[:5]]
    finally:
        reader.close()
    at = next((directory / name for name in (JOURNAL, SET_ASIDE)
               if (directory / name / "data.mdb").exists()), None)  # fmt: skip
    tail = 0 if at is None else unapplied(at, meta.applied_index)
    others = ", ".join(member.node for member in members if member.node != place.node) or "none"
    return [
        "WARNING: the last resort, for when a majority of the voters is lost for good.",
        f"  Node {place.node} is at revision {meta.revision} (entry {meta.applied_index}) of "
        f"cluster {meta.cluster_uuid}; its journal has {tail} entries more, which are applied.",
        "  What others acknowledged and this node never got is LOST.",
        f"  The other members ({others}) must never run again on their data directories: they "
        "would go on as the old cluster, beside the new one.",
        *damages,
    ]


def _others_text(place: Place) -> str:
    return (
        f"start node {place.node} now; the others join it with EMPTY data directories: those of "
        "its configuration by themselves, further ones by JOIN-TOKEN"
    )


def _new_seed(place: Place, node_uuid: str, door: str, now_ms: int, elapsed_ms: int) -> Seed:
    gap = gap_after(elapsed_ms) if place.serial_gap is None else place.serial_gap
    member = MemberRow(place.node, node_uuid, "voter", place.raft_loc)
    actor = pwd.getpwuid(os.getuid()).pw_name if _is_known_user() else f"uid {os.getuid()}"
    return Seed(str(uuid.uuid4()), member, now_ms, door, actor, "", gap)


def _is_known_user() -> bool:
    try:
        return bool(pwd.getpwuid(os.getuid()))
    except KeyError:
        return False


def _check_gap(place: Place) -> None:
    if place.serial_gap is not None and not 1 <= place.serial_gap <= GAP_MAX:
        raise InputError([Problem("--serial-gap", f"is a number from 1 to {GAP_MAX}.")])


def _wanted_revision(view: LmdbView, as_of: str | None) -> int:
    """Return the revision that ``--as-of`` means; InputError when it can't be had."""
    if as_of is None:
        return view.revision()
    text = as_of.strip()
    if re.fullmatch(r"[0-9]{1,18}", text):
        revision = int(text)
    else:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            what = f'"{text}" is neither a revision nor a time.'
            cure = "A time is written 2026-11-21T04:30:00Z; without a zone it is UTC."
            raise InputError([Problem("--as-of", what, cure)]) from None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        revision = revision_at(view, int(at.timestamp() * 1000))
    check_reach(view, revision)
    return revision


def _last_written_ms(directory: Path) -> int:
    """When this node last wrote its journal or store: others may have gone on since."""
    files = [*directory.glob("journal*/data.mdb"), *store_directory(directory).glob("*/data.mdb")]
    return max((path.stat().st_mtime_ns // 1_000_000 for path in files), default=0)


@contextmanager
def _told(directory: Path) -> Iterator[None]:
    """Turn what the disk or LMDB says into a StoreError."""
    try:
        yield
    except (OSError, lmdb.Error) as error:
        raise StoreError(f"cannot go on in {directory}: {error}.") from error


@contextmanager
def _held(place: Place) -> Iterator[Path]:
    """Hold the lock of the data directory, which is made if need be; what is in it belongs to the
    configured user in the end.  Raises InputError when a node runs on it."""
    owner = find_user(place.user) if place.user and may_become_another() else None
    data_directory.make(place.data_dir, owner)
    lock = data_directory.lock(place.data_dir)
    try:
        yield Path(place.data_dir)
    finally:
        if owner is not None:
            for folder, _, names in os.walk(place.data_dir):
                for path in (folder, *(os.path.join(folder, name) for name in names)):
                    os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
        os.close(lock)
