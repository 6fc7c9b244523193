"""RRset caches, and what is put into them."""

import msgspec

from dns_node.resolver.negative import WHOLE_NAME, Denied
from dns_node.resolver.question import Held, Question, Security
from dns_node.resolver.rank import Rank
from dns_node.resolver.rrset_cache import RRsetCache
from dns_node.resolver.settings import CacheSettings
from tests.resolver.wire import held, name

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


def filled() -> RRsetCache:
    cache = cache_of()
    for owner in ("com", "example.com", "www.example.com", "a.www.example.com", "notexample.com"):
        cache.put(held(owner, "A", "192.0.2.1"), Rank.AUTHORITATIVE, 0)
        cache.put(held(owner, "TXT", "text"), Rank.AUTHORITATIVE, 0)
        cache.put_failure(Question(name(owner), 28), 60, 0)
    return cache
