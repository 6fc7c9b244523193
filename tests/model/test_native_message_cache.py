"""The native message cache against its definition: the same operations, the same answers."""

from functools import partial

import dns.edns
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.answer.access import Networks
from dns_node.answer.query import parse
from dns_node.net.native import NativeMessageCache
from dns_node.resolver.message_cache import Key, MessageCache
from dns_node.store.generation import current_generation, generation_path
from tests.model.native import native
from tests.net.worker_process import fill
from tests.resolver.messages import ask, reply_to

pytestmark = pytest.mark.skipif(native is None, reason="no native core was built")

NAMES = [b"\0", b"\1a\0", b"\1b\1a\0", b"\1c\1b\1a\0", b"\2ab\0"]
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"

keys = st.builds(
    Key, st.sampled_from(NAMES), st.sampled_from([1, 28]), st.just(1), st.booleans(), st.booleans()
)
ttls_s = st.integers(0, 40) | st.sampled_from([0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF])
messages = st.tuples(st.lists(ttls_s, max_size=4).map(tuple), st.integers(0, 12))
puts = st.tuples(
    st.just("put"), keys, messages, st.integers(0, 50), st.none() | st.just(3),
    st.integers(0, 60), st.sampled_from(["whole", "whole", "whole", "cut", "longer", "other"]),
)  # fmt: skip
finds = st.tuples(
    st.just("find"), keys, st.integers(0, 65535), st.sampled_from([0x0100, 0x0120, 0]),
    st.sampled_from([b"", OPT]), st.sampled_from([100, 200, 512, 1232, 65535]),
)  # fmt: skip
flushes = st.tuples(st.sampled_from(["name", "subtree"]), st.sampled_from(NAMES))
others = st.tuples(st.just("all")) | st.tuples(st.just("sweep"), st.integers(0, 8))
waits = st.tuples(st.just("wait"), st.floats(-1, 20))
operations = st.lists(puts | puts | finds | finds | finds | flushes | others | waits, max_size=60)


def parts(key):
    return key.qname, key.qtype, key.qclass, key.is_do, key.is_cd


def damaged(message, how, damage_at):
    match how:
        case "cut":
            return message[: -1 - damage_at % (len(message) - 1)]
        case "longer":
            return message + b"\0" * (damage_at + 1)
        case "other":
            at = damage_at % len(message)
            return message[:at] + bytes([message[at] ^ 0xFF]) + message[at + 1 :]
    return message


def do_both(cache, core, operation, now_s):
    """Return what the definition and the core say to one operation."""
    match operation:
        case ("put", key, (ttls, additional), ttl_s, error, damage_at, how):
            message = damaged(reply_to(key, ttls, additional), how, damage_at)
            ours = cache.put(key, message, ttl_s, now_s, error)
            return ours, core.cache_put(parts(key), message, ttl_s, now_s, error)
        case ("find", key, message_id, flags, opt, size):
            query = parse(ask(key, message_id, flags, key.qname.upper()))
            found = cache.find(key, now_s)
            ours = found and (found.compose(query, opt, size), found.is_due, found.entry.error)
            return ours, core.cache_reply(
                parts(key), message_id, query.flags, query.question, opt, size, now_s
            )
        case ("name", name):
            return cache.flush_name(name), core.cache_flush_name(name)
        case ("subtree", name):
            return cache.flush_subtree(name), core.cache_flush_subtree(name)
        case ("all",):
            return cache.flush_all(), core.cache_flush_all()
        case ("sweep", slots):
            return cache.sweep(now_s, slots), core.cache_sweep(now_s, slots)
    return None, None


@given(operations, st.sampled_from([1500, 4000, 100_000]))
def test_the_native_cache_does_what_the_definition_does(steps, size_octets_max):
    cache, core = MessageCache(size_octets_max), native.Core()
    core.configure_recursion(["any"], size_octets_max)
    now_s = 1000.0
    for step in steps:
        if step[0] == "wait":
            now_s += step[1]
        ours, theirs = do_both(cache, core, step, now_s)
        assert ours == theirs, step
        assert core.cache_size() == (len(cache), cache.size_octets)


@pytest.fixture
def opened(tmp_path):
    """Return a maker of cores with an empty store and of their message caches, which *recursion*
    may ask."""
    fill(tmp_path)
    return partial(make_opened, generation_path(tmp_path, current_generation(tmp_path)))


def make_opened(store, recursion):
    core = native.Core()
    core.open(store)
    core.renew()
    core.configure(b"me", b"", ["any"], 10, [bytes(16)])
    return core, NativeMessageCache(core, Networks(recursion), 100_000)


KEY = Key(b"\3www\7example\0", 1, 1)


def rcode(octets):
    return octets[3] & 15


def test_who_may_have_questions_resolved_gets_what_is_kept_and_nobody_else(opened):
    core, cache = opened(["192.0.2.0/24"])
    assert cache.put(KEY, reply_to(KEY, (60,)), 3600, 1000.0, 22)
    query = ask(KEY, 77, 0x0100, b"\3WWW\7eXample\0")
    kept = dns.message.from_wire(core.respond(query, "192.0.2.1", 5, False, 1010.0))
    assert kept.id == 77 and kept.answer[0].ttl == 50
    assert kept.answer[0].name.to_text() == "WWW.eXample."
    assert rcode(core.respond(query, "198.51.100.1", 5, False, 1010.0)) == 5
    without_rd = ask(KEY, 77, 0)
    assert rcode(core.respond(without_rd, "192.0.2.1", 5, False, 1010.0)) == 5


def test_what_is_not_kept_is_handed_up_for_who_may_have_it_resolved(opened):
    core, _ = opened(["192.0.2.0/24"])
    assert core.respond(ask(KEY), "192.0.2.1", 5, False, 0.0) is False


def test_a_kept_reply_has_the_options_of_any_other(opened):
    core, cache = opened(["any"])
    key = Key(KEY.qname, 1, 1, is_do=True)
    assert cache.put(key, reply_to(key, (60,)), 3600, 0.0, 22)
    cookie = dns.edns.CookieOption(b"12345678", b"")
    nsid = dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")
    made = dns.message.make_query("www.example.", "A", want_dnssec=True, options=[nsid, cookie])
    reply = dns.message.from_wire(core.respond(made.to_wire(), "192.0.2.1", 5, False, 0.0))
    assert [int(option.otype) for option in reply.options] == [3, 10, 15]
    assert reply.options[2].code == 22 and len(reply.options[1].server) == 16
    assert reply.payload == 1232 and reply.answer


def test_a_kept_reply_that_is_used_shortly_before_its_end_is_due(opened):
    core, cache = opened(["any"])
    cache.put(KEY, reply_to(KEY, (100,)), 3600, 0.0)
    for now_s, expected in ((10.0, []), (91.0, [KEY]), (92.0, [])):
        assert core.respond(ask(KEY), "192.0.2.1", 5, False, now_s)
        assert cache.take_due() == expected
