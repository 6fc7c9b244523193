from hypothesis import given
from hypothesis import strategies as st

from dns_node.cluster.checkpoint import (
    LIVE_S,
    Standing,
    find_checkpoint,
    judge_visible,
    may_end_waiting,
)

NOW_S = 1_000_000.0
standings = st.lists(
    st.builds(
        Standing,
        st.text(min_size=1, max_size=2),
        st.sampled_from(("voter", "learner", "edge")),
        st.integers(0, 100),
        st.integers(0, 100),
        st.floats(NOW_S - 200_000, NOW_S),
    ),
    unique_by=lambda standing: standing.node,
)


@given(st.integers(0, 100), standings)
def test_i5_nothing_is_dropped_that_a_present_voter_or_learner_lacks(own, others):
    checkpoint = find_checkpoint(own, others, 0, NOW_S)
    assert checkpoint <= own
    for standing in others:
        if standing.role != "edge" and NOW_S - standing.heard_s <= 24 * 3600:
            assert checkpoint <= standing.durable_applied_index


@given(st.integers(0, 100), standings)
def test_beyond_the_caps_the_absent_are_not_waited_for(own, others):
    full = find_checkpoint(own, others, 101, NOW_S, log_octets_max=100)
    for standing in others:
        if standing.role != "edge" and NOW_S - standing.heard_s <= LIVE_S:
            assert full <= standing.durable_applied_index
    assert full >= find_checkpoint(own, others, 100, NOW_S, log_octets_max=100)
    assert find_checkpoint(own, others, 201, NOW_S, log_octets_max=100) == own


@given(st.integers(0, 100), standings)
def test_i6_every_member_is_named_once(index, members):
    visible, not_yet, unreachable = judge_visible(index, members, NOW_S)
    assert sorted((*visible, *not_yet, *unreachable)) == sorted(m.node for m in members)
    assert set(visible) == {m.node for m in members if m.applied_index >= index}
    assert all(NOW_S - m.heard_s > LIVE_S for m in members if m.node in unreachable)


def test_waiting_ends_for_all_live_members_or_a_majority_of_all():
    assert may_end_waiting("all", 1, 0, 2)
    assert not may_end_waiting("all", 2, 1, 0)
    assert may_end_waiting("quorum", 2, 0, 1)
    assert not may_end_waiting("quorum", 1, 0, 1)
