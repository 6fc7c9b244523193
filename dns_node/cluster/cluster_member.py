"""This node as a member of its cluster: link, replica, membership and snapshots, wired together."""

import os
import random
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from dns_node.cluster.channel import Channel, ChannelClosedError
from dns_node.cluster.hello import Peer
from dns_node.cluster.identity import open_identity, record_cluster
from dns_node.cluster.join import join
from dns_node.cluster.machine import StoreMachine
from dns_node.cluster.manifest import Manifest
from dns_node.cluster.membership_driver import KIND as WELCOME
from dns_node.cluster.membership_driver import MembershipDriver
from dns_node.cluster.replica import Replica, ReplicaSettings
from dns_node.cluster.replica_log import ReplicaLog
from dns_node.cluster.snapshot import SnapshotReceiver, SnapshotSender, copy_store
from dns_node.cluster.sockets import Credentials
from dns_node.cluster.transport import Transport
from dns_node.store.reader import Reader


class ClusterMember:
    """The node *node* on *data_directory*, listening at *raft_loc*; *configured* maps the ids of
    the configuration to their 'host:port' (empty for a node that joins with a token).

    `replica`, `membership` and `transport` are for use once made; assign `replica.on_…` and
    *on_removed(text)* before `start`.  Raises InputError when the identity can't be had.
    """

    def __init__(
        self,
        reactor: Any,
        node: str,
        data_directory: Path,
        raft_loc: str,
        configured: Mapping[str, str],
        tls: Credentials | None = None,
        settings: ReplicaSettings | None = None,
        on_removed: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._reactor = reactor
        self._node, self._directory = node, data_directory
        self.identity = open_identity(data_directory)
        self.transport = Transport(reactor, raft_loc, self._hello, tls)
        self.replica = Replica(
            node,
            data_directory,
            self.transport.send,
            reactor,
            self._open_machine,
            settings,
            random.random,
        )
        self.membership = MembershipDriver(
            reactor,
            node,
            self.identity.uuid,
            configured,
            self.transport,
            ReplicaLog(self.replica, self._view, _now_ms, lambda: os.urandom(16)),
            lambda: str(uuid.uuid4()),
            self.identity.cluster_uuid,
            self._on_cluster,
            on_removed,
        )
        self._sender = SnapshotSender(
            reactor,
            data_directory / "snapshot-out",
            lambda directory: copy_store(self.machine.writer, directory),
            self.replica.voters_at,
            self._pin,
        )
        self._receiver = SnapshotReceiver(
            reactor,
            data_directory / "snapshot-in",
            self._open_snapshot,
            lambda: self.replica.applier.applied_index,
            lambda: self.membership.cluster_uuid,
            self._install,
        )
        self._pins = 0
        self._wire()

    def _wire(self) -> None:
        transport, replica = self.transport, self.replica
        transport.on_connected = replica.peer_connected
        transport.on_disconnected = replica.peer_disconnected
        transport.on_hello = replica.peer_changed
        transport.on_frame = replica.frame_received
        transport.on_request = self._on_request
        transport.on_refused = self.membership.refused
        replica.on_behind = self._receiver.want
        replica.on_frame = self.take_frame

    def start(self) -> "Deferred[None]":
        """Listen and take part; the Deferred fails with InputError (the address) or StoreError.
        Whoever takes ``replica.on_frame`` hands what isn't its own to `take_frame`."""

        def listening(_: None) -> None:
            self.replica.start()
            self.membership.start()

        return self.transport.start().addCallback(listening)

    def take_frame(self, node: str, kind: str, body: bytes) -> None:
        """Take a frame that isn't the replica's own; unknown kinds are left alone."""
        if kind == WELCOME:
            self.membership.frame_received(node, body)

    async def join(self, seed: str, token: str) -> None:
        """Join the cluster of *seed* ('host:port') with *token*, after `start`; a node that is in
        a cluster already does nothing.  Raises InputError when it is not let in."""
        if not self.replica.is_formed:
            self.membership.enter(await join(self._reactor, self.transport, seed, token))

    def stop(self) -> "Deferred[None]":
        """Take part no more; the Deferred fires when the last connection has ended."""
        self.membership.stop()
        self._sender.stop()
        ended = self.transport.stop()
        self.replica.stop()
        return ended

    # Inside.

    def _hello(self) -> dict[str, Any]:
        status = self.replica.status()
        fields = self.membership.hello_fields()
        return {"node": self._node, "uuid": self.identity.uuid, "term": status.term, **fields}

    def _open_machine(self, directory: Path) -> StoreMachine:
        self.machine = StoreMachine(directory)
        self._reader = self.machine.writer.reader()
        return self.machine

    def _view(self) -> Reader:
        self._reader.renew()
        return self._reader

    def _on_cluster(self, cluster_uuid: str) -> None:
        self.identity = record_cluster(self._directory, self.identity, cluster_uuid)

    def _on_request(self, kind: str, channel: Channel) -> Any:
        if kind == "join":
            return self.membership.serve_join(channel)
        if self._is_member(channel.peer):
            return self._sender.serve(channel)
        channel.abort()
        return None

    def _is_member(self, peer: Peer) -> bool:
        bound_uuid, _ = self.replica.members.get(peer.node, ("", ""))
        return bound_uuid == peer.uuid

    def _pin(self) -> Callable[[], None]:
        self._pins += 1
        name = f"snapshot {self._pins}"
        self.replica.pin(name, self.replica.applier.applied_index)
        return lambda: self.replica.pin(name, None)

    async def _open_snapshot(self, node: str) -> Channel:
        peer = self.transport.peers().get(node)
        if peer is None or not peer.raft_loc:
            raise ChannelClosedError(f"node {node} is not connected")
        return await self.transport.request("snapshot", peer.raft_loc, node)

    async def _install(self, directory: Path, manifest: Manifest) -> None:
        await self.replica.install(self.machine.install(directory), frozenset(manifest.voters))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
