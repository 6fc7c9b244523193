"""What is known of zones and their keys: for how long, and when servers are asked for it again."""

import msgspec

from dns_node.resolver.dnssec.trust import Trust, TrustStore
from dns_node.resolver.dnssec.verdict import Claim, ErrorCode
from dns_node.resolver.question import Question, Security
from tests.resolver.dnssec.forgeries import unsigned
from tests.resolver.dnssec.world import World, tree
from tests.resolver.signed_zone import SignedZone
from tests.resolver.signing import DNSKEY, DS, NOW_S, key, question


def test_keys_that_the_ds_does_not_name_make_bogus():
    said = SignedZone("example.", "www A 192.0.2.1")
    other = (key(13, "stolen", 257),), (key(13, "stolen too"),)
    real = SignedZone("example.", "www A 192.0.2.1", ksks=other[0], zsks=other[1])
    world = World(SignedZone(".", children=(said,)), real)
    verdict = world.ask("www.example.")
    assert verdict.security is Security.BOGUS
    assert verdict.errors[0].code == ErrorCode.DNSKEY_MISSING
    # Perhaps what was kept is old: both were asked for once more from a server.
    assert ("example.", DS, True) in world.asked and ("example.", DNSKEY, True) in world.asked


def test_a_failure_is_kept_for_a_while_and_then_tried_again():
    child = SignedZone("example.", "www A 192.0.2.1")
    world = World(SignedZone(".", children=(child,)), child)
    world.lies[question("example.", "DNSKEY")] = None
    assert world.security("www.example.") is Security.BOGUS
    world.asked.clear()
    assert world.security("www.example.") is Security.BOGUS
    assert world.asked == []
    world.lies.clear()
    world.now_s += 6
    assert world.security("www.example.") is Security.SECURE


def test_a_key_that_is_new_in_the_zone_is_found_before_the_old_set_is_over():
    old = SignedZone("example.", "www A 192.0.2.1")
    new = SignedZone("example.", "www A 192.0.2.1", ksks=old.ksks, zsks=(key(13, "new"),))
    root = SignedZone(".", children=(old,))
    world = World(root, old)
    assert world.security("www.example.") is Security.SECURE
    world.zones[1] = new
    world.now_s += 60
    assert world.security("www.example.") is Security.SECURE
    assert world.asked[-1] == ("example.", DNSKEY, True)


def test_keys_are_not_asked_for_again_and_again_for_signatures_that_nobody_made():
    zone = SignedZone("example.", "www A 192.0.2.1")
    other = SignedZone("example.", "www A 192.0.2.1", ksks=zone.ksks, zsks=(key(13, "x"),))
    world = World(zone)
    world.ask("www.example.")
    world.asked.clear()
    lie = other.claim("www.example.", 1)
    for _ in range(50):
        world.now_s += 1
        assert world.validate(lie).security is Security.BOGUS
    assert len(world.asked) <= 2


def test_a_zone_that_is_new_is_found_although_it_was_no_zone_just_now():
    child = SignedZone("sub.example.", "www A 192.0.2.1")
    before = SignedZone("example.", "sub A 192.0.2.1")
    after = SignedZone("example.", children=(child,), ksks=before.ksks, zsks=before.zsks)
    world = World(before, child)
    assert world.security("www.sub.example.") is Security.BOGUS
    world.zones[0] = after
    assert world.security("www.sub.example.") is Security.BOGUS
    world.now_s += 31
    assert world.security("www.sub.example.") is Security.SECURE


def test_keys_are_known_no_longer_than_the_ds_that_vouches_for_them():
    child = SignedZone("example.", "www A 192.0.2.1")
    world = World(SignedZone(".", children=(child,), ttl_s=60), child)
    assert world.security("www.example.") is Security.SECURE
    world.asked.clear()
    world.now_s += 61
    assert world.security("www.example.") is Security.SECURE
    assert ("example.", DS, False) in world.asked


def test_what_is_known_of_zones_is_bounded():
    store = TrustStore(entries_max=10)
    for number in range(100):
        store.put(Trust(bytes((1, number)) + b"\0", Security.INSECURE, NOW_S + number, NOW_S))
        assert store.find(b"\1\0\0", NOW_S - 1) is not None, "what is used stays"
        assert len(store) <= 10
    assert store.sweep(NOW_S + 95, 100) == 6
    assert len(store) == 4
    assert store.flush(None) == 4


def test_how_long_a_zone_needs_no_validation_is_known():
    world = tree()
    validator, un, sub = world.validator, b"\2un\7example\0", b"\3sub\7example\0"
    assert validator.insecure_until_s(un, NOW_S) is None
    world.ask("www.un.example.")
    world.ask("www.sub.example.")
    assert validator.insecure_until_s(un, NOW_S) == NOW_S + 300  # the TTL of the NSEC
    assert validator.insecure_until_s(un, NOW_S + 300) is None
    assert validator.insecure_until_s(sub, NOW_S) is None
    validator.negative_anchors.add(sub, NOW_S + 10)
    assert validator.insecure_until_s(sub, NOW_S) == NOW_S + 10
    validator.negative_anchors.add(sub)
    assert validator.insecure_until_s(sub, NOW_S) == float("inf")
    assert tree(validates=False).validator.insecure_until_s(sub, NOW_S) == float("inf")


def test_what_a_referral_said_of_the_ds_is_over_with_its_ttl():
    """The servers of a zone may be known for longer than that it is insecure."""
    world = tree()
    asked = question("un.example.", "DS")
    said = world.said(asked)
    world.lies[asked] = msgspec.structs.replace(said, said_s=NOW_S)
    world.now_s = NOW_S + 200
    assert world.security("www.un.example.") is Security.INSECURE
    assert world.validator.insecure_until_s(b"\2un\7example\0", world.now_s) == NOW_S + 300
    assert ("un.example.", DS, True) not in world.asked
    world.now_s = NOW_S + 300
    assert world.security("www.un.example.") is Security.INSECURE
    assert ("un.example.", DS, True) in world.asked


def test_other_servers_are_asked_for_keys_that_are_not_good_and_then_for_the_ds():
    world = tree()
    ds, dnskey = question("sub.example.", "DS"), question("sub.example.", "DNSKEY")
    said: dict[Question, int] = {ds: 0, dnskey: 0}

    def lame(asked: Question, times: int):
        """What a server without DNSSEC says, so many times; then what the zone says."""

        def lie(claim: Claim) -> Claim:
            said[asked] += 1
            return unsigned(claim) if said[asked] <= times else claim

        world.lies[asked] = lie

    for bad_ds, bad_keys, expected in (
        (0, 1, [(ds, False), (dnskey, False), (dnskey, True)]),
        (1, 0, [(ds, False), (ds, True), (dnskey, True)]),
        (0, 2, [(ds, False), (dnskey, False), (dnskey, True), (ds, True), (dnskey, True)]),
    ):
        world.validator.flush()
        world.ask("www.example.")
        world.asked.clear()
        said.update({ds: 0, dnskey: 0})
        lame(ds, bad_ds)
        lame(dnskey, bad_keys)
        assert world.security("www.sub.example.") is Security.SECURE
        assert world.asked == [("sub.example.", asked.qtype, fresh) for asked, fresh in expected]


def test_something_new_about_a_ds_ends_the_wait_after_a_failure():
    world = tree()
    sub = b"\3sub\7example\0"
    world.lies[question("sub.example.", "DNSKEY")] = None
    assert world.security("www.sub.example.") is Security.BOGUS
    world.lies.clear()
    world.validator.doubt(sub, world.now_s)
    assert world.security("www.sub.example.") is Security.SECURE
    world.validator.doubt(sub, world.now_s)  # what is good is not doubted
    assert world.validator.security_of(sub, world.now_s) is Security.SECURE
