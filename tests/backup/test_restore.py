"""A restore begins a new cluster with what there was at any revision that history reaches."""

import os
import pwd

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.cluster.command import Done, PutKey, PutToken, Trim
from dns_node.cluster.identity import open_identity
from dns_node.cluster.undo import undo_command_parts
from dns_node.control import restore as restoring
from dns_node.control.restore import restore
from dns_node.errors import InputError, StoreError
from dns_node.store.reader import Reader
from dns_node.store.rows import MemberRow
from dns_node.zone.change import DropZone
from dns_node.zone.names import parse_name
from dns_node.zone.soa import is_later
from tests.backup.places import CLUSTER, backup_of, is_sound, place, reading, starting, store_in
from tests.cluster.commands import NOW_MS, add, candidates, command, remove
from tests.cluster.test_state_machine_undo import plain
from tests.model.test_store_against_dict import QUICK, commands
from tests.test_cli import run

APEX = parse_name("example.com")
EXAMPLE = candidates("example.com")


@pytest.fixture
def made(tmp_path):
    """A backup of four changes: revisions 2 to 5, an hour apart."""
    with store_in(tmp_path / "old") as store:
        for hours, operation in enumerate((
            add("www.example.com A 192.0.2.1"),
            add("www.example.com A 192.0.2.2"),
            PutKey("k", "v"),
            remove("www.example.com A"),
        )):  # fmt: skip
            at_ms = NOW_MS + hours * 3_600_000
            store.apply(command(operation, candidates=EXAMPLE, proposed_at_ms=at_ms))
        # The clock of the node that made it was behind.
        store.do(PutToken(b"t" * 32, NOW_MS * 2))
    return backup_of(tmp_path / "old", tmp_path / "b")


def addresses(view):
    header = view.zone(APEX)
    node = None if header is None else view.node(header.zone_id, parse_name("www.example.com"))
    return [] if not node else [rdata[-1] for rdata in node[1].rdatas]


def test_a_restored_directory_is_a_new_cluster_of_one_that_a_node_starts_on(made, tmp_path):
    new = tmp_path / "new"
    restore(str(made), place(new), None)
    identity = open_identity(new, "0")
    with starting(new) as (machine, journal):
        assert machine.members() == {"0": (identity.uuid, "voter")}
        assert journal.voters() == {"0"} and not journal.is_new
        assert journal.last_index == machine.applied()[0]
    with reading(new) as view:
        assert view.cluster_uuid() == identity.cluster_uuid not in ("", CLUSTER)
        assert list(view.members()) == [MemberRow("0", identity.uuid, "voter", "127.0.0.1:4321")]
        assert list(view.tokens()) == [], "a token of the old cluster opens no door here"
        assert view.value("k") == "v" and addresses(view) == []
        last = view.history(view.revision())
        assert last.door == "restore" and CLUSTER in last.others[0]
    assert is_sound(new)


def test_two_restores_of_one_backup_are_two_clusters(made, tmp_path):
    for name in "xy":
        restore(str(made), place(tmp_path / name), None)
    a, b = (open_identity(tmp_path / name) for name in "xy")
    assert a.uuid != b.uuid and a.cluster_uuid != b.cluster_uuid


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        ("0", ([], None)),
        ("2", ([1], None)),
        ("3", ([1, 2], None)),
        ("4", ([1, 2], "v")),
        ("6", ([], "v")),
        ("2026-09-21T14:13:20Z", ([1], None)),
        ("2026-09-21 15:13:19.999", ([1], None)),
        ("2026-09-21T15:13:20", ([1, 2], None)),
        ("2026-09-21T17:13:20+02:00", ([1, 2], None)),
        ("2026-09-21T17:13:19Z", ([1, 2], "v")),
        ("2099-01-01", ([], "v")),
    ],
)
def test_as_of_takes_a_revision_or_a_time(made, tmp_path, as_of, expected):
    new = tmp_path / "new"
    restore(str(made), place(new), as_of)
    with reading(new) as view:
        assert (addresses(view), view.value("k")) == expected
    assert is_sound(new)


@pytest.mark.parametrize(
    ("as_of", "why"),
    [
        ("7", "The last revision here is 6"),
        ("1990-01-01", "lies before revision 1"),
        ("yesterday", "neither a revision nor a time"),
    ],
)
def test_what_history_does_not_reach_is_refused_and_leaves_nothing(made, tmp_path, as_of, why):
    with pytest.raises(InputError, match=why):
        restore(str(made), place(tmp_path / "new"), as_of)
    assert os.listdir(tmp_path / "new") == ["lock"]
    restore(str(made), place(tmp_path / "new"), None)


def test_trimmed_history_is_said_to_begin_where_it_does(tmp_path):
    with store_in(tmp_path / "old") as store:
        for number in range(5):
            store.do(PutKey("k", str(number)))
        store.do(Trim(4, 0))
    file = backup_of(tmp_path / "old", tmp_path / "b")
    with pytest.raises(InputError, match="The earliest that can be had here is 3"):
        restore(str(file), place(tmp_path / "new"), "2")
    restore(str(file), place(tmp_path / "new"), "3")
    with reading(tmp_path / "new") as view:
        assert view.value("k") == "1"


def test_a_directory_that_holds_anything_is_refused_and_left_alone(made, tmp_path):
    new = tmp_path / "new"
    restore(str(made), place(new), None)
    before = {path: path.read_bytes() for path in new.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="is not empty: it holds journal, node.json, store"):
        restore(str(made), place(new), None)
    assert {path: path.read_bytes() for path in new.rglob("*") if path.is_file()} == before


def test_a_damaged_backup_is_refused_and_leaves_nothing(made, tmp_path):
    octets = bytearray(made.read_bytes())
    octets[9000] ^= 1
    made.write_bytes(octets)
    with pytest.raises(InputError, match="is damaged: octets 0 to"):
        restore(str(made), place(tmp_path / "new"), None)
    assert os.listdir(tmp_path / "new") == ["lock"]


def test_a_zone_that_is_made_anew_after_a_restore_goes_on_from_its_last_serial(tmp_path):
    with store_in(tmp_path / "old") as store:
        store.do(add("www.example.com A 192.0.2.1"), candidates=EXAMPLE, serial_floor=2026112100)
        store.do(DropZone(APEX))
    file = backup_of(tmp_path / "old", tmp_path / "b")
    restore(str(file), place(tmp_path / "new", serial_gap=500), None)
    with reading(tmp_path / "new") as view:
        assert view.retired_serial(APEX) == 2026112100 + 500
    restore(str(file), place(tmp_path / "earlier"), "2")
    with reading(tmp_path / "earlier") as view:
        assert view.zone(APEX).serial >= 2026112100 + 1_000_000


def test_a_full_disk_is_said_and_leaves_nothing(made, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(restoring, "sync_directory", full)
    with pytest.raises(StoreError, match="No space left"):
        restore(str(made), place(tmp_path / "new"), None)
    assert os.listdir(tmp_path / "new") == ["lock"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_restores_belongs_to_the_user_that_the_node_becomes(made, tmp_path):
    restore(str(made), place(tmp_path / "new", user="nobody"), None)
    owner = pwd.getpwnam("nobody").pw_uid
    assert {path.stat().st_uid for path in [tmp_path / "new", *(tmp_path / "new").rglob("*")]} == {
        owner
    }


def test_a_gap_that_serial_arithmetic_can_not_bear_is_refused(made, tmp_path):
    for gap in (0, 1 << 31):
        with pytest.raises(InputError, match="serial-gap"):
            restore(str(made), place(tmp_path / "new", serial_gap=gap), None)


@QUICK
@given(st.lists(st.one_of(commands(), st.integers(1, 8)), min_size=1, max_size=9), st.data())
def test_every_revision_comes_back_as_it_was_with_later_serials(tmp_path_factory, asked, data):
    folder = tmp_path_factory.mktemp("as-of")
    states, published = {}, {}
    with store_in(folder / "old") as store:
        for step in asked:
            if isinstance(step, int):
                # UNDO of an earlier revision brings dropped zones and their rows back.
                try:
                    operations, conditions = undo_command_parts(store.reader, step)
                except InputError:
                    continue
                step = command(*operations, preconditions=conditions)
            assert store.apply(step) is not None
            revision = store.reader.revision()
            states[revision] = plain(store.reader), [store.reader.value(k) for k in "kl"]
            for apex, header in store.reader.zones():
                published.setdefault(apex, set()).add(header.serial)
        states.setdefault(1, ({}, [None, None]))
    revision = data.draw(st.sampled_from(sorted(states)))
    new = folder / "new"
    restore(str(backup_of(folder / "old", folder / "b")), place(new), str(revision))
    assert is_sound(new)
    with reading(new) as view:
        assert (plain(view), [view.value(k) for k in "kl"]) == states[revision]
        for apex, header in view.zones():
            assert all(is_later(header.serial, serial) for serial in published[apex])
        for apex, serials in published.items():
            if view.zone(apex) is None:
                assert all(is_later(view.retired_serial(apex), serial) for serial in serials)
    with starting(new) as (machine, _):
        outcome = _apply(machine, add("again.example.com A 192.0.2.9"))
        assert isinstance(outcome, Done)


def _apply(machine, operation):
    from dns_node.cluster.command import compose_entry

    index, term = machine.applied()
    entry = compose_entry((command(operation, candidates=EXAMPLE),))
    ((_, outcome),) = machine.apply([(index + 1, term, entry)])
    return outcome


def test_the_command_line_restores_into_a_new_directory(made, tmp_path):
    new = tmp_path / "new"
    done = run("restore", made, "--data-dir", new, "--as-of", "3")
    assert done.returncode == 0 and "restored revision 3" in done.stdout, done
    again = run("restore", made, "--data-dir", new)
    assert again.returncode == 78 and "is not empty" in again.stderr
    assert run("restore").returncode == 64
    reader = Reader(new)
    assert addresses(reader) == [1, 2]
    reader.close()
