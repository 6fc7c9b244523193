"""Snapshots: a compacted copy of the store, sent over a side connection, checked, installed whole.

What was received in part stays beside the store under ``snapshot-in/`` and is gone on with; it is
handed over only when every octet is there, matches its checksum, and is on disk.
"""

import hashlib
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from dns_node.cluster.channel import Channel, ChannelClosedError
from dns_node.cluster.manifest import (
    CHUNK_OCTETS,
    Fetch,
    Installed,
    Manifest,
    NoSnapshot,
    check_chunk,
    check_manifest,
    compose,
    make_chunk,
    parse,
)
from dns_node.cluster.pace import Pace
from dns_node.errors import StoreError, WireError

FILE_NAME = "data.mdb"
KEPT_S = 120.0
FRESH_S = 30.0
COPY_TIMEOUT_S = 900.0
INSTALL_TIMEOUT_S = 300.0
TRY_AGAIN_S = 1.0

log = Logger(namespace="dns_node.cluster.snapshot")


@dataclass(slots=True)
class _Copy:
    """A copy of the store on this node's disk, for as long as somebody may still fetch it."""

    directory: Path
    manifest: Manifest
    made_at_s: float
    unpin: Callable[[], None]
    users: int = 0
    expiry: Any = field(default=None)


class SnapshotSender:
    """Serves snapshots to channels of kind ``snapshot``.

    *copy* writes a copy of the store into an empty directory and returns its (index, term, cluster
    uuid); it runs in a thread.  *voters_at(index)* gives the raft members then.  *pin()* keeps the
    log from the present applied index on, and returns what ends that.  Copies lie in *directory*,
    which is emptied here.  *rate_octets_s()* is what all transfers together may send (0: no limit).
    """

    def __init__(
        self,
        reactor: Any,
        directory: Path,
        copy: Callable[[Path], tuple[int, int, str]],
        voters_at: Callable[[int], frozenset[str]],
        pin: Callable[[], Callable[[], None]] = lambda: lambda: None,
        rate_octets_s: Callable[[], int] = lambda: 0,
        new_id: Callable[[], str] = lambda: os.urandom(8).hex(),
    ) -> None:
        self._reactor = reactor
        self._directory = directory
        self._copy = copy
        self._voters_at = voters_at
        self._pin = pin
        self._rate_octets_s, self._pace = rate_octets_s, Pace()
        self._new_id = new_id
        self._copies: dict[str, _Copy] = {}
        self._making = DeferredLock()
        self._is_stopped = False
        shutil.rmtree(directory, ignore_errors=True)

    async def serve(self, channel: Channel) -> None:
        """Answer one fetch; raises ChannelClosedError when the receiver goes away, and then the
        copy is kept for two minutes, so that the receiver can go on with it."""
        try:
            fetch = parse(await channel.receive())
            if not isinstance(fetch, Fetch):
                raise WireError("something other than a fetch")
        except WireError as error:
            log.warn("node {node} sent {error}", node=channel.peer.node, error=error)
            channel.abort()
            return
        try:
            copy = await self._find(fetch.snapshot_id)
        except (StoreError, OSError) as error:
            log.error("no snapshot for node {node}: {error}", node=channel.peer.node, error=error)
            await channel.send(compose(NoSnapshot(str(error))))
            channel.close()
            return
        is_same = copy.manifest.snapshot_id == fetch.snapshot_id
        copy.users += 1
        try:
            await self._send(channel, copy, fetch.offset if is_same else 0)
            await channel.receive(INSTALL_TIMEOUT_S)
        finally:
            copy.users -= 1
            self._expire_later(copy)
        channel.close()

    def stop(self) -> None:
        """Remove all copies; those being sent break off."""
        self._is_stopped = True
        for copy in list(self._copies.values()):
            self._remove(copy)

    async def _send(self, channel: Channel, copy: _Copy, offset: int) -> None:
        manifest = copy.manifest
        await channel.send(compose(manifest))
        # The receiver goes on at a whole chunk, whatever it said.
        offset -= offset % CHUNK_OCTETS
        while offset < manifest.size_octets:
            try:
                octets = await self._in_thread(_read_chunk, copy.directory / FILE_NAME, offset)
            except OSError as error:
                # The receiver asks again; at the latest when this node has started anew.
                raise ChannelClosedError(f"the copy can't be read: {error}") from error
            await channel.send(octets)
            now_s = self._reactor.seconds()
            wait_s = self._pace.wait_s(len(octets), self._rate_octets_s(), now_s)
            if wait_s:
                await deferLater(self._reactor, wait_s)
            offset += CHUNK_OCTETS

    async def _find(self, snapshot_id: str) -> _Copy:
        await self._making.acquire()
        try:
            now_s = self._reactor.seconds()
            copy = self._copies.get(snapshot_id)
            for other in self._copies.values():
                if copy is None and now_s - other.made_at_s < FRESH_S:
                    copy = other
            if copy is None:
                copy = await self._make(self._new_id())
        finally:
            self._making.release()
        return copy

    async def _make(self, snapshot_id: str) -> _Copy:
        directory = self._directory / snapshot_id
        unpin = self._pin()
        try:
            facts = await self._in_thread(self._copy_and_measure, directory)
            index, term, cluster_uuid, size_octets, sha256 = facts
            voters = tuple(sorted(self._voters_at(index)))
        except BaseException:
            unpin()
            await self._in_thread(shutil.rmtree, directory, True)
            raise
        manifest = Manifest(snapshot_id, index, term, cluster_uuid, voters, size_octets, sha256)
        copy = _Copy(directory, manifest, self._reactor.seconds(), unpin)
        self._copies[snapshot_id] = copy
        if self._is_stopped:
            self._remove(copy)
            raise StoreError("this node is stopping")
        self._expire_later(copy)
        return copy

    def _copy_and_measure(self, directory: Path) -> tuple[int, int, str, int, bytes]:
        directory.mkdir(parents=True)
        index, term, cluster_uuid = self._copy(directory)
        path = directory / FILE_NAME
        return index, term, cluster_uuid, path.stat().st_size, _file_sha256(path)

    def _expire_later(self, copy: _Copy) -> None:
        if copy.expiry is not None and copy.expiry.active():
            copy.expiry.cancel()
        if not self._is_stopped:
            copy.expiry = self._reactor.callLater(KEPT_S, self._expire, copy)

    def _expire(self, copy: _Copy) -> None:
        if copy.users:
            self._expire_later(copy)
        else:
            self._remove(copy)

    def _remove(self, copy: _Copy) -> None:
        if self._copies.pop(copy.manifest.snapshot_id, None) is not None:
            if copy.expiry is not None and copy.expiry.active():
                copy.expiry.cancel()
            copy.unpin()
            if self._is_stopped:
                shutil.rmtree(copy.directory, ignore_errors=True)
            else:
                # A large file takes a while.
                self._in_thread(shutil.rmtree, copy.directory, True)

    def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> "Deferred[Any]":
        pool = self._reactor.getThreadPool()
        return deferToThreadPool(self._reactor, pool, function, *arguments)


class SnapshotReceiver:
    """Fetches a snapshot from a peer and hands it over whole.

    *open_channel(node)* opens a side connection of kind ``snapshot``.  *applied_index* and
    *cluster_uuid* say what the store here has; a snapshot that is not newer, or of another cluster,
    is refused.  *install(directory, manifest)* takes the directory that holds ``data.mdb`` (it may
    move it away) and returns when the node goes on from it.
    """

    def __init__(
        self,
        reactor: Any,
        directory: Path,
        open_channel: Callable[[str], Awaitable[Channel]],
        applied_index: Callable[[], int],
        cluster_uuid: Callable[[], str],
        install: Callable[[Path, Manifest], Awaitable[None]],
    ) -> None:
        self._reactor = reactor
        self._directory = directory
        self._open_channel = open_channel
        self._applied_index = applied_index
        self._cluster_uuid = cluster_uuid
        self._install = install
        self._is_busy = False
        self._tried_at_s = float("-inf")

    def want(self, node: str) -> None:
        """Begin to fetch a snapshot from *node*, unless that goes on already or ended within the
        last second; failures are logged (who is behind is told again)."""
        if self._is_busy or self._reactor.seconds() - self._tried_at_s < TRY_AGAIN_S:
            return
        taking = Deferred.fromCoroutine(self.take(node))
        taking.addErrback(lambda failure: log.failure("a snapshot failed", failure))

    async def take(self, node: str) -> bool:
        """Fetch from *node*, check, install; return whether that came to its end (else the reason
        was logged, and the next attempt goes on where this one stopped)."""
        assert not self._is_busy, "one snapshot at a time"
        self._is_busy = True
        try:
            channel = await self._open_channel(node)
            try:
                manifest = await self._pull(channel)
                await self._install(self._partial, manifest)
                await self._in_thread(shutil.rmtree, self._directory, True)
                await channel.send(compose(Installed()))
                channel.close()
            except BaseException:
                channel.abort()
                raise
        except (ChannelClosedError, WireError, StoreError, OSError) as error:
            log.warn("the snapshot from node {node} broke off: {why}", node=node, why=error)
            return False
        finally:
            self._is_busy = False
            self._tried_at_s = self._reactor.seconds()
        log.info(
            "installed a snapshot of node {node}: entry {index}, {size} octets",
            node=node, index=manifest.index, size=manifest.size_octets,
        )  # fmt: skip
        return True

    @property
    def _partial(self) -> Path:
        return self._directory / "partial"

    async def _pull(self, channel: Channel) -> Manifest:
        known, size_octets = await self._in_thread(_read_partial, self._directory)
        offset = size_octets - size_octets % CHUNK_OCTETS if known is not None else 0
        await channel.send(compose(Fetch(known.snapshot_id if known else "", offset)))
        answer = parse(await channel.receive(COPY_TIMEOUT_S))
        free_octets = await self._in_thread(_free_octets, self._directory)
        manifest = check_manifest(
            answer, self._cluster_uuid(), self._applied_index(), free_octets + offset
        )
        if manifest != known:
            offset = 0
            await self._in_thread(_begin_partial, self._directory, manifest)
        elif offset:
            log.info(
                "the snapshot goes on at octet {offset} of {size}",
                offset=offset, size=manifest.size_octets,
            )  # fmt: skip
        while offset < manifest.size_octets:
            chunk = check_chunk(parse(await channel.receive()), offset, manifest)
            await self._in_thread(_write_chunk, self._partial / FILE_NAME, offset, chunk.octets)
            offset += len(chunk.octets)
        if not await self._in_thread(_finish_partial, self._partial / FILE_NAME, manifest):
            # Every chunk was right, the whole is not: nothing of it can be trusted.
            await self._in_thread(shutil.rmtree, self._directory, True)
            raise WireError("a snapshot whose checksum is wrong")
        return manifest

    def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> "Deferred[Any]":
        pool = self._reactor.getThreadPool()
        return deferToThreadPool(self._reactor, pool, function, *arguments)


def _read_chunk(path: Path, offset: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(offset)
        return compose(make_chunk(offset, file.read(CHUNK_OCTETS)))


def _file_sha256(path: Path) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _read_partial(directory: Path) -> tuple[Manifest | None, int]:
    try:
        manifest = parse((directory / "manifest").read_bytes())
        size_octets = (directory / "partial" / FILE_NAME).stat().st_size
    except (OSError, WireError):
        return None, 0
    return (manifest, size_octets) if isinstance(manifest, Manifest) else (None, 0)


def _free_octets(directory: Path) -> int:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return shutil.disk_usage(directory).free


def _begin_partial(directory: Path, manifest: Manifest) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "partial").mkdir(mode=0o700, parents=True)
    (directory / "partial" / FILE_NAME).write_bytes(b"")
    (directory / "manifest").write_bytes(compose(manifest))


def _write_chunk(path: Path, offset: int, octets: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(octets)


def _finish_partial(path: Path, manifest: Manifest) -> bool:
    """Return whether the file is the one of *manifest*; it is on disk then."""
    with open(path, "r+b") as file:
        file.truncate(manifest.size_octets)
        os.fsync(file.fileno())
    if _file_sha256(path) != manifest.sha256:
        return False
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True
