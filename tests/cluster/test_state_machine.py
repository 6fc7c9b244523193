"""What the state machine answers, by example."""

import pytest

from dns_node.cluster.command import (
    Done,
    KeyIs,
    PutKey,
    Refused,
    RRsetIs,
    StoreRevisionIs,
    ZoneIs,
    ZoneSerialIs,
)
from dns_node.cluster.state_machine import judge
from dns_node.zone.change import DropZone, Import, Remove, SourceKey
from dns_node.zone.names import parse_name
from dns_node.zone.rdata import make_rrset
from dns_node.zone.soa import soa_serial
from tests.cluster.commands import (
    NOW_MS,
    Store,
    add,
    candidates,
    command,
    record,
    remove,
    replace,
)

APEX = parse_name("example.com")
EXAMPLE = candidates("example.com")


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def example(store):
    """A store with example.com, made by adding www."""
    assert store.do(add("www.example.com A 192.0.2.1"), candidates=EXAMPLE).changed
    return store


def rdatas(store, text):
    rrset = store.rrset(text)
    return None if rrset is None else len(rrset.rdatas)


def test_an_added_name_in_no_zone_creates_the_suggested_zone_and_says_so(store):
    outcome = store.do(
        add("www.example.com A 192.0.2.1"), candidates=EXAMPLE, serial_floor=2026112100
    )
    assert outcome == Done(
        1,
        True,
        ((APEX, 2026112100),),
        ("zone example.com. created (SOA, NS from the configuration)",),
    )
    assert soa_serial(store.rrset("example.com SOA").rdatas[0]) == 2026112100


def test_the_suggestion_is_not_used_when_a_zone_encloses_the_name_by_then(example):
    outcome = example.do(add("a.b.example.com A 192.0.2.1"), candidates=candidates("b.example.com"))
    assert outcome.zones == ((APEX, 2),) and outcome.notes == ()


def test_a_name_in_no_zone_without_a_suggestion_is_refused(store):
    outcome = store.do(add("www.example.com A 192.0.2.1"), candidates=candidates("example.net"))
    assert isinstance(outcome, Refused) and "lies in no zone" in outcome.reasons[0]


def test_a_created_zone_vanishes_with_its_last_record_and_comes_back_with_a_higher_serial(example):
    outcome = example.do(remove("www.example.com A"))
    assert outcome.zones == ((APEX, -1),)
    assert outcome.notes == ("zone example.com. vanished with its last record",)
    assert example.reader.zone(APEX) is None
    outcome = example.do(add("www.example.com A 192.0.2.1"), candidates=EXAMPLE)
    assert outcome.zones == ((APEX, 2),)


def test_adding_what_is_there_and_removing_what_is_not_are_said_and_change_nothing(example):
    before = example.reader.digest()
    assert example.do(add("www.example.com A 192.0.2.1")) == Done(
        1, False, (), ("exists already: www.example.com. A 192.0.2.1",)
    )
    outcome = example.do(
        remove("www.example.com A 192.0.2.9"), remove("www.example.com TXT"), remove("x.test A")
    )
    assert outcome.notes == (
        "change 1: not there: www.example.com. A 192.0.2.9",
        "change 2: not there: www.example.com. TXT",
        "change 3: not there: x.test.",
    )
    assert example.reader.digest() == before and example.reader.history(2) is None


def test_adding_with_a_ttl_sets_that_of_the_rrset_and_without_keeps_it(example):
    example.do(add("www.example.com A 192.0.2.2", 60))
    assert example.rrset("www.example.com A").ttl_s == 60
    example.do(add("www.example.com A 192.0.2.3"))
    assert example.rrset("www.example.com A").ttl_s == 60
    assert rdatas(example, "www.example.com A") == 3


def test_a_command_over_two_zones_with_one_bad_line_changes_nothing_and_names_the_line(example):
    example.do(add("www.example.net A 192.0.2.1"), candidates=candidates("example.net"))
    before = example.reader.digest(), example.reader.revision()
    outcome = example.do(
        add("new.example.com A 192.0.2.1"),
        add("www.example.net CNAME new.example.com."),
        add("nowhere.test A 192.0.2.1"),
    )
    assert isinstance(outcome, Refused) and len(outcome.reasons) == 2
    assert sorted(reason[:9] for reason in outcome.reasons) == ["change 2:", "change 3:"]
    assert any("RFC 1034 section 3.6.2" in reason for reason in outcome.reasons)
    assert (example.reader.digest(), example.reader.revision()) == before


def test_one_command_raises_the_serial_of_each_zone_once(example):
    outcome = example.do(add("a.example.com A 192.0.2.1"), add("b.example.com A 192.0.2.1"))
    assert outcome.zones == ((APEX, 2),)


def test_the_soa_and_the_last_ns_of_a_zone_can_not_be_removed(example):
    outcome = example.do(remove("example.com SOA"), remove("example.com NS"))
    assert isinstance(outcome, Refused)
    assert "DROP example.com." in outcome.reasons[0]
    assert "no NS record left" in outcome.reasons[1]


def test_replacing_the_soa_takes_a_higher_serial_and_never_a_lower_one(example):
    def soa(serial, refresh=3600):
        return replace(f"example.com SOA ns1.test. me.test. {serial} {refresh} 600 9999 60", 300)

    assert example.do(soa(100)).zones == ((APEX, 100),)
    assert example.do(soa(7, 7200)).zones == ((APEX, 101),)
    assert example.do(soa(101, 7200)).changed is False
    assert example.reader.zone(APEX).negative_ttl_s == 60


def test_a_serial_wraps_as_in_rfc_1982(example):
    soa = "example.com SOA ns1.test. me.test. {} 1 1 1 1"
    example.do(replace(soa.format(2**31)))
    example.do(replace(soa.format(2**32 - 1)))
    assert example.do(add("a.example.com A 192.0.2.1")).zones == ((APEX, 1),)


def test_a_ds_at_a_child_zone_goes_to_the_parent(example):
    example.do(add("www.sub.test A 192.0.2.1"), candidates=candidates("sub.test"))
    ds = "1 13 2 " + "00" * 32
    assert "parent zone" in example.do(add(f"sub.test DS {ds}")).reasons[0]
    example.do(DropZone(parse_name("sub.test")))
    child = candidates("sub.example.com")[0]
    rows = tuple((child.apex, rrset) for rrset in (child.soa, child.ns))
    example.do(Import(SourceKey("0", "/z", child.apex), "new", rows, (), b""))
    assert example.do(add(f"sub.example.com DS {ds}")).zones == ((APEX, 2),)


def test_all_unmet_preconditions_are_listed(example):
    www = parse_name("www.example.com")
    outcome = example.do(
        add("new.example.com A 192.0.2.1"),
        preconditions=(
            StoreRevisionIs(41),
            ZoneSerialIs(APEX, 9),
            ZoneIs(APEX, None),
            RRsetIs(APEX, www, 1, None),
            KeyIs("k", "v"),
        ),
    )
    assert outcome.reasons == (
        "if-revision=41, but the store is at 1",
        "zone example.com. has serial 1, not 9",
        "zone example.com. exists by now",
        "www.example.com. A is 3600 A 192.0.2.1 by now, not absent",
        "key k is absent by now, not 'v'",
    )


def test_preconditions_that_hold_let_the_command_through(example):
    header = example.reader.zone(APEX)
    rrset = example.rrset("www.example.com A")
    outcome = example.do(
        PutKey("k", "v"),
        preconditions=(
            StoreRevisionIs(1),
            ZoneSerialIs(APEX, 1),
            ZoneIs(APEX, header.zone_id, 1),
            RRsetIs(APEX, parse_name("www.example.com"), 1, rrset),
            KeyIs("k", None),
        ),
    )
    assert outcome == Done(2, True)


def test_an_operation_id_is_carried_out_once_and_answers_the_same_again(example):
    again = command(add("x.example.com A 192.0.2.1"))
    first = example.apply(again)
    example.do(remove("x.example.com A"))
    assert example.apply(again) == first
    assert example.rrset("x.example.com A") is None
    bad = command(add("nowhere.test A 192.0.2.1"))
    refused = example.apply(bad)
    assert isinstance(refused, Refused)
    example.do(add("nowhere.test A 192.0.2.2"), candidates=candidates("nowhere.test"))
    assert example.apply(bad) == refused


def test_an_entry_that_was_applied_is_not_applied_again(example):
    log = list(example.log)
    from dns_node.cluster.apply_entry import apply_entry

    with example.writer.begin() as transaction:
        assert apply_entry(transaction, 1, 1, log[0]) == []


def test_judging_without_a_log_gives_the_outcome_and_changes_nothing(example):
    dry = command(add("x.example.com A 192.0.2.1"), dry_run=True)
    before = example.reader.digest()
    outcome, _ = judge(example.reader, dry)
    assert outcome == Done(2, True, ((APEX, 2),))
    example.reader.renew()
    assert example.reader.digest() == before


def test_the_limits_of_records_per_type_are_kept(example):
    outcome = example.do(*(add(f"many.example.com A 192.0.2.{n}") for n in range(101)))
    assert isinstance(outcome, Refused) and "at most 100" in outcome.reasons[0]
    assert example.do(*(add(f"many.example.com A 192.0.2.{n}") for n in range(100))).changed


def test_removing_every_type_at_the_apex_leaves_soa_and_ns(example):
    example.do(add("example.com TXT hello"))
    example.do(Remove(APEX, 255))
    header = example.reader.zone(APEX)
    assert set(example.reader.node(header.zone_id, APEX)) == {2, 6}


def legacy_import(mode="new", *more, digest=b""):
    template = EXAMPLE[0]
    texts = ("example.com A 192.0.2.7", "example.com CNAME fizzbuzz.com.", *more)
    rows = [(APEX, template.soa), (APEX, template.ns)]
    for text in texts:
        owner, rrtype, rdata = record(text)
        rows.append((owner, make_rrset(rrtype, 0, [rdata])))
    return Import(SourceKey("0", "/zf0.txt", APEX), mode, tuple(rows), (), digest)


def test_an_imported_cname_beside_other_data_may_stay_and_is_refused_to_others(store):
    assert store.do(legacy_import()).changed
    assert store.do(add("example.com TXT hello")).changed
    assert store.do(remove("example.com A")).changed
    assert isinstance(
        store.do(add("www.example.com A 192.0.2.1"), add("www.example.com CNAME x.test.")), Refused
    )


def test_a_record_that_was_removed_by_hand_stays_away_when_an_update_does_not_name_it(store):
    store.do(legacy_import("new", "www.example.com A 192.0.2.1"))
    store.do(remove("www.example.com A"))
    source = SourceKey("0", "/zf0.txt", APEX)
    owner, rrtype, rdata = record("mail.example.com A 192.0.2.2")
    fresh = (owner, make_rrset(rrtype, 0, [rdata]))
    gone = (parse_name("example.com"), store.rrset("example.com A"))
    outcome = store.do(Import(source, "update", (fresh,), (gone,), b""))
    assert outcome.zones == ((APEX, 3),)
    assert store.rrset("www.example.com A") is None
    assert store.rrset("example.com A") is None
    assert store.rrset("mail.example.com A").ttl_s == 0


def test_an_import_whose_digest_does_not_fit_the_memory_of_the_source_is_refused(store):
    outcome = store.do(legacy_import("new", digest=bytes(32)))
    assert isinstance(outcome, Refused) and "RELOAD" in outcome.reasons[0]


def test_adopting_remembers_the_file_and_touches_no_zone(example):
    before = example.reader.zone(APEX)
    outcome = example.do(legacy_import("adopt"))
    assert outcome == Done(2, True)
    assert example.reader.zone(APEX) == before
    assert example.reader.source(SourceKey("0", "/zf0.txt", APEX)) is not None


def test_a_command_older_than_the_horizon_is_refused_and_not_recorded(example):
    from dns_node.cluster.command import Trim

    example.do(Trim(0, NOW_MS), proposed_at_ms=NOW_MS + 1)
    late = command(add("x.example.com A 192.0.2.1"), proposed_at_ms=NOW_MS - 1)
    outcome = example.apply(late)
    assert isinstance(outcome, Refused) and "too old" in outcome.reasons[0]
    assert example.reader.operation(late.operation_id) is None
