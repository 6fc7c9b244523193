"""The data directory's identity, and the hello that says it."""

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.cluster.frames import (
    DATA,
    HELLO,
    PING,
    FrameReader,
    compose_frame,
)
from dns_node.cluster.hello import (
    Hello,
    Refusal,
    compose_hello,
    compose_refusal,
    is_newer_kept,
    judge_hello,
    parse_hello,
    parse_refusal,
)
from dns_node.cluster.identity import Identity, open_identity, record_cluster
from dns_node.cluster.location import is_loopback, join_location, split_location
from dns_node.errors import InputError, WireError

ids = st.text("abcXYZ0189._-", min_size=1, max_size=64)
short = st.text(max_size=60)
hellos = st.builds(
    Hello,
    version=short,
    kind=st.sampled_from(["raft", "snapshot", "join"]),
    cluster_uuid=ids | st.just(""),
    node=ids,
    uuid=ids,
    role=short,
    raft_loc=short,
    term=st.integers(0, 2**63),
    virgin=st.booleans(),
    token=short,
)


def test_identity_is_made_once_and_stays(tmp_path):
    first = open_identity(tmp_path / "data")
    assert open_identity(tmp_path / "data") == first
    assert first.uuid
    assert not first.cluster_uuid


def test_an_emptied_directory_is_somebody_else(tmp_path):
    first = open_identity(tmp_path)
    (tmp_path / "node.json").unlink()
    assert open_identity(tmp_path) != first


def test_missing_identity_beside_a_journal_is_refused(tmp_path):
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "data.mdb").write_bytes(b"")
    with pytest.raises(InputError, match="node.json"):
        open_identity(tmp_path)


def test_cluster_is_recorded_and_never_exchanged(tmp_path):
    identity = record_cluster(tmp_path, open_identity(tmp_path), "c1")
    assert open_identity(tmp_path) == identity == Identity(identity.uuid, "c1")
    assert record_cluster(tmp_path, identity, "c1") == identity
    with pytest.raises(InputError, match="c1"):
        record_cluster(tmp_path, identity, "c2")


@pytest.mark.parametrize(
    "octets", [b"", b"{", b"[]", b'{"uuid": "../../x", "format": 1}', b"\xff", b'{"uuid": 3}']
)
def test_damaged_identity_is_refused_and_kept(tmp_path, octets):
    (tmp_path / "node.json").write_bytes(octets)
    with pytest.raises(InputError, match="damaged"):
        open_identity(tmp_path)
    assert (tmp_path / "node.json").read_bytes() == octets


def test_identity_of_a_newer_format_is_refused(tmp_path):
    (tmp_path / "node.json").write_text(json.dumps({"uuid": "u", "format": 2}))
    with pytest.raises(InputError, match="newer release"):
        open_identity(tmp_path)


def test_a_directory_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        open_identity(tmp_path / "file" / "data")


@given(hellos)
def test_parse_undoes_compose(hello):
    assert parse_hello(compose_hello(hello)) == hello


@given(st.binary(max_size=300))
def test_any_octets_are_a_hello_or_a_wire_error(octets):
    for parse in (parse_hello, parse_refusal):
        with contextlib.suppress(WireError):
            parse(octets)


@given(hellos, short)
def test_fields_of_a_newer_release_are_ignored(hello, value):
    fields = {**msgspec.structs.asdict(hello), "colour": value}
    assert parse_hello(msgspec.msgpack.encode(fields)) == hello


def test_refusals_are_cut_to_size():
    refusal = parse_refusal(compose_refusal(Refusal("c" * 99, "t" * 9999)))
    assert (len(refusal.code), len(refusal.text)) == (32, 1000)


@given(st.lists(st.tuples(st.just(DATA), st.binary(max_size=50)), max_size=8), st.data())
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(frames, data):
    frames = [*frames, (PING, b"")]
    stream = b"".join(compose_frame(kind, payload) for kind, payload in frames)
    reader = FrameReader()
    reader.accept_all()
    found = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        reader.feed(stream[:size])
        stream = stream[size:]
        while (frame := reader.next_frame()) is not None:
            found.append(frame)
    assert found == frames


def test_before_the_hello_only_a_small_hello_is_read():
    for octets in (compose_frame(DATA, b""), b"\x00\x00\x10\x02\x01", b"\x00\x00\x00\x00\x01"):
        reader = FrameReader()
        reader.feed(octets)
        with pytest.raises(WireError):
            reader.next_frame()
    reader = FrameReader()
    reader.feed(compose_frame(HELLO, bytes(4096)))
    assert reader.next_frame() == (HELLO, bytes(4096))


OURS = Hello(node="1", uuid="u1", cluster_uuid="c1")


@pytest.mark.parametrize(
    ("theirs", "expected", "certified", "code"),
    [
        (Hello(node="2", uuid="u2"), None, None, None),
        (Hello(node="2", uuid="u2", cluster_uuid="c1"), "2", "2", None),
        (Hello(node="2", uuid="u2", cluster_uuid="c2"), None, None, "cluster"),
        (Hello(node="2", uuid="u2"), "3", None, "wrong-node"),
        (Hello(node="2", uuid="u2"), None, "3", "identity"),
        (Hello(node="2", uuid="u2"), None, "", "identity"),
        (Hello(node="1", uuid="u1"), "2", None, "self"),
        (Hello(node="1", uuid="u9"), None, None, "same-id"),
        (Hello(node="2", uuid="u2", format=2), None, None, "format"),
    ],
)
def test_who_is_refused(theirs, expected, certified, code):
    refusal = judge_hello(OURS, theirs, expected, certified)
    assert (refusal and refusal.code) == code


@given(ids, ids, st.booleans(), st.booleans())
def test_both_sides_keep_the_same_of_two_crossing_connections(low, high, first, second):
    if low == high:
        return
    # Each side dialed one; each side may have seen either of them first.
    low_keeps_its_own = is_newer_kept(low, high, (2, first), (1, not first)) == first
    high_keeps_its_own = is_newer_kept(high, low, (2, second), (1, not second)) == second
    assert low_keeps_its_own != high_keeps_its_own


def test_locations():
    assert split_location("[::1]:53") == ("::1", 53)
    assert split_location("ns.example:4321") == ("ns.example", 4321)
    assert join_location("::1", 5) == "[::1]:5"
    assert is_loopback("127.9.9.9:1")
    assert is_loopback("localhost:1")
    assert not is_loopback("192.0.2.1:1")
    assert not is_loopback("ns.example:1")
    for bad in ("::1:53", "host", "host:", ":53", "host:99999", "host:x", "[x]:1", ""):
        with pytest.raises(ValueError):
            split_location(bad)
