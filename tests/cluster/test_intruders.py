"""What comes to the raft port and has no business there: refused, counted, logged, no effect.

docs/operations.md, "Who is kept out", lists the cases; those that are not here are in
test_transport.py and test_certificates.py.
"""

import os
import pickle
import random
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import msgspec
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.logger import formatEvent, globalLogPublisher

from dns_node.cluster import certificates
from dns_node.cluster.certificates import init_authority, issue_certificate
from dns_node.cluster.command import Command, Done, PutKey, compose_command
from dns_node.cluster.frames import DATA, HELLO, compose_frame
from dns_node.cluster.message import (
    Ack,
    Condition,
    Envelope,
    RequestVote,
    ResponseVote,
    TimeoutNow,
    compose,
)
from dns_node.cluster.proposer import Forward, Refusal
from dns_node.cluster.sockets import split_location
from tests.simulation.cluster import FakePeer

from .links import LinkCase, coroutine, free_locations, introduce, until
from .members import MemberCase
from .test_certificates import credentials

PROBES = 10


class Bomb:
    """Unpickled, it makes a directory."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


class Stranger(Protocol):
    """A raw end that sends *octets* at once and notes when it was cut off."""

    def __init__(self, octets):
        self.octets = octets
        self.is_lost = False

    def connectionMade(self):
        """Send."""
        self.transport.write(self.octets)

    def connectionLost(self, reason):
        """Note it."""
        self.is_lost = True


class ContextFactory:
    """TLS with whatever certificate, believing everything."""

    def __init__(self, certificate=None, key=None):
        self.context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        if certificate is not None:
            self.context.use_certificate_file(str(certificate))
            self.context.use_privatekey_file(str(key))

    def getContext(self):  # noqa: N802
        """Return the context."""
        return self.context


class Warnings(list):
    """The warnings that are logged while a test runs."""

    def __init__(self, test):
        super().__init__()
        globalLogPublisher.addObserver(self._note)
        test.addCleanup(globalLogPublisher.removeObserver, self._note)

    def _note(self, event):
        if event["log_level"].name == "warn":
            self.append(formatEvent(event))


class TestKeptOut(LinkCase):
    """Two nodes over mutual TLS, and others that want in."""

    def setUp(self):
        """Make the CA, certificates of 0, 1 and 2, and one that has expired."""
        self.directory = Path(tempfile.mkdtemp(prefix="dns-node-certs-"))
        self.addCleanup(shutil.rmtree, self.directory, True)
        init_authority(self.directory)
        for node in ("0", "1", "2"):
            issue_certificate(self.directory, node)
        past = datetime.now(UTC) - timedelta(days=1000)
        with mock.patch.object(certificates, "datetime") as clock:
            clock.now.return_value = past
            issue_certificate(self.directory, "9")

    async def pair(self):
        """Return two connected links and what is warned of from now on."""
        links = [await self.link(n, tls=credentials(self.directory, n)) for n in ("0", "1")]
        introduce(*links)
        await until(lambda: all(link.connected for link in links))
        return *links, Warnings(self)

    async def intrude(self, link, octets, context=None):
        """Connect a stranger to *link* and wait until it is cut off."""
        stranger = Stranger(octets)
        factory = ClientFactory()
        factory.noisy = False
        factory.buildProtocol = lambda address: stranger
        host, port = split_location(link.transport.location)
        if context is None:
            reactor.connectTCP(host, port, factory)
        else:
            reactor.connectSSL(host, port, factory, context)
        await until(lambda: stranger.is_lost, "it was not cut off")

    async def is_unharmed(self, low, high, warnings, name):
        """Check that the case *name* was counted and logged, and that nothing else happened."""
        await until(lambda: low.transport.counts[name], f"{name} was not counted")
        assert any("the connection is closed" in text for text in warnings), warnings
        assert low.events == [("up", "1")]
        assert low.frames == []
        assert high.transport.send("0", b"still here")
        await until(lambda: low.frames == [("1", b"still here")])

    @coroutine
    async def test_an_expired_certificate_is_kept_out(self):
        low, high, warnings = await self.pair()
        files = self.directory / "node-9"
        context = ContextFactory(files.with_suffix(".pem"), files.with_suffix(".key"))
        await self.intrude(low, b"", context)
        await self.is_unharmed(low, high, warnings, "tls_failed")
        assert any("certificate verify failed" in text for text in warnings), warnings

    @coroutine
    async def test_a_peer_without_a_certificate_is_kept_out(self):
        low, high, warnings = await self.pair()
        await self.intrude(low, b"anything", ContextFactory())
        await self.is_unharmed(low, high, warnings, "tls_failed")

    @coroutine
    async def test_plain_octets_pickles_and_noise_are_kept_out(self):
        low, high, warnings = await self.pair()
        target = self.directory / "made-by-a-pickle"
        bomb = pickle.dumps(Bomb(str(target)))
        chance = random.Random(3)
        for octets in (bomb, compose_frame(HELLO, bomb), chance.randbytes(500), b"\x16\x03\x01"):
            if len(octets) < 5:
                octets += bytes(64)
            await self.intrude(low, octets)
        await self.is_unharmed(low, high, warnings, "tls_failed")
        assert not target.exists()

    @coroutine
    async def test_a_certified_peer_that_sends_pickles_and_noise_is_cut_off(self):
        low, high, warnings = await self.pair()
        target = self.directory / "made-by-a-pickle"
        bomb = pickle.dumps(Bomb(str(target)))
        files = self.directory / "node-2"
        context = ContextFactory(files.with_suffix(".pem"), files.with_suffix(".key"))
        chance = random.Random(4)
        for octets in (
            compose_frame(HELLO, bomb),
            compose_frame(DATA, bomb),
            b"\x7f\xff\xff\xff" + bytes(9),
            *(b"\x00\x00\x00\x40\x01" + chance.randbytes(80) for _ in range(PROBES)),
        ):
            await self.intrude(low, octets, context)
        await self.is_unharmed(low, high, warnings, "bad_octets")
        assert not target.exists()


class TestStrangersFrames(MemberCase):
    """Frames that arrive whole, from who may not send them or with what nobody may send."""

    async def alone(self):
        """Return a cluster of one, with a peer that is no member connected to its replica."""
        [member], configured = await self.form(1)
        await self.put(member, "before")
        stranger = FakePeer("9", "not-bound")
        member.replica.peer_connected(stranger)
        return member, configured, stranger

    def state(self, member):
        """Return what no stranger may change."""
        status = member.replica.status()
        view = member.machine.view()
        return status.role, status.term, status.revision, view.value("key"), view.value("evil")

    def frames_of_a_stranger(self):
        command = Command(b"e" * 16, 0, "cluster", "evil", (PutKey("evil", "done"),))
        forward = Forward(1, compose_command(command))
        bodies = [
            ("forward", msgspec.msgpack.encode(forward)),
            ("refusal", msgspec.msgpack.encode(Refusal(1, bytes(16), "no"))),
            ("status", compose(Condition(1, bytes(32)))),
        ]
        votes = (RequestVote(99, 99, 99, True), ResponseVote(1), TimeoutNow(99))
        bodies += [("raft", compose(message)) for message in (*votes, Ack(10**6, False, True))]
        table = (10**6, (("0", 10**6, 0),))
        return [
            compose(Envelope(99, 10**6, 10**6, table, kind, body)) for kind, body in bodies
        ]

    @coroutine
    async def test_what_a_stranger_sends_has_no_effect_and_is_counted(self):
        member, _, stranger = await self.alone()
        warnings = Warnings(self)
        before, checkpoint = self.state(member), member.replica.standings.checkpoint
        frames = self.frames_of_a_stranger()
        for octets in frames:
            member.replica.frame_received(stranger, octets)
        assert member.replica.complaints.counts["unbound_frames"] == len(frames)
        assert member.kept_out()["unbound_frames"] == len(frames)
        assert any("no member" in text for text in warnings)
        await self.put(member, "before")
        assert self.state(member)[:2] == before[:2]
        assert self.state(member)[4] is None
        assert member.replica.standings.checkpoint - checkpoint < 100
        assert not member.replica.status().alarms

    @coroutine
    async def test_noise_and_pickles_in_frames_stop_nothing(self):
        members, _ = await self.form(2)
        one, other = members
        peer = FakePeer(other.replica.node, other.identity.uuid)
        target = self.place / "made-by-a-pickle"
        bomb, chance = pickle.dumps(Bomb(str(target))), random.Random(5)
        bodies = [bomb, b"", b"\x91" * 5000, *(chance.randbytes(60) for _ in range(PROBES))]
        warnings = Warnings(self)
        before = one.replica.complaints.counts["bad_frames"]
        kinds = ("raft", "forward", "refusal", "status", "welcome", "behind", "nonsense")
        for body in bodies:
            one.replica.frame_received(peer, body)
            for kind in kinds:
                octets = compose(Envelope(1, 0, 0, None, kind, body))
                one.replica.frame_received(peer, octets)
                one.replica.frame_received(peer, octets[: len(octets) // 2])
        counts = one.replica.complaints.counts
        assert counts["bad_frames"] - before > 4 * len(bodies)
        assert sum("not understood" in text for text in warnings) == 1, "it floods the log"
        assert one.replica.status().role != "stopped", one.replica.status().why
        await self.put(one, "still here")
        await self.all_have(members, "still here")
        assert not target.exists()


class TestNoPickle(MemberCase):
    """Everything that a cluster does, with unpickling forbidden."""

    @coroutine
    async def test_no_pickle_is_loaded_from_a_socket_or_a_file(self):
        loaded = []

        def refuse(*_, **__):
            loaded.append(True)
            raise AssertionError("a pickle was loaded")

        for name in ("load", "loads", "Unpickler", "_load", "_loads", "_Unpickler"):
            self.patch(pickle, name, refuse)
        members, configured = await self.form(3)
        for number in range(5):
            await self.put(members[number % 3], str(number))
        await self.all_have(members, "4")
        # From the disk again, as a snapshot, by a token, and away again.
        await self.stop(members[2])
        members[2] = await self.start("2", configured)
        await self.put(members[2], "restarted")
        await until(lambda: all(m.replica.status().log_entries == 0 for m in members))
        joiner = await self.start("j", {}, free_locations(1)[0])
        await joiner.join(configured["0"], await self.token(members[0]))
        await self.settled([*members, joiner])
        await self.all_have([joiner], "restarted")
        leader = members[0].replica.status().leader
        assert isinstance(await joiner.members.remove(leader), Done)
        stay = [m for m in [*members, joiner] if m.replica.node != leader]
        await self.settled(stay)
        await self.put(stay[0], "after the leader left")
        await self.all_have(stay, "after the leader left")
        assert not loaded
