"""CNAME and DNAME under validation: what they lead to, and what they can not redirect."""

import msgspec

from dns_node.resolver.dnssec.verdict import Claim
from dns_node.resolver.question import Held, Security
from dns_node.zone.names import parse_name
from dns_node.zone.rrset import RRset
from tests.resolver.dnssec.forgeries import with_rrset
from tests.resolver.dnssec.world import World
from tests.resolver.signed_zone import SignedZone
from tests.resolver.signing import CNAME, A, question


def test_an_alias_into_an_insecure_zone_stays_secure_itself(world):
    claim = world.said(question("away.example.", "A"))
    end = world.said(question("www.un.example.", "A"))
    whole = msgspec.structs.replace(
        claim, answer=claim.answer + end.answer, is_open=False, zone=None
    )
    verdict = world.validate(whole)
    assert verdict.security is Security.INSECURE
    assert [held.security for held in verdict.answer] == [Security.SECURE, Security.INSECURE]


def test_the_cname_of_a_dname_has_to_be_what_the_dname_makes():
    example = SignedZone("example.", "d DNAME t\nwww.t A 192.0.2.1\nevil A 6.6.6.6")
    world = World(example)
    claim = world.said(question("www.d.example.", "A"))
    dname, cname, _ = claim.answer
    assert world.validate(claim).security is Security.SECURE
    forged = with_rrset(cname, rdatas=(parse_name("evil.example."),))
    evil = example.held("evil.example.", A)
    lie = msgspec.structs.replace(claim, answer=(dname, forged, evil))
    assert world.validate(lie).security is Security.BOGUS


def test_a_dname_does_not_redirect_its_own_name():
    example = SignedZone("example.", "d DNAME t\nt A 192.0.2.1")
    world = World(example)
    dname, target = example.held("d.example.", 39), example.held("t.example.", A)
    cname = Held(dname.owner, RRset(CNAME, 60, (target.owner,)))
    claim = Claim(question("d.example.", "A"), 0, (dname, cname, target), (), example.zone_name)
    assert world.validate(claim).security is Security.BOGUS
