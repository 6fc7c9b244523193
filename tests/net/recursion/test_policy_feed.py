"""Policy zones from files and primaries to tables, and their tables into a worker."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from dns_node.net.recursion.policy_feed import FileFeed, StoreFeed, TransferFeed
from dns_node.net.recursion.policy_tables import PolicyTables, table_path
from dns_node.net.recursion.policy_transfer import Primary, TransferError, read_key
from dns_node.resolver.policy.rpz_match import PolicyZone
from dns_node.resolver.policy.rpz_rules import Action, Kind
from dns_node.resolver.policy.rpz_table import Table, make_table
from dns_node.store.writer import Writer
from dns_node.supervise.launch import START_VARIABLE
from dns_node.zone.names import parse_name
from dns_node.zone.rrset import RRset
from tests.answer.dict_view import zone_from_text
from tests.end_to_end.waiting import eventually
from tests.net.recursion.policy_primary import PolicyPrimary, is_missing
from tests.net.worker_process import fill

APEX = parse_name("rpz.example.")
HEAD = "$ORIGIN rpz.example.\n$TTL 60\n@ SOA ns.example. h.example. {} 3600 600 86400 60\n@ NS .\n"

needs_bind = pytest.mark.skipif(is_missing, reason="BIND is not installed (package bind9)")


@pytest.fixture(scope="module")
def data_path():
    """These tests answer no questions."""
    return ""


def write(path, serial, *rules):
    path.write_text(HEAD.format(serial) + "\n".join(rules) + "\n")
    os.utime(path, ns=(serial * 10**9, serial * 10**9))


def drop_zone(data_directory, apex):
    writer = Writer(data_directory)
    with writer.begin() as transaction:
        transaction.put_zone(apex, None)
    writer.close()


def qname_kind(table, text):
    action = table.find(b"\x02" + parse_name(text))
    return None if action is None else action.kind


def table_in(directory):
    return Table(table_path(directory, APEX).read_bytes())


def test_a_file_is_read_and_read_again_when_it_changes(tmp_path):
    path = tmp_path / "rpz.zone"
    write(path, 1, "bad.example CNAME .")
    feed = FileFeed(tmp_path / "policy", "rpz.example.", str(path))
    feed.turn()
    assert qname_kind(table_in(feed.directory), "bad.example.") is Kind.NXDOMAIN
    before = table_path(feed.directory, APEX).stat().st_ino
    feed.turn()
    assert table_path(feed.directory, APEX).stat().st_ino == before, "nothing changed"
    write(path, 2, "worse.example CNAME rpz-drop.")
    feed.turn()
    table = table_in(feed.directory)
    assert qname_kind(table, "bad.example.") is None
    assert qname_kind(table, "worse.example.") is Kind.DROP


def test_a_file_with_a_bad_line_or_no_file_leaves_the_rules_as_they_are(tmp_path, caplog):
    path = tmp_path / "rpz.zone"
    write(path, 1, "bad.example CNAME .")
    feed = FileFeed(tmp_path / "policy", "rpz.example.", str(path))
    feed.turn()
    write(path, 2, "bad.example CNAME", "x A 1.2.3")
    feed.turn()
    assert f"{path}:5" in caplog.text
    path.unlink()
    feed.turn()
    feed.turn()
    assert caplog.text.count("No such file") == 1, "the same is said once"
    assert qname_kind(table_in(feed.directory), "bad.example.") is Kind.NXDOMAIN


def test_a_worker_takes_up_a_table_and_says_so_once(tmp_path):
    path, directory, calls = tmp_path / "rpz.zone", tmp_path / "policy", []
    zone = PolicyZone(APEX)
    tables = PolicyTables(directory, (zone,), lambda: calls.append(1))
    tables.check()
    assert zone.table is None and not calls
    feed = FileFeed(directory, "rpz.example.", str(path))
    for serial, rule, kind in ((1, "CNAME .", Kind.NXDOMAIN), (2, "CNAME *.", Kind.NODATA)):
        write(path, serial, f"bad.example {rule}")
        feed.turn()
        tables.check()
        tables.check()
        assert qname_kind(zone.table, "bad.example.") is kind and len(calls) == serial


def test_octets_that_are_no_table_leave_a_worker_with_the_last_one(tmp_path):
    zone = PolicyZone(APEX)
    tables = PolicyTables(tmp_path, (zone,), lambda: None)
    table_path(tmp_path, APEX).write_bytes(b"")
    tables.check()
    table_path(tmp_path, APEX).write_bytes(b"something else that is long enough for a header")
    tables.check()
    assert zone.table is None


def test_a_hundred_thousand_rules_are_taken_up_without_reading_them(tmp_path):
    drop, zone = Action(Kind.DROP, 60), PolicyZone(APEX)
    rules = ((b"\x02" + parse_name(f"h{number}.bad.example."), drop) for number in range(100_000))
    soa = RRset(6, 60, (bytes(22),))
    started_s = time.thread_time()
    table_path(tmp_path, APEX).write_bytes(make_table(APEX, soa, rules))
    made_s = time.thread_time() - started_s
    started_s = time.thread_time()
    PolicyTables(tmp_path, (zone,), lambda: None).check()
    taken_s = time.thread_time() - started_s
    assert len(zone.table) == 100_000
    assert qname_kind(zone.table, "h99999.bad.example.") is Kind.DROP
    assert taken_s < made_s / 20


def turn(feed):
    """One look of a process of its own, which has the store open for itself."""
    feed.turn()
    feed.close()


def test_a_zone_of_our_own_is_followed_as_it_changes(tmp_path, caplog):
    feed = StoreFeed(tmp_path / "policy", "rpz.example.", tmp_path)
    turn(feed)
    assert "there is no store" in caplog.text
    head = "@ SOA ns.example. h.example. 1 2 3 4 5\n@ NS ns.example.\n"
    fill(tmp_path, zone_from_text("other.", head, 9))
    turn(feed)
    assert "none of our zones" in caplog.text
    rules = {"CNAME .": Kind.NXDOMAIN, "CNAME rpz-drop.": Kind.DROP}
    for number, (rule, kind) in enumerate(rules.items()):
        fill(tmp_path, zone_from_text("rpz.example.", f"{head}bad.example {rule}\n", number))
        turn(feed)
        assert qname_kind(table_in(feed.directory), "bad.example.") is kind
    before = table_path(feed.directory, APEX).stat().st_ino
    turn(feed)
    assert table_path(feed.directory, APEX).stat().st_ino == before, "nothing changed"
    drop_zone(tmp_path, APEX)
    turn(feed)
    assert len(table_in(feed.directory)) == 0, "a zone that was dropped has no rules"


@needs_bind
def test_a_zone_comes_by_axfr_and_then_by_ixfr_with_tsig(tmp_path):
    with PolicyPrimary(tmp_path) as primary:
        primary.serve("bad.example CNAME .", "32.1.2.0.192.rpz-ip CNAME .")
        feed = TransferFeed(
            tmp_path / "policy", "rpz.example.", (Primary("127.0.0.1", primary.port),),
            str(primary.key_path), 3600,
        )  # fmt: skip
        assert feed.turn() == 1.0, "the refresh of the SOA"
        table = table_in(feed.directory)
        assert qname_kind(table, "bad.example.") is Kind.NXDOMAIN and len(table) == 2
        primary.serve("worse.example CNAME rpz-drop.", "32.1.2.0.192.rpz-ip CNAME .")
        feed.turn()
        table = table_in(feed.directory)
        assert qname_kind(table, "bad.example.") is None and len(table) == 2
        assert qname_kind(table, "worse.example.") is Kind.DROP
        assert "AXFR started" in primary.log() and "IXFR started" in primary.log()

        again = TransferFeed(
            tmp_path / "policy", "rpz.example.", feed.primaries, str(primary.key_path), 3600
        )
        started = primary.log().count("XFR started")
        again.turn()
        assert primary.log().count("XFR started") == started, "the table of last time is good"


@needs_bind
def test_without_its_key_there_is_no_zone_and_the_next_primary_is_asked(tmp_path, caplog):
    with PolicyPrimary(tmp_path) as primary:
        primary.serve("bad.example CNAME .")
        place = Primary("127.0.0.1", primary.port)
        feed = TransferFeed(tmp_path / "policy", "rpz.example.", (place,), None, 3600)
        feed.turn()
        assert "REFUSED" in caplog.text and not table_path(feed.directory, APEX).exists()
        dead = Primary("127.0.0.1", 1)
        key = str(primary.key_path)
        feed = TransferFeed(tmp_path / "policy", "rpz.example.", (dead, place), key, 3600)
        feed.turn()
        assert len(table_in(feed.directory)) == 1


@needs_bind
def test_a_zone_that_is_not_there_is_no_new_version(tmp_path, caplog):
    with PolicyPrimary(tmp_path) as primary:
        primary.serve("bad.example CNAME .")
        place = Primary("127.0.0.1", primary.port)
        feed = TransferFeed(
            tmp_path / "policy", "other.example.", (place,), str(primary.key_path), 3600
        )
        assert feed.turn() == 60.0
        assert "stays as it is: 127.0.0.1 port" in caplog.text


def test_a_key_file_is_read_as_tsig_keygen_writes_it(tmp_path):
    path = tmp_path / "key"
    path.write_text('key "a.b" {\n\talgorithm hmac-sha512;\n\tsecret "AAAA";\n};\n')
    key = read_key(str(path))
    assert (key.name, key.algorithm, key.secret) == ("a.b", "hmac-sha512", "AAAA")
    for text in ("", 'key "a" { secret "AAAA"; };'):
        path.write_text(text)
        with pytest.raises(TransferError):
            read_key(str(path))
    with pytest.raises(TransferError):
        read_key(str(tmp_path / "none"))


def test_the_process_feeds_until_its_parent_is_gone(tmp_path):
    path, directory = tmp_path / "rpz.zone", tmp_path / "policy"
    directory.mkdir()
    (directory / "00.rules").write_bytes(b"of a zone that is configured no more")
    write(path, 1, "bad.example CNAME .")
    plain = {"name": "rpz.example.", "file": str(path), "primaries": [], "refresh_max_s": 60}
    start = {
        "parent": os.getpid(), "directory": str(directory), "node": "0", "zones": [plain],
        "log_level": "info", "log_format": "text", "store": str(tmp_path),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "dns_node.net.recursion.policy_feed"],
        env=os.environ | {START_VARIABLE: json.dumps(start), "PYTHONPATH": os.getcwd()},
        stderr=subprocess.PIPE,
    )
    try:
        eventually(lambda: table_path(directory, APEX).exists(), 10)
        write(path, 2, "bad.example CNAME *.")
        eventually(lambda: qname_kind(table_in(directory), "bad.example.") is Kind.NODATA, 10)
        assert not (directory / "00.rules").exists()
    finally:
        process.send_signal(signal.SIGKILL)
        _, words = process.communicate()
    assert b"the policy zone rpz.example. has 1 rules, serial 1" in words
    start["parent"] = 1
    ended = subprocess.run(
        process.args,
        env=os.environ | {START_VARIABLE: json.dumps(start), "PYTHONPATH": os.getcwd()},
        timeout=20,
        check=False,
    )
    assert ended.returncode == 1, "its parent is another: it ends at once"
