"""How long an RRset is in the cache: for its TTL, within bounds."""

from hypothesis import given
from hypothesis import strategies as st

from dns_node.resolver.rank import Rank
from tests.resolver.rrset_cache.caches import ADDRESS, EXAMPLE, WWW, cache_of, secure
from tests.resolver.wire import held


def test_an_rrset_is_found_for_as_long_as_its_ttl_and_its_ttl_falls():
    cache = cache_of()
    assert cache.put(ADDRESS, Rank.AUTHORITATIVE, 1000.0)
    found = cache.find(WWW, 1, 1000.9)
    assert (found.kept, found.ttl_s, found.rank) == (ADDRESS, 300, Rank.AUTHORITATIVE)
    found = cache.find(WWW, 1, 1001.0)
    assert found.ttl_s == found.kept.rrset.ttl_s == 299
    assert cache.find(WWW, 1, 1299.9).ttl_s == 1
    assert cache.find(WWW, 1, 1300.0) is None
    assert cache.find(WWW, 28, 1000.0) is None and cache.find(EXAMPLE, 1, 1000.0) is None
    assert (cache.hits, cache.misses) == (3, 3)


def test_a_clock_that_goes_back_makes_no_ttl_longer():
    cache = cache_of()
    cache.put(ADDRESS, Rank.AUTHORITATIVE, 1000.0)
    assert cache.find(WWW, 1, 900.0).ttl_s == 300


def test_ttls_are_between_the_bounds():
    cache = cache_of(ttl_min_s=10, ttl_max_s=100)
    cache.put(ADDRESS, Rank.AUTHORITATIVE, 0)
    assert cache.find(WWW, 1, 0).ttl_s == 100
    brief = held("brief.example.com", "A", "192.0.2.1", ttl_s=0)
    assert cache.put(brief, Rank.AUTHORITATIVE, 0)
    assert cache.find(brief.owner, 1, 0).ttl_s == 10
    assert not cache.put(secure(held("x.example.com", "A", "192.0.2.1", ttl_s=0)), Rank.ANSWER, 0)


def test_a_ttl_of_0_is_not_kept_and_leaves_what_was_there():
    cache = cache_of()
    cache.put(ADDRESS, Rank.AUTHORITATIVE, 0)
    assert not cache.put(held("www.example.com", "A", "192.0.2.9", ttl_s=0), Rank.AUTHORITATIVE, 0)
    assert cache.find(WWW, 1, 0).kept == ADDRESS


def test_ghost_domains_what_a_child_says_of_its_servers_ends_when_the_parents_word_does():
    cache = cache_of()
    servers = held("example.com", "NS", "ns1.example.com.", ttl_s=86_400)
    assert cache.put(servers, Rank.AUTHORITATIVE, 100, until_s=400)
    assert cache.find(EXAMPLE, 2, 100).ttl_s == 300
    assert cache.put(servers, Rank.AUTHORITATIVE, 390, until_s=400)
    assert cache.find(EXAMPLE, 2, 399.5).ttl_s == 1 and cache.find(EXAMPLE, 2, 400) is None
    assert not cache.put(servers, Rank.AUTHORITATIVE, 400, until_s=400)


@given(st.integers(1, 400), st.lists(st.integers(0, 500), max_size=10))
def test_a_ttl_only_falls(ttl_s, times_s):
    cache = cache_of()
    cache.put(held("www.example.com", "A", "192.0.2.1", ttl_s=ttl_s), Rank.AUTHORITATIVE, 0)
    last = ttl_s
    for now_s in sorted(times_s):
        found = cache.find(WWW, 1, now_s)
        assert (found is None) == (now_s >= ttl_s)
        if found is not None:
            assert 0 < found.ttl_s == found.kept.rrset.ttl_s <= last
            last = found.ttl_s
