"""The store and its state machine against a naive dictionary, over random commands."""

import tempfile
from collections import Counter
from contextlib import contextmanager

from hypothesis import event, given, settings
from hypothesis import strategies as st

from dns_node.cluster.command import Command, DeleteKey, Done, PutKey
from dns_node.store import layout
from dns_node.zone.change import Add, DropZone, Import, Remove, Replace, SourceKey
from dns_node.zone.names import parse_name
from dns_node.zone.rrset import RRset
from dns_node.zone.soa import soa_serial
from tests.cluster.commands import NOW_MS, Store, candidates, operation_id
from tests.model.naive_store import NaiveStore

APEXES = [parse_name(text) for text in ("a.test", "sub.a.test", "b.test")]
OWNERS = APEXES + [
    parse_name(text)
    for text in ("www.a.test", "*.a.test", "x.y.a.test", "www.sub.a.test", "www.b.test", "no.where")
]
HOSTS = [parse_name(text) for text in ("ns1.a.test", "ns2.b.test")]
TEMPLATES = candidates("a.test", "b.test")
SOA_RDATAS = [
    HOSTS[0] + HOSTS[1] + b"".join(n.to_bytes(4, "big") for n in (serial, 3600, 600, 9999, 60))
    for serial in (0, 1, 7, 2_026_112_101)
]
RDATAS = {
    1: [bytes((192, 0, 2, n)) for n in range(4)],
    2: HOSTS,
    5: HOSTS,
    6: SOA_RDATAS,
    16: [b"\1a", b"\1b"],
    39: HOSTS[:1],
    43: [b"\0\1\x0d\2" + bytes(32)],
}
TTL = st.sampled_from([None, 60, 300])


@st.composite
def record_operations(draw):
    owner = draw(st.sampled_from(OWNERS))
    rrtype = draw(st.sampled_from([1, 1, 1, *RDATAS]))
    values = st.lists(st.sampled_from(RDATAS[rrtype]), min_size=1, max_size=3, unique=True)
    kind = draw(st.sampled_from("aaarrR"))
    if kind == "a":
        return Add(owner, rrtype, draw(TTL), tuple(draw(values)))
    if kind == "R":
        rdatas = draw(st.one_of(values, st.just([])))
        return Replace(owner, rrtype, draw(TTL), tuple(rdatas))
    if draw(st.integers(0, 5)) == 0:
        rrtype = 255
        return Remove(owner, rrtype)
    return Remove(owner, rrtype, draw(st.one_of(st.none(), values.map(tuple))))


@st.composite
def imports(draw):
    origin = draw(st.sampled_from(APEXES))
    rows = {
        (origin, 6): RRset(6, 300, (draw(st.sampled_from(SOA_RDATAS)),)),
        (origin, 2): RRset(2, 300, (HOSTS[0],)),
    }
    below = [owner for owner in OWNERS if owner.endswith(origin) and owner != origin]
    for owner in draw(st.lists(st.sampled_from(below), max_size=3)):
        rrtype = draw(st.sampled_from([1, 5, 16]))
        rows[owner, rrtype] = RRset(rrtype, 60, (draw(st.sampled_from(RDATAS[rrtype])),))
    adds = tuple((owner, rrset) for (owner, _), rrset in rows.items())
    mode = draw(st.sampled_from(["new", "merge", "replace", "adopt", "update"]))
    source = SourceKey(draw(st.sampled_from("01")), "/z", origin)
    removes = adds[2:] if mode == "update" and draw(st.booleans()) else ()
    return Import(source, mode, adds[: len(adds) if not removes else 2], removes, b"")


OPERATION = st.one_of(
    record_operations(),
    record_operations(),
    record_operations(),
    st.sampled_from(APEXES).map(DropZone),
    st.builds(PutKey, st.sampled_from("kl"), st.sampled_from("vw")),
    st.builds(DeleteKey, st.sampled_from("kl")),
)


@st.composite
def commands(draw):
    if draw(st.integers(0, 4)) == 0:
        operations = (draw(imports()),)
    else:
        operations = tuple(draw(st.lists(OPERATION, min_size=1, max_size=3)))
    floor = draw(st.sampled_from([0, 0, 5, 2_026_112_100]))
    return Command(
        operation_id(), NOW_MS, "console", "test", operations, (), TEMPLATES, floor
    )  # fmt: skip


@contextmanager
def store():
    with tempfile.TemporaryDirectory() as directory:
        opened = Store(directory)
        try:
            yield opened
        finally:
            opened.close()


def contents(view):
    return {
        apex: {
            (owner, rrtype): (rrset.ttl_s, set(rrset.rdatas))
            for owner, node in view.walk(header.zone_id)
            for rrtype, rrset in node.items()
        }
        for apex, header in view.zones()
    }


def digest_from_scratch(view, tables):
    total = 0
    with tables.environment.begin() as transaction:
        for table in ("zones", "kv", "files", "members", "tokens"):
            for key, value in transaction.cursor(getattr(tables, table)):
                total += layout.store_row_hash(table.encode(), key, value)
    return (total % layout.DIGEST_MODULUS).to_bytes(32, "big").hex()


def check_headers(view):
    for apex, header in view.zones():
        rows = list(view.walk(header.zone_id))
        count = Counter()
        for owner, node in rows:
            count["cuts"] += 2 in node and owner != apex
            count["dnames"] += 39 in node
            count["wildcards"] += owner.startswith(b"\1*")
            count["records"] += sum(len(rrset.rdatas) for rrset in node.values())
        assert header.names == len(rows)
        assert header.digest == layout.rows_digest(rows)
        for what in ("cuts", "dnames", "wildcards", "records"):
            assert getattr(header, what) == count[what], what
        soa = dict(rows)[apex][6]
        assert soa_serial(soa.rdatas[0]) == header.serial
        assert header.negative_ttl_s == min(soa.ttl_s, int.from_bytes(soa.rdatas[0][-4:], "big"))
    for _, source in view.sources():
        assert source.digest == layout.rows_digest(list(view.walk(source.zone_id)))


QUICK = settings(max_examples=100)


@QUICK
@given(st.lists(commands(), min_size=1, max_size=12))
def test_every_command_is_answered_and_done_as_the_naive_store_does(asked):
    naive = NaiveStore()
    with store() as real:
        for command in asked:
            before = real.reader.digest(), real.reader.revision()
            outcome = real.apply(command)
            expected = naive.apply(command)
            if expected is None:
                assert not isinstance(outcome, Done), outcome
                event("refused")
            else:
                assert isinstance(outcome, Done), outcome
                assert (outcome.changed, set(outcome.zones)) == expected
                event("changed" if outcome.changed else "no change")
            if expected is None or not outcome.changed:
                assert (real.reader.digest(), real.reader.revision()) == before
            assert real.reader.revision() == naive.revision
            assert contents(real.reader) == {a: zone.sets for a, zone in naive.zones.items()}
            assert {k: real.reader.value(k) for k in naive.keys} == naive.keys
        check_headers(real.reader)
        assert real.reader.digest() == digest_from_scratch(real.reader, real.writer._tables)


@QUICK
@given(st.lists(commands(), min_size=1, max_size=10))
def test_replay_on_another_store_gives_the_same_digest_history_and_outcomes(asked):
    with store() as one, store() as other:
        outcomes = [one.apply(command) for command in asked]
        other.replay(one.log)
        assert other.reader.digest() == one.reader.digest()
        assert other.reader.histories(None, 99) == one.reader.histories(None, 99)
        for command, outcome in zip(asked, outcomes, strict=True):
            assert other.apply(command) == outcome
        assert other.reader.digest() == one.reader.digest()


@QUICK
@given(st.permutations([Add(o, 1, 60, (RDATAS[1][n],)) for o in OWNERS[3:8] for n in (0, 1)]))
def test_equal_contents_have_equal_zone_digests_whatever_their_history(operations):
    with store() as one, store() as other:
        for start in (one, other):
            start.apply(Command(operation_id(), NOW_MS, "", "", (operations[0],), (), TEMPLATES))
        one.do(*operations, candidates=TEMPLATES, serial_floor=99)
        for operation in operations[:0:-1]:
            other.do(operation, candidates=TEMPLATES)
        other.do(Add(OWNERS[3], 16, None, (b"\1a",)))
        other.do(Remove(OWNERS[3], 16), serial_floor=99)
        for apex, header in one.reader.zones():
            twin = other.reader.zone(apex)
            if header.serial == twin.serial:
                assert header.digest == twin.digest
                event("compared")
