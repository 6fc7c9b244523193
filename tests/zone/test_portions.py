"""Large values in portions: the same as at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.zone import portions
from dns_node.zone.portions import empty, lines_of, split_lines

texts = st.text(alphabet="a \n\r", max_size=60)


@given(texts)
def test_lines_are_those_of_split(text):
    assert list(lines_of(text)) == text.split("\n")


@pytest.mark.parametrize("size", [1, 2, 7])
def test_lines_are_those_of_split_wherever_the_portions_end(size, monkeypatch):
    monkeypatch.setattr(portions, "PORTION_CHARACTERS", size)

    @given(texts)
    def is_split(text):
        assert split_lines(text) == text.split("\n")

    is_split()


@pytest.mark.parametrize("items", [[], {}, list(range(50_000)), dict.fromkeys(range(50_000))])
def test_nothing_is_left(items):
    empty(items)
    assert not items
