"""The collector of cyclic garbage: what a large load does to it."""

import gc

from dns_node.control import collector


def test_nothing_is_collected_within_and_all_is_as_before_afterwards():
    frozen = gc.get_freeze_count()
    with collector.held():
        assert not gc.isenabled()
        made = [[] for _ in range(100)]
    assert gc.isenabled() and gc.get_freeze_count() == frozen and made


def test_very_much_that_was_made_is_left_out_of_later_collections_until_it_goes():
    frozen = gc.get_freeze_count()
    with collector.held():
        made = [[] for _ in range(collector.LARGE_OBJECTS + 10_000)]
    frozen_with_it = gc.get_freeze_count()
    assert frozen_with_it >= frozen + collector.LARGE_OBJECTS
    made.clear()
    assert gc.get_freeze_count() <= frozen_with_it - collector.LARGE_OBJECTS
    gc.unfreeze()
