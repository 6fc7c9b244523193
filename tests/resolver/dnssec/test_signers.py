"""Who may sign what: no key speaks for names outside, above or beside its zone."""

import dns.name
import dns.rrset
import msgspec
import pytest

from dns_node.resolver.dnssec.verdict import Claim
from dns_node.resolver.question import Held, Security
from dns_node.zone.names import parse_name
from dns_node.zone.rrset import RRset
from tests.resolver.dnssec.forgeries import with_rrset
from tests.resolver.dnssec.world import World, world_of
from tests.resolver.signed_zone import SignedZone
from tests.resolver.signing import A, Key, question, sign


def signed_by(zone: SignedZone, owner: str, by: Key, address: str, labels: int | None) -> Held:
    """An address whose RRSIG says *labels*; it is signed as if that were true."""
    name = dns.name.from_text(owner)
    signed_name = name
    if labels is not None:
        signed_name = dns.name.Name((b"*", *name.labels[-labels - 1 :]))
    rrset = dns.rrset.from_text(signed_name, 3600, "IN", "A", address)
    signature = sign(rrset, by, zone.origin)
    if labels is not None:
        assert signature[3] == labels
    rdata = bytes(int(part) for part in address.split("."))
    return Held(parse_name(owner), RRset(A, 3600, (rdata,), (signature,)))


@pytest.mark.parametrize("labels", [0, 1])
def test_cve_2026_44690_a_signature_with_fewer_labels_than_its_signer_is_no_signature(labels):
    """The key of victim.example. signs ``*.`` or ``*.example.``, far above itself."""
    zone = SignedZone("victim.example.", "www A 192.0.2.1")
    world = World(zone)
    held = signed_by(zone, "www.victim.example.", zone.zsks[0], "6.6.6.6", labels)
    claim = Claim(question("www.victim.example.", "A"), 0, (held,), (), zone.zone_name)
    verdict = world.validate(claim)
    assert verdict.security is Security.BOGUS
    assert world.budget.checks == 1  # of the DNSKEY: that one was not even tried


def test_a_signature_with_more_labels_than_its_owner_is_no_signature():
    zone = SignedZone("example.", "www A 192.0.2.1")
    world = World(zone)
    held = zone.held("www.example.", A)
    signature = bytearray(held.rrset.signatures[0])
    signature[3] += 1
    claim = world.said(question("www.example.", "A"))
    claim = msgspec.structs.replace(
        claim, answer=(with_rrset(held, signatures=(bytes(signature),)),)
    )
    assert world.validate(claim).security is Security.BOGUS


def test_a_zone_signs_nothing_outside_itself():
    attacker = SignedZone("evil.", "www A 192.0.2.1")
    victim = SignedZone("victim.", "www A 192.0.2.2")
    world = world_of(attacker, victim)
    held = signed_by(attacker, "www.victim.", attacker.zsks[0], "6.6.6.6", None)
    claim = Claim(question("www.victim.", "A"), 0, (held,), (), victim.zone_name)
    assert world.validate(claim).security is Security.BOGUS


def test_a_nonexistent_zone_that_signs_is_bogus():
    """Signatures of a name that is no zone cut, with keys of its own."""
    fake = SignedZone("fake.example.", "www A 6.6.6.6")
    example = SignedZone("example.", "fake A 192.0.2.1")
    world = World(example, fake)
    claim = fake.claim("www.fake.example.", A)
    for zone in (fake.zone_name, example.zone_name, None):
        assert world.validate(msgspec.structs.replace(claim, zone=zone)).security is Security.BOGUS
