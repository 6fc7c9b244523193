"""Four real workers on one port: the limits are the node's, the secrets of cookies too."""

import contextlib
import mmap
import os
import socket
import time

import dns.edns
import dns.flags
import dns.message
import pytest

from dns_node.answer.rate_limit import Kind
from dns_node.answer.shared_block import SharedBlock, TimedSecret
from dns_node.net.native import PYTHON
from dns_node.supervise.block import make_block
from tests.answer.dict_view import wire
from tests.net.worker_process import DEADLINE_S, WorkerProcess, framed, receive_messages

WORKERS = 4
STEP = 100
RATE = 20
LIMITS = {"mode": "on", "answers_per_s": RATE, "errors_per_s": 5, "slip": 2, "exempt": []}
FOREVER_S = 1 << 40
CLIENT_COOKIE = b"clientck"


class FourWorkers:
    """Workers that share a port and a block, and a client with many ports."""

    def __init__(self, data_directory, stack, **settings):
        self.block_fd = make_block(WORKERS)
        stack.callback(os.close, self.block_fd)
        self.block = SharedBlock(mmap.mmap(self.block_fd, 0))
        self.workers = []
        for number in range(WORKERS):
            port = self.workers[0].port if self.workers else 0
            worker = WorkerProcess(
                data_directory, "127.0.0.1", number, self.block_fd, port,
                rate_limit=LIMITS, **settings,
            )  # fmt: skip
            self.workers.append(stack.enter_context(worker))
        self.port = self.workers[0].port
        self._stack = stack

    def count(self, name):
        """Return the sum of one counter."""
        return sum(worker.counters.snapshot()[name] for worker in self.workers)

    def flood(self, number, octets, address="127.0.9.9", ports=64):
        """Send *number* queries from many ports of *address*, never more at once than the sockets
        hold; return the replies and how long it took."""
        return self.flood_with(number, lambda _: octets, [address] * ports)

    def flood_with(self, number, octets_of, addresses):
        """Send `octets_of(n)` for each of *number*, from a socket for each address in turn."""
        with contextlib.ExitStack() as stack:
            sockets = []
            for address in addresses:
                udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                udp.bind((address, 0))
                udp.connect(("127.0.0.1", self.port))
                udp.setblocking(False)
                sockets.append(udp)
            before, began_s, replies = self.count("queries_udp"), time.monotonic(), []
            for sent in range(0, number, STEP):
                for n in range(sent, sent + STEP):
                    sockets[n % len(sockets)].send(octets_of(n))
                wait_until(lambda: self.count("queries_udp") == before + sent + STEP)  # noqa: B023
                wait_until(self.is_idle)
                replies += drain(sockets)
            return replies, time.monotonic() - began_s

    def is_idle(self):
        """Whether the workers have dealt with all they have taken."""
        return self.count("queries_udp") == (
            self.count("replies_udp") + self.count("send_failures")
            + self.count("rate_dropped") + self.count("dropped")
        )


def wait_until(condition):
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come about"
        time.sleep(0.0005)


def drain(sockets):
    found = []
    for udp in sockets:
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(udp.recv(65535))
    return found


@pytest.fixture(scope="module")
def four(data_directory, data_path):
    """Return four workers with limits for everybody."""
    with contextlib.ExitStack() as stack:
        yield FourWorkers(data_directory, stack)


def query(name="web.example.", cookie=b""):
    options = [dns.edns.GenericOption(10, cookie)] if cookie else []
    return dns.message.make_query(name, "A", flags=0, use_edns=0, options=options)


def most_in(took_s, data_path, rate=RATE):
    """One bucket and what has come into it since.  Of two Python workers that look at an account at
    the same moment one may count for nothing; natively every answer counts."""
    return (1 + took_s) * rate * 1.2 + 5 if data_path == PYTHON else (1 + took_s) * rate + 1


def is_short(octets):
    return octets[2] & 2 and octets[6:8] == b"\0\0"


def test_the_limit_is_that_of_the_node_whatever_worker_the_kernel_chooses(four, data_path):
    sent = 3000
    replies, took_s = four.flood(sent, query().to_wire())
    assert all(worker.counters.snapshot()["queries_udp"] > 100 for worker in four.workers)
    whole = sum(not is_short(reply) for reply in replies)
    assert RATE <= whole <= most_in(took_s, data_path)
    limited = sent - whole
    assert four.count("rate_slipped") + four.count("rate_dropped") == limited
    assert abs(four.count("rate_slipped") - limited / 2) <= limited / 20 + 5
    assert len(replies) == whole + four.count("rate_slipped")


def test_absent_names_of_a_zone_count_together(four, data_path):
    before = four.count("rate_dropped")
    replies, took_s = four.flood_with(
        800,
        lambda number: query(f"no{number}.example.").to_wire(),
        [f"127.0.11.{number}" for number in range(1, 17)],
    )
    whole = sum(reply[3] & 15 == 3 for reply in replies)
    assert RATE <= whole <= most_in(took_s, data_path)
    assert four.count("rate_dropped") > before


def test_other_netblocks_are_served_during_a_flood(four):
    replies, _ = four.flood(1000, query().to_wire(), "127.0.12.1")
    assert any(map(is_short, replies))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.13.1", 0))
        udp.settimeout(DEADLINE_S)
        udp.connect(("127.0.0.1", four.port))
        for _ in range(RATE):
            udp.send(query().to_wire())
            assert not is_short(udp.recv(65535))


def test_tcp_has_no_limit(four):
    four.flood(1000, query().to_wire(), "127.0.14.1")
    for _ in range(3):
        with socket.socket() as tcp:
            tcp.bind(("127.0.14.1", 0))
            tcp.settimeout(DEADLINE_S)
            tcp.connect(("127.0.0.1", four.port))
            tcp.sendall(framed(query().to_wire()) * 100)
            assert all(reply[6:8] == b"\0\1" for reply in receive_messages(tcp, 100))


def learn_cookie(four, address):
    """Return the cookie that a client at *address* learns, in the way of a true one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((address, 0))
        udp.settimeout(DEADLINE_S)
        udp.connect(("127.0.0.1", four.port))
        udp.send(query("cookie.example.", CLIENT_COOKIE).to_wire())
        reply = dns.message.from_wire(udp.recv(65535))
        return reply.options[0].to_wire()


def test_a_client_with_a_good_cookie_of_any_worker_has_no_limit(four):
    four.block.put_secrets((TimedSecret(0, FOREVER_S, b"0123456789abcdef"),))
    cookie = learn_cookie(four, "127.0.15.1")
    four.flood(1000, query().to_wire(), "127.0.15.7")
    good = four.count("cookie_good")
    replies, _ = four.flood(1000, query(cookie=cookie).to_wire(), "127.0.15.1")
    assert len(replies) == 1000 and not any(map(is_short, replies))
    assert four.count("cookie_good") == good + 1000


def test_a_client_that_knows_cookies_gets_badcookie_in_place_of_tc_and_then_its_answer(four):
    four.block.put_secrets((TimedSecret(0, FOREVER_S, b"0123456789abcdef"),))
    replies, _ = four.flood(1000, query(cookie=CLIENT_COOKIE).to_wire(), "127.0.16.1")
    short = [message for octets in replies if (message := dns.message.from_wire(octets)).rcode()]
    assert short and all(message.rcode() == 23 and not message.answer for message in short)
    again = query(cookie=short[0].options[0].to_wire()).to_wire()
    replies, _ = four.flood(STEP, again, "127.0.16.1")
    assert len(replies) == STEP and all(dns.message.from_wire(octets).answer for octets in replies)


def test_a_rollover_of_the_secret_is_noticed_by_no_client(four):
    old, new = b"old secret 16 oc", b"new secret 16 oc"
    now_s = int(time.time())
    four.block.put_secrets((TimedSecret(0, FOREVER_S, old),))
    cookie = learn_cookie(four, "127.0.17.1")
    stages = [
        (TimedSecret(0, FOREVER_S, old), TimedSecret(now_s + 1000, FOREVER_S, new)),
        (TimedSecret(0, now_s + 4000, old), TimedSecret(now_s - 1, FOREVER_S, new)),
        (TimedSecret(now_s - 1, FOREVER_S, new),),
    ]
    for stage in stages:
        four.block.put_secrets(stage)
        replies, _ = four.flood(STEP, query(cookie=cookie).to_wire(), "127.0.17.1")
        good = four.count("cookie_good")
        cookie = dns.message.from_wire(replies[-1]).options[0].to_wire()
        four.flood(STEP, query(cookie=cookie).to_wire(), "127.0.17.1")
        assert four.count("cookie_good") == good + STEP


def test_a_flood_of_errors_gets_its_rate_and_nothing_in_place_of_the_rest(four, data_path):
    slipped = four.count("rate_slipped")
    replies, took_s = four.flood(1000, query("nosuch.invalid.").to_wire(), "127.0.18.1")
    assert 5 <= len(replies) <= most_in(took_s, data_path, 5)
    assert four.count("rate_slipped") == slipped


def test_there_is_one_notice_for_a_flood(four):
    seen = [four.block.notices(number, 0)[0] for number in range(WORKERS)]
    four.flood(600, query("mail.example.").to_wire(), "127.0.19.1")
    found = [n for number in range(WORKERS) for n in four.block.notices(number, seen[number])[1]]
    wanted = (int(Kind.ANSWER), b"\x7f\0\x13\0", wire("mail.example."))
    # One more may come when two workers see the bucket empty at the same moment.
    assert {(n.kind, n.netblock, n.name) for n in found} == {wanted}
    assert 1 <= len(found) <= 3 and not found[0].is_only_logged


def test_settings_change_live_and_log_mode_only_counts(four):
    for worker in four.workers:
        limits = {**LIMITS, "mode": "log"}
        worker.send({"do": "settings", "settings": {"rate_limit": limits}})
    noted = four.count("rate_noted")
    replies, _ = four.flood(600, query().to_wire(), "127.0.20.1")
    assert len(replies) == 600 and not any(map(is_short, replies))
    assert four.count("rate_noted") >= noted + 300
    for worker in four.workers:
        limits = {"exempt": ["127.0.20.0/24"]}
        worker.send({"do": "settings", "settings": {"rate_limit": limits, "cookies": False}})
    noted = four.count("rate_noted")
    replies, _ = four.flood(600, query(cookie=CLIENT_COOKIE).to_wire(), "127.0.20.1")
    assert len(replies) == 600 and four.count("rate_noted") == noted
    assert not dns.message.from_wire(replies[0]).options


def test_connections_are_counted_over_all_workers(data_directory, data_path):
    bounds = {"tcp_connections": 10, "tcp_connections_per_address": 6}
    with contextlib.ExitStack() as stack:
        four = FourWorkers(data_directory, stack, **bounds)

        def is_served(source):
            try:
                tcp = socket.create_connection(("127.0.0.1", four.port), 20, (source, 0))
                opened.append(stack.enter_context(tcp))
                tcp.sendall(framed(query().to_wire()))
            except ConnectionError:
                return False
            return bool(receive_messages(tcp, 1))

        opened = []
        assert [is_served("127.0.21.1") for _ in range(9)] == [True] * 6 + [False] * 3
        assert [is_served("127.0.21.2") for _ in range(6)] == [True] * 4 + [False] * 2
        assert sum(w.counters.snapshot()["tcp_accepted"] > 0 for w in four.workers) > 1
        for tcp in opened:
            tcp.close()
        wait_until(lambda: four.count("tcp_open") % 2**64 == 0)
        assert is_served("127.0.21.1")
