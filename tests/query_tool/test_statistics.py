"""Timing statistics."""

from hypothesis import given
from hypothesis import strategies as st

from dns_node.query_tool.statistics import Tally, percentile, summary


@given(st.lists(st.floats(0, 10), min_size=1), st.sampled_from([1, 50, 90, 95, 99, 100]))
def test_a_percentile_is_a_value_that_so_many_percent_are_not_above(values, percent):
    ordered = sorted(values)
    found = percentile(ordered, percent)
    at_most = sum(value <= found for value in ordered)
    below = sum(value < found for value in ordered)
    assert found in ordered
    assert at_most * 100 >= percent * len(ordered) > below * 100 - 1e-9


def test_the_summary_says_total_successes_failures_average_and_rate():
    tally = Tally()
    for milliseconds in range(1, 101):
        tally.note_reply(3 if milliseconds > 90 else 0, milliseconds / 1000)
    tally.note_reply(2, 0.0505)
    tally.note_failure("no reply within 5 s")
    assert (tally.total, tally.successes, tally.exit_status) == (102, 100, 1)
    text = "\n".join(summary(tally, 2.0))
    assert "Total: 102   Successes: 100   Failures: 2" in text
    assert "Average RTT: 50.500 ms" in text
    assert "min 1.000 ms, p50 50.500 ms, p90 90.000 ms, p95 95.000 ms, p99 99.000 ms" in text
    assert "Approximate QPS: 51.0 in 2.00 s" in text
    assert "Rcodes: NOERROR 90, NXDOMAIN 10, SERVFAIL 1" in text
    assert "No reply: 1 (no reply within 5 s)" in text


def test_the_exit_status_says_all_some_or_none():
    tally = Tally()
    tally.note_reply(0, 0.1)
    assert tally.exit_status == 0
    tally.note_failure("x")
    assert tally.exit_status == 1
    none = Tally()
    none.note_reply(2, 0.1)
    assert none.exit_status == 2
