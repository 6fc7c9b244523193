"""What the node forgets by itself."""

from hypothesis import given
from hypothesis import strategies as st

from dns_node.control.upkeep import first_revision_since


@given(st.lists(st.integers(0, 50)), st.integers(0, 60), st.integers(1, 5))
def test_history_is_kept_from_the_first_revision_that_is_young_enough(times, since_ms, first):
    times.sort()
    made = dict(enumerate(times, first))
    last = first + len(times) - 1
    expected = next((at for at in made if made[at] >= since_ms), last + 1)
    assert first_revision_since(made.get, first, last, since_ms) == expected
