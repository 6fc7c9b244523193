"""Snapshots over real side connections."""

import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor

from dns_node.cluster.channel import ChannelClosedError
from dns_node.cluster.manifest import (
    CHUNK_OCTETS,
    Chunk,
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
from dns_node.cluster.snapshot import SnapshotReceiver, SnapshotSender
from dns_node.errors import StoreError, WireError
from dns_node.store.reader import Reader
from dns_node.store.writer import Writer

from .links import LinkCase, coroutine, introduce, until

digests = st.binary(min_size=32, max_size=32)
counts = st.integers(0, 2**63)
messages = st.one_of(
    st.builds(Fetch, st.text("0123456789abcdef", max_size=32), counts),
    st.builds(Manifest, st.just("ab"), counts, counts, st.text(), st.just(("0",)), counts, digests),
    st.builds(Chunk, counts, digests, st.binary(max_size=50)),
    st.builds(NoSnapshot, st.text()),
    st.just(Installed()),
)


@given(messages)
def test_parse_undoes_compose(message):
    assert parse(compose(message)) == message


@given(st.binary(max_size=200))
def test_any_octets_are_a_message_or_a_wire_error(octets):
    try:
        parse(octets)
    except WireError as error:
        assert "no message" in str(error)


MANIFEST = Manifest("ab", 10, 2, "c", ("0", "1"), 2 * CHUNK_OCTETS + 5, bytes(32))


@pytest.mark.parametrize(
    ("answer", "cluster_uuid", "applied_index", "free_octets"),
    [
        (NoSnapshot("disk full"), "c", 0, 1 << 30),
        (Installed(), "c", 0, 1 << 30),
        (MANIFEST, "d", 0, 1 << 30),
        (MANIFEST, "c", 10, 1 << 30),
        (MANIFEST, "c", 0, 1000),
    ],
)
def test_a_snapshot_that_may_not_be_installed_is_refused(
    answer, cluster_uuid, applied_index, free_octets
):
    with pytest.raises(WireError):
        check_manifest(answer, cluster_uuid, applied_index, free_octets)
    assert check_manifest(MANIFEST, "", 9, 1 << 30) == MANIFEST


def test_chunks_have_to_be_whole_and_in_order():
    last = make_chunk(2 * CHUNK_OCTETS, b"12345")
    assert check_chunk(last, 2 * CHUNK_OCTETS, MANIFEST) == last
    for wrong in (
        make_chunk(2 * CHUNK_OCTETS, b"1234"),
        make_chunk(0, b"12345"),
        Chunk(2 * CHUNK_OCTETS, bytes(32), b"12345"),
        Installed(),
    ):
        with pytest.raises(WireError):
            check_chunk(wrong, 2 * CHUNK_OCTETS, MANIFEST)


class TestTransfer(LinkCase):
    """Node 0 sends, node 1 receives."""

    async def pair(self, octets, applied_index=0, copy=None):
        """Prepare a sender of *octets* at entry 7 and a receiver."""
        self.place = Path(tempfile.mkdtemp(prefix="dns-node-snapshot-"))
        self.addCleanup(shutil.rmtree, self.place, True)
        low, high = await self.link("0"), await self.link("1")
        introduce(low, high)
        await until(lambda: low.connected and high.connected)
        self.installed, self.pins, self.copies = [], [], []

        def copy_octets(directory):
            self.copies.append(directory)
            (directory / "data.mdb").write_bytes(octets)
            return 7, 3, "c"

        def pin():
            self.pins.append(1)
            return self.pins.pop

        async def install(directory, manifest):
            self.installed.append(((directory / "data.mdb").read_bytes(), manifest))

        self.sender = SnapshotSender(
            reactor, self.place / "out", copy or copy_octets, lambda index: {"0", "1"}, pin
        )
        self.addCleanup(self.sender.stop)
        low.transport.on_request = lambda kind, channel: self.sender.serve(channel)
        self.high, self.low = high, low
        self.receiver = SnapshotReceiver(
            reactor,
            self.place / "in",
            self.open_channel,
            lambda: applied_index,
            lambda: "c",
            install,
        )

    async def open_channel(self, node):
        """Open a side connection from the receiver."""
        return await self.high.transport.request("snapshot", self.low.transport.location, node)

    @coroutine
    async def test_snapshot_arrives_octet_for_octet(self):
        octets = random.Random(1).randbytes(3 * CHUNK_OCTETS + 77)
        await self.pair(octets)
        assert await self.receiver.take("0")
        [(received, manifest)] = self.installed
        assert received == octets
        assert (manifest.index, manifest.term, manifest.voters) == (7, 3, ("0", "1"))
        assert not (self.place / "in").exists()

    @coroutine
    async def test_log_is_pinned_while_a_copy_exists(self):
        await self.pair(b"x")
        assert await self.receiver.take("0")
        assert self.pins == [1]
        self.sender.stop()
        assert self.pins == []
        assert list((self.place / "out").iterdir()) == []

    @coroutine
    async def test_broken_transfer_goes_on_where_it_stopped(self):
        octets = random.Random(2).randbytes(6 * CHUNK_OCTETS)
        await self.pair(octets)
        received = []
        whole = self.open_channel

        async def fragile(node):
            channel = await whole(node)
            receive = channel.receive

            async def receive_some(timeout_s=30.0):
                frame = await receive(timeout_s)
                received.append(parse(frame))
                if len(received) == 4:
                    channel.abort()
                    raise ChannelClosedError("cut")
                return frame

            channel.receive = receive_some
            return channel

        self.receiver._open_channel = fragile
        assert not await self.receiver.take("0")
        assert not self.installed
        assert await self.receiver.take("0")
        assert self.installed[0][0] == octets
        assert [m.offset // CHUNK_OCTETS for m in received if isinstance(m, Chunk)] == [
            *(0, 1, 2),
            *(2, 3, 4, 5),
        ]
        assert len(self.copies) == 1

    @coroutine
    async def test_snapshot_that_is_not_newer_is_not_even_fetched(self):
        await self.pair(bytes(CHUNK_OCTETS), applied_index=7)
        assert not await self.receiver.take("0")
        assert not self.installed

    @coroutine
    async def test_damaged_file_is_never_installed_and_begun_anew(self):
        octets = random.Random(3).randbytes(2 * CHUNK_OCTETS)
        await self.pair(octets)
        finish = self.sender._copy_and_measure
        self.sender._copy_and_measure = lambda path: (*finish(path)[:4], bytes(32))
        assert not await self.receiver.take("0")
        assert not self.installed
        assert not (self.place / "in").exists()

    @coroutine
    async def test_failing_copy_is_told_and_nothing_stays(self):
        def copy(directory):
            raise StoreError("no space left")

        await self.pair(b"", copy=copy)
        assert not await self.receiver.take("0")
        assert self.pins == []
        assert not any((self.place / "out").iterdir())

    @coroutine
    async def test_nobody_to_ask_is_a_failed_attempt(self):
        await self.pair(b"x")
        await self.low.transport.stop()
        assert not await self.receiver.take("0")

    @coroutine
    async def test_garbage_instead_of_a_fetch_ends_the_channel(self):
        await self.pair(b"x")
        channel = await self.open_channel("0")
        await channel.send(b"garbage")
        with pytest.raises(ChannelClosedError):
            await channel.receive()

    @coroutine
    async def test_wanting_twice_fetches_once(self):
        await self.pair(b"x")
        self.receiver.want("0")
        self.receiver.want("0")
        await until(lambda: self.installed and not self.receiver._is_busy)
        self.receiver.want("0")
        assert len(self.installed) == 1

    @coroutine
    async def test_a_real_store_is_the_same_store_afterwards(self):
        await self.pair(b"")
        writer = Writer(self.place / "leader")
        with writer.begin() as transaction:
            transaction.put_value("key", "value")
            transaction.put_applied(9, 2)

        def copy(directory):
            writer.copy(directory)
            return 9, 2, "c"

        target = Writer(self.place / "follower")

        async def install(directory, manifest):
            target.install(directory)

        self.sender._copy = copy
        self.receiver._install = install
        assert await self.receiver.take("0")
        reader = target.reader()
        reader.renew()
        assert reader.value("key") == "value"
        assert reader.applied() == (9, 2)
        origin: Reader = writer.reader()
        origin.renew()
        assert reader.digest() == origin.digest()
        for each in (reader, origin, writer, target):
            each.close()
