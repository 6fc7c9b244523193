"""The native reader of LMDB's pages against LMDB: equal rows, whole revisions, one opening."""

import subprocess
import sys
from random import Random

import lmdb
import pytest

from dns_node.errors import StoreError
from dns_node.store.layout import compose_state
from tests.model.native import native

pytestmark = pytest.mark.skipif(native is None, reason="the native core is not built")

STATE = compose_state(1, 1, 1, 1, 1, 0, bytes(32))
WRITER = """
import sys
import lmdb
environment = lmdb.open(sys.argv[1], lib_version=0, map_size=1 << 30, max_dbs=16, sync=False)
table, other = environment.open_db(b"kv"), environment.open_db(b"other")
for number in range(int(sys.argv[2])):
    with environment.begin(write=True) as transaction:
        for row in range(300):
            # Sizes differ, so that pages split and merge, and some values have pages of their own.
            value = b"%d " % number * (1 + (row * number) % (40 if row % 50 else 900))
            transaction.put(b"row %d" % row, value, db=table)
        if number % 3:
            transaction.put(b"x" * (number % 400 + 1), bytes(number % 9000), db=other)
        else:
            transaction.drop(other, delete=False)
    if number == 0:
        print("began", flush=True)
"""


def make_environment(path, rows):
    """Write an environment with the tables that a store has, and *rows* in table `kv`."""
    path.mkdir()
    with lmdb.open(str(path), lib_version=0, map_size=1 << 30, max_dbs=16) as environment:
        for table in (b"names", b"zones", b"other"):
            environment.open_db(table)
        kv, meta = environment.open_db(b"kv"), environment.open_db(b"meta")
        with environment.begin(write=True) as transaction:
            transaction.put(b"state", STATE, db=meta)
            for key, value in rows.items():
                transaction.put(key, value, db=kv)


def opened(path):
    """Return a core that reads the newest revision of the environment at *path*."""
    core = native.Core()
    core.open(str(path))
    core.renew()
    return core


@pytest.mark.parametrize("seed", range(12))
def test_rows_and_their_neighbours_are_those_of_lmdb(tmp_path, seed):
    random = Random(seed)
    alphabet = [bytes([octet]) for octet in (0, 1, 2, 97, 98, 255)]
    count = random.choice([0, 1, 2, 30, 2000])

    def a_key():
        return b"".join(random.choices(alphabet, k=random.choice([1, 2, 3, 8, 60, 511])))

    rows = {a_key(): random.randbytes(random.choice([0, 1, 30, 500, 3000, 9000]))
            for _ in range(count)}  # fmt: skip
    make_environment(tmp_path / "store", rows)
    core = opened(tmp_path / "store")
    ordered = sorted(rows)
    for key in ordered + [a_key() for _ in range(300)]:
        assert core.get(b"kv", key) == rows.get(key)
        after = next((other for other in ordered if other > key), None)
        before = next((other for other in reversed(ordered) if other < key), None)
        at_or_after = key if key in rows else after
        pairs = {None: None} | {other: (other, rows[other]) for other in ordered}
        assert core.row_from(b"kv", key, False) == pairs[at_or_after]
        assert core.row_from(b"kv", key, True) == pairs[after]
        assert core.row_before(b"kv", key) == pairs[before]
    last = ordered[-1] if ordered else None
    assert core.row_before(b"kv", None) == (None if last is None else (last, rows[last]))
    core.close()


def test_a_revision_is_seen_whole_while_another_process_commits(tmp_path):
    make_environment(tmp_path / "store", {})
    arguments = [sys.executable, "-c", WRITER, str(tmp_path / "store"), "1500"]
    core = opened(tmp_path / "store")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"began\n"
        seen, is_over = [], False
        while not is_over:
            is_over = writer.poll() is not None
            core.renew()
            number = core.get(b"kv", b"row 0").split()[0]
            for row in range(0, 300, 7):
                value = core.get(b"kv", b"row %d" % row)
                assert value == (number + b" ") * (len(value) // (len(number) + 1))
            core.reset()
            seen.append(int(number))
    assert seen == sorted(seen) and seen[-1] == 1499 and len(set(seen)) > 10
    core.close()


def test_one_process_opens_a_store_once(tmp_path):
    make_environment(tmp_path / "store", {})
    core, other = opened(tmp_path / "store"), native.Core()
    with pytest.raises(StoreError, match="open already"):
        other.open(str(tmp_path / "store"))
    core.close()
    other.open(str(tmp_path / "store"))
    other.close()


def test_what_is_no_store_is_refused_with_the_reason(tmp_path):
    core = native.Core()
    with pytest.raises(StoreError, match="cannot open the store"):
        core.open(str(tmp_path / "nowhere"))
    (tmp_path / "data.mdb").write_bytes(bytes(8192))
    with pytest.raises(StoreError, match="cannot open the store"):
        core.open(str(tmp_path))
    with lmdb.open(str(tmp_path / "other"), lib_version=0, max_dbs=4) as environment:
        environment.open_db(b"something")
    with pytest.raises(StoreError):
        core.open(str(tmp_path / "other"))
