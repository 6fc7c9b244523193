"""A cluster of one that begins with a store that is there already: after a restore, or by force."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dns_node.cluster.apply_entry import apply_entry
from dns_node.cluster.codec import CodecError, parse_payload
from dns_node.cluster.command import UnknownSchemaError
from dns_node.cluster.executor import SynchronousExecutor
from dns_node.cluster.journal import Journal
from dns_node.cluster.journal_disk import JournalDisk
from dns_node.errors import StoreError
from dns_node.store.generation import sync_directory
from dns_node.store.writer import Writer

JOURNAL = "journal"
SET_ASIDE = "journal.before-recover"
GROUP_OCTETS = 1 << 20


def begin_journal(data_directory: Path, node: str, index: int, term: int) -> None:
    """Make the journal of a cluster whose one voter is *node* and whose store has applied *index*
    of *term*; it appears whole and durable, and as long as it is missing no node starts on
    the store.  Raises StoreError."""
    fresh = data_directory / "journal.new"
    shutil.rmtree(fresh, ignore_errors=True)
    journal = Journal(fresh, SynchronousExecutor(), _call_now)
    try:
        journal.reset(index, term, frozenset((node,)))
        journal.setCurrentTerm(term, None)
        if not journal.is_durable:
            raise StoreError(f"the journal {fresh} can't be written.")
    finally:
        journal.close()
    try:
        sync_directory(fresh)
        os.rename(fresh, data_directory / JOURNAL)
        sync_directory(data_directory)
    except OSError as error:
        raise StoreError(f"{fresh} can't be put in place: {error.strerror}.") from error


def set_journal_aside(data_directory: Path) -> Path:
    """Take the journal out of use, durably, and return where it lies then; after an attempt that
    broke off it does so already.  Raises StoreError when there is none."""
    journal, aside = data_directory / JOURNAL, data_directory / SET_ASIDE
    try:
        if (aside / "data.mdb").exists() and _is_new(journal):
            # A node was started after an attempt that broke off, and refused to run.
            shutil.rmtree(journal, ignore_errors=True)
        if (journal / "data.mdb").exists():
            shutil.rmtree(aside, ignore_errors=True)
            os.rename(journal, aside)
            sync_directory(data_directory)
    except OSError as error:
        raise StoreError(f"{journal} can't be set aside: {error.strerror}.") from error
    if not (aside / "data.mdb").exists():
        raise StoreError(f"there is no journal in {data_directory}.")
    return aside


def _is_new(journal: Path) -> bool:
    disk = JournalDisk(journal)
    try:
        return disk.is_new
    finally:
        disk.close()


def unapplied(journal: Path, applied_index: int) -> int:
    """Return how many entries of *journal* the store has not applied; raises StoreError."""
    disk = JournalDisk(journal)
    try:
        return sum(index > applied_index for index, *_ in disk.scan())
    finally:
        disk.close()


def replay(journal: Path, writer: Writer) -> int:
    """Apply the entries of *journal* that the store lacks, and return the journal's term.

    Some may not have been committed, but every one that was acknowledged with this node's help is
    among them.  Raises StoreError.
    """
    disk = JournalDisk(journal)
    try:
        with writer.begin() as transaction:
            applied_index, _ = transaction.applied()
        for group in _groups(disk, applied_index):
            with writer.begin() as transaction:
                for command, index, term in group:
                    payload = parse_payload(command)
                    if payload is None:
                        transaction.put_applied(index, term)
                    else:
                        apply_entry(transaction, index, term, payload)
        term, _ = disk.get(b"term") or (0, None)
        return int(term)
    except (CodecError, UnknownSchemaError) as error:
        raise StoreError(f"{journal}: {error}. Run the release that wrote it.") from error
    finally:
        disk.close()


def _groups(disk: JournalDisk, applied_index: int) -> Iterator[list[tuple[bytes, int, int]]]:
    indexes = [index for index, *_ in disk.scan() if index > applied_index]
    if indexes and indexes[0] != applied_index + 1:
        raise StoreError(f"the journal lacks entry {applied_index + 1}, which the store needs.")
    while indexes and applied_index < indexes[-1]:
        group = disk.read(applied_index + 1, indexes[-1], GROUP_OCTETS)
        yield group
        applied_index = group[-1][1]


def _call_now(function: Callable[..., Any], *arguments: Any) -> None:
    function(*arguments)
