"""Query log and dnstap: what is written, what is dropped, and that answers never wait."""

import contextlib
import json
import os
import socket
import threading
import time

import dns.message
import dns.query

from dns_node.answer.respond import Client
from dns_node.net import dnstap
from dns_node.net.events import RING_SIZE_MAX, Event, EventRing
from dns_node.net.query_log import QueryLog
from tests.net.worker_process import DEADLINE_S, WorkerProcess

QUERY = dns.message.make_query("web.example.", "A", flags=0)
CLIENT, LOCAL = Client("192.0.2.9", 4711), ("192.0.2.1", 53)
EVENT = Event(1_700_000_000.25, CLIENT, LOCAL, QUERY.to_wire(), b"r" * 12)


def until(condition):
    """Return the condition's value once it is true."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not (value := condition()):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    return value


def fields(octets):
    """Yield (number, value) of a protocol buffer; an independent reading of its encoding."""
    offset = 0

    def varint():
        nonlocal offset
        number = shift = 0
        while True:
            octet = octets[offset]
            offset += 1
            number |= (octet & 127) << shift
            shift += 7
            if octet < 128:
                return number

    while offset < len(octets):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        else:
            size = 4 if tag & 7 == 5 else varint()
            yield tag >> 3, octets[offset : offset + size]
            offset += size


class Collector:
    """A dnstap collector: takes one stream and keeps its data frames."""

    def __init__(self, path):
        self.frames, self.controls = [], []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._listener.settimeout(DEADLINE_S)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        stream, _ = self._listener.accept()
        stream.settimeout(DEADLINE_S)
        with contextlib.suppress(OSError), stream.makefile("rb") as octets:
            while head := octets.read(4):
                size = int.from_bytes(head, "big")
                if size:
                    self.frames.append(octets.read(size))
                    continue
                body = octets.read(int.from_bytes(octets.read(4), "big"))
                kind = int.from_bytes(body[:4], "big")
                self.controls.append(kind)
                if kind == 4:
                    stream.sendall(dnstap.control_frame(1, dnstap.CONTENT_TYPE))
                if kind == 3:
                    stream.sendall(dnstap.control_frame(5))
        stream.close()


def test_a_dnstap_message_has_the_fields_of_its_schema():
    outer = dict(fields(dnstap.compose_message(dnstap.AUTH_RESPONSE, EVENT, b"node-0", b"1.0")))
    assert (outer[1], outer[2], outer[15]) == (b"node-0", b"1.0", 1)
    assert dict(fields(outer[14])) == {
        1: 2, 2: 1, 3: 1, 4: bytes([192, 0, 2, 9]), 5: bytes([192, 0, 2, 1]), 6: 4711, 7: 53,
        8: 1_700_000_000, 9: (250_000_000).to_bytes(4, "little"),
        12: 1_700_000_000, 13: (250_000_000).to_bytes(4, "little"), 14: b"r" * 12,
    }  # fmt: skip
    outer = dict(fields(dnstap.compose_message(dnstap.AUTH_QUERY, EVENT, b"", b"")))
    assert dict(fields(outer[14]))[10] == EVENT.query


def test_a_dnstap_stream_begins_and_ends_as_frame_streams_wants_it(tmp_path):
    collector = Collector(tmp_path / "tap")
    tap = dnstap.Dnstap(str(tmp_path / "tap"), b"", b"")
    tap.write([EVENT, EVENT])
    tap.close()
    until(lambda: collector.controls == [4, 2, 3])
    assert len(collector.frames) == 4


def test_a_full_ring_drops_and_never_blocks(tmp_path):
    gate = threading.Event()

    class Stuck:
        def write(self, events):
            gate.wait(DEADLINE_S)

        def close(self):
            pass

    ring = EventRing(Stuck(), "stuck", lambda number, error: None)
    taken = sum(ring.put(EVENT) for _ in range(RING_SIZE_MAX * 2))
    gate.set()
    ring.close()
    assert RING_SIZE_MAX <= taken < RING_SIZE_MAX * 2


def test_events_that_the_writer_can_not_take_are_reported():
    lost = []

    class Broken:
        def write(self, events):
            raise OSError("full")

        def close(self):
            pass

    ring = EventRing(Broken(), "broken", lambda number, error: lost.append(number))
    for _ in range(3):
        ring.put(EVENT)
    ring.close(DEADLINE_S)
    assert sum(lost) == 3


def test_the_query_log_is_one_json_line_per_query_and_survives_rotation(tmp_path):
    path = tmp_path / "queries.log"
    log = QueryLog(str(path), "0", 1)
    log.write([EVENT])
    line = json.loads(path.read_text())
    assert (line["name"], line["type"], line["client"]) == ("web.example.", "A", "192.0.2.9")
    os.rename(path, tmp_path / "queries.log.1")
    log.write([EVENT, EVENT])
    log.close()
    assert len(path.read_text().splitlines()) == 2


def test_a_worker_writes_both_logs(data_directory, tmp_path):
    collector = Collector(tmp_path / "tap")
    path = tmp_path / "queries.log"
    with WorkerProcess(data_directory, query_log=str(path), dnstap=str(tmp_path / "tap")) as worker:
        for name in ("web.example.", "nosuch.example."):
            query = dns.message.make_query(name, "A")
            dns.query.udp(query, "127.0.0.1", DEADLINE_S, worker.port)
        until(lambda: path.exists() and len(path.read_text().splitlines()) == 2)
        until(lambda: len(collector.frames) == 4)
        titles = set()
        for task in os.listdir(f"/proc/{worker.child.pid}/task"):
            with open(f"/proc/{worker.child.pid}/task/{task}/comm") as comm:
                titles.add(comm.read().strip())
        assert titles == {"dns-worker-0", "query-log-0", "dnstap-0"}
        assert worker.terminate() == 0
    rcodes = [json.loads(line)["rcode"] for line in path.read_text().splitlines()]
    assert rcodes == ["NOERROR", "NXDOMAIN"]
    until(lambda: collector.controls == [4, 2, 3])


def test_a_collector_that_is_away_costs_no_answer(data_directory, tmp_path):
    with WorkerProcess(data_directory, dnstap=str(tmp_path / "nobody")) as worker:
        for _ in range(20):
            assert dns.query.udp(QUERY, "127.0.0.1", DEADLINE_S, worker.port).answer
        until(lambda: worker.counters.snapshot()["log_dropped"] >= 1)
