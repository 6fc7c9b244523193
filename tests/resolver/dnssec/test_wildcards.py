"""What is made from a wildcard: it needs its proof, and is not put in another's place."""

import msgspec
import pytest

from dns_node.resolver.dnssec.verdict import Claim, ErrorCode
from dns_node.resolver.question import Held, Security
from dns_node.zone.names import parse_name
from dns_node.zone.rrset import RRset
from tests.resolver.dnssec.world import World
from tests.resolver.signed_zone import SignedZone, UnsignedZone
from tests.resolver.signing import CNAME, DS, NSEC3, A, question


def test_cve_2017_15105_a_proof_that_was_made_from_a_wildcard_proves_nothing():
    """A wildcard's NSEC could else be put at a name that exists, and deny what the name has."""
    zone = SignedZone("example.", "*.w A 192.0.2.1\nx.w A 192.0.2.2\nx.w TXT x")
    world = World(zone)
    soa = zone.held("example.", 6)
    moved = Held(parse_name("x.w.example."), zone.nodes[parse_name("*.w.example.")][47])
    claim = Claim(question("x.w.example.", "TXT"), 0, (), (soa, moved), zone.zone_name)
    assert world.validate(claim).security is Security.BOGUS


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
@pytest.mark.parametrize("qname", ["x.w.example.", "to.example."])
def test_cve_2026_52686_an_rrset_from_a_wildcard_needs_the_proof_aliases_too(denial, qname):
    """Else ``*.w`` could be played back in place of ``x.w``."""
    lines = "*.w CNAME target\n*.v A 192.0.2.9\ntarget A 192.0.2.1\nto CNAME a.v"
    zone = SignedZone("example.", lines, denial=denial)
    world = World(zone)
    claim = world.said(question(qname, "A"))
    assert world.validate(claim).security is Security.SECURE
    assert world.validate(claim).is_wildcard
    bare = msgspec.structs.replace(claim, authority=())
    verdict = world.validate(bare)
    assert verdict.security is Security.BOGUS
    assert verdict.errors[0].code == ErrorCode.NSEC_MISSING


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_a_wildcard_is_not_put_in_the_place_of_a_name_that_exists(denial):
    zone = SignedZone(
        "example.", "*.w A 192.0.2.9\nx.w A 192.0.2.1\na.x.w A 192.0.2.2", denial=denial
    )
    world = World(zone)
    expanded = zone.held("*.w.example.", A, "x.w.example.")
    everything = tuple(
        Held(owner, node[kind])
        for owner, node in zone.nodes.items()
        for kind in (47, NSEC3)
        if kind in node
    )
    claim = Claim(question("x.w.example.", "A"), 0, (expanded,), everything, zone.zone_name)
    assert world.validate(claim).security is Security.BOGUS


def test_a_dname_from_a_wildcard_redirects_nothing():
    example = SignedZone("example.", "*.w DNAME t\nwww.t A 192.0.2.1")
    world = World(example)
    dname = example.held("*.w.example.", 39, "d.w.example.")
    target = example.held("www.t.example.", A)
    cname = Held(parse_name("www.d.w.example."), RRset(CNAME, 60, (target.owner,)))
    proof = example.nsec_for("d.w.example.")
    claim = Claim(
        question("www.d.w.example.", "A"), 0, (dname, cname, target), (proof,), example.zone_name
    )
    assert world.validate(claim).security is Security.BOGUS


def test_a_ds_from_a_wildcard_is_none():
    child = UnsignedZone("sub.example.", "www A 192.0.2.1")
    example = SignedZone("example.", "* DS 1 253 2 " + "00" * 32)
    world = World(example, child)
    moved = example.held("*.example.", DS, "sub.example.")
    asked = question("sub.example.", DS)
    world.lies[asked] = Claim(asked, 0, (moved,), (), example.zone_name)
    assert world.security("www.sub.example.") is Security.BOGUS
