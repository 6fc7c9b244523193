"""Algorithms of keys and digests: which count, and that none is lowered to another."""

import msgspec
import pytest

from dns_node.resolver.dnssec.verdict import ErrorCode
from dns_node.resolver.question import Security
from tests.resolver.dnssec.forgeries import with_rrset
from tests.resolver.dnssec.world import World, world_of
from tests.resolver.signed_zone import SignedZone
from tests.resolver.signing import A, question


@pytest.mark.parametrize("algorithm", [8, 10, 13, 14, 15, 16])
def test_every_algorithm_of_today_validates(algorithm):
    child = SignedZone("example.", "www A 192.0.2.1", algorithms=(algorithm,))
    world = World(SignedZone(".", children=(child,)), child)
    assert world.security("www.example.") is Security.SECURE


@pytest.mark.parametrize("accepts_sha1", [False, True])
@pytest.mark.parametrize("algorithm", [3, 5, 6, 7])
def test_rfc9905_what_sha1_signed_counts_only_for_those_who_say_so(accepts_sha1, algorithm):
    child = SignedZone("example.", "www A 192.0.2.1", algorithms=(algorithm,))
    world = World(SignedZone(".", children=(child,)), child, accepts_sha1=accepts_sha1)
    verdict = world.ask("www.example.")
    expected = Security.SECURE if accepts_sha1 else Security.INSECURE
    assert verdict.security is expected
    if not accepts_sha1:
        assert verdict.errors[0].code == ErrorCode.UNSUPPORTED_DNSKEY_ALGORITHM


def test_a_ds_digest_that_is_not_known_makes_insecure():
    child = SignedZone("example.", "www A 192.0.2.1")
    root = SignedZone(".", children=(child,), digest="SHA1")
    verdict = World(root, child).ask("www.example.")
    assert verdict.security is Security.INSECURE
    assert verdict.errors[0].code == ErrorCode.UNSUPPORTED_DS_DIGEST


def test_two_algorithms_of_which_one_is_unknown_are_secure_by_the_other():
    child = SignedZone("example.", "www A 192.0.2.1", algorithms=(7, 13))
    world = World(SignedZone(".", children=(child,)), child)
    assert world.security("www.example.") is Security.SECURE


def test_taking_away_the_signatures_of_the_known_algorithm_is_bogus_not_insecure():
    child = SignedZone("example.", "www A 192.0.2.1", algorithms=(7, 13))
    world = World(SignedZone(".", children=(child,)), child)

    def downgraded(claim):
        held = claim.answer[0]
        kept = tuple(rdata for rdata in held.rrset.signatures if rdata[2] == 7)
        rrset = msgspec.structs.replace(held.rrset, signatures=kept)
        return msgspec.structs.replace(claim, answer=(msgspec.structs.replace(held, rrset=rrset),))

    claim = downgraded(world.said(question("www.example.", "A")))
    assert world.validate(claim).security is Security.BOGUS
    world = World(world.zones[0], child)
    world.lies[question("example.", "DNSKEY")] = downgraded
    assert world.security("www.example.") is Security.BOGUS


@pytest.mark.parametrize("left", [15, 16, 253])
def test_a_zone_with_two_algorithms_is_not_lowered_to_the_one_that_is_left(left):
    """Ed25519 and Ed448 (or a private one): with signatures of the other stripped it must not
    become insecure, and signatures of an algorithm that the DS does not name do not count."""
    zone = SignedZone("example.", "www A 192.0.2.1", algorithms=(15, 16))
    world = world_of(zone)
    claim = world.said(question("www.example.", "A"))
    held = claim.answer[0]
    kept = tuple(rdata for rdata in held.rrset.signatures if rdata[2] == left)
    claim = msgspec.structs.replace(claim, answer=(with_rrset(held, signatures=kept),))
    expected = Security.SECURE if left in (15, 16) else Security.BOGUS
    assert world.validate(claim).security is expected


def test_a_ds_of_an_unknown_algorithm_beside_a_known_one_does_not_make_insecure():
    zone = SignedZone("example.", "www A 192.0.2.1", algorithms=(13,))
    root = SignedZone(".", "example DS 1 253 2 " + "00" * 32, children=(zone,))
    world = World(root, zone)
    assert world.security("www.example.") is Security.SECURE
    stripped = msgspec.structs.replace(zone.claim("www.example.", A), authority=())
    held = stripped.answer[0]
    stripped = msgspec.structs.replace(stripped, answer=(with_rrset(held, signatures=()),))
    assert world.validate(stripped).security is Security.BOGUS
