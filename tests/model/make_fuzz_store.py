"""Make the small store that `native/fuzz` answers from, and the queries that it begins with.

``python -m tests.model.make_fuzz_store`` writes ``native/fuzz/store/data.mdb`` again and adds the
queries to ``native/fuzz/queries.pack``: needed when the schema of the store changes.  A pack is
inputs with their sizes (u16) before them; ``--pack DIR`` adds a corpus of libFuzzer's, ``--unpack
DIR`` writes one file for each input.
"""

import hashlib
import struct
import sys
import tempfile
from pathlib import Path
from random import Random

import dns.message
import lmdb

from dns_node.store.generation import current_generation, generation_path
from tests.answer.dict_view import zone_from_text
from tests.answer.example_zones import EXAMPLE, HOSTED, OTHER, RFC4592
from tests.answer.test_dnssec import signed
from tests.answer.test_over_store import NAMES
from tests.model.zones_and_queries import a_query, an_odd_query, some_zones
from tests.net.worker_process import fill

FUZZ = Path(__file__).parents[2] / "native" / "fuzz"
STORE = FUZZ / "store"
PACK = FUZZ / "queries.pack"
TEXTS = {
    "example.": EXAMPLE, "other.": OTHER, "hosted.example.": HOSTED, "w.": RFC4592,
    "signed.": signed("""
@ SOA ns host 1 2 3 4 300
@ NS ns
@ NSEC ns NS SOA RRSIG NSEC
ns A 192.0.2.1
ns NSEC *.w A RRSIG NSEC
*.w MX 10 ns
*.w NSEC child MX RRSIG NSEC
child NS ns.child
child DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
child NSEC open NS DS RRSIG NSEC
ns.child A 192.0.2.9
open NS ns.open
open NSEC www NS RRSIG NSEC
ns.open A 192.0.2.10
www CNAME x.w
www NSEC @ CNAME RRSIG NSEC
"""),
}  # fmt: skip


def zones():
    """Return the zones of the tests, and some that were made by chance."""
    found = {text: zone_from_text(text, TEXTS[text]) for text in TEXTS}
    for seed in range(20):
        for zone in some_zones(Random(seed)):
            if len(zone.apex) > 1:
                found[zone.apex] = zone
    numbered = list(found.values())
    for number, zone in enumerate(numbered, 1):
        zone.zone_id = number
        zone.header = zone._header()
    return numbered


def inputs():
    """Yield what the fuzzer begins with: who asks (an octet) and a query."""
    for text in TEXTS:
        for name in NAMES:
            for qtype in ("A", "NS", "DS", "ANY", "TXT", "MX", "HTTPS"):
                query = dns.message.make_query(name.format(text), qtype, want_dnssec=True)
                query.id = 0
                yield b"\0" + query.to_wire()
    random, known = Random(7), zones()
    for _ in range(1500):
        yield bytes([random.randrange(256)]) + a_query(random, known)
        yield bytes([random.randrange(256)]) + an_odd_query(random, known)


def pack(found):
    """Return all of *found* as one pack, the same in every order."""
    whole = sorted(set(found), key=lambda octets: (len(octets), octets))
    return b"".join(struct.pack("!H", len(octets)) + octets for octets in whole)


def keep(found):
    """Add *found* to the queries that are kept."""
    known = unpack(PACK.read_bytes()) if PACK.exists() else ()
    PACK.write_bytes(pack([*known, *(octets for octets in found if len(octets) <= 65535)]))


def unpack(octets):
    """Yield the inputs of a pack."""
    while octets:
        end = 2 + int.from_bytes(octets[:2], "big")
        yield octets[2:end]
        octets = octets[end:]


def make_store():
    """Write the store of the zones."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        fill(path, *zones())
        generation = generation_path(path, current_generation(path))
        STORE.mkdir(exist_ok=True)
        (STORE / "data.mdb").unlink(missing_ok=True)
        with lmdb.open(str(generation), lib_version=0, max_dbs=16) as environment:
            environment.copy(str(STORE), compact=True)


def main(arguments):
    """Do what the module says."""
    match arguments:
        case []:
            make_store()
            keep(inputs())
        case ["--pack", directory]:
            keep(path.read_bytes() for path in Path(directory).iterdir())
        case ["--unpack", directory]:
            Path(directory).mkdir(parents=True, exist_ok=True)
            for octets in unpack(PACK.read_bytes()):
                (Path(directory) / hashlib.sha1(octets).hexdigest()).write_bytes(octets)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
