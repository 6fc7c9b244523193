"""UNDO puts back what a revision changed, or lists what changed since."""

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from dns_node.cluster.command import Done, FormCluster, PutKey, Refused, Trim
from dns_node.cluster.undo import undo_command_parts
from dns_node.errors import InputError
from dns_node.zone.change import DropZone
from dns_node.zone.names import parse_name
from tests.cluster.commands import Store, add, candidates, remove, replace
from tests.cluster.test_state_machine import legacy_import
from tests.model.test_store_against_dict import QUICK, commands, contents
from tests.model.test_store_against_dict import store as a_store

APEX = parse_name("example.com")
EXAMPLE = candidates("example.com")


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path)
    opened.do(add("www.example.com A 192.0.2.1"), candidates=EXAMPLE)
    yield opened
    opened.close()


def undo(store, revision=None):
    operations, preconditions = undo_command_parts(
        store.reader, store.reader.revision() if revision is None else revision
    )
    return store.do(*operations, preconditions=preconditions)


def plain(view):
    """Return the contents without the serials, which never fall."""
    return {
        apex: {
            key: (ttl, {r[:-20] + r[-16:] for r in rdatas} if key[1] == 6 else rdatas)
            for key, (ttl, rdatas) in rows.items()
        }
        for apex, rows in contents(view).items()
    }


@QUICK
@given(st.lists(commands(), min_size=1, max_size=8))
def test_undo_of_the_last_revision_restores_every_rrset_and_key_and_raises_the_serial(asked):
    with a_store() as store:
        for command in asked:
            before, keys = plain(store.reader), [store.reader.value(k) for k in "kl"]
            outcome = store.apply(command)
            if not isinstance(outcome, Done) or not outcome.changed:
                continue
            after = {apex: header.serial for apex, header in store.reader.zones()}
            try:
                undone = undo(store)
            except InputError:
                assert plain(store.reader) == before
                event("nothing to undo")
                continue
            assert isinstance(undone, Done), undone
            assert plain(store.reader) == before
            assert [store.reader.value(k) for k in "kl"] == keys
            for apex, header in store.reader.zones():
                assert header.serial >= after.get(apex, 0)
                assert ((apex, header.serial) in undone.zones) == (header.serial != after.get(apex))
            again = undo(store)
            assert isinstance(again, Done), again
            event("undone and done again")


def test_undo_is_refused_with_every_conflict_when_its_rrsets_changed_since(store):
    store.do(add("a.example.com A 192.0.2.1"), add("b.example.com A 192.0.2.1"))
    store.do(add("a.example.com A 192.0.2.2"), remove("b.example.com A"))
    outcome = undo(store, 2)
    assert outcome.reasons == (
        "a.example.com. A is 3600 A 192.0.2.1, 192.0.2.2 by now, not 3600 A 192.0.2.1",
        "b.example.com. A is absent by now, not 3600 A 192.0.2.1",
    )


def test_undo_works_past_changes_of_other_names_and_of_the_serial(store):
    store.do(add("a.example.com A 192.0.2.1"))
    store.do(add("b.example.com A 192.0.2.1"))
    assert undo(store, 2).zones == ((APEX, 4),)
    assert store.rrset("a.example.com A") is None and store.rrset("b.example.com A")


def test_undo_of_a_drop_publishes_the_zone_again_with_a_higher_serial(store):
    store.do(DropZone(APEX))
    assert store.reader.zone(APEX) is None
    assert undo(store).zones == ((APEX, 2),)
    assert store.rrset("www.example.com A") is not None


def test_undo_of_a_drop_is_refused_when_the_zone_exists_again(store):
    store.do(DropZone(APEX))
    store.do(add("www.example.com A 192.0.2.9"), candidates=EXAMPLE)
    assert undo(store, 2).reasons == ("zone example.com. exists by now",)


def test_undo_of_a_creation_drops_the_zone_unless_it_changed(store):
    store.do(add("b.example.com A 192.0.2.1"))
    outcome = undo(store, 1)
    assert isinstance(outcome, Refused) and "has changed since" in outcome.reasons[0]
    undo(store, 2)
    store.do(add("www.example.net A 192.0.2.1"), candidates=candidates("example.net"))
    undo(store)
    assert store.reader.zone(parse_name("example.net")) is None


def test_undo_brings_back_a_cname_beside_other_data_that_a_legacy_file_had(tmp_path):
    store = Store(tmp_path / "legacy")
    store.do(legacy_import())
    store.do(remove("example.com CNAME"))
    undo(store)
    assert store.rrset("example.com CNAME") is not None
    store.close()


def test_undo_puts_back_the_soa_but_never_its_serial(store):
    store.do(replace("example.com SOA a.test. b.test. 50 1 2 3 4"))
    assert undo(store).zones == ((APEX, 51),)
    assert store.rrset("example.com SOA").rdatas[0].startswith(b"\x09localhost\0")


def test_undo_of_a_key_is_refused_when_it_changed_since(store):
    store.do(PutKey("k", "1"))
    store.do(PutKey("k", "2"))
    assert undo(store, 2).reasons == ("key k is '2' by now, not '1'",)
    undo(store, 3)
    assert store.reader.value("k") == "1"


def test_undo_says_why_a_revision_can_not_be_undone(store):
    store.do(FormCluster("c", ()))
    with pytest.raises(InputError, match=r"UNDO 2: it changed cluster c formed.*zone data"):
        undo(store, 2)
    with pytest.raises(InputError, match="knows no such revision; its last one is 2"):
        undo(store, 3)
    store.do(Trim(2, 0))
    with pytest.raises(InputError, match="history begins at revision 2"):
        undo(store, 1)
