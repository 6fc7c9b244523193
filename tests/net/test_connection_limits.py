"""The connections of all workers of a node, counted together."""

from hypothesis import given
from hypothesis import strategies as st

from dns_node.answer.shared_block import SharedBlock, block_size_octets, compose_head
from dns_node.net.connection_limits import ConnectionLimits

WORKERS = 3
ADDRESSES = ("192.0.2.1", "192.0.2.2", "2001:db8::1")


def block(worker, buffer):
    return SharedBlock(buffer, worker)


def new_buffer():
    buffer = bytearray(block_size_octets(WORKERS))
    buffer[:24] = compose_head(b"sixteen octets..")
    return buffer


@given(st.lists(st.tuples(st.integers(0, WORKERS - 1), st.sampled_from(ADDRESSES))))
def test_every_worker_counts_what_all_have(changes):
    buffer = new_buffer()
    workers = [ConnectionLimits(block(number, buffer)) for number in range(WORKERS)]
    open_ones = []
    for worker, address in changes:
        if (worker, address) in open_ones and len(open_ones) % 2:
            open_ones.remove((worker, address))
            workers[worker].remove(address)
        else:
            open_ones.append((worker, address))
            workers[worker].add(address)
        for limits in workers:
            assert limits.connections() == len(open_ones)
            for one in ADDRESSES:
                assert limits.connections_of(one) == sum(other == one for _, other in open_ones)


def test_a_worker_that_begins_again_has_none_and_the_others_keep_theirs():
    buffer = new_buffer()
    first, second = (ConnectionLimits(block(number, buffer)) for number in (0, 1))
    first.add("192.0.2.1")
    second.add("192.0.2.1")
    again = ConnectionLimits(block(0, buffer))
    assert again.connections() == again.connections_of("192.0.2.1") == 1


def test_more_connections_than_a_table_can_say_are_no_fault():
    buffer = new_buffer()
    limits, other = (ConnectionLimits(block(number, buffer)) for number in (0, 1))
    for _ in range(70_000):
        limits.add("192.0.2.1")
    assert other.connections_of("192.0.2.1") == 0xFFFF
    for _ in range(70_000):
        limits.remove("192.0.2.1")
    assert other.connections_of("192.0.2.1") == other.connections() == 0
