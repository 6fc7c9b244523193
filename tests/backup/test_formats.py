"""Formats carry versions: a release reads its own and the one before, and refuses newer ones."""

import gzip
import json

import msgspec
import pytest

from dns_node.cluster.command import UnknownSchemaError, parse_entry
from dns_node.cluster.identity import open_identity
from dns_node.cluster.journal_disk import JournalDisk, Set
from dns_node.control.backup import verify
from dns_node.control.restore import restore
from dns_node.errors import InputError, StoreError
from dns_node.store import layout
from dns_node.store.backup_file import FORMAT, compose_tail, read_manifest
from dns_node.store.layout import STORE_SCHEMA
from dns_node.store.lmdb_view import Tables
from dns_node.store.reader import Reader
from dns_node.store.schema import READABLE
from dns_node.store.writer import Writer
from dns_node.zone.names import name_text, parse_name
from tests.backup.make_fixture import FIXTURES
from tests.backup.places import backup_of, is_sound, place, reading, starting, store_in
from tests.end_to_end.ports import free_ports
from tests.test_cli import run


def fixture_of(schema, tmp_path):
    file = tmp_path / f"schema-{schema}.backup"
    octets = (FIXTURES / f"store-schema-{schema}.backup.gz").read_bytes()
    file.write_bytes(gzip.decompress(octets))
    return file


@pytest.fixture
def node(tmp_path):
    with store_in(tmp_path / "node"):
        pass
    return tmp_path / "node"


def set_schema(directory, schema):
    tables = Tables(directory / "store" / "1", may_write=True)
    with tables.environment.begin(write=True) as transaction:
        state = transaction.get(b"state", db=tables.meta)
        transaction.put(b"state", schema.to_bytes(2, "big") + state[2:], db=tables.meta)
    tables.close()


def test_this_release_reads_its_schema_and_the_one_before():
    assert {STORE_SCHEMA, max(STORE_SCHEMA - 1, 1)} <= READABLE


@pytest.mark.parametrize("schema", sorted(READABLE))
def test_every_schema_that_is_read_has_a_backup_kept_that_restores(tmp_path, schema):
    file = fixture_of(schema, tmp_path)
    assert verify(str(file))[-1] == "good"
    restore(str(file), place(tmp_path / "new"), None)
    assert is_sound(tmp_path / "new")
    with reading(tmp_path / "new") as view:
        assert [name_text(apex) for apex, _ in view.zones()] == ["example.com."]
        header = view.zone(parse_name("example.com"))
        assert (header.records, header.wildcards, header.cuts) == (4, 1, 1)
        assert view.value("k") == "v" and view.history(7).zones
    restore(str(file), place(tmp_path / "earlier"), "5")
    with reading(tmp_path / "earlier") as view:
        assert [name_text(apex) for apex, _ in view.zones()] == ["example.com.", "example.net."]
    with starting(tmp_path / "new") as (machine, _):
        assert list(machine.members()) == ["0"]


def test_a_store_of_a_newer_schema_is_refused_by_the_node_the_worker_and_the_backup(node, tmp_path):
    set_schema(node, STORE_SCHEMA + 1)
    text = rf"schema {STORE_SCHEMA + 1}, and this release reads {STORE_SCHEMA}. A newer release"
    for use in (Writer, Reader, lambda directory: backup_of(directory, tmp_path / "b")):
        with pytest.raises(StoreError, match=text):
            use(node)
    done = run("backup", tmp_path / "b", "--data-dir", node)
    assert done.returncode == 78 and "newer release" in done.stderr
    assert not (tmp_path / "b").exists()


def test_a_store_older_than_the_schema_before_is_refused_with_the_way_up(node):
    set_schema(node, min(READABLE) - 1)
    with pytest.raises(StoreError, match="reads both"):
        Reader(node)


def test_a_node_that_has_a_newer_store_does_not_start_and_says_why(node):
    set_schema(node, 2)
    raft, query = free_ports(2)
    locations = {"raft_loc": f"127.0.0.1:{raft}", "query_loc": f"127.0.0.1:{query}"}
    config = node.parent / "config.json"
    config.write_text(json.dumps({"nodes": {"0": locations}, "workers": 1}))
    done = run("-n", "0", "-c", config, "--data-dir", node)
    assert done.returncode == 78 and "newer release" in done.stderr, done


def test_a_backup_of_a_newer_format_is_refused_before_anything_of_it_is_read(node, tmp_path):
    file = backup_of(node, tmp_path / "b")
    manifest = read_manifest(file)
    data = file.read_bytes()[: manifest.size_octets]
    file.write_bytes(data + compose_tail(manifest, FORMAT + 1))
    text = f"is a backup of format {FORMAT + 1}, and this release reads {FORMAT}"
    with pytest.raises(InputError, match=text):
        verify(str(file))
    with pytest.raises(InputError, match=text):
        restore(str(file), place(tmp_path / "new"), None)


def test_a_backup_with_a_store_of_a_newer_schema_is_refused(node, tmp_path):
    file = backup_of(node, tmp_path / "b")
    manifest = read_manifest(file)
    data = file.read_bytes()[: manifest.size_octets]
    newer = msgspec.structs.replace(manifest, store_schema=STORE_SCHEMA + 1)
    file.write_bytes(data + compose_tail(newer))
    with pytest.raises(InputError, match=f"a store of schema {STORE_SCHEMA + 1}, and this release"):
        verify(str(file))


def test_a_newer_manifest_may_say_more_without_harm(node, tmp_path):
    file = backup_of(node, tmp_path / "b")
    manifest = read_manifest(file)
    more = msgspec.to_builtins(manifest) | {"something": "new"}
    data = file.read_bytes()[: manifest.size_octets]
    file.write_bytes(data + compose_tail(more))
    assert verify(str(file))[-1] == "good"


def test_journal_identity_and_log_entries_of_newer_formats_are_refused(node, tmp_path):
    disk = JournalDisk(tmp_path / "journal")
    disk.write([Set(b"format", 2)])
    disk.close()
    with pytest.raises(StoreError, match="journal of format 2"):
        JournalDisk(tmp_path / "journal")
    (tmp_path / "node.json").write_text(json.dumps({"uuid": "u", "format": 2}))
    with pytest.raises(InputError, match="format 2; this release reads 1"):
        open_identity(tmp_path)
    with pytest.raises(UnknownSchemaError):
        parse_entry(b"\x02\x90")


def test_the_schema_stands_in_the_first_two_octets_of_the_state_in_every_schema():
    state = layout.compose_state(1, 2, 3, 4, 5, 6, bytes(32))
    assert int.from_bytes(state[:2], "big") == STORE_SCHEMA
