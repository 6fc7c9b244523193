"""A backup is the store at one moment, whole or not at all, and every damage to it is found."""

import os
import subprocess
import sys

import pytest

from dns_node.control.backup import back_up, verify
from dns_node.errors import InputError, StoreError
from dns_node.store import backup_file
from dns_node.store.backup_file import read_manifest
from dns_node.zone.rrset import RRset
from tests.backup.places import CLUSTER, backup_of, reading, store_in
from tests.cluster.commands import add, candidates
from tests.test_cli import ROOT, run


@pytest.fixture
def node(tmp_path):
    with store_in(tmp_path / "node") as store:
        store.do(add("www.example.com A 192.0.2.1"), candidates=candidates("example.com"))
    return tmp_path / "node"


def test_a_backup_says_what_it_holds_and_is_verified(node, tmp_path):
    file = backup_of(node, tmp_path / "b")
    manifest = read_manifest(file)
    with reading(node) as view:
        assert manifest.digest == view.digest() and manifest.revision == view.revision() == 2
        assert (manifest.applied_index, manifest.applied_term) == view.applied()
    assert (manifest.cluster_uuid, manifest.zones, manifest.records) == (CLUSTER, 1, 3)
    assert verify(str(file))[-1] == "good"
    assert file.stat().st_mode & 0o777 == 0o600, "it holds all records"
    assert sorted(os.listdir(tmp_path)) == ["b", "node"], "nothing else is left"


def test_what_exists_is_not_overwritten(node, tmp_path):
    file = tmp_path / "b"
    file.write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        backup_of(node, file)
    assert file.read_text() == "mine"


def test_a_file_that_appears_meanwhile_is_not_overwritten_either(node, tmp_path, monkeypatch):
    file = tmp_path / "b"
    monkeypatch.setattr(backup_file.os.path, "lexists", lambda path: False)
    file.write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        backup_of(node, file)
    assert file.read_text() == "mine" and sorted(os.listdir(tmp_path)) == ["b", "node"]


def test_a_disk_that_refuses_leaves_no_backup(node, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup_file.os, "fsync", full)
    with pytest.raises(InputError, match="no space left"):
        backup_of(node, tmp_path / "b")
    assert os.listdir(tmp_path) == ["node"]


def test_a_directory_without_a_store_or_without_a_cluster_has_nothing_to_back_up(tmp_path):
    with pytest.raises(StoreError, match="no store"):
        back_up(str(tmp_path), "0", str(tmp_path / "b"))
    from dns_node.store.writer import Writer

    Writer(tmp_path).close()
    with pytest.raises(InputError, match="no cluster"):
        back_up(str(tmp_path), "0", str(tmp_path / "b"))


def test_any_changed_octet_is_found(node, tmp_path):
    file = backup_of(node, tmp_path / "b")
    whole = file.read_bytes()
    size = read_manifest(file).size_octets
    places = [*range(0, len(whole), 997), size, size + 5, len(whole) - 1, len(whole) - 56]
    for at in places:
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        file.write_bytes(damaged)
        with pytest.raises(InputError):
            verify(str(file))
    file.write_bytes(whole)
    assert verify(str(file))[-1] == "good"


@pytest.mark.parametrize("octets", [0, 10, 56, 4096, -1, -56, -300])
def test_a_backup_that_is_cut_off_is_found(node, tmp_path, octets):
    file = backup_of(node, tmp_path / "b")
    file.write_bytes(file.read_bytes()[:octets])
    with pytest.raises(InputError, match="cut off"):
        verify(str(file))


def test_a_chunk_is_named_by_its_octets(node, tmp_path, monkeypatch):
    monkeypatch.setattr(backup_file, "CHUNK_OCTETS", 4096)
    file = backup_of(node, tmp_path / "b")
    with open(file, "r+b") as opened:
        opened.seek(4096 * 3 + 7)
        opened.write(b"\xff\xfe")
    with pytest.raises(InputError, match=r"octets 12288 to 16383 are not"):
        verify(str(file))


def test_rows_that_do_not_fit_their_digest_are_found_although_the_checksums_fit(node, tmp_path):
    from dns_node.store.writer import Writer

    writer = Writer(node)
    with writer.begin() as transaction:
        ((apex, header),) = transaction.zones()
        wrong = {apex: {16: RRset(16, 60, (b"\1x",))}}
        transaction.put_untallied_rows(header.zone_id, wrong)
    writer.close()
    with pytest.raises(InputError) as caught:
        verify(str(backup_of(node, tmp_path / "b")))
    assert "example.com" in str(caught.value)


def test_a_store_that_is_written_meanwhile_is_copied_as_it_was_at_one_moment(tmp_path):
    with store_in(tmp_path / "node") as store:
        with store.writer.begin() as transaction:
            for number in range(3000):
                transaction.put_value(f"filler{number}", "x" * 500)
        for round_number in range(3):
            file = tmp_path / f"b{round_number}"
            command = [sys.executable, "-m", "dns_node", "backup", str(file)]
            copying = subprocess.Popen(
                [*command, "--data-dir", str(tmp_path / "node")],
                cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            count = 0
            while copying.poll() is None:
                with store.writer.begin() as transaction:
                    transaction.put_value("a", str(count))
                    transaction.put_value(f"filler{count % 3000}", "y" * 500)
                    transaction.put_value("b", str(count))
                count += 1
            assert copying.returncode == 0 and count > 1
            assert verify(str(file))[-1] == "good"
            with backup_file.opened(file) as view:
                assert view.value("a") == view.value("b")


def test_the_command_line_backs_up_verifies_and_says_what_is_wrong(node, tmp_path):
    done = run("backup", tmp_path / "b", "--data-dir", node)
    assert done.returncode == 0 and "revision 2" in done.stdout, done
    assert run("backup", "verify", tmp_path / "b").stdout.endswith("good\n")
    again = run("backup", tmp_path / "b", "--data-dir", node)
    assert again.returncode == 78 and "exists already" in again.stderr
    assert run("backup", "verify", tmp_path / "none").returncode == 78
    assert run("backup", "verify", ROOT / "README.md").returncode == 78
    assert run("backup", "a", "b").returncode == run("backup").returncode == 64
