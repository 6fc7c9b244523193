"""A node's part in its cluster: link, replica, membership and snapshots, joined together."""

import os
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from dns_node import __version__
from dns_node.cluster.channel import Channel, ChannelClosedError
from dns_node.cluster.command import OPERATION_ID_OCTETS
from dns_node.cluster.executor import Executor, ThreadExecutor
from dns_node.cluster.identity import open_identity, record_cluster
from dns_node.cluster.join import join
from dns_node.cluster.key_exchange import KeyExchange
from dns_node.cluster.machine import StoreMachine
from dns_node.cluster.manifest import Manifest
from dns_node.cluster.membership_driver import KIND, MembershipDriver
from dns_node.cluster.replica import Replica, ReplicaSettings
from dns_node.cluster.replica_log import ReplicaLog
from dns_node.cluster.snapshot import SnapshotReceiver, SnapshotSender
from dns_node.cluster.transport import Credentials, Transport
from dns_node.store.reader import describe_copy

OLD_GENERATION_S = 30.0
"""How long the store that a snapshot replaced stays: by then every reader has moved on."""

KEPT_OUT = (
    "bad_frames", "bad_octets", "no_hello", "refused_", "strangers_pushed_out", "tls_failed",
    "unbound_frames",
)  # fmt: skip
"""Beginnings of the names of counts that tell of what has no business here."""

log = Logger(namespace="dns_node.cluster")


class LocalMember:
    """Everything of this node that talks to the other nodes.

    *configured* maps the ids of the configuration to 'host:port', *roles* to ``voter`` (when it
    is silent), ``learner`` or ``edge``; this node's own role is there even if it joins.  Opening
    raises InputError or StoreError with what to do; nothing listens then.  *on_generation* is
    called when the store was replaced by a snapshot: the workers have to reopen it.
    """

    def __init__(
        self,
        reactor: Any,
        node: str,
        data_directory: Path,
        raft_loc: str,
        configured: Mapping[str, str],
        tls: Credentials | None,
        settings: ReplicaSettings,
        on_generation: Callable[[], None],
        new_executor: Callable[[str], Executor] = ThreadExecutor,
        roles: Mapping[str, str] | None = None,
    ):
        self._reactor, self._directory = reactor, data_directory
        self._node, self._raft_loc, self._on_generation = node, raft_loc, on_generation
        self.machine: StoreMachine | None = None
        self._forgetting: Any = None
        self.on_removed: Callable[[str], None] = lambda text: None
        self.snapshot_rate_octets_s: Callable[[], int] = lambda: 0
        self.identity = open_identity(data_directory, node)
        self.transport = Transport(reactor, raft_loc, self._hello, tls)
        self.replica = Replica(
            node,
            data_directory,
            self.transport.send,
            reactor,
            self._open_machine,
            settings,
            new_executor=new_executor,
        )
        self.log = ReplicaLog(
            self.replica, self._view, now_ms, lambda: os.urandom(OPERATION_ID_OCTETS)
        )
        self.members = MembershipDriver(
            reactor,
            node,
            self.identity.uuid,
            configured,
            self.transport,
            self.log,
            lambda: str(uuid.uuid4()),
            self.identity.cluster_uuid,
            self._record_cluster,
            lambda text: self.on_removed(text),
            roles,
        )
        self._sender = SnapshotSender(
            reactor,
            data_directory / "snapshot-out",
            self._copy,
            self._voters_at,
            self._pin,
            lambda: self.snapshot_rate_octets_s(),
        )
        self._receiver = SnapshotReceiver(
            reactor,
            data_directory / "snapshot-in",
            lambda node: self._open_channel("snapshot", node),
            lambda: self.replica.status().applied_index,
            lambda: self.members.cluster_uuid,
            self._install,
        )
        self.keys = self._key_exchange()
        self._wire()

    # Life

    def open(self) -> None:
        """Open journal and store; nothing is sent yet.  Raises StoreError."""
        self.replica.start()

    def start(self) -> "Deferred[None]":
        """Listen and take part; the Deferred fails with InputError when the address is taken."""
        return self.transport.start().addCallback(lambda _: self.members.start())

    async def join(self, seed: str, token: str) -> None:
        """Enter the cluster of the member at *seed*; does nothing when this node is in it already
        and knows its members.  Raises InputError with the cluster's reasons."""
        if self.log.is_formed() and self.log.members():
            return
        self.members.enter(await join(self._reactor, self.transport, seed, token))

    async def stop(self) -> None:
        """Stop taking part, and write what is under way."""
        self.members.stop()
        self._sender.stop()
        if self._forgetting is not None and self._forgetting.active():
            self._forgetting.cancel()
        await self.transport.stop()
        self.replica.stop()

    def kept_out(self) -> dict[str, int]:
        """Return how often something was refused, cut off or dropped that came to the raft port,
        by what it was; without what never happened."""
        counts = self.transport.counts + self.replica.complaints.counts
        return {name: n for name, n in sorted(counts.items()) if name.startswith(KEPT_OUT)}

    # Wiring

    def _wire(self) -> None:
        transport, replica = self.transport, self.replica
        transport.on_connected = replica.peer_connected
        transport.on_disconnected = replica.peer_disconnected
        transport.on_hello = replica.peer_changed
        transport.on_frame = replica.frame_received
        transport.on_request = self._requested
        transport.on_refused = self.members.refused
        replica.on_frame = self._framed
        replica.proposer.find_schema = self.log.schema
        replica.on_behind = self._receiver.want

    def _hello(self) -> dict[str, Any]:
        formed = self.replica.is_formed
        return {
            "version": __version__,
            "node": self._node,
            "uuid": self.identity.uuid,
            "raft_loc": self._raft_loc,
            "term": self.replica.status().term if formed else 0,
            **self.members.hello_fields(),
        }

    async def _requested(self, kind: str, channel: Channel) -> None:
        if kind == "snapshot":
            # The whole store goes out there: to members alone, by the data directory's uuid.
            if self._is_member(channel):
                await self._sender.serve(channel)
            else:
                channel.abort()
        elif kind == "join":
            await self.members.serve_join(channel)
        elif kind == "key":
            await self.keys.serve(channel)
        else:
            channel.close()

    def _key_exchange(self) -> KeyExchange:
        return KeyExchange(
            self._directory,
            lambda: [other for other in self.replica.members if other != self._node],
            lambda other: self._open_channel("key", other),
            self._is_member,
        )

    def _is_member(self, channel: Channel) -> bool:
        return self.replica.members.get(channel.peer.node, ("", ""))[0] == channel.peer.uuid

    def _framed(self, node: str, kind: str, body: bytes) -> None:
        if kind == KIND:
            self.members.frame_received(node, body)

    def _open_machine(self, directory: Path) -> StoreMachine:
        self.machine = StoreMachine(directory)
        # A node that was killed soon after it took a snapshot left the store of before behind.
        self.machine.writer.remove_old_generations()
        return self.machine

    def _view(self) -> Any:
        assert self.machine is not None
        return self.machine.view()

    def _record_cluster(self, cluster_uuid: str) -> None:
        self.identity = record_cluster(self._directory, self.identity, cluster_uuid)

    # Snapshots

    def _copy(self, directory: Path) -> tuple[int, int, str]:
        assert self.machine is not None
        self.machine.writer.copy(directory)
        return describe_copy(directory)

    def _voters_at(self, index: int) -> frozenset[str]:
        if self.replica.status().role == "stopped":
            raise ChannelClosedError("replication has stopped here")
        return self.replica.voters_at(index)

    def _pin(self) -> Callable[[], None]:
        name = f"snapshot {uuid.uuid4()}"
        self.replica.pin(name, self.replica.status().applied_index)
        return lambda: self.replica.pin(name, None)

    async def _open_channel(self, kind: str, node: str) -> Channel:
        location = self.members.location(node)
        if not location:
            raise ChannelClosedError(f"where node {node} listens is not known")
        return await self.transport.request(kind, location, node)

    async def _install(self, directory: Path, manifest: Manifest) -> None:
        machine = self.machine
        assert machine is not None
        await self.replica.install(machine.install(directory), frozenset(manifest.voters))
        self._on_generation()
        self._forgetting = self._reactor.callLater(OLD_GENERATION_S, self._forget_old, machine)

    def _forget_old(self, machine: StoreMachine) -> None:
        if self.machine is machine and self.replica.is_formed:
            # Not here: it takes time, and may not meet the switch to yet another generation.
            self.replica.applier.run(machine.writer.remove_old_generations)


def now_ms() -> int:
    """Return the time (Unix, milliseconds)."""
    return time.time_ns() // 1_000_000
