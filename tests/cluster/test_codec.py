import contextlib
import io
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dns_node.cluster.raft  # noqa: F401  (replaces the core's pickle)
from dns_node.cluster.codec import (
    NODE_ID_OCTETS_MAX,
    Codec,
    CodecError,
    change_voters,
    parse_membership,
    parse_payload,
)
from dns_node.cluster.message import (
    Ack,
    AppendEntries,
    Envelope,
    Quiet,
    RequestVote,
    ResponseVote,
    TimeoutNow,
    compose,
    from_core,
    parse_envelope,
    parse_message,
    to_core,
)


class Name:
    def __init__(self, id):
        self.id = id

    def __eq__(self, other):
        return self.id == other.id

    def __hash__(self):
        return hash(self.id)


CODEC = Codec(Name)
numbers = st.integers(0, 2**63)
entries = st.lists(st.tuples(st.binary(min_size=1), numbers, numbers)).map(tuple)
messages = st.one_of(
    st.builds(RequestVote, numbers, numbers, numbers),
    st.builds(ResponseVote, numbers),
    st.builds(AppendEntries, numbers, numbers, numbers, numbers, entries),
    st.builds(Quiet, numbers, numbers),
    st.builds(Ack, numbers, st.booleans(), st.booleans()),
    st.builds(TimeoutNow, numbers),
)
names = st.text(max_size=NODE_ID_OCTETS_MAX // 4).map(Name)  # 4 octets a letter at most
values = st.recursive(
    st.none() | st.booleans() | numbers | st.binary() | st.text() | names,
    lambda inner: st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_loads_undoes_dumps_and_arrays_come_back_as_tuples(value):
    assert CODEC.loads(CODEC.dumps(value)) == value
    file = io.BytesIO()
    CODEC.dump(value, file)
    file.seek(0)
    assert CODEC.load(file) == value


@given(st.binary(max_size=300))
def test_any_octets_are_parsed_or_refused(octets):
    for parse in (CODEC.loads, parse_message, parse_envelope, parse_payload, parse_membership):
        with contextlib.suppress(CodecError):
            parse(octets)


@given(messages)
def test_a_message_survives_the_wire_and_the_core(message):
    assert parse_message(compose(message)) == message
    assert from_core(to_core(message)) == message


@given(st.builds(Envelope, numbers, numbers, numbers, st.none(), st.text(), st.binary()))
def test_an_envelope_survives_the_wire(envelope):
    assert parse_envelope(compose(envelope)) == envelope


def test_the_core_encodes_by_this_codec_and_nothing_unpickles(monkeypatch):
    import pysyncobj.pickle as core_pickle

    def refuse(*_, **__):
        raise AssertionError("a pickle was loaded")

    for name in ("loads", "load", "Unpickler", "_loads", "_load"):
        monkeypatch.setattr(pickle, name, refuse)
    evil = b"cos\nsystem\n(S'true'\ntR."
    for load in (core_pickle.loads, lambda octets: core_pickle.load(io.BytesIO(octets))):
        with pytest.raises(CodecError):
            load(evil)
    assert core_pickle.loads(core_pickle.dumps((0, (b"payload",)))) == (0, (b"payload",))


def test_a_log_entry_tells_what_it_is():
    import pysyncobj.pickle as core_pickle
    from pysyncobj.node import Node

    assert parse_payload(b"\x00" + core_pickle.dumps((0, (b"octets",)))) == b"octets"
    assert parse_payload(b"\x01") is None
    added = b"\x02" + core_pickle.dumps(["add", "3", Node("3")])
    removed = b"\x02" + core_pickle.dumps(["rem", "3", Node("3")])
    assert parse_payload(added) is None
    assert parse_membership(added) == (True, "3")
    assert change_voters(frozenset("12"), added) == {"1", "2", "3"}
    assert change_voters(frozenset("123"), removed) == {"1", "2"}
    with pytest.raises(CodecError):
        parse_payload(b"\x00" + core_pickle.dumps((1, (b"octets",))))
