"""The shared block of counters."""

import mmap
import os

from dns_node.metrics import BLOCK_SIZE_OCTETS, DOCS, INDEX, NAMES, Counters


def test_what_one_process_adds_another_reads():
    descriptor = os.memfd_create("counters")
    os.ftruncate(descriptor, BLOCK_SIZE_OCTETS)
    with mmap.mmap(descriptor, BLOCK_SIZE_OCTETS) as one, mmap.mmap(descriptor, 4096) as other:
        writer, reader = Counters(one), Counters(other)
        writer.add(INDEX["noerror"], 3)
        writer.add(INDEX["tcp_open"])
        writer.add(INDEX["tcp_open"], -1)
        assert reader.snapshot() == {name: 3 if name == "noerror" else 0 for name in NAMES}
        assert int.from_bytes(other[48:56], "little") == 3
        for counters in (writer, reader):
            counters.release()
    os.close(descriptor)


def test_the_places_of_the_first_counters_never_change():
    assert INDEX["queries_udp"] == 0 and INDEX["noerror"] == 6
    assert all(DOCS[name] for name in NAMES)
