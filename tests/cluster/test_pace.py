"""A limit that transfers share."""

from hypothesis import given
from hypothesis import strategies as st

from dns_node.cluster.pace import Pace

sizes = st.lists(st.integers(1, 1 << 20), min_size=1, max_size=20)


@given(sizes, st.integers(1, 1 << 24), st.integers(1, 5))
def test_transfers_together_are_as_fast_as_the_limit_allows(sizes, octets_per_s, transfers):
    pace, ready_s, ended_s = Pace(), [0.0] * transfers, 0.0
    for size in sizes:
        now_s = min(ready_s)
        at = ready_s.index(now_s)
        ready_s[at] = ended_s = now_s + pace.wait_s(size, octets_per_s, now_s)
    assert abs(ended_s - sum(sizes) / octets_per_s) < 1e-6 * max(1.0, ended_s)


def test_without_a_limit_nobody_waits_and_a_new_limit_counts_from_then_on():
    pace = Pace()
    assert pace.wait_s(1 << 30, 0, 5.0) == 0
    assert pace.wait_s(100, 10, 6.0) == 10
    assert pace.wait_s(100, 0, 7.0) == 0
    assert pace.wait_s(100, 10, 7.0) == 10


def test_time_in_which_nothing_was_sent_is_not_made_up_for():
    pace = Pace()
    pace.wait_s(10, 10, 0.0)
    assert pace.wait_s(10, 10, 100.0) == 1
