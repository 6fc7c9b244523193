"""Writes ``fixtures/store-schema-N.backup.gz``: run it once per schema, and keep every file.

    python -m tests.backup.make_fixture
"""

import gzip
import tempfile
from pathlib import Path

from dns_node.cluster.command import PutKey, PutToken
from dns_node.store.backup_file import write_backup
from dns_node.store.layout import STORE_SCHEMA
from dns_node.zone.change import DropZone
from dns_node.zone.names import parse_name
from tests.backup.places import store_in
from tests.cluster.commands import NOW_MS, add, candidates, remove

FIXTURES = Path(__file__).parent / "fixtures"


def write(store):
    """Make what every fixture holds: revisions 1 to 9."""
    made = candidates("example.com", "example.net")
    for text in (
        "www.example.com A 192.0.2.1",
        "*.wild.example.com TXT \"any\"",
        "child.example.com NS ns.child.example.com.",
        "www.example.net AAAA 2001:db8::1",
    ):
        store.do(add(text, 300), candidates=made, serial_floor=2026112100)
    store.do(PutKey("k", "v"))
    store.do(remove("www.example.com A"))
    store.do(DropZone(parse_name("example.net")))
    store.do(PutToken(b"t" * 32, NOW_MS + 1))


def main():
    """Write the fixture of this release's schema."""
    with tempfile.TemporaryDirectory() as folder:
        node, file = Path(folder) / "node", Path(folder) / "backup"
        with store_in(node) as store:
            write(store)
        write_backup(node, file, node="0", release="0", now_ms=NOW_MS)
        target = FIXTURES / f"store-schema-{STORE_SCHEMA}.backup.gz"
        target.write_bytes(gzip.compress(file.read_bytes(), mtime=0))


if __name__ == "__main__":
    main()
