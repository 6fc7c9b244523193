"""Delegations that are forged: a DS of the wrong zone, or none at all."""

import dns.rrset

from dns_node.resolver.dnssec.verdict import Claim
from dns_node.resolver.question import Held, Security
from dns_node.zone.names import parse_name
from dns_node.zone.rrset import RRset
from tests.resolver.dnssec.forgeries import with_rrset
from tests.resolver.dnssec.world import World
from tests.resolver.signed_zone import SignedZone
from tests.resolver.signing import DS, A, question, sign


def test_a_delegation_that_the_zone_above_denies_is_bogus(world):
    """A forged referral to a zone that does not exist, with unsigned answers."""
    claim = Claim(question("evil.www.example.", "A"), 0, (), (), b"\3www\7example\0")
    assert world.validate(claim).security is Security.BOGUS


def test_a_ds_that_the_zone_below_signed_is_bogus():
    child = SignedZone("sub.example.", "www A 192.0.2.1")
    example = SignedZone("example.", children=(child,))
    world = World(example, child)
    assert world.security("www.sub.example.") is Security.SECURE
    held = example.held("sub.example.", DS)
    records = dns.rrset.from_rdata_list(child.origin, 3600, child.ds())
    signature = sign(records, child.zsks[0], child.origin)
    claim = Claim(question("sub.example.", DS), 0, (with_rrset(held, signatures=(signature,)),))
    assert world.validate(claim).security is Security.BOGUS


def test_an_alias_in_place_of_a_ds_is_no_ds():
    """Else the octets of its target could be read as a DS with an unknown algorithm."""
    example = SignedZone("example.", "alias CNAME target\ntarget A 192.0.2.1")
    world = World(example)
    for qname in ("alias.example.", "x.alias.example."):
        forged = Held(parse_name(qname), RRset(A, 60, (b"\6\6\6\6",)))
        for zone in (example.zone_name, parse_name("alias.example.")):
            claim = Claim(question(qname, "A"), 0, (forged,), (), zone)
            assert world.validate(claim).security is Security.BOGUS


def test_a_forged_ds_of_a_signer_that_is_no_zone_does_no_harm_for_long():
    child = SignedZone("a.b.example.", "www A 192.0.2.1")
    example = SignedZone("example.", children=(child,))
    world = World(example, child)
    fake = SignedZone("b.example.", children=(child,))
    asked = question("a.b.example.", DS)
    world.lies[asked] = fake.claim("a.b.example.", DS)
    assert world.security("www.a.b.example.") is Security.BOGUS
    world.lies.clear()
    world.now_s += 6
    assert world.security("www.a.b.example.") is Security.SECURE
