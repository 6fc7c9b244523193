"""What replaces what in the cache, by rank (RFC 2181 section 5.4.1) and by security."""

import msgspec

from dns_node.resolver.rank import Rank
from tests.resolver.rrset_cache.caches import (
    ADDRESS,
    BOGUS,
    OTHER,
    SECURE,
    WWW,
    cache_of,
    denied,
    secure,
)
from tests.resolver.wire import held


def test_bogus_data_is_never_kept():
    cache = cache_of()
    assert not cache.put(msgspec.structs.replace(ADDRESS, security=BOGUS), Rank.AUTHORITATIVE, 0)
    assert not cache.put_denied(denied("www.example.com", security=BOGUS), 60, Rank.AUTHORITY, 0)
    assert len(cache) == 0


def test_rfc2181_5_4_1_data_replaces_what_is_not_more_to_be_believed():
    cache = cache_of()
    cache.put(ADDRESS, Rank.ANSWER, 0)
    assert not cache.put(OTHER, Rank.ADDITIONAL, 1)
    assert cache.put(OTHER, Rank.ANSWER, 1)
    assert cache.put(ADDRESS, Rank.AUTHORITATIVE, 2)
    assert not cache.put_denied(denied("www.example.com", 1), 60, Rank.AUTHORITY, 3)
    assert cache.find(WWW, 1, 3).kept.rrset.rdatas == ADDRESS.rrset.rdatas
    assert cache.put(OTHER, Rank.ADDITIONAL, 302), "what was more to be believed is over"


def test_secure_data_is_replaced_by_secure_data_only():
    cache = cache_of()
    cache.put(secure(ADDRESS), Rank.ANSWER, 0)
    assert not cache.put(OTHER, Rank.AUTHORITATIVE, 1)
    assert cache.put(secure(OTHER), Rank.ANSWER, 1)


def test_glue_finds_servers_and_is_told_to_nobody():
    cache = cache_of()
    cache.put(ADDRESS, Rank.ADDITIONAL, 0)
    assert cache.find(WWW, 1, 0) is None
    assert cache.find(WWW, 1, 0, rank_min=Rank.ADDITIONAL).rank is Rank.ADDITIONAL


def test_glue_does_not_show_that_a_name_exists():
    cache = cache_of()
    cache.put_denied(denied("example.com"), 60, Rank.AUTHORITY, 0)
    cache.put(ADDRESS, Rank.ADDITIONAL, 1)
    assert cache.find(WWW, 1, 1).kept.is_nxdomain


def test_a_proven_absence_is_not_lifted_by_what_is_not_secure():
    cache = cache_of()
    cache.put_denied(denied("example.com", security=SECURE), 60, Rank.AUTHORITY, 0)
    cache.put(held("www.example.com", "TXT", "here"), Rank.AUTHORITATIVE, 1)
    assert cache.find(WWW, 28, 1).kept.is_nxdomain
    cache.put_denied(denied("www.example.com", security=SECURE), 60, Rank.AUTHORITY, 1)
    cache.put(ADDRESS, Rank.AUTHORITATIVE, 2)
    assert cache.find(WWW, 1, 2).kept.is_nxdomain
    cache.put(secure(ADDRESS), Rank.AUTHORITATIVE, 3)
    assert cache.find(WWW, 1, 3).kept == secure(ADDRESS)
