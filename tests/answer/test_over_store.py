"""The store's reader gives the same answers as the dictionaries of the other tests."""

import dns.message
import pytest

from dns_node.store.reader import Reader
from tests.answer.ask import UDP, ask_octets
from tests.answer.dict_view import DictView, zone_from_text
from tests.answer.example_zones import EXAMPLE, HOSTED, OTHER, RFC4592
from tests.net.worker_process import fill

TEXTS = {"example.": EXAMPLE, "other.": OTHER, "hosted.example.": HOSTED, "w.": RFC4592}
NAMES = [
    "{}", "web.{}", "www.{}", "nosuch.{}", "x.nosuch.{}", "deep.{}", "ent.deep.{}", "*.wild.{}",
    "x.wild.{}", "a.wild.{}", "x.a.wild.{}", "child.{}", "x.child.{}", "hosted.{}", "ns.child.{}",
    "x.tree.{}", "tree.{}", "c0.{}", "loop1.{}", "host3.{}", "sub.*.{}", "ghost.*.{}",
    "_tcp.host1.{}",
    "host.subdel.{}", "!.{}", "zzz.{}", "\\000.{}", "\\255.{}", "\\001\\000.wild.{}",
]  # fmt: skip


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    """Return the same zones in dictionaries and in a store."""
    zones = [zone_from_text(name, text, n) for n, (name, text) in enumerate(TEXTS.items(), 1)]
    path = tmp_path_factory.mktemp("data")
    fill(path, *zones)
    reader = Reader(path)
    yield DictView(*zones), reader
    reader.close()


@pytest.mark.parametrize("qtype", ["A", "NS", "DS", "ANY", "TXT", "MX", "HTTPS"])
def test_store_and_dictionaries_answer_octet_for_octet_the_same(views, qtype):
    for zone in TEXTS:
        for name in NAMES:
            query = dns.message.make_query(name.format(zone), qtype, want_dnssec=True)
            octets = query.to_wire()
            assert ask_octets(views[0], octets, UDP) == ask_octets(views[1], octets, UDP), query
