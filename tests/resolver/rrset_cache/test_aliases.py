"""The alias of a name in the cache: its CNAME, or a DNAME above it."""

from dns_node.resolver.rank import Rank
from tests.resolver.rrset_cache.caches import COM, EXAMPLE, WWW, cache_of
from tests.resolver.wire import held, name


def test_the_alias_of_a_name_is_its_cname_or_the_nearest_dname_above_it():
    cache = cache_of()
    cname = held("www.example.com", "CNAME", "a.example.net.")
    cache.put(held("com", "DNAME", "org."), Rank.ANSWER, 0)
    cache.put(held("example.com", "DNAME", "example.org.", ttl_s=100), Rank.ANSWER, 0)
    assert cache.find_alias(WWW, 0).kept.owner == EXAMPLE
    assert cache.find_alias(EXAMPLE, 0).kept.owner == COM, "a DNAME is not for its own name"
    cache.put(cname, Rank.ANSWER, 0)
    assert cache.find_alias(WWW, 0).kept == cname
    assert cache.find_alias(name("x.example.com"), 100).kept.owner == COM
    assert cache.find_alias(name("x.example.com"), 100, allows_stale=True).kept.owner == EXAMPLE
    assert cache.find_alias(name("example.net"), 0) is None


def test_a_dname_that_may_be_forged_speaks_for_nobody():
    cache = cache_of()
    cache.put(held("example.com", "DNAME", "example.org."), Rank.ADDITIONAL, 0)
    assert cache.find_alias(WWW, 0) is None
