"""The writer, its transactions, readers beside it, and generations."""

import resource
import subprocess
import sys

import pytest

from dns_node.errors import StoreError
from dns_node.store import lmdb_view
from dns_node.store.reader import Reader
from dns_node.store.rows import Tally
from dns_node.store.writer import Writer
from dns_node.zone.names import parse_name
from dns_node.zone.rrset import RRset
from dns_node.zone.view import ZoneHeader

A = {1: RRset(1, 60, (b"\xc0\0\2\1",))}
OWNERS = [parse_name(text) for text in ("z.test", "a.z.test", "*.b.z.test", "x.y.z.test")]


@pytest.fixture
def writer(tmp_path):
    opened = Writer(tmp_path)
    yield opened
    opened.close()


def header(zone_id, tally=Tally()):  # noqa: B008 - a frozen value
    return ZoneHeader(
        zone_id, 1, 0, "primary", 60, tally.names, tally.records, tally.cuts, tally.dnames,
        tally.wildcards, tally.digest, "",
    )  # fmt: skip


def write_zone(writer, apex, owners, zone_id=1):
    with writer.begin() as transaction:
        tally = transaction.put_rows(zone_id, Tally(), dict.fromkeys(owners, A))
        transaction.put_zone(apex, header(zone_id, tally))


def test_a_transaction_sees_its_own_writes_and_others_see_them_after_the_commit(writer):
    reader = writer.reader()
    with writer.begin() as transaction:
        transaction.put_value("k", "v")
        assert transaction.value("k") == "v"
        reader.renew()
        assert reader.value("k") is None
    assert reader.value("k") is None, "a reader stays at its revision"
    reader.renew()
    assert reader.value("k") == "v"


def test_an_exception_leaves_nothing_behind(writer):
    before = writer.reader().digest()
    with pytest.raises(ZeroDivisionError), writer.begin() as transaction:
        transaction.put_value("k", "v")
        transaction.put_applied(9, 9)
        raise ZeroDivisionError
    assert writer.reader().digest() == before and writer.reader().applied() == (0, 0)


def test_the_digest_forgets_what_is_deleted(writer):
    empty = writer.reader().digest()
    with writer.begin() as transaction:
        transaction.put_value("k", "v")
        transaction.put_value("k", "w")
        transaction.put_value("k", None)
    assert writer.reader().digest() == empty


def test_names_are_walked_in_canonical_order_and_neighbours_stay_within_the_zone(writer):
    write_zone(writer, OWNERS[0], OWNERS, 1)
    write_zone(writer, OWNERS[1], OWNERS[:2], 2)
    view = writer.reader()
    apex, a, wildcard, x = OWNERS
    assert [owner for owner, _ in view.walk(1)] == [apex, a, wildcard, x]
    assert view.successor(1, parse_name("b.z.test")) == wildcard
    assert view.successor(1, x) is None and view.predecessor(1, apex) is None
    assert view.predecessor(1, parse_name("zz.test")) == x
    assert view.predecessor(2, parse_name("zz.test")) == a
    assert view.zone(apex).wildcards == 1


def test_the_enclosing_zone_is_the_longest_one_and_the_root_counts(writer):
    write_zone(writer, OWNERS[0], OWNERS[:1], 1)
    write_zone(writer, OWNERS[1], OWNERS[1:2], 2)
    view = writer.reader()
    assert view.enclosing_zone(parse_name("q.a.z.test"))[0] == OWNERS[1]
    assert view.enclosing_zone(parse_name("q.b.z.test"))[0] == OWNERS[0]
    assert view.enclosing_zone(parse_name("xz.test")) is None
    write_zone(writer, b"\0", [b"\0"], 3)
    view.renew()
    assert view.enclosing_zone(parse_name("xz.test"))[0] == b"\0"
    assert view.enclosing_zone(b"\0")[1].zone_id == 3


def test_a_store_is_there_again_after_it_was_closed(tmp_path):
    first = Writer(tmp_path)
    write_zone(first, OWNERS[0], OWNERS)
    digest = first.reader().digest()
    first.sync()
    first.close()
    second = Writer(tmp_path)
    assert second.reader().digest() == digest
    second.close()


READ = """
import sys
from dns_node.store.reader import Reader
reader = Reader(sys.argv[1])
for line in sys.stdin:
    if line.strip() == "renew":
        reader.renew()
    else:
        reader.reopen()
    print(reader.value("k"), reader.path.name, flush=True)
    reader.reset()
"""


def test_a_reader_in_another_process_follows_renew_and_a_new_generation(writer, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", READ, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def ask(verb):
            process.stdin.write(verb + "\n")
            process.stdin.flush()
            return process.stdout.readline().split()

        assert ask("renew") == ["None", "1"]
        with writer.begin() as transaction:
            transaction.put_value("k", "v")
        assert ask("renew") == ["v", "1"]
        copy = tmp_path / "copy"
        copy.mkdir()
        writer.copy(copy)
        with writer.begin() as transaction:
            transaction.put_value("k", "later")
        shared = writer.reader()
        writer.install(copy)
        assert shared.value("k") == "later", "until it is renewed"
        shared.renew()
        assert shared.value("k") == "v" and shared.path.name == "2"
        assert ask("renew") == ["later", "1"]
        assert ask("reopen") == ["v", "2"]
        writer.remove_old_generations()
        assert sorted(p.name for p in (tmp_path / "store").iterdir()) == ["2", "CURRENT"]
        with writer.begin() as transaction:
            transaction.put_value("k", "new")
        assert ask("renew") == ["new", "2"]
        process.stdin.close()


def test_a_reader_without_a_store_says_so(tmp_path):
    with pytest.raises(StoreError, match="no store"):
        Reader(tmp_path)


def test_a_pointer_to_nothing_is_told_and_no_empty_store_is_made(tmp_path):
    Writer(tmp_path).close()
    (tmp_path / "store" / "CURRENT").write_text("7\n")
    with pytest.raises(StoreError, match="generation 7"):
        Writer(tmp_path)


def test_installing_what_is_no_store_keeps_the_old_one(writer, tmp_path):
    with pytest.raises(StoreError):
        writer.install(tmp_path / "nothing")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "data.mdb").write_bytes(b"x" * 100)
    with pytest.raises(StoreError):
        writer.install(tmp_path / "broken")
    assert writer.path.name == "1" and writer.reader().revision() == 0


def fill(writer):
    """Write until the store refuses; nothing of the transaction that failed may remain."""
    digest = writer.reader().digest()
    with pytest.raises(StoreError) as refusal, writer.begin() as transaction:
        for number in range(5000):
            transaction.put_value(f"k{number}", "v" * 400)
    assert "Nothing was changed" in str(refusal.value)
    assert writer.reader().digest() == digest
    with writer.begin() as transaction:
        transaction.put_value("small", "v")
    assert writer.reader().value("small") == "v"
    return str(refusal.value)


def test_a_full_map_refuses_clearly_and_smaller_changes_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(lmdb_view, "MAP_SIZE_OCTETS", 1 << 20)
    writer = Writer(tmp_path)
    assert "address space is full" in fill(writer)
    writer.close()


def test_a_full_disk_refuses_clearly_and_smaller_changes_go_on(tmp_path):
    writer = Writer(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        assert "the disk is full" in fill(writer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    writer.close()
