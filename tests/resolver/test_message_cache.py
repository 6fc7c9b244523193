"""The message cache: what comes back, when, and what is forgotten."""

import dns.flags
import dns.message
import pytest

from dns_node.answer.query import parse
from dns_node.resolver.message_cache import CHANCES_MAX, ENTRY_SIZE_OCTETS, Key, MessageCache
from tests.resolver.messages import ask, reply_to

WWW = Key(b"\3www\7example\0", 1, 1)
MAIL = Key(b"\4mail\7example\0", 1, 1)
SIZE = 1 << 20


def replied(cache, key, now_s, opt=b"", size=1232, **options):
    found = cache.find(key, now_s)
    return None if found is None else found.compose(parse(ask(key, **options)), opt, size)


def test_ttls_are_counted_down_by_whole_seconds_until_the_shortest_is_over():
    cache = MessageCache(SIZE)
    assert cache.put(WWW, reply_to(WWW, (60, 90)), 3600, 1000.0)
    for now_s, ttls_s in ((1000.0, [60, 90]), (1000.9, [60, 90]), (1001.0, [59, 89]),
                          (1059.9, [1, 31])):  # fmt: skip
        message = dns.message.from_wire(replied(cache, WWW, now_s))
        assert [rrset.ttl for rrset in message.answer] == ttls_s
    assert cache.find(WWW, 1060.0) is None
    assert (len(cache), cache.size_octets) == (0, 0)


def test_a_shorter_time_than_the_ttls_can_be_given():
    cache = MessageCache(SIZE)
    assert cache.put(WWW, reply_to(WWW, ()), 5, 1000.0)
    assert cache.find(WWW, 1004.9) and not cache.find(WWW, 1005.0)
    assert not cache.put(WWW, reply_to(WWW, (0,)), 5, 1000.0)
    assert not cache.put(WWW, reply_to(WWW, (0x8000_0000,)), 5, 1000.0)


def test_the_question_comes_back_as_it_was_spelt_and_with_it_the_owner():
    cache = MessageCache(SIZE)
    cache.put(WWW, reply_to(WWW), 60, 0.0)
    octets = replied(cache, WWW, 0.0, message_id=99, spelt=b"\3wWw\7eXAMPLE\0")
    message = dns.message.from_wire(octets)
    assert message.id == 99 and message.question[0].name.to_text() == "wWw.eXAMPLE."
    assert message.answer[0].name.to_text() == "wWw.eXAMPLE."


def test_rfc6840_5_8_ad_is_told_to_who_asks_with_ad_or_do():
    cache = MessageCache(SIZE)
    with_do = Key(WWW.qname, 1, 1, is_do=True)
    for key in (WWW, with_do):
        cache.put(key, reply_to(key), 60, 0.0)
    for key, flags, expected in ((WWW, 0x0100, 0), (WWW, 0x0120, 0x20), (with_do, 0x0100, 0x20)):
        assert replied(cache, key, 0.0, flags=flags)[3] & 0x20 == expected


def test_what_does_not_fit_is_sent_without_the_additional_section_or_with_tc():
    cache = MessageCache(SIZE)
    cache.put(WWW, reply_to(WWW, additional=20), 60, 0.0)
    whole = replied(cache, WWW, 0.0, size=65535)
    assert len(dns.message.from_wire(whole).additional) == 20
    opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
    short = dns.message.from_wire(replied(cache, WWW, 0.0, opt=opt, size=200))
    assert short.answer and not short.additional and short.edns == 0
    assert not short.flags & dns.flags.TC
    cache.put(MAIL, reply_to(MAIL, (60,) * 50), 60, 0.0)
    cut = dns.message.from_wire(replied(cache, MAIL, 0.0, opt=opt, size=512))
    assert cut.flags & dns.flags.TC and not cut.answer and cut.edns == 0


def test_do_and_cd_have_replies_of_their_own():
    cache = MessageCache(SIZE)
    both = (False, True)
    keys = [Key(WWW.qname, 1, 1, is_do, is_cd) for is_do in both for is_cd in both]
    for number, key in enumerate(keys, 1):
        cache.put(key, reply_to(key, (60 * number,)), 3600, 0.0)
    found = [dns.message.from_wire(replied(cache, key, 0.0)).answer[0].ttl for key in keys]
    assert found == [60, 120, 180, 240]


def test_a_reply_to_another_question_or_with_opt_is_not_kept():
    cache = MessageCache(SIZE)
    assert not cache.put(WWW, reply_to(MAIL), 60, 0.0)
    assert not cache.put(WWW, ask(WWW), 60, 0.0)
    with_opt = dns.message.from_wire(reply_to(WWW))
    with_opt.use_edns(0)
    assert not cache.put(WWW, with_opt.to_wire(), 60, 0.0)
    assert not cache.put(WWW, reply_to(WWW)[:-1], 60, 0.0)
    assert not cache.put(WWW, reply_to(WWW) + b"\0", 60, 0.0)


def test_it_never_holds_more_than_it_may_and_keeps_what_is_used():
    one = ENTRY_SIZE_OCTETS + len(reply_to(WWW)) + 40
    cache = MessageCache(10 * one)
    names = [b"\4n%03d\7example\0" % number for number in range(100)]
    used = Key(names[0], 1, 1)
    for name in names:
        key = Key(name, 1, 1)
        assert cache.put(key, reply_to(key), 60, 0.0)
        assert cache.size_octets <= cache.size_octets_max
        assert cache.find(used, 0.0)
    assert 5 < len(cache) <= 10 < CHANCES_MAX


def test_flushing_by_name_subtree_and_all():
    names = [b"\0", b"\7example\0", b"\1a\7example\0", b"\1b\1a\7example\0", b"\10xexample\0"]
    keys = [Key(name, qtype, 1) for name in names for qtype in (1, 28)]

    def filled():
        cache = MessageCache(SIZE)
        for key in keys:
            assert cache.put(key, reply_to(key), 60, 0.0)
        return cache

    assert filled().flush_name(b"\1a\7example\0") == 2
    assert filled().flush_subtree(b"\1a\7example\0") == 4
    assert filled().flush_subtree(b"\7example\0") == 6
    assert filled().flush_subtree(b"\0") == filled().flush_all() == len(keys)
    cache = filled()
    cache.flush_name(b"\7example\0")
    assert [key for key in keys if not cache.find(key, 0.0)] == keys[2:4]


def test_the_first_use_in_the_last_tenth_says_that_a_reply_is_due():
    cache = MessageCache(SIZE)
    cache.put(WWW, reply_to(WWW, (100,)), 3600, 0.0)
    found = [cache.find(WWW, now_s).is_due for now_s in (0.0, 89.9, 90.0, 95.0)]
    assert found == [False, False, True, False]


@pytest.mark.parametrize(
    ("ttl_s", "expected"),
    [(5, {3.9: False, 4.0: True, 4.5: False}), (2, {0.9: False, 1.0: True}), (1, {0.0: False})],
)
def test_what_lives_shortly_is_due_in_its_last_second_unless_that_is_all_it_has(ttl_s, expected):
    cache = MessageCache(SIZE)
    cache.put(WWW, reply_to(WWW, (ttl_s,)), 3600, 0.0)
    assert {now_s: cache.find(WWW, now_s).is_due for now_s in expected} == expected


def test_sweeping_frees_what_nobody_asks_for():
    cache = MessageCache(SIZE)
    for number in range(10):
        key = Key(b"\2n%d\7example\0" % number, 1, 1)
        cache.put(key, reply_to(key, (10 + number,)), 3600, 0.0)
    assert cache.sweep(14.5, 3) == 3
    assert cache.sweep(14.5, 100) == 2
    assert len(cache) == 5
