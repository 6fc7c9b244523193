"""What the cache forgets: when it is told to, when it is over, and for want of room."""

from hypothesis import example, given
from hypothesis import strategies as st

from dns_node.resolver.negative import Denied
from dns_node.resolver.question import ExtendedError, Held, Question
from dns_node.resolver.rank import Rank
from dns_node.zone.rrset import RRset
from tests.resolver.rrset_cache.caches import (
    ADDRESS,
    COM,
    EXAMPLE,
    SOA,
    WWW,
    cache_of,
    filled,
    owners_found,
)
from tests.resolver.wire import held, name, question


def test_a_name_a_subtree_a_type_or_all_is_forgotten():
    cache = filled()
    assert cache.flush_name(WWW) == 3 and len(cache) == 12
    assert cache.find(WWW, 1, 0) is None and cache.find(name("a.www.example.com"), 1, 0)
    assert cache.flush_subtree(EXAMPLE) == 6
    assert owners_found(cache, "com", "example.com", "notexample.com", now_s=0) == [
        "com", "notexample.com",
    ]  # fmt: skip
    assert cache.flush_type(16) == 2 and cache.flush_type(1, COM) == 1
    assert cache.flush_type(28) == 2, "failures too"
    assert cache.flush_all() == 1
    assert (len(cache), cache.size_octets) == (0, 0)


def test_sweeping_forgets_what_nobody_may_be_told_any_more():
    cache = cache_of(stale_max_s=100)
    for number in range(10):
        address = held(f"n{number}.example.com", "A", "192.0.2.1", ttl_s=10 + number)
        cache.put(address, Rank.AUTHORITATIVE, 0)
    cache.put_failure(question("www.example.com A"), 5, 0)
    assert cache.sweep(5, 100) == 1, "a failure is never stale"
    assert cache.sweep(114, 3) == 3 and cache.sweep(114, 100) == 2
    assert len(cache) == 5
    assert cache.sweep(10_000, 1000) == 5 and cache.size_octets == 0
    assert cache.sweep(10_000, 1000) == 0


def test_what_is_used_stays_when_room_is_needed():
    cache = cache_of(20_000)
    cache.put(ADDRESS, Rank.AUTHORITATIVE, 0)
    for number in range(200):
        assert cache.find(WWW, 1, 1)
        cache.put(held(f"n{number}.example.com", "A", "192.0.2.1"), Rank.AUTHORITATIVE, 1)
    assert cache.size_octets <= 20_000 and cache.evictions > 100


def test_one_entry_fills_at_most_a_quarter():
    cache = cache_of(8000)
    assert not cache.put(Held(WWW, RRset(16, 60, (bytes(1700),))), Rank.AUTHORITATIVE, 0)
    assert cache.put(Held(WWW, RRset(16, 60, (bytes(1400),))), Rank.AUTHORITATIVE, 0)


@given(
    st.integers(2000, 20_000),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3), st.integers(0, 3000)), max_size=60),
)
@example(3000, [(at, 0, 100) for at in range(20)])
def test_the_byte_bound_holds_always(size_octets_max, puts):
    cache = cache_of(size_octets_max)
    for number, kind, size in puts:
        owner = bytes([1, 65 + number]) + EXAMPLE
        if kind == 0:
            cache.put(Held(owner, RRset(16, 60, (bytes(size),))), Rank.ANSWER, number)
        elif kind == 1:
            authority = (SOA, Held(EXAMPLE, RRset(47, 60, (bytes(size),))))
            cache.put_denied(Denied(owner, 1, authority), 60, Rank.AUTHORITY, number)
        elif kind == 2:
            text = (ExtendedError(22, "x" * (size % 160)),)
            cache.put_failure(Question(owner, 1), 5, number, text)
        else:
            cache.find(owner, 16, number)
        assert cache.size_octets <= size_octets_max
