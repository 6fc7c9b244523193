"""The link between nodes, on real loopback sockets."""

import random
import socket

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import Logger

from dns_node.cluster.channel import ChannelClosedError
from dns_node.cluster.complaints import Complaints
from dns_node.cluster.dialer import PATIENCE_S, Dialer, back_off_s
from dns_node.cluster.frames import DATA, HELLO, PING, compose_frame
from dns_node.cluster.hello import Hello, Refusal, compose_hello
from dns_node.cluster.location import split_location
from dns_node.cluster.transport import Transport
from dns_node.errors import InputError

from .links import Link, LinkCase, coroutine, introduce, until


class Raw(Protocol):
    """A stranger's end of a connection: sends what it is told, notes what comes."""

    def __init__(self):
        self.received = b""
        self.is_lost = False

    def dataReceived(self, data):
        """Note the octets."""
        self.received += data

    def connectionLost(self, reason):
        """Note the end."""
        self.is_lost = True


class TestTransport(LinkCase):
    """One test per promise of the link."""

    async def stranger(self, link: Link) -> Raw:
        """Return a raw connection to *link*."""
        raw = Raw()
        factory = ClientFactory()
        factory.noisy = False
        factory.buildProtocol = lambda address: raw
        host, port = split_location(link.transport.location)
        reactor.connectTCP(host, port, factory)
        await until(lambda: raw.transport is not None)
        self.addCleanup(lambda: raw.transport.abortConnection())
        return raw

    @coroutine
    async def test_three_nodes_connect_each_to_each_once(self):
        links = [await self.link(node) for node in ("0", "1", "10")]
        introduce(*links)
        await until(lambda: all(len(link.connected) == 2 for link in links))
        assert all(len(link.events) == 2 for link in links)
        assert links[0].transport.counts["dials"] == 0

    @coroutine
    async def test_frames_arrive_whole_and_in_order(self):
        low, high = await self.connected_pair()
        frames = [bytes([n % 256]) * (n * 997 % 70_000) for n in range(100)]
        for frame in frames:
            assert low.transport.send("1", frame)
        await until(lambda: len(high.frames) == 100)
        assert [octets for _, octets in high.frames] == frames

    @coroutine
    async def test_a_frame_of_8_mib_passes(self):
        low, high = await self.connected_pair()
        frame = random.Random(1).randbytes(8 << 20)
        assert high.transport.send("0", frame)
        await until(lambda: low.frames)
        assert low.frames == [("1", frame)]

    @coroutine
    async def test_send_never_calls_back_and_says_no_to_a_stranger(self):
        low, high = await self.connected_pair()
        assert not low.transport.send("7", b"x")
        low.transport.send("1", b"x")
        assert high.frames == []
        await until(lambda: high.frames)

    @coroutine
    async def test_send_says_no_when_8_mib_wait_for_a_peer_that_does_not_read(self):
        link = await self.link("0")
        raw = await self.stranger(link)
        raw.transport.write(compose_frame(HELLO, compose_hello(Hello(node="5", uuid="u5"))))
        await until(lambda: link.connected)
        raw.transport.pauseProducing()
        sent = 0
        while link.transport.send("5", bytes(1 << 20)) and sent < 100:
            sent += 1
        assert 8 <= sent <= 20
        assert link.transport.counts["frames_dropped"] == 1

    @coroutine
    async def test_learner_dials_a_voter_of_greater_id(self):
        voter = await self.link("9")
        learner = await self.link("3", role="learner")
        learner.transport.set_peers({"9": voter.transport.location})
        await until(lambda: learner.connected and voter.connected)
        assert voter.transport.peers()["3"].role == "learner"

    @coroutine
    async def test_simultaneous_connects_end_in_one_connection(self):
        low, high = await self.link("0", role="learner"), await self.link("1")
        introduce(low, high)
        await until(lambda: low.connected and high.connected)
        # Frames pass in both directions over whatever was kept.
        await until(lambda: low.transport.send("1", b"a") and high.frames)
        await until(lambda: high.transport.send("0", b"b") and low.frames)
        assert list(low.transport.peers()) == ["1"]
        for link in (low, high):
            events = [event for event, _ in link.events]
            assert events == ["up", "down"] * (len(events) // 2) + ["up"]

    @coroutine
    async def test_newer_connection_of_a_peer_ends_the_older_first(self):
        link = await self.link("0")
        hello = compose_frame(HELLO, compose_hello(Hello(node="5", uuid="u5")))
        older = await self.stranger(link)
        older.transport.write(hello)
        await until(lambda: link.connected)
        newer = await self.stranger(link)
        newer.transport.write(hello + compose_frame(DATA, b"new"))
        await until(lambda: link.frames)
        await until(lambda: older.is_lost)
        assert link.events == [("up", "5"), ("down", "5"), ("up", "5")]
        assert not newer.is_lost

    @coroutine
    async def test_dials_again_after_the_peer_has_gone_and_come_back(self):
        low = await self.link("0")
        high = await self.link("1")
        introduce(low, high)
        await until(lambda: low.connected)
        location = low.transport.location
        await low.transport.stop()
        await until(lambda: not high.connected)
        await self.link("0", listen=location)
        await until(lambda: high.connected)

    @coroutine
    async def test_different_clusters_refuse_each_other_and_both_say_so(self):
        low = await self.link("0", cluster_uuid="cluster-a")
        high = await self.link("1", cluster_uuid="cluster-b")
        introduce(low, high)
        await until(lambda: high.transport.counts["refused_cluster"] >= 2)
        await until(lambda: low.transport.counts["refused_cluster"] >= 1)
        assert not low.events
        assert not high.events

    @coroutine
    async def test_a_node_without_a_cluster_may_talk_to_one_with(self):
        low, high = await self.link("0", cluster_uuid="c"), await self.link("1", virgin=True)
        introduce(low, high)
        await until(lambda: low.connected and high.connected)
        assert high.transport.peers()["0"].cluster_uuid == "c"
        assert low.transport.peers()["1"].virgin

    @coroutine
    async def test_a_later_hello_updates_the_peer(self):
        low, high = await self.connected_pair()
        low.hello["cluster_uuid"] = "c"
        low.transport.say_hello()
        await until(lambda: high.transport.peers()["0"].cluster_uuid == "c")

    @coroutine
    async def test_reaching_oneself_is_refused(self):
        link = await self.link("1")
        link.transport.set_peers({"0": link.transport.location})
        await until(lambda: link.transport.counts["refused_self"])
        assert not link.events

    @coroutine
    async def test_wrong_node_at_an_address_is_refused(self):
        other, link = await self.link("2"), await self.link("3")
        link.transport.set_peers({"1": other.transport.location})
        await until(lambda: link.transport.counts["refused_wrong-node"])
        assert not link.connected

    @coroutine
    async def test_admit_has_the_last_word_and_the_peer_is_told(self):
        low, high = await self.link("0"), await self.link("1")
        low.transport.admit = lambda peer, kind: Refusal("removed", "node 1 was removed")
        introduce(low, high)
        await until(lambda: high.refusals)
        assert high.refusals[0] == ("0", "removed")

    @coroutine
    async def test_refuse_disconnects_and_tells(self):
        low, high = await self.connected_pair()
        low.transport.refuse("1", "removed", "node 1 was removed from the cluster")
        assert low.events[-1] == ("down", "1")
        await until(lambda: ("0", "removed") in high.refusals)

    @coroutine
    async def test_occupied_port_is_an_input_error_that_names_it_and_the_cure(self):
        first = await self.link("0")
        try:
            await Link("1", listen=first.transport.location).transport.start()
        except InputError as error:
            assert first.transport.location in str(error)
            assert "ss -ltnp" in str(error)
        else:
            raise AssertionError("two listeners at one address")

    @coroutine
    async def test_side_connection_carries_frames_both_ways(self):
        low, high = await self.link("0"), await self.link("1")
        served = []

        async def serve(kind, channel):
            served.append((kind, channel.peer.node, channel.token))
            await channel.send(b"answer to " + await channel.receive())
            channel.close()

        high.transport.on_request = serve
        channel = await low.transport.request("join", high.transport.location, token="secret")
        await channel.send(b"question")
        assert await channel.receive() == b"answer to question"
        assert served == [("join", "0", "secret")]
        try:
            await channel.receive()
        except ChannelClosedError:
            pass
        else:
            raise AssertionError("the channel goes on after its end")
        assert not low.events

    @coroutine
    async def test_side_connection_holds_the_sender_until_the_receiver_reads(self):
        low, high = await self.link("0"), await self.link("1")
        progress = []

        async def serve(kind, channel):
            for number in range(64):
                await channel.send(bytes([number]) * (1 << 20))
                progress.append(number)
            channel.close()

        high.transport.on_request = serve
        channel = await low.transport.request("snapshot", high.transport.location, "1")
        await until(lambda: channel._connection.is_reading_paused)
        assert len(progress) < 40
        for number in range(64):
            assert await channel.receive() == bytes([number]) * (1 << 20)

    @coroutine
    async def test_request_to_nobody_says_who_can_not_be_reached(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            location = f"127.0.0.1:{unused.getsockname()[1]}"
            link = await self.link("0")
            try:
                await link.transport.request("join", location)
            except ChannelClosedError as error:
                assert location in str(error)
            else:
                raise AssertionError("somebody answered")

    @coroutine
    async def test_garbage_ends_its_connection_and_nothing_else(self):
        low, high = await self.connected_pair()
        chance = random.Random(7)
        garbage = [
            b"GET / HTTP/1.0\r\n\r\n",
            bytes(5),
            compose_frame(DATA, b"no hello before this"),
            compose_frame(HELLO, b"\x80"),
            compose_frame(HELLO, msgspec.msgpack.encode({"node": "../x", "uuid": "u"})),
            b"\x7f\xff\xff\xff" + bytes(9),
            compose_frame(HELLO, b"\x91" * 4000),
            *(b"\x00\x00\x00\x40\x01" + chance.randbytes(80) for _ in range(20)),
            *(chance.randbytes(chance.randrange(8, 200)) for _ in range(20)),
        ]
        for octets in garbage:
            raw = await self.stranger(low)
            raw.transport.write(octets)
            raw.transport.loseConnection()
            await until(lambda raw=raw: raw.is_lost)
        await until(lambda: low.transport.counts["bad_octets"] >= 7)
        assert low.transport.send("1", b"still here")
        await until(lambda: high.frames)
        assert low.events == [("up", "1")]

    @coroutine
    async def test_oversized_frame_of_an_accepted_peer_ends_the_connection(self):
        link = await self.link("0")
        raw = await self.stranger(link)
        raw.transport.write(compose_frame(HELLO, compose_hello(Hello(node="5", uuid="u5"))))
        await until(lambda: link.connected)
        raw.transport.write((8 << 20).to_bytes(4, "big")[:3] + b"\x02\x02")
        await until(lambda: raw.is_lost)
        assert link.events == [("up", "5"), ("down", "5")]
        assert link.frames == []

    @coroutine
    async def test_strangers_beyond_64_push_out_the_oldest_and_peers_still_get_in(self):
        low = await self.link("0")
        strangers = [await self.stranger(low) for _ in range(70)]
        await until(lambda: sum(raw.is_lost for raw in strangers) == 6)
        assert all(raw.is_lost for raw in strangers[:6])
        high = await self.link("1")
        introduce(low, high)
        await until(lambda: low.connected and high.connected)


class TestTime:
    """What the link does as time passes, on a clock that the test moves."""

    def connection(self, dialed=None):
        """Return (clock, transport, connection, wire): one connection without a network."""
        clock = Clock()
        link = Link("0")
        link.transport.reactor = clock
        transport = Transport(clock, "127.0.0.1:1", lambda: link.hello)
        connection = transport.make_connection("raft", dialed, "")
        wire = StringTransport()
        wire.setTcpNoDelay = wire.setTcpKeepAlive = lambda enabled: None
        connection.makeConnection(wire)
        return clock, transport, connection, wire

    def test_a_connection_without_a_hello_ends_after_five_seconds(self):
        clock, transport, _, wire = self.connection()
        clock.advance(4.9)
        assert not wire.disconnected
        clock.advance(0.2)
        assert wire.disconnected
        assert transport.counts["no_hello"] == 1

    def test_a_silent_peer_is_pinged_and_dropped_after_six_seconds(self):
        _, transport, connection, wire = self.connection()
        connection.dataReceived(compose_frame(HELLO, compose_hello(Hello(node="5", uuid="u5"))))
        wire.clear()
        for _ in range(6):
            connection.tick()
        assert wire.value() == compose_frame(PING, b"") * 6
        assert not wire.disconnected
        connection.tick()
        assert wire.disconnected
        assert transport.counts["silent"] == 1

    def test_a_peer_that_pings_stays(self):
        _, _, connection, wire = self.connection()
        connection.dataReceived(compose_frame(HELLO, compose_hello(Hello(node="5", uuid="u5"))))
        for _ in range(30):
            connection.tick()
            connection.dataReceived(compose_frame(PING, b""))
        assert not wire.disconnected

    def test_complaints_about_one_peer_are_logged_once_a_minute_and_counted_always(self):
        clock = Clock()
        complaints = Complaints(clock)
        said = []
        complaints.log = Logger(observer=said.append)
        for _ in range(60):
            complaints.complain("bad_octets", "192.0.2.1:999", "sent garbage")
            clock.advance(1.001)
        complaints.complain("bad_octets", "192.0.2.1:1000", "sent garbage")
        complaints.complain("bad_octets", "192.0.2.2:1000", "sent garbage")
        assert complaints.counts["bad_octets"] == 62
        assert len(said) == 3

    @given(st.integers(0, 10_000), st.randoms(use_true_random=False))
    def test_back_off_grows_from_a_twentieth_to_two_seconds(self, attempt, chance):
        delay_s = back_off_s(attempt, chance)
        assert 0.05 <= delay_s <= 2.0
        assert attempt < 5 or delay_s >= 1.0

    def test_the_smaller_id_dials_only_when_the_greater_does_not_come(self):
        clock = Clock()
        dials = []
        dialer = Dialer(clock, random.Random(1), "x:1", lambda: dials.append(1), PATIENCE_S)
        clock.advance(PATIENCE_S - 0.1)
        assert not dials
        clock.advance(0.2)
        assert dials == [1]
        dialer.failed()
        clock.advance(2.0)
        assert dials == [1, 1]
        dialer.connected()
        clock.advance(100)
        assert dials == [1, 1]
