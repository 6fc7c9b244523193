"""Absences that are said and not proved: by the wrong zone, in a gap, by half a proof."""

import msgspec
import pytest

from dns_node.resolver.dnssec.verdict import Claim
from dns_node.resolver.question import Security
from tests.resolver.dnssec.world import World
from tests.resolver.signed_zone import SignedZone, UnsignedZone
from tests.resolver.signing import DS, A, question


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_cve_2025_10723_the_zone_above_does_not_deny_what_the_zone_below_holds(denial):
    """The record at a zone cut has no A, but speaks of NS and DS only."""
    child = SignedZone("sub.example.", "@ A 192.0.2.1", denial=denial)
    example = SignedZone("example.", denial=denial, children=(child,))
    world = World(example, child)
    honest = example.claim("sub.example.", DS)
    assert honest.answer
    cut = (
        example.nsec_for("sub.example.") if denial == "nsec" else example.nsec3_for("sub.example.")
    )
    soa = example.held("example.", 6)
    for zone in (example, child):
        claim = Claim(question("sub.example.", "A"), 0, (), (soa, cut), zone.zone_name)
        assert world.validate(claim).security is Security.BOGUS


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_the_zone_below_does_not_deny_its_own_ds(denial):
    """Else a zone with a stolen key could make itself insecure, and stay so."""
    child = SignedZone("sub.example.", "@ A 192.0.2.1", denial=denial)
    example = SignedZone("example.", denial=denial, children=(child,))
    world = World(example, child)
    apex = child.nsec_for("sub.example.") if denial == "nsec" else child.nsec3_for("sub.example.")
    soa = child.held("sub.example.", 6)
    lie = Claim(question("sub.example.", DS), 0, (), (soa, apex), child.zone_name)
    world.lies[question("sub.example.", DS)] = lie
    assert world.security("sub.example.") is Security.BOGUS


@pytest.mark.parametrize("qname", ["www.un.example.", "un.example.", "deep.er.un.example."])
def test_an_opt_out_gap_makes_insecure_only_what_lies_in_it(qname):
    child, unsigned = SignedZone("sub.example.", "www A 192.0.2.1"), UnsignedZone("un.example.")
    example = SignedZone("example.", denial="nsec3", is_opt_out=True, children=(child, unsigned))
    world = World(SignedZone(".", children=(example,)), example, child, unsigned)
    assert world.security(qname) is Security.INSECURE
    # The gap of another name, played back for the signed one.
    gap = example.claim("un.example.", DS).authority
    world.lies[question("sub.example.", DS)] = Claim(
        question("sub.example.", DS), 0, (), gap, example.zone_name
    )
    assert world.security("www.sub.example.") is Security.BOGUS


def test_rfc5155_9_2_a_name_in_an_opt_out_gap_is_not_securely_absent():
    example = SignedZone("example.", "www A 192.0.2.1", denial="nsec3", is_opt_out=True)
    verdict = World(example).ask("nx.example.")
    assert verdict.security is Security.INSECURE
    assert verdict.rcode == 3
    assert verdict.denial_zone is None


def test_beside_opt_out_the_record_of_the_wildcard_can_not_be_left_out_of_nxdomain():
    """Else every name that a wildcard makes in such a zone could be denied, if insecurely."""
    lines = "*.w A 192.0.2.1\nx.y.w A 192.0.2.2\nwww A 192.0.2.3"
    example = SignedZone("example.", lines, denial="nsec3", is_opt_out=True)
    world = World(example)
    proofs = [
        example.held("example.", 6),
        example.nsec3_for("w.example."),
        example.nsec3_for("nx.w.example."),
    ]
    claim = Claim(question("nx.w.example.", "A"), 3, (), tuple(proofs), example.zone_name)
    assert world.validate(claim).security is Security.BOGUS


def test_nxdomain_for_a_name_that_is_proved_to_exist_becomes_no_data():
    example = SignedZone("example.", "a.b A 192.0.2.1")
    world = World(example)
    claim = world.said(question("b.example.", "A"))
    verdict = world.validate(msgspec.structs.replace(claim, rcode=3))
    assert verdict.security is Security.SECURE
    assert verdict.rcode == 0


def test_nothing_at_all_is_not_secure():
    example = SignedZone("example.", "d DNAME t")
    world = World(example)
    asked = question("x.d.example.", "A")
    for rcode in (0, 3, 6):
        for is_open in (False, True):
            claim = Claim(asked, rcode, (), (), example.zone_name, is_open)
            assert world.validate(claim).security is Security.BOGUS
    too_long = Claim(asked, 6, (example.held("d.example.", 39),), (), example.zone_name)
    assert world.validate(too_long).security is Security.SECURE


def test_the_soa_of_an_absence_is_that_of_the_zone_that_proves_it():
    child = SignedZone("sub.example.", "www A 192.0.2.1")
    example = SignedZone("example.", children=(child,))
    world = World(example, child)
    claim = example.claim("nx.example.", A)
    foreign = (child.held("sub.example.", 6), *claim.authority[1:])
    assert world.validate(claim).security is Security.SECURE
    assert (
        world.validate(msgspec.structs.replace(claim, authority=foreign)).security is Security.BOGUS
    )
