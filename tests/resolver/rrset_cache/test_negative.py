"""Negative caching: absences (RFC 2308, RFC 8020) and failures (RFC 9520)."""

from dns_node.resolver.negative import Denied, Unresolved
from dns_node.resolver.question import ExtendedError, Held, Question
from dns_node.resolver.rank import Rank
from dns_node.resolver.rrset_cache import RRsetCache
from dns_node.zone.rrset import RRset
from tests.resolver.rrset_cache.caches import (
    ADDRESS,
    EXAMPLE,
    SECURE,
    SOA,
    WWW,
    cache_of,
    denied,
    owners_found,
)
from tests.resolver.wire import held, name, question

# Absences


def test_an_absence_is_found_with_what_is_left_of_its_time():
    cache = cache_of()
    cache.put_denied(denied("www.example.com", 28), 60, Rank.AUTHORITY, 0)
    found = cache.find(WWW, 28, 50)
    assert isinstance(found.kept, Denied) and not found.kept.is_nxdomain
    assert found.ttl_s == 10 and found.kept.authority[0].rrset.ttl_s == 10
    assert cache.find(WWW, 1, 50) is None and cache.find(WWW, 28, 60) is None


def test_an_absence_is_kept_for_so_long_only():
    cache = cache_of(negative_ttl_max_s=100)
    cache.put_denied(denied("www.example.com", 28), 86_400, Rank.AUTHORITY, 0)
    assert cache.find(WWW, 28, 0).ttl_s == 100
    assert not cache.put_denied(denied("w.example.com", 28), 0, Rank.AUTHORITY, 0)


def test_rfc8020_nothing_is_below_a_name_that_does_not_exist():
    cache = cache_of()
    cache.put_denied(denied("example.com"), 60, Rank.AUTHORITY, 0)
    for owner in ("example.com", "www.example.com", "a.b.example.com"):
        found = cache.find(name(owner), 1, 1)
        assert found.kept.is_nxdomain and found.kept.owner == EXAMPLE
    assert owners_found(cache, "com", "notexample.com", "example.net") == []


def test_an_absence_that_is_not_proven_may_be_kept_from_hiding_names_below():
    cache = RRsetCache(1 << 20, cuts_insecure=False)
    cache.put_denied(denied("example.com"), 60, Rank.AUTHORITY, 0)
    assert owners_found(cache, "example.com", "www.example.com") == ["example.com"]
    cache.put_denied(denied("example.com", security=SECURE), 60, Rank.AUTHORITY, 0)
    assert owners_found(cache, "example.com", "www.example.com") == [
        "example.com",
        "www.example.com",
    ]


def test_of_existence_and_absence_what_was_heard_last_counts():
    cache = cache_of()
    cache.put(ADDRESS, Rank.AUTHORITATIVE, 0)
    cache.put_denied(denied("www.example.com"), 60, Rank.AUTHORITY, 1)
    assert cache.find(WWW, 1, 1).kept.is_nxdomain
    assert cache.find(WWW, 1, 70).kept.rrset.rdatas == ADDRESS.rrset.rdatas, "the absence is over"
    cache.put_denied(denied("example.com"), 60, Rank.AUTHORITY, 71)
    assert cache.find(WWW, 28, 72).kept.is_nxdomain
    cache.put(held("www.example.com", "TXT", "here"), Rank.AUTHORITATIVE, 73)
    assert cache.find(WWW, 28, 73) is None, "a name with data exists, and so do those above it"


def test_proofs_that_are_too_large_are_not_kept():
    cache = cache_of()
    proof = Held(EXAMPLE, RRset(47, 60, (bytes(3000),), (bytes(1500),)))
    large = Denied(WWW, 1, (SOA, proof))
    assert not cache.put_denied(large, 60, Rank.AUTHORITY, 0)


# Failures


def test_rfc9520_a_failure_is_kept_between_1_second_and_5_minutes():
    cache = cache_of()
    asked, errors = question("www.example.com A"), (ExtendedError(22, "nobody answered"),)
    cache.put_failure(asked, 0, 100, errors)
    assert cache.find_failure(asked, 100.9) == Unresolved(asked, errors)
    assert cache.find_failure(asked, 101) is None
    cache.put_failure(asked, 9999, 100)
    assert cache.find_failure(asked, 399.9) and not cache.find_failure(asked, 400)
    assert cache.find_failure(question("www.example.com AAAA"), 100) is None
    assert cache.find(WWW, 1, 100, allows_stale=True) is None
    # A type that is no type: its failure says nothing of the name.
    cache.put_failure(Question(WWW, 0), 60, 100)
    assert cache.find(WWW, 1, 100) is None


def test_a_failure_of_validation_is_none_for_who_checks_itself():
    cache = cache_of()
    asked = question("www.example.com A")
    cache.put_failure(asked, 5, 0)
    assert cache.find_failure(asked, 0, is_cd=True) is None
    cache.put_failure(asked, 5, 0, is_cd=True)
    assert cache.find_failure(asked, 0, is_cd=True)
