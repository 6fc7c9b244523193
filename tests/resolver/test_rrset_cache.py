"""The RRset cache, and the file that carries it over a restart."""

import zlib

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dns_node.resolver.cache_file import MAGIC, compose_blocks, parse_blocks
from dns_node.resolver.negative import WHOLE_NAME, Denied, Unresolved
from dns_node.resolver.question import ExtendedError, Held, Question, Security
from dns_node.resolver.rank import Rank
from dns_node.resolver.rrset_cache import RRsetCache
from dns_node.resolver.settings import CacheSettings
from dns_node.zone.names import ancestors, is_subdomain
from dns_node.zone.rrset import RRset
from tests.resolver.wire import held, name, question

WWW, EXAMPLE, COM = name("www.example.com"), name("example.com"), name("com")
SECURE, BOGUS = Security.SECURE, Security.BOGUS
SOA = held("example.com", "SOA", "ns1.example.com. h.example.com. 1 2 3 4 60", ttl_s=60)
ADDRESS = held("www.example.com", "A", "192.0.2.1")
OTHER = held("www.example.com", "A", "192.0.2.2")


def cache_of(size_octets_max: int = 1 << 20, **settings) -> RRsetCache:
    return RRsetCache(size_octets_max, CacheSettings(**settings))


def denied(owner: str, rrtype: int = WHOLE_NAME, security=Security.INDETERMINATE) -> Denied:
    return Denied(name(owner), rrtype, (SOA,), security)


def secure(kept: Held) -> Held:
    return msgspec.structs.replace(kept, security=SECURE)


def owners_found(cache: RRsetCache, *owners: str, now_s: float = 1) -> list[str]:
    return [owner for owner in owners if cache.find(name(owner), 1, now_s) is not None]


# RRsets and their time


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


def test_bogus_data_is_never_kept():
    cache = cache_of()
    assert not cache.put(msgspec.structs.replace(ADDRESS, security=BOGUS), Rank.AUTHORITATIVE, 0)
    assert not cache.put_denied(denied("www.example.com", security=BOGUS), 60, Rank.AUTHORITY, 0)
    assert len(cache) == 0


def test_ghost_domains_what_a_child_says_of_its_servers_ends_when_the_parents_word_does():
    cache = cache_of()
    servers = held("example.com", "NS", "ns1.example.com.", ttl_s=86_400)
    assert cache.put(servers, Rank.AUTHORITATIVE, 100, until_s=400)
    assert cache.find(EXAMPLE, 2, 100).ttl_s == 300
    assert cache.put(servers, Rank.AUTHORITATIVE, 390, until_s=400)
    assert cache.find(EXAMPLE, 2, 399.5).ttl_s == 1 and cache.find(EXAMPLE, 2, 400) is None
    assert not cache.put(servers, Rank.AUTHORITATIVE, 400, until_s=400)


# What replaces what


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


# What is absent


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


def test_proofs_that_are_too_large_are_not_kept():
    cache = cache_of()
    proof = Held(EXAMPLE, RRset(47, 60, (bytes(3000),), (bytes(1500),)))
    large = Denied(WWW, 1, (SOA, proof))
    assert not cache.put_denied(large, 60, Rank.AUTHORITY, 0)


# Aliases


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


# Stale data and refreshing


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


# Forgetting


def filled() -> RRsetCache:
    cache = cache_of()
    for owner in ("com", "example.com", "www.example.com", "a.www.example.com", "notexample.com"):
        cache.put(held(owner, "A", "192.0.2.1"), Rank.AUTHORITATIVE, 0)
        cache.put(held(owner, "TXT", "text"), Rank.AUTHORITATIVE, 0)
        cache.put_failure(Question(name(owner), 28), 60, 0)
    return cache


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


# The same as a dict


OWNERS = ["com", "example.com", "www.example.com", "a.www.example.com", "mail.example.com", "b.com"]
SOME_OWNERS = st.sampled_from([name(owner) for owner in OWNERS])
SOME_TYPES = st.sampled_from([1, 2, 39, 16])
RANKS = st.sampled_from([Rank.ADDITIONAL, Rank.ANSWER, Rank.AUTHORITY, Rank.AUTHORITATIVE])
SECURITIES = st.sampled_from([Security.INDETERMINATE, Security.INSECURE, SECURE])
STALE_MAX_S = 50


class CacheLikeADict(RuleBasedStateMachine):
    """A cache with room enough for all beside a dict of (strength, heard, over, kept)."""

    @initialize()
    def begin(self):
        self.cache = cache_of(stale_max_s=STALE_MAX_S, ttl_max_s=100, negative_ttl_max_s=40)
        self.model = {}
        self.now_s = 1000.0
        self.serial = 0

    def live(self, key, margin_s=0):
        entry = self.model.get(key)
        return entry if entry and self.now_s < entry[2] + margin_s else None

    def store(self, key, kept, rank, ttl_s):
        strength = (kept.security is SECURE, rank)
        old = self.live(key)
        if not ttl_s or (old and old[0] > strength):
            return False
        self.serial += 1
        self.model[key] = (strength, self.serial, self.now_s + ttl_s, kept)
        if key[1] != WHOLE_NAME and rank >= Rank.ANSWER:
            for ancestor in ancestors(key[0]):
                hiding = self.model.get((ancestor, WHOLE_NAME))
                if hiding and hiding[0][0] <= strength[0]:
                    del self.model[ancestor, WHOLE_NAME]
        return True

    @rule(owner=SOME_OWNERS, rrtype=SOME_TYPES, rank=RANKS, security=SECURITIES,
          ttl_s=st.integers(0, 120), data=st.binary(min_size=1, max_size=4))  # fmt: skip
    def put(self, owner, rrtype, rank, security, ttl_s, data):
        kept = Held(owner, RRset(rrtype, ttl_s, (data,)), security)
        expected = self.store((owner, rrtype), kept, rank, min(ttl_s, 100))
        assert self.cache.put(kept, rank, self.now_s) == expected

    @rule(owner=SOME_OWNERS, rrtype=SOME_TYPES | st.just(WHOLE_NAME), rank=RANKS,
          security=SECURITIES, ttl_s=st.integers(0, 60))  # fmt: skip
    def deny(self, owner, rrtype, rank, security, ttl_s):
        kept = Denied(owner, rrtype, (SOA,), security)
        expected = self.store((owner, rrtype), kept, rank, min(ttl_s, 40))
        assert self.cache.put_denied(kept, ttl_s, rank, self.now_s) == expected

    @rule(seconds=st.integers(1, 60))
    def wait(self, seconds):
        self.now_s += seconds

    @rule(slots=st.integers(1, 10))
    def sweep(self, slots):
        self.cache.sweep(self.now_s, slots)

    @rule(apex=SOME_OWNERS)
    def flush(self, apex):
        self.cache.flush_subtree(apex)
        self.model = {
            key: entry for key, entry in self.model.items() if not is_subdomain(key[0], apex)
        }

    def expected(self, owner, rrtype, rank_min, margin_s):
        """What is to be found: (kept, over, is_stale)."""
        found = self.live((owner, rrtype))
        if found and found[0][1] >= rank_min:
            hiding = self.live((owner, WHOLE_NAME))
            hidden = hiding and hiding[0][0] >= found[0][0]
            if not hidden:
                return (*found[3:1:-1], False)
        hidden = bool(found)
        for ancestor in ancestors(owner):
            hiding = self.live((ancestor, WHOLE_NAME))
            if hiding and hiding[0][1] >= rank_min:
                return (*hiding[3:1:-1], False)
        if not margin_s:
            return None
        for key in ((owner, rrtype), *((ancestor, WHOLE_NAME) for ancestor in ancestors(owner))):
            found = None if hidden and key == (owner, rrtype) else self.live(key, margin_s)
            if found and found[0][1] >= rank_min:
                return (*found[3:1:-1], not self.live(key))
        return None

    @rule(owner=SOME_OWNERS, rrtype=SOME_TYPES, rank_min=RANKS, allows_stale=st.booleans())
    def find(self, owner, rrtype, rank_min, allows_stale):
        found = self.cache.find(
            owner, rrtype, self.now_s, rank_min=rank_min, allows_stale=allows_stale
        )
        expected = self.expected(owner, rrtype, rank_min, STALE_MAX_S if allows_stale else 0)
        assert (found is None) == (expected is None)
        if found is None:
            return
        kept, over_s, is_stale = expected
        assert found.is_stale == is_stale
        assert found.ttl_s == (30 if is_stale else over_s - self.now_s)
        assert found.kept.owner == kept.owner and found.kept.security == kept.security
        if isinstance(kept, Held):
            assert found.kept.rrset == RRset(rrtype, found.ttl_s, kept.rrset.rdatas)
        else:
            assert found.kept.rrtype == kept.rrtype

    @invariant()
    def it_counts_its_octets(self):
        if hasattr(self, "cache"):
            entries = self.cache._entries.values()
            assert self.cache.size_octets == sum(entry.size_octets for entry in entries)
            assert self.cache._nxdomains == sum(entry.hides for entry in entries)
            assert self.cache._dnames == sum(entry.rrtype == 39 for entry in entries)
            slots = [entry for entry in self.cache._slots if entry is not None]
            assert sorted(map(id, slots)) == sorted(map(id, entries))
            assert len(slots) + len(self.cache._free) == len(self.cache._slots)


TestCacheLikeADict = CacheLikeADict.TestCase


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


# The file


def test_a_cache_is_the_same_after_a_restart():
    cache = cache_of()
    cache.put(secure(ADDRESS), Rank.AUTHORITATIVE, 1000)
    cache.put_denied(denied("x.example.com", security=Security.INSECURE), 60, Rank.AUTHORITY, 1000)
    cache.put(held("brief.example.com", "A", "192.0.2.1", ttl_s=20), Rank.ANSWER, 1000)
    cache.put_failure(question("y.example.com A"), 300, 1000)
    octets = b"".join(compose_blocks(cache.dump(1010)))
    again = cache_of()
    assert again.load(parse_blocks(octets), 1030) == 2
    for owner, rrtype in ((WWW, 1), (name("x.example.com"), 16), (name("a.x.example.com"), 1)):
        assert again.find(owner, rrtype, 1040) == cache.find(owner, rrtype, 1040)
    assert again.find(name("brief.example.com"), 1, 1030) is None
    assert cache_of().load(parse_blocks(octets), 900) == 0, "it is from the future"
    assert cache_of(600).load(parse_blocks(octets), 1030) == 0, "there is no room"


def test_a_file_holds_many_blocks():
    cache = cache_of(8 << 20)
    for number in range(2500):
        cache.put(held(f"n{number}.example.com", "A", "192.0.2.1"), Rank.ANSWER, 0)
    blocks = list(compose_blocks(cache.dump(1)))
    assert len(blocks) == 4 and blocks[0] == MAGIC
    again = cache_of(8 << 20)
    assert again.load(parse_blocks(b"".join(blocks)), 1) == 2500
    assert again.size_octets == cache.size_octets


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3), st.integers(0, 10_000))
def test_a_damaged_file_is_read_up_to_the_damage(at, octets, length):
    cache = filled()
    whole = b"".join(compose_blocks(cache.dump(1)))
    at %= len(whole)
    damaged = (whole[:at] + octets + whole[at + len(octets) :])[: 1 + length % len(whole)]
    entries = list(parse_blocks(damaged))
    assert entries == [] or damaged == whole
    assert list(parse_blocks(MAGIC + octets)) == []


@given(
    st.binary(max_size=12),
    st.binary(max_size=30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-5, 600),
)
@example(WWW + b"\0\1", b"\x94\1\x3c\x91\xc4\4abcd\x90", 100.0, 0)
@example(WWW + b"\0\2", b"\x94\1\x3c\x91\xc4\4abcd\x90", 100.0, 0)
@example(b"\5www" + b"\0\1", b"\x94\1\x3c\x91\xc4\4abcd\x90", 100.0, 0)
def test_entries_of_any_octets_are_taken_or_refused(key, packed, expires_s, state):
    payload = msgspec.msgpack.encode([(key, packed, expires_s, state)])
    head = len(payload).to_bytes(4, "big") + zlib.crc32(payload).to_bytes(4, "big")
    cache = cache_of()
    kept = cache.load(parse_blocks(MAGIC + head + payload), 99.0)
    assert kept == (len(cache) == 1)
    assert not kept or (key[:-2] == WWW and cache.find(WWW, key[-1], 99.0, rank_min=Rank.HINT))
