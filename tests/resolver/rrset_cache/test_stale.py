"""Stale data (RFC 8767), and what is due to be refreshed before it is stale."""

from dns_node.resolver.rank import Rank
from tests.resolver.rrset_cache.caches import ADDRESS, WWW, cache_of, denied


def test_rfc8767_what_is_over_is_told_for_a_while_where_it_is_asked_for():
    cache = cache_of(stale_max_s=1000, stale_ttl_s=30)
    cache.put(ADDRESS, Rank.AUTHORITATIVE, 0)
    assert not cache.find(WWW, 1, 299, allows_stale=True).is_stale
    found = cache.find(WWW, 1, 300, allows_stale=True)
    assert (found.is_stale, found.ttl_s, found.kept.rrset.ttl_s) == (True, 30, 30)
    assert cache.find(WWW, 1, 1299, allows_stale=True)
    assert cache.find(WWW, 1, 1300, allows_stale=True) is None


def test_a_fresh_absence_comes_before_stale_data():
    cache = cache_of()
    cache.put(ADDRESS, Rank.AUTHORITATIVE, 0)
    cache.put_denied(denied("example.com"), 60, Rank.AUTHORITY, 301)
    found = cache.find(WWW, 1, 302, allows_stale=True)
    assert found.kept.is_nxdomain and not found.is_stale
    assert cache.find(WWW, 1, 400, allows_stale=True).kept.rrset.rdatas == ADDRESS.rrset.rdatas


def test_a_stale_absence_is_told_too():
    cache = cache_of()
    cache.put_denied(denied("example.com"), 60, Rank.AUTHORITY, 0)
    found = cache.find(WWW, 1, 100, allows_stale=True)
    assert found.is_stale and found.kept.is_nxdomain


def test_what_is_used_again_at_the_end_of_its_life_is_due_once():
    cache = cache_of()
    cache.put(ADDRESS, Rank.AUTHORITATIVE, 0)
    assert not cache.find(WWW, 1, 0).is_due
    assert not cache.find(WWW, 1, 269).is_due
    assert cache.find(WWW, 1, 271).is_due
    assert not cache.find(WWW, 1, 272).is_due
    cache.put(ADDRESS, Rank.AUTHORITATIVE, 273)
    assert not cache.find(WWW, 1, 273 + 271).is_due, "it was not used before"
