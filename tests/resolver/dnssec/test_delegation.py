"""DS records: which count, and which keys they vouch for."""

import hashlib

import pytest

from dns_node.resolver.dnssec.delegation import choose, matching_keys
from dns_node.resolver.dnssec.keys import SHA1, SHA256, SHA384, Algorithms, ZoneKey, digest_of
from dns_node.resolver.dnssec.records import Delegation
from dns_node.resolver.dnssec.verdict import ErrorCode
from dns_node.resolver.question import Security
from dns_node.zone.names import parse_name
from tests.resolver.dnssec.world import World
from tests.resolver.signed_zone import SignedZone
from tests.resolver.signing import key

APEX = parse_name("example.")
ALL = Algorithms.chosen(accepts_sha1=True)


def ds(algorithm: int = 13, digest_type: int = SHA256) -> Delegation:
    return Delegation(1, algorithm, digest_type, bytes(32))


def test_what_is_not_known_is_as_if_it_were_not_there():
    records = [ds(253), ds(13, 99), ds(13), ds(13, SHA384)]
    assert choose(records, Algorithms(), 8)[0] == [ds(13), ds(13, SHA384)]
    assert choose([ds(253)], ALL, 8) == ([], ErrorCode.UNSUPPORTED_DNSKEY_ALGORITHM)
    assert choose([ds(13, 99)], ALL, 8) == ([], ErrorCode.UNSUPPORTED_DS_DIGEST)
    assert choose([ds(13, SHA1)], Algorithms(), 8)[0] == []


def test_rfc4509_sha1_does_not_count_beside_a_better_digest():
    assert choose([ds(13, SHA1), ds(13)], ALL, 8)[0] == [ds(13)]
    assert choose([ds(13, SHA1)], ALL, 8)[0] == [ds(13, SHA1)]


def test_of_many_records_eight_are_used():
    assert len(choose([ds()] * 50, ALL, 8)[0]) == 8


@pytest.mark.parametrize("digest_type", [SHA1, SHA256, SHA384])
def test_a_ds_is_the_digest_of_owner_and_key(digest_type):
    rdata = key(13, "delegation").dnskey.to_wire()
    hasher = {SHA1: hashlib.sha1, SHA256: hashlib.sha256, SHA384: hashlib.sha384}[digest_type]
    made = Delegation(ZoneKey(rdata).tag, 13, digest_type, hasher(APEX + rdata).digest())
    assert matching_keys(APEX, [ZoneKey(rdata)], [made], 2)[0]
    assert not matching_keys(parse_name("other."), [ZoneKey(rdata)], [made], 2)[0]


def test_of_many_keys_with_one_tag_two_are_looked_at():
    good = ZoneKey(key(13, "delegation").dnskey.to_wire())
    # Two octets that change places leave the tag as it is.
    alike = []
    for at in range(4, 64, 2):
        octets = bytearray(good.rdata)
        octets[at], octets[at + 2] = octets[at + 2], octets[at]
        alike.append(ZoneKey(bytes(octets)))
    assert {each.tag for each in alike} == {good.tag}
    made = [digest_of(APEX, good.rdata)]
    others = [each for each in alike if each.rdata != good.rdata]
    assert matching_keys(APEX, [*others[:1], good], made, 2)[0] == [good]
    assert matching_keys(APEX, [*others[:2], good], made, 2)[0] == []


def test_rfc8914_a_key_without_the_zone_flag_signs_nothing():
    for flags, code in ((1, ErrorCode.NO_ZONE_KEY_BIT), (257 | 128, ErrorCode.DNSKEY_MISSING)):
        zone = SignedZone(
            "example.", "www A 192.0.2.1", ksks=(key(13, "odd", flags),), zsks=(key(13, "zsk"),)
        )
        verdict = World(SignedZone(".", children=(zone,)), zone).ask("www.example.")
        assert verdict.security is Security.BOGUS
        assert verdict.errors[0].code == code
