"""What is special to workers that answer natively; everything else is in the other modules, whose
tests run on both data paths."""

import contextlib
import os
import socket
import struct
import threading

import dns.edns
import dns.message
import pytest

from dns_node.answer.access import Networks
from dns_node.answer.rate_limit import RateLimits
from dns_node.answer.respond import AnswerSettings, Client, respond
from dns_node.metrics import LATENCY_BOUNDS_US, Counters, latency_quantile_us
from dns_node.net.answering import Answering
from dns_node.net.native import (
    CHOICE_VARIABLE,
    NATIVE,
    PYTHON,
    NativeReader,
    NoNativeError,
    configure_core,
    load_core,
    make_core,
)
from dns_node.net.proxy import compose_header
from dns_node.store import generation
from dns_node.store.reader import Reader
from tests.answer.dict_view import zone_from_text
from tests.net.worker_process import DEADLINE_S, WorkerProcess, fill, framed, receive_messages

SETTINGS = {"query": ["127.0.0.0/8", "::1", "192.0.2.0/24"], "proxy": ["127.0.0.1"]}


@pytest.fixture(scope="module")
def core_class():
    """Return the class of the core; skip without one."""
    try:
        return load_core({})
    except NoNativeError as error:
        pytest.skip(f"no native data path: {error}")


@contextlib.contextmanager
def worker_by(data_path, data_directory, host="127.0.0.1", **settings):
    """Run a worker whose data path is *data_path*."""
    before = os.environ.get(CHOICE_VARIABLE)
    os.environ[CHOICE_VARIABLE] = data_path
    try:
        with WorkerProcess(data_directory, host, **{**SETTINGS, **settings}) as worker:
            yield worker
    finally:
        del os.environ[CHOICE_VARIABLE]
        if before is not None:
            os.environ[CHOICE_VARIABLE] = before


def everyday_queries():
    """Yield the octets of queries as resolvers send them."""
    asked = [("web.example.", "A"), ("WEB.example.", "AAAA"), ("nosuch.example.", "A"),
             ("example.", "SOA"), ("example.", "NS"), ("example.", "MX"), ("many.example.", "TXT"),
             ("a.b.nosuch.example.", "TXT"), ("elsewhere.test.", "A"),
             ("web.other.", "A")]  # fmt: skip
    for name, qtype in asked:
        yield dns.message.make_query(name, qtype, flags=0).to_wire()
        yield dns.message.make_query(name, qtype, use_edns=0, payload=1232).to_wire()
        yield dns.message.make_query(name, qtype, want_dnssec=True, payload=4096).to_wire()
    cookie = dns.edns.CookieOption(b"12345678", b"")
    yield dns.message.make_query("web.example.", "A", options=[cookie]).to_wire()


def odd_datagrams():
    """Yield octets that get an error, another's answer, or none."""
    query = dns.message.make_query("web.example.", "A").to_wire()
    yield dns.message.make_query("version.bind.", "TXT", "CH").to_wire()
    yield compose_header(("192.0.2.9", 4711), ("192.0.2.1", 53), False) + query
    yield compose_header(("198.51.100.9", 4711), ("192.0.2.1", 53), False) + query
    yield compose_header(("192.0.2.9", 0), ("192.0.2.1", 53), False) + query
    yield compose_header(("192.0.2.9", 1), ("192.0.2.1", 53), False)[:20]
    yield b""
    yield query[:2] + b"\x80\0" + query[4:]
    yield query[:-1]
    yield query[:2] + b"\x10\0" + query[4:]
    yield b"\0" * 5000
    yield query + b"\0"


def send_all(worker, datagrams, host="127.0.0.1"):
    """Send each of *datagrams*, and after it a query whose answer is waited for."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.settimeout(DEADLINE_S)
        udp.connect((host, worker.port))
        for octets in datagrams:
            udp.send(octets)
            last = dns.message.make_query("ns1.example.", "A")
            udp.send(last.to_wire())
            while struct.unpack("!H", udp.recv(65535)[:2])[0] != last.id:
                pass


def send_streams(worker):
    """Send the same over connections, whole and in parts, and with a message that ends one."""
    queries = list(everyday_queries())
    with worker.connect() as connection:
        connection.sendall(b"".join(framed(query) for query in queries))
        assert len(receive_messages(connection, len(queries))) == len(queries)
        for octet in framed(queries[0]):
            connection.sendall(bytes([octet]))
        assert receive_messages(connection, 1)
    with worker.connect() as connection:
        connection.sendall(framed(queries[0]) + framed(b"") + framed(queries[1]))
        assert len(receive_messages(connection)) == 1


def counted(worker):
    """Return the counters that both data paths count alike, and the number of latencies."""
    found = worker.count()
    latencies = sum(n for name, n in found.items() if name.startswith("latency_"))
    latencies -= found["latency_sum_us"]
    kept = {
        name: number
        for name, number in found.items()
        # How many datagrams one batch has, and how long a stage takes, is a matter of time.
        if not name.startswith(("latency_", "native_", "stage_"))
        and name not in ("batches", "tcp_open")
    }
    return {**kept, "latencies": latencies}


def test_both_data_paths_count_the_same_traffic_alike(data_directory, core_class, data_path):
    if data_path == PYTHON:
        pytest.skip("compares the two")
    found = {}
    for path in (PYTHON, NATIVE):
        with worker_by(path, data_directory) as worker:
            send_all(worker, everyday_queries())
            send_all(worker, odd_datagrams())
            send_streams(worker)
            found[path] = counted(worker)
    assert found[NATIVE] == found[PYTHON]
    assert found[NATIVE]["latencies"] == found[NATIVE]["replies_udp"] + found[NATIVE]["replies_tcp"]


def test_the_same_over_ipv6(data_directory, core_class, data_path):
    if data_path == PYTHON:
        pytest.skip("compares the two")
    found = {}
    for path in (PYTHON, NATIVE):
        with worker_by(path, data_directory, "::") as worker:
            send_all(worker, everyday_queries(), "::1")
            found[path] = counted(worker)
    assert found[NATIVE] == found[PYTHON]
    assert found[NATIVE]["queries_ipv6"] == found[NATIVE]["queries_udp"] > 0


def test_the_everyday_queries_are_not_handed_up(data_directory, core_class, data_path):
    if data_path == PYTHON:
        pytest.skip("about the core")
    with worker_by(NATIVE, data_directory) as worker:
        send_all(worker, everyday_queries())
        send_streams(worker)
        found = worker.count()
    assert found["native_punts"] == found["native_panics"] == 0 < found["replies_udp"]


def test_a_new_generation_is_followed_without_a_failed_answer(tmp_path, data_path):
    text = "@ SOA . . 1 2 3 4 5\n@ NS ns.elsewhere.\nweb A 192.0.2."
    fill(tmp_path / "a", zone_from_text("example.", text + "1", 1))
    for copy in range(5):
        fill(tmp_path / f"b{copy}", zone_from_text("example.", f"{text}{copy + 2}", 1))
    rcodes, addresses = set(), set()
    is_over = threading.Event()

    def ask_on(port):
        query = dns.message.make_query("web.example.", "A").to_wire()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(DEADLINE_S)
            udp.connect(("127.0.0.1", port))
            while not is_over.is_set():
                udp.send(query)
                reply = dns.message.from_wire(udp.recv(4096))
                rcodes.add(int(reply.rcode()))
                addresses.update(str(item) for rrset in reply.answer for item in rrset)

    with WorkerProcess(tmp_path / "a") as worker:
        asking = threading.Thread(target=ask_on, args=(worker.port,))
        asking.start()
        for copy in range(5):
            generation.adopt(tmp_path / "a", tmp_path / f"b{copy}" / "store" / "1")
            worker.send({"do": "generation"})
            generation.remove_others(tmp_path / "a")
        worker.send({"do": "nothing"})
        query = dns.message.make_query("web.example.", "A").to_wire()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(DEADLINE_S)
            udp.sendto(query, ("127.0.0.1", worker.port))
            assert "192.0.2.6" in dns.message.from_wire(udp.recv(4096)).to_text()
        is_over.set()
        asking.join(DEADLINE_S)
    assert rcodes == {0} and addresses


def test_under_a_flood_over_udp_others_have_their_turn(data_directory, data_path):
    query = dns.message.make_query("web.example.", "A").to_wire()
    is_over = threading.Event()

    def flood(port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.connect(("127.0.0.1", port))
            while not is_over.is_set():
                udp.send(query)

    with WorkerProcess(data_directory) as worker:
        flooding = threading.Thread(target=flood, args=(worker.port,))
        flooding.start()
        try:
            for _ in range(20):
                worker.send({"do": "nothing"})
                with worker.connect() as connection:
                    connection.sendall(framed(query))
                    assert receive_messages(connection, 1)
        finally:
            is_over.set()
            flooding.join(DEADLINE_S)
        assert worker.count()["replies_udp"] > 0


def test_networks_are_the_same_to_both_however_they_are_written(core_class, data_path):
    if data_path == PYTHON:
        pytest.skip("about the core")
    query = dns.message.make_query("www.example.", "A", use_edns=0).to_wire()
    texts = ["192.0.2.77/24", "198.51.100.0/255.255.255.128", "203.0.113.9", "2001:DB8::1/32",
             "::ffff:10.0.0.0/104", "0.0.0.0/30"]  # fmt: skip
    addresses = ["192.0.2.1", "192.0.3.1", "198.51.100.127", "198.51.100.128", "203.0.113.9",
                 "203.0.113.8", "2001:db8:ffff::", "2001:db9::", "10.0.0.1", "::ffff:192.0.2.9",
                 "0.0.0.3", "::3"]  # fmt: skip
    for listed in ([], *([text] for text in texts), texts, ["any"]):
        networks, core = Networks(listed), make_core(core_class)
        settings = AnswerSettings(query=networks)
        configure_core(core, settings, RateLimits(), False)
        for address in addresses:
            reply = respond(query, None, Client(address, 5), 0.0, settings)
            assert core.respond(query, address, 5, False, 0.0) == reply.octets, (listed, address)


class BrokenCore:
    """Stands for a core that fails outside of an answer."""

    def serve(self, *_):
        raise RuntimeError("broken")

    serve_stream = serve


def test_a_core_that_fails_is_left_out_from_then_on(data_path):
    if data_path == PYTHON:
        pytest.skip("about the core")
    reported = []
    answering = Answering(Counters(), lambda what, error: reported.append((what, str(error))))
    answering.native = BrokenCore()
    assert answering.serve(3, False, ("127.0.0.1", 53)) == (0, [])
    assert answering.native is None and reported[0][1] == "broken"
    answering.native = BrokenCore()
    client = Client("127.0.0.1", 5, True)
    assert answering.serve_stream(b"", client, ("127.0.0.1", 53), 9) == (0, 0, b"", "lost")
    assert answering.native is None


def seen_at(view, zone_id, name):
    """Return what is at *name* and next to it."""
    before, after = view.predecessor(zone_id, name), view.successor(zone_id, name)
    return name, view.node(zone_id, name), before, after


def everything(view):
    """Return all that answers ask of a view, of every name of its zones and next to them."""
    found = []
    for apex, header in view.zones():
        found.append((apex, header, view.zone(apex), view.enclosing_zone(b"\1x" + apex)))
        for owner, node in view.walk(header.zone_id):
            found.append((owner, node))
            found += [seen_at(view, header.zone_id, name) for name in (owner, b"\1m" + owner)]
    return found, view.zone(b"\7nothere\0"), view.enclosing_zone(b"\7nothere\0")


def test_the_definition_sees_the_same_store_through_the_core(
    data_directory, core_class, data_path
):
    if data_path == PYTHON:
        pytest.skip("compares the two")
    # One after the other: two LMDB libraries must not open one environment in one process.
    reader = Reader(data_directory)
    expected = everything(reader)
    reader.close()
    native = NativeReader(make_core(core_class), data_directory)
    native.renew()
    assert everything(native) == expected
    native.reset()
    native.close()


def test_the_choice_of_the_environment_is_followed():
    with pytest.raises(NoNativeError, match=CHOICE_VARIABLE):
        load_core({CHOICE_VARIABLE: "python"})


def test_quantiles_are_the_bounds_that_so_many_replies_kept():
    counters = {f"latency_{bound_us}us": 0 for bound_us in LATENCY_BOUNDS_US}
    counters["latency_over"] = 0
    assert latency_quantile_us(counters, 0.5) is None
    counters |= {"latency_3us": 50, "latency_96us": 49, "latency_over": 1}
    assert [latency_quantile_us(counters, q) for q in (0.5, 0.99, 1.0)] == [3, 96, None]
