"""Whatever is put, denied, swept and flushed: the cache finds what a dict would."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dns_node.resolver.negative import WHOLE_NAME, Denied
from dns_node.resolver.question import Held, Security
from dns_node.resolver.rank import Rank
from dns_node.zone.names import ancestors, is_subdomain
from dns_node.zone.rrset import RRset
from tests.resolver.rrset_cache.caches import SECURE, SOA, cache_of
from tests.resolver.wire import name

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
