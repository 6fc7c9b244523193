"""The UDP client of the metrics script, against a nameserver of a few lines."""

import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from hypothesis import given
from hypothesis import strategies as st
from query_load import (
    LoadResult,
    ask_once,
    encode_question,
    is_positive,
    measure,
    percentile,
)
from report import Progress, rate_line, table

MX = 15
QUESTION = encode_question("example.com.", MX)
Answer = Callable[[bytes], bytes | None]


@contextmanager
def nameserver(answer: Answer) -> Iterator[tuple[str, int]]:
    """Answer every datagram with *answer* of it on a free port, until the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("127.0.0.1", 0))
        link.settimeout(0.05)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    query, client = link.recvfrom(4096)
                except TimeoutError:
                    continue
                reply = answer(query)
                if reply is not None:
                    link.sendto(reply, client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield link.getsockname()
        finally:
            done.set()
            thread.join()


def positive(query: bytes) -> bytes:
    """Return NOERROR with one MX."""
    reply = dns.message.make_response(dns.message.from_wire(query))
    reply.answer.append(dns.rrset.from_text("example.com.", 60, "IN", "MX", "5 mx.example.com."))
    return reply.to_wire()


def test_a_question_is_the_message_that_dnspython_makes_of_it() -> None:
    message = dns.message.from_wire(QUESTION)
    assert message.question[0].to_text() == "example.com. IN MX"
    assert message.flags == 0 and message.id == 0


def test_answers_are_counted_and_timed_each_once() -> None:
    with nameserver(positive) as address:
        result = measure(address, QUESTION, 0.3, window=16)
    assert len(result.latencies_s) > 20
    assert result.lost == 0 and result.negative == 0
    assert 0 < result.percentile_ms(50) <= result.percentile_ms(99) < 1000
    assert result.rate == len(result.latencies_s) / result.elapsed_s


def test_negative_answers_are_no_answers_and_are_counted_apart() -> None:
    def refused(query: bytes) -> bytes:
        reply = dns.message.make_response(dns.message.from_wire(query))
        reply.set_rcode(dns.rcode.REFUSED)
        return reply.to_wire()

    with nameserver(refused) as address:
        result = measure(address, QUESTION, 0.2)
    assert result.rate == 0 and result.negative > 0


def test_lost_questions_are_counted_and_do_not_stop_the_measurement() -> None:
    seen = iter(range(10**9))
    with nameserver(lambda query: positive(query) if next(seen) % 4 else None) as address:
        result = measure(address, QUESTION, 0.5, window=16, timeout_s=0.1)
    assert result.lost > 4 and len(result.latencies_s) > result.lost


def test_replies_that_are_repeated_or_foreign_count_nothing() -> None:
    def foreign(query: bytes) -> bytes:
        return bytes([query[0] ^ 0x80, query[1]]) + positive(query)[2:]

    with nameserver(foreign) as address:
        result = measure(address, QUESTION, 0.2)
    assert result.latencies_s == []


def test_a_port_where_nobody_listens_gives_a_result_without_answers() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("127.0.0.1", 0))
        address = link.getsockname()
    result = measure(address, QUESTION, 0.2, timeout_s=0.1)
    assert result.rate == 0 and result.percentile_ms(99) == 0.0
    assert ask_once(address, QUESTION, 0.1) is None


@given(st.binary(max_size=64))
def test_any_octets_are_positive_or_not_and_never_an_error(octets: bytes) -> None:
    assert is_positive(octets) in (True, False)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.1, 100))
def test_the_percentile_is_a_value_that_so_many_do_not_exceed(
    values: list[float], percent: float
) -> None:
    at = percentile(values, percent)
    assert at in values
    assert sum(value <= at for value in values) * 100 >= percent * len(values) - 1e-6


def test_the_rate_line_is_the_one_that_scripts_look_for() -> None:
    result = LoadResult(2.0, [0.001] * 2469)
    assert rate_line(result) == "This test recorded a rate of 1234 queries/sec."


def test_the_table_aligns_its_columns() -> None:
    text = table([["what", "node", "ms"], ["a long one", "0", "1.00"], ["b", "12", "100.00"]])
    assert text.splitlines() == [
        "what        node      ms", "a long one     0    1.00", "b             12  100.00",
    ]  # fmt: skip


def test_the_progress_bar_is_drawn_on_a_terminal_only() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for out, is_drawn in ((io.StringIO(), False), (Terminal(), True)):
        progress = Progress(out)
        progress.show("test", 0.5)
        progress.clear()
        assert bool(out.getvalue()) is is_drawn
