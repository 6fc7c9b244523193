"""The chain of trust: which zones are on the way to a name, and what is asked about them."""

import msgspec
import pytest

from dns_node.resolver.dnssec.verdict import Claim
from dns_node.resolver.question import Security
from dns_node.zone.names import parse_name
from tests.resolver.dnssec.forgeries import with_rrset
from tests.resolver.dnssec.world import World, tree
from tests.resolver.signed_zone import SignedZone, UnsignedZone
from tests.resolver.signing import DNSKEY, DS, NOW_S, A, question


def test_without_knowing_whose_servers_were_asked_the_zones_are_found(world):
    fresh = tree()
    fresh.hides_zones = True
    assert fresh.security("www.un.example.") is Security.INSECURE
    assert fresh.security("www.sub.example.") is Security.SECURE
    assert fresh.security("nx.example.") is Security.SECURE
    assert fresh.security("nx.un.example.") is Security.INSECURE


def test_a_second_question_needs_nothing_more(world):
    world.ask("www.sub.example.")
    world.asked.clear()
    world.ask("nx.sub.example.")
    world.ask("www.un.example.")
    world.ask("www.un.example.")
    assert ("un.example.", DS, False) not in world.asked[1:]
    assert len(world.asked) <= 1


def test_a_cold_chain_asks_for_a_ds_and_the_keys_of_each_zone_once():
    world = tree()
    assert world.security("www.sub.example.") is Security.SECURE
    assert sorted(world.asked) == sorted(
        [
            ("sub.example.", DS, False),
            ("example.", DS, False),
            (".", DNSKEY, False),
            ("example.", DNSKEY, False),
            ("sub.example.", DNSKEY, False),
        ]
    )


def test_an_unsigned_answer_below_a_cut_that_the_same_servers_serve_is_insecure(world):
    """No referral was seen: the servers of example. also serve un.example."""
    fresh = tree()
    claim = fresh.said(question("www.un.example.", "A"))
    claim = msgspec.structs.replace(claim, zone=b"\x07example\0")
    assert fresh.validate(claim).security is Security.INSECURE


@pytest.mark.parametrize("zone", [".", "un.example.", "other.", "x.www.example."])
def test_whose_servers_answered_does_not_make_a_signed_zone_insecure(zone):
    """What is said of the servers is a hint: they may be those of a zone above the anchor, or of
    another one altogether."""
    unsigned = UnsignedZone("un.example.", "www A 192.0.2.1")
    example = SignedZone("example.", "www A 192.0.2.1", children=(unsigned,))
    world = World(example, unsigned)
    assert world.security("www.un.example.") is Security.INSECURE
    claim = example.claim("www.example.", A)
    bare = (with_rrset(claim.answer[0], signatures=()),)
    for answer in (bare, ()):
        lie = Claim(claim.question, 0, answer, (), parse_name(zone))
        assert world.validate(lie).security is Security.BOGUS


def test_what_was_checked_before_and_kept_is_not_checked_again():
    """The chain of trust out of an RRset cache that holds SECURE entries."""
    first, second = tree(), tree()
    needs = [("sub.example.", "DS"), ("example.", "DS"), (".", "DNSKEY"), ("example.", "DNSKEY")]
    needs += [("sub.example.", "DNSKEY"), ("un.example.", "DS")]
    for qname, qtype in needs:
        verdict = first.ask(qname, qtype)
        assert verdict.security is Security.SECURE
        asked = question(qname, qtype)
        second.lies[asked] = Claim(asked, 0, verdict.answer, verdict.authority)
    assert second.security("www.un.example.") is Security.INSECURE
    assert second.budget.checks == 0
    assert second.security("www.sub.example.") is Security.SECURE
    assert second.budget.checks == 1
    kept = first.ask("alias.example.")
    again = second.validate(Claim(question("alias.example.", "A"), 0, kept.answer))
    assert (again.security, again.answer) == (Security.SECURE, kept.answer)


def test_the_chain_of_trust_can_be_told():
    world = tree()
    sub = b"\2un\7example\0"
    assert len(world.validator.explain(sub, NOW_S)) == 1
    world.ask("www.un.example.")
    root, example = world.zones[:2]
    tags = [f"key {pair.tag} of algorithm 13" for pair in (*root.ksks, *root.zsks)]
    lines = world.validator.explain(sub, NOW_S)
    assert lines[0] == f"trust anchor .: {tags[0]}"
    assert lines[1].startswith(". is secure, key ") and all(tag in lines[1] for tag in tags)
    assert lines[2].startswith("example. is secure, key ")
    assert lines[3] == "un.example. is insecure, for 300 s more"
    world.validator.negative_anchors.add(sub)
    assert "negative trust anchor un.example." in world.validator.explain(sub, NOW_S)
    assert tree(validates=False).validator.explain(sub, NOW_S) == ("nothing is validated",)


def test_the_proof_of_an_insecure_delegation_beside_an_alias_is_remembered():
    """Servers of both zones, or forwarders, may send it there and nowhere else."""
    for denial in ("nsec", "nsec3"):
        world = tree(denial)
        claim = world.said(question("away.example.", "A"))
        proofs = world.zones[1].referral(b"\2un\7example\0").authority
        claim = msgspec.structs.replace(claim, authority=proofs)
        verdict = world.validate(claim)
        assert verdict.security is Security.SECURE
        assert verdict.authority == tuple(
            msgspec.structs.replace(held, security=Security.SECURE) for held in proofs
        )
        world.asked.clear()
        assert world.security("www.un.example.") is Security.INSECURE
        assert world.asked == []
        # Of a signed one, or of an alias without it, there is nothing to remember.
        other = world.said(question("alias.example.", "A"))
        other = msgspec.structs.replace(other, authority=proofs, is_open=True)
        assert world.validate(other).authority == ()
