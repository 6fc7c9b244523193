"""The file that carries the cache over a restart."""

import zlib

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from dns_node.resolver.cache_file import MAGIC, compose_blocks, parse_blocks
from dns_node.resolver.question import Security
from dns_node.resolver.rank import Rank
from tests.resolver.rrset_cache.caches import ADDRESS, WWW, cache_of, denied, filled, secure
from tests.resolver.wire import held, name, question


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
