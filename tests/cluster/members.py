"""Whole members in one process: real sockets, real disks, real raft; no workers."""

import shutil
import tempfile
from pathlib import Path

from twisted.internet import reactor

from dns_node.cluster.command import Command, Done, PutKey, PutToken
from dns_node.cluster.local_member import LocalMember
from dns_node.cluster.replica import ReplicaSettings
from dns_node.cluster.welcome import hash_token, make_token

from .links import LinkCase, coroutine, free_locations, until

NOW_MS = 1_800_000_000_000
LATER_MS = 4_000_000_000_000


class MemberCase(LinkCase):
    """A test with some members, which are stopped at its end."""

    timeout = 60

    def setUp(self):
        """Make room for the data directories."""
        self.place = Path(tempfile.mkdtemp(prefix="dns-node-members-"))
        self.addCleanup(shutil.rmtree, self.place, True)
        self.commands = 0
        self.told = []
        self.running = []

    async def start(self, node, configured, raft_loc=None, roles=None):
        """Start a member."""
        member = LocalMember(
            reactor,
            node,
            self.place / node,
            raft_loc or configured[node],
            configured,
            None,
            ReplicaSettings(),
            lambda: None,
            roles=roles,
        )
        member.on_removed = self.told.append
        member.open()
        self.running.append(member)
        self.addCleanup(self.stop, member)
        await member.start()
        return member

    @coroutine
    async def stop(self, member):
        """Stop a member once."""
        if member in self.running:
            self.running.remove(member)
            await member.stop()
            for call in reactor.getDelayedCalls():
                if call.func == member._forget_old:
                    call.cancel()

    async def form(self, count):
        """Return *count* members that have formed a cluster, and their configuration."""
        locations = free_locations(count)
        configured = {str(number): location for number, location in enumerate(locations)}
        members = [await self.start(node, configured) for node in configured]
        await self.settled(members)
        return members, configured

    async def settled(self, members):
        """Wait until every one of *members* is a voter that all know."""
        nodes = {member.replica.node for member in members}

        def is_settled():
            return all(
                {n for n, (u, role) in m.replica.members.items() if u and role == "voter"} == nodes
                and m.replica.is_formed
                and m.replica.journal.voters() == nodes
                and m.replica.status().leader in nodes
                for m in members
            )

        await until(is_settled, "the members did not settle")

    async def propose(self, member, *operations, **rest):
        """Return the outcome of a command."""
        self.commands += 1
        identifier = self.commands.to_bytes(16, "big")
        command = Command(identifier, NOW_MS, "test", "test", operations, **rest)
        return await member.replica.propose(command)

    async def put(self, member, value):
        """Set the key everybody looks at."""
        outcome = await self.propose(member, PutKey("key", value))
        assert isinstance(outcome, Done), outcome

    async def all_have(self, members, value):
        """Wait until every store has *value*."""

        def has(member):
            view = member.machine.view()
            # What the store's thread has done arrives in the reactor a moment later.
            is_told = member.replica.status().revision == view.revision()
            return is_told and view.value("key") == value

        await until(lambda: all(has(member) for member in members))

    async def token(self, member):
        """Return a good join token."""
        token = make_token(bytes(16))
        assert isinstance(await self.propose(member, PutToken(hash_token(token), LATER_MS)), Done)
        return token
