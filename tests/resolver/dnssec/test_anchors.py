"""Trust anchors and how they change (RFC 5011), and negative ones (RFC 7646)."""

import base64
import hashlib

import msgspec
import pytest

from dns_node.resolver.dnssec.anchors import (
    DAY_S,
    ROOT_ANCHORS,
    Anchors,
    KeyState,
    NegativeAnchors,
)
from dns_node.resolver.dnssec.keys import ZoneKey
from dns_node.resolver.question import Security
from dns_node.zone.names import ROOT, parse_name
from tests.resolver.dnssec.world import World
from tests.resolver.signed_zone import SignedZone
from tests.resolver.signing import DNSKEY, NOW_S, Key, key

KSK_2017 = (
    "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWX"
    "gnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/"
    "EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzu"
    "DWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU="
)
KSK_2024 = (
    "AwEAAa96jeuknZlaeSrvyAJj6ZHv28hhOKkx3rLGXVaC6rXTsDc449/cidltpkyGwCJNnOAlFNKF2jBosZBU5eeHspaQ"
    "WOmOElZsjICMQMC3aeHbGiShvZsx4wMYSjH8e7Vrhbu6irwCzVBApESjbUdpWWmEnhathWu1jo+siFUiRAAxm9qyJNg/"
    "wOZqqzL/dL/q8PkcRU5oUKEpUge71M3ej2/7CPqpdVwuMoTvoB+ZOT4YeGyxMvHmbrxlFzGOHOijtzN+u1TQNatX2XBu"
    "zZNQ1K+s2CXkPIZo7s6JgZyvaBevYtxPvYLw4z9mR7K2vaF18UYH9Z9GNUUeayffKC73PYc="
)


@pytest.mark.parametrize(("text", "tag"), [(KSK_2017, 20326), (KSK_2024, 38696)])
def test_the_built_in_anchors_are_the_two_keys_of_the_root(text, tag):
    rdata = b"\1\1\3\x08" + base64.b64decode(text)
    found = [anchor for anchor in Anchors(ROOT_ANCHORS).delegations(ROOT) if anchor.tag == tag]
    assert len(found) == 1
    assert found[0].digest == hashlib.sha256(ROOT + rdata).digest()
    assert ZoneKey(rdata).matches(ROOT, found[0])
    assert ZoneKey(rdata).is_usable


ZONE = parse_name("example.")
OLD, NEW, THIRD = (key(13, f"anchor {name}", 257) for name in ("old", "new", "third"))


def zone_key(pair: Key, *, is_revoked: bool = False) -> ZoneKey:
    rdata = bytearray(pair.dnskey.to_wire())
    rdata[1] |= 0x80 if is_revoked else 0
    return ZoneKey(bytes(rdata))


def anchors_at(pair: Key) -> Anchors:
    return Anchors([(ZONE, DNSKEY, pair.dnskey.to_wire())])


def see(anchors: Anchors, day: float, *pairs: Key, revoked: tuple[Key, ...] = ()) -> bool:
    gone = [zone_key(pair, is_revoked=True) for pair in revoked]
    keys = [zone_key(pair) for pair in pairs] + gone
    return anchors.observe(ZONE, keys, gone, DAY_S, 10 * DAY_S, day * DAY_S)


def trusted(anchors: Anchors) -> set[int]:
    return {anchor.tag for anchor in anchors.delegations(ZONE)}


def states(anchors: Anchors) -> dict[int, KeyState]:
    return {ZoneKey(row.dnskey).tag: row.state for row in anchors.rows()}


def test_a_new_key_is_an_anchor_after_thirty_days_and_not_before():
    anchors = anchors_at(OLD)
    for day in range(31):
        see(anchors, day, OLD, NEW)
        expected = {OLD.tag} if day < 30 else {OLD.tag, NEW.tag}
        assert trusted(anchors) == expected, day


def test_a_new_key_that_goes_away_starts_over():
    anchors = anchors_at(OLD)
    see(anchors, 0, OLD, NEW)
    see(anchors, 20, OLD)
    see(anchors, 21, OLD, NEW)
    see(anchors, 40, OLD, NEW)
    assert trusted(anchors) == {OLD.tag}
    see(anchors, 51, OLD, NEW)
    assert trusted(anchors) == {OLD.tag, NEW.tag}


def test_an_anchor_that_is_missing_stays_an_anchor():
    anchors = anchors_at(OLD)
    see(anchors, 0, OLD, NEW)
    see(anchors, 31, OLD, NEW)
    see(anchors, 40, NEW)
    assert states(anchors)[OLD.tag] is KeyState.MISSING
    assert trusted(anchors) == {OLD.tag, NEW.tag}
    see(anchors, 41, OLD, NEW)
    assert states(anchors)[OLD.tag] is KeyState.VALID


def test_a_revoked_anchor_is_none_ever_again_even_when_it_is_configured():
    anchors = anchors_at(OLD)
    see(anchors, 0, OLD, NEW)
    see(anchors, 31, OLD, NEW)
    assert see(anchors, 32, NEW, revoked=(OLD,))
    assert trusted(anchors) == {NEW.tag}
    see(anchors, 33, OLD, NEW)
    assert trusted(anchors) == {NEW.tag}
    see(anchors, 70, NEW)
    assert states(anchors)[OLD.tag] is KeyState.REMOVED
    assert trusted(anchors) == {NEW.tag}


def test_a_key_that_waits_and_is_revoked_is_forgotten():
    anchors = anchors_at(OLD)
    see(anchors, 0, OLD, NEW)
    see(anchors, 1, OLD, revoked=(NEW,))
    assert NEW.tag not in states(anchors)


def test_a_stranger_that_revokes_itself_changes_nothing():
    anchors = anchors_at(OLD)
    see(anchors, 0, OLD)
    assert not see(anchors, 1, OLD, revoked=(THIRD,))


def test_what_is_known_outlives_a_restart():
    anchors = anchors_at(OLD)
    see(anchors, 0, OLD, NEW)
    see(anchors, 31, OLD, NEW)
    see(anchors, 32, NEW, revoked=(OLD,))
    rows = msgspec.json.decode(
        msgspec.json.encode(anchors.rows()), type=tuple[type(anchors.rows()[0]), ...]
    )
    again = anchors_at(OLD)
    again.load(rows)
    assert trusted(again) == {NEW.tag}
    assert again.rows() == anchors.rows()


def test_when_to_look_again_follows_the_ttl_and_the_signature():
    anchors = anchors_at(OLD)
    assert anchors.due(0) == (ZONE,)
    see(anchors, 0, OLD)
    assert anchors.due(DAY_S / 2 - 1) == ()
    assert anchors.due(DAY_S / 2) == (ZONE,)
    anchors.failed(ZONE, DAY_S)
    assert anchors.due(DAY_S + 3599) == ()
    assert anchors.due(DAY_S + 3600) == (ZONE,)


def test_the_number_of_keys_that_are_remembered_is_bounded():
    anchors = anchors_at(OLD)
    for number in range(40):
        rdata = bytes((1, 1, 3, 13)) + number.to_bytes(64, "big")
        anchors.observe(ZONE, [ZoneKey(rdata), zone_key(OLD)], [], 60, 60, number)
    assert len(anchors.rows()) <= 16


def revoking(zone: SignedZone) -> SignedZone:
    """The zone with its first KSK revoked, which still signs."""
    old = zone.ksks[0]
    rdata = old.dnskey.replace(flags=int(old.dnskey.flags) | 0x80)
    return SignedZone(
        zone.apex, zone.lines, ksks=(Key(old.private, rdata), *zone.ksks[1:]), zsks=zone.zsks
    )


def test_a_validator_follows_a_rollover_of_its_anchor_from_beginning_to_end():
    zsk = key(13, "example zsk")
    one = SignedZone("example.", "www A 192.0.2.1", ksks=(OLD,), zsks=(zsk,))
    world = World(one)
    month = 35 * DAY_S

    def at(days: float, ksks: tuple[Key, ...]) -> SignedZone:
        world.now_s = NOW_S + days * DAY_S
        return SignedZone(
            "example.", "www A 192.0.2.1", ksks=ksks, zsks=(zsk,),
            inception_s=world.now_s - DAY_S, expiration_s=world.now_s + month,
        )  # fmt: skip

    def look() -> None:
        world.run(world.validator.look_at_anchors(world.new_budget(), world.now_s))

    assert world.security("www.example.") is Security.SECURE
    for day in range(0, 36, 5):
        world.zones[0] = at(day, (OLD, NEW))
        look()
    assert world.validator.has_changed_anchors
    rows = world.validator.anchor_rows()
    assert not world.validator.has_changed_anchors
    assert {row.state for row in rows} == {KeyState.VALID}
    world.zones[0] = revoking(at(36, (OLD, NEW)))
    world.zones[0] = SignedZone(
        "example.", "www A 192.0.2.1", ksks=world.zones[0].ksks, zsks=(zsk,),
        inception_s=world.now_s - DAY_S, expiration_s=world.now_s + month,
    )  # fmt: skip
    look()
    assert {anchor.tag for anchor in world.validator.anchors.delegations(ZONE)} == {NEW.tag}
    world.zones[0] = at(40, (NEW,))
    world.validator.flush()
    assert world.security("www.example.") is Security.SECURE
    world.zones[0] = at(41, (OLD,))
    world.validator.flush()
    assert world.security("www.example.") is Security.BOGUS


def test_a_validator_with_rows_of_an_earlier_run_trusts_the_new_key_alone():
    zsk = key(13, "example zsk")
    one = SignedZone("example.", "www A 192.0.2.1", ksks=(OLD,), zsks=(zsk,))
    two = SignedZone("example.", "www A 192.0.2.1", ksks=(NEW,), zsks=(zsk,))
    world = World(two, trust_anchors=one.anchors())
    assert world.security("www.example.") is Security.BOGUS
    world = World(two, trust_anchors=one.anchors())
    anchors = anchors_at(OLD)
    see(anchors, 0, OLD, NEW)
    see(anchors, 31, OLD, NEW)
    world.validator.load_anchor_rows(anchors.rows())
    assert world.security("www.example.") is Security.SECURE


def test_negative_anchors_hold_at_and_below_their_name_until_their_end():
    anchors = NegativeAnchors([parse_name("a.example.")])
    anchors.add(parse_name("b.example."), 100.0)
    assert anchors.closest(parse_name("x.a.example."), 0) == parse_name("a.example.")
    assert anchors.closest(parse_name("example."), 0) is None
    assert anchors.closest(parse_name("b.example."), 99) == parse_name("b.example.")
    assert len(anchors.held(99)) == 2
    assert len(anchors.held(100)) == 1
    assert anchors.closest(parse_name("b.example."), 100) is None
    assert anchors.remove(parse_name("a.example."))
    assert not anchors.remove(parse_name("a.example."))
