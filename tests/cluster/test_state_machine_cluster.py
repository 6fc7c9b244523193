"""Members, tokens, staging, publishing and trimming."""

from hashlib import sha256

import pytest

from dns_node.cluster.command import (
    Done,
    DropMember,
    FormCluster,
    Member,
    PublishRows,
    PutMember,
    PutToken,
    Refused,
    RunStaged,
    StageRows,
    StageSlice,
    Trim,
    compose_command,
)
from dns_node.store.layout import rows_digest
from dns_node.zone.change import SourceKey
from dns_node.zone.names import parse_name
from dns_node.zone.rrset import RRset
from tests.cluster.commands import NOW_MS, Store, add, candidates, command, operation_id, remove

APEX = parse_name("example.com")
TEMPLATE = candidates("example.com")[0]
MEMBERS = tuple(Member(str(n), f"uuid-{n}", "voter", f"127.0.0.1:{4321 + n}") for n in range(3))


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path)
    yield opened
    opened.close()


def test_a_cluster_forms_once(store):
    assert store.do(FormCluster("c-1", MEMBERS)).changed
    assert [member.node for member in store.reader.members()] == ["0", "1", "2"]
    assert store.reader.meta().cluster_uuid == "c-1"
    assert store.do(FormCluster("c-1", MEMBERS)).changed is False
    assert isinstance(store.do(FormCluster("c-2", MEMBERS)), Refused)


def test_a_join_token_admits_one_member_before_it_ends(store):
    token = sha256(b"secret").digest()
    learner = Member("3", "uuid-3", "learner", "127.0.0.1:4324")
    assert isinstance(store.do(PutMember(learner, token)), Refused)
    store.do(PutToken(token, NOW_MS + 10))
    late = store.do(PutMember(learner, token), proposed_at_ms=NOW_MS + 10)
    assert isinstance(late, Refused) and "expired" in late.reasons[0]
    assert store.do(PutMember(learner, token)).changed
    other = Member("4", "uuid-4", "learner", "127.0.0.1:4325")
    assert isinstance(store.do(PutMember(other, token)), Refused)
    assert store.do(PutMember(Member("3", "uuid-3", "voter", "127.0.0.1:4324"))).changed
    assert store.do(DropMember("3")).changed
    assert store.do(DropMember("3")) == Done(4, False, (), ("not there: member 3",))


def test_i7_another_data_directory_may_not_vote_under_the_id_of_a_member(store):
    store.do(FormCluster("c-1", MEMBERS))
    wiped = Member("1", "uuid-new", "voter", "127.0.0.1:4322")
    assert isinstance(store.do(PutMember(wiped)), Refused)
    assert store.do(PutMember(Member("1", "uuid-new", "learner", "127.0.0.1:4322"))).changed
    assert store.do(PutMember(wiped)).changed


def stage(store, octets, name=b"s", size=50):
    slices = [octets[at : at + size] for at in range(0, len(octets), size)]
    for number, part in enumerate(slices):
        assert store.do(StageSlice(name, number, part)) == Done(
            store.reader.revision(), False
        )
    return RunStaged(name, len(slices), sha256(octets).digest())


def test_a_staged_command_is_applied_as_its_own_and_only_once(store):
    inner = command(add("www.example.com A 192.0.2.1"), candidates=(TEMPLATE,))
    octets = compose_command(inner)
    run = stage(store, octets)
    outcome = store.do(run)
    assert outcome.zones == ((APEX, 1),)
    assert store.reader.operation(inner.operation_id) is not None
    store.do(remove("www.example.com A"))
    assert isinstance(store.do(run), Refused), "the stage is gone"
    assert store.do(stage(store, octets, b"again")) == outcome
    assert store.rrset("www.example.com A") is None
    assert store.reader.stage(b"again") is None


def test_a_staged_command_may_run_under_its_own_operation_id(store):
    inner = command(add("www.example.com A 192.0.2.1"), candidates=(TEMPLATE,))
    run = stage(store, compose_command(inner))
    outer = command(run, operation_id=inner.operation_id)
    outcome = store.apply(outer)
    assert outcome.changed and store.apply(outer) == outcome


def test_a_staged_command_with_a_slice_missing_is_refused(store):
    octets = compose_command(command(add("www.example.com A 192.0.2.1")))
    store.do(StageSlice(b"s", 1, octets))
    run = RunStaged(b"s", 2, sha256(octets).digest())
    assert isinstance(store.do(run), Refused)


def rows(*hosts):
    apex = (APEX, (TEMPLATE.soa, TEMPLATE.ns))
    return (apex, *((parse_name(h), (RRset(1, 60, (b"\xc0\0\2\1",)),)) for h in hosts))


def digest_of(found):
    return rows_digest([(owner, {r.rrtype: r for r in rrsets}) for owner, rrsets in found])


def test_staged_rows_are_published_by_a_swap_and_remembered_for_the_source(store):
    store.do(add("old.example.com A 192.0.2.1"), candidates=(TEMPLATE,), serial_floor=9)
    found = rows("a.example.com", "b.example.com")
    store.do(StageRows(b"s", found[:2]))
    store.do(StageRows(b"s", found[2:]))
    assert store.reader.zone(APEX).names == 2
    publish = PublishRows(b"s", APEX, "replace", digest_of(found), "0", "/big.zone")
    outcome = store.do(publish)
    assert outcome.zones == ((APEX, 10),)
    assert store.rrset("old.example.com A") is None and store.rrset("b.example.com A") is not None
    header = store.reader.zone(APEX)
    assert (header.names, header.records, header.flags, header.origin) == (3, 4, 0, "/big.zone")
    source = store.reader.source(SourceKey("0", "/big.zone", APEX))
    assert source.digest == digest_of(found)
    assert rows_digest(list(store.reader.walk(source.zone_id))) == source.digest


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found[1:],
        lambda found: (*found, (parse_name("other.test"), found[1][1])),
        lambda found: (*found, (parse_name("xexample.com"), found[1][1])),
    ],
    ids=["no apex", "outside", "outside, with the same octets"],
)
def test_staged_rows_that_are_no_zone_are_refused(store, spoil):
    found = spoil(rows("a.example.com"))
    store.do(StageRows(b"s", found))
    outcome = store.do(PublishRows(b"s", APEX, "new", digest_of(found)))
    assert isinstance(outcome, Refused)
    assert store.reader.zone(APEX) is None


def test_staged_rows_that_are_not_complete_are_refused(store):
    found = rows("a.example.com")
    store.do(StageRows(b"s", found[:1]))
    assert isinstance(store.do(PublishRows(b"s", APEX, "new", digest_of(found))), Refused)


def test_trimming_forgets_history_operations_and_stages_and_garbage_goes_in_slices(store):
    names = [f"h{n}.example.com" for n in range(20)]
    store.do(StageRows(b"s", rows(*names)))
    store.do(PublishRows(b"s", APEX, "new", b""))
    store.do(StageRows(b"t", rows("x.example.com")))
    store.do(PublishRows(b"t", APEX, "replace", b"", "0", "/z"))
    store.do(StageRows(b"left", rows("y.example.com")))
    old = operation_id()
    store.do(add("z.example.com A 192.0.2.1"), operation_id=old)
    digest, revision = store.reader.digest(), store.reader.revision()
    contents = list(store.reader.walk(store.reader.zone(APEX).zone_id))
    assert store.do(
        Trim(revision + 99, NOW_MS + 1), proposed_at_ms=NOW_MS + 1
    ) == Done(revision, False)
    assert store.reader.histories(None, 99) == [] and store.reader.history(1) is None
    assert store.reader.stage(b"left") is None
    slices = 0
    while store.writer.collect_garbage(7):
        slices += 1
    assert slices > 5
    store.reader.renew()
    assert store.reader.operation(old) is None
    assert store.reader.digest() == digest
    assert list(store.reader.walk(store.reader.zone(APEX).zone_id)) == contents
    source = store.reader.source(SourceKey("0", "/z", APEX))
    with store.writer.begin() as transaction:
        kept = {int.from_bytes(key[:4], "big") for key, _ in transaction.rows_of("names")}
        assert kept == {store.reader.zone(APEX).zone_id, source.zone_id}
        assert list(transaction.rows_of("dead")) == list(transaction.rows_of("stages")) == []
        assert list(transaction.rows_of("history")) == []


def test_trimming_forgets_tokens_that_ended_as_a_change_of_its_own(store):
    store.do(PutToken(b"h" * 32, NOW_MS + 5))
    assert store.do(Trim(0, 0)) == Done(1, False)
    assert store.do(Trim(0, 0), proposed_at_ms=NOW_MS + 6) == Done(2, True)
    assert store.reader.tokens() == []
