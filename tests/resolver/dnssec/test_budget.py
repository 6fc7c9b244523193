"""What one question may cost a validator at most, whatever servers say."""

import dns.rdata
import dns.rrset
import msgspec
import pytest

from dns_node.resolver.budget import BudgetExceeded
from dns_node.resolver.dnssec.verdict import ErrorCode
from dns_node.resolver.question import Held, Security
from dns_node.zone.rrset import RRset
from tests.resolver.dnssec.forgeries import broken_key, colliding, with_rrset
from tests.resolver.dnssec.world import World, world_of
from tests.resolver.signed_zone import SignedZone, UnsignedZone
from tests.resolver.signing import CNAME, DNSKEY, NSEC3, A, key, question, sign


def test_what_the_budget_ends_is_no_failure_of_the_zone():
    child = SignedZone("example.", "www A 192.0.2.1")
    world = World(SignedZone(".", children=(child,)), child)
    claim = world.said(question("www.example.", "A"))
    with pytest.raises(BudgetExceeded):
        world.validate(claim, world.new_budget(checks_max=3))
    assert world.security("www.example.") is Security.SECURE


def test_cve_2025_8677_keys_that_are_no_keys_but_match_cost_two_tries():
    """DNSKEY records with the tag of the signature whose octets are no key of the algorithm."""
    zone = SignedZone("example.", "www A 192.0.2.1")
    world = world_of(zone)
    broken = tuple(broken_key(zone.zsks[0].tag, number) for number in range(20))
    apex = zone.nodes[zone.zone_name]
    rdatas = tuple(sorted((*apex[DNSKEY].rdatas, *broken)))
    keys = dns.rrset.from_rdata_list(
        zone.origin, 3600, [dns.rdata.from_wire(1, DNSKEY, r, 0, len(r)) for r in rdatas]
    )
    signature = sign(keys, zone.ksks[0], zone.origin)
    apex[DNSKEY] = RRset(DNSKEY, 3600, rdatas, (signature,))
    verdict = world.ask("www.example.")
    before = world.budget.checks
    assert verdict.security in (Security.BOGUS, Security.SECURE)
    assert before <= 4 + world.settings.limits.failures_per_rrset_max


def test_cve_2023_50387_keytrap_many_keys_times_many_signatures_cost_a_few_checks():
    zone = SignedZone("example.", "www A 192.0.2.1")
    trap = SignedZone(
        "example.", "www A 192.0.2.1", ksks=zone.ksks, zsks=zone.zsks + colliding(zone, 40)
    )
    root = SignedZone(".", children=(zone,))
    world = World(root, trap)
    claim = world.said(question("www.example.", "A"))
    held = claim.answer[0]
    signatures = tuple(
        held.rrset.signatures[0][:-2] + number.to_bytes(2, "big") for number in range(40)
    )
    claim = msgspec.structs.replace(claim, answer=(with_rrset(held, signatures=signatures),))
    verdict = world.validate(claim)
    assert verdict.security is Security.BOGUS
    chain_checks = 4
    assert world.budget.checks <= chain_checks + world.settings.limits.failures_per_rrset_max


def test_many_ds_that_match_nothing_cost_digests_only():
    zone = SignedZone("example.", "www A 192.0.2.1")
    tag = zone.ksks[0].tag
    lines = "\n".join(f"example DS {tag} 13 2 {number:064x}" for number in range(60))
    world = World(SignedZone(".", lines, children=()), zone)
    world.zones[0].cuts.add(zone.zone_name)
    verdict = world.ask("www.example.")
    assert verdict.security is Security.BOGUS
    assert world.budget.checks <= 6


def test_many_keys_that_revoke_themselves_cost_nothing_unless_they_are_anchors():
    zone = SignedZone("example.", "www A 192.0.2.1")
    gone = tuple(key(13, f"revoked {number}", 257 | 128) for number in range(40))
    trap = SignedZone("example.", "www A 192.0.2.1", ksks=zone.ksks + gone, zsks=zone.zsks)
    world = World(trap, trust_anchors=zone.anchors())
    assert world.security("www.example.") is Security.SECURE
    assert world.budget.checks <= 4


def test_cve_2026_11605_padded_proofs_cost_two_failures():
    """Many proofs with bad signatures around, or in place of, the good ones."""
    zone = SignedZone("example.", "\n".join(f"n{number} A 192.0.2.1" for number in range(60)))
    world = World(zone)
    bad = tuple(
        with_rrset(held, signatures=(held.rrset.signatures[0][:-1] + b"\0",))
        for owner, node in zone.nodes.items()
        if 47 in node
        for held in [Held(owner, node[47])]
    )
    honest = zone.claim("zz.example.", A)
    claim = msgspec.structs.replace(honest, authority=honest.authority[:1] + bad)
    assert world.validate(claim).security is Security.BOGUS
    keys_and_soa = 2
    assert world.budget.checks == keys_and_soa + world.settings.limits.failures_per_rrset_max


def test_no_question_makes_more_checks_than_its_budget_in_all_its_parts():
    zone = SignedZone("example.", "\n".join(f"n{number} A 192.0.2.1" for number in range(80)))
    world = World(zone)
    budget = world.new_budget()
    claims = [zone.claim(f"n{number}.example.", A) for number in range(80)]
    done = 0
    with pytest.raises(Exception, match="checks_max"):
        for claim in claims:
            world.validate(claim, budget)
            done += 1
    assert budget.checks == 64
    assert done == 63


def test_a_cold_chain_of_eight_aliases_over_doubly_signed_zones_still_validates():
    """The limits are not so low that what is honest fails: two algorithms, a key-tag collision."""
    zones = []
    for number in range(4):
        target = f"a{number}.z{number + 1}.example." if number < 3 else f"b.z{number}.example."
        lines = f"b A 192.0.2.1\na{number} CNAME b\nfrom{number} CNAME {target}\n"
        lines += "".join(f"a{other} CNAME b\n" for other in range(4) if other != number)
        zones.append(SignedZone(f"z{number}.example.", lines, algorithms=(13, 8)))
    zones[0] = SignedZone(
        "z0.example.",
        zones[0].lines,
        ksks=zones[0].ksks,
        zsks=zones[0].zsks + colliding(zones[0], 1),
    )
    example = SignedZone("example.", algorithms=(13, 8), children=tuple(zones))
    world = World(SignedZone(".", algorithms=(13, 8), children=(example,)), example, *zones)
    budget = world.new_budget()
    qnames = []
    for number in range(4):
        qnames += [f"from{number}.z{number}.example.", f"a{number}.z{number}.example."]
    for qname in qnames:
        claim = world.said(question(qname, CNAME))
        assert world.validate(claim, budget).security is Security.SECURE, qname
    assert world.validate(world.said(question("b.z3.example.", A)), budget).security is (
        Security.SECURE
    )
    assert budget.checks <= 40


def test_cve_2023_50868_deep_names_and_iterations_cost_no_more_hashes_than_the_budget():
    deep = "a." * 120
    for iterations in (0, 1, 10, 50, 150, 2500):
        zone = SignedZone("example.", "www A 192.0.2.1", denial="nsec3", iterations=iterations)
        world = World(zone)
        verdict = world.ask(deep + "example.")
        assert world.budget.hashes <= 150
        if iterations == 0:
            assert verdict.security is Security.SECURE
        else:
            assert verdict.security is Security.INSECURE
            assert verdict.errors[0].code == ErrorCode.UNSUPPORTED_NSEC3_ITERATIONS


def test_cve_2026_1519_referrals_with_many_iterations_are_insecure_without_hashing():
    unsigned = UnsignedZone("un.example.", "www A 192.0.2.1")
    zone = SignedZone("example.", denial="nsec3", iterations=151, children=(unsigned,))
    world = World(zone, unsigned)
    verdict = world.ask("www.un.example.")
    assert verdict.security is Security.INSECURE
    assert verdict.errors[0].code == ErrorCode.UNSUPPORTED_NSEC3_ITERATIONS
    assert world.budget.hashes == 0


def test_more_nsec3_records_than_a_proof_needs_are_not_looked_at():
    lines = "\n".join(f"n{number} A 192.0.2.1" for number in range(30))
    zone = SignedZone("example.", lines, denial="nsec3")
    world = World(zone)
    everything = tuple(
        Held(owner, node[NSEC3]) for owner, node in zone.nodes.items() if NSEC3 in node
    )
    claim = zone.claim("nx.example.", A)
    world.validate(msgspec.structs.replace(claim, authority=claim.authority + everything))
    assert world.budget.checks <= 2 + world.settings.limits.nsec3_per_answer_max


def test_names_in_the_authority_section_of_other_zones_are_never_checked():
    zone, other = SignedZone("example.", "www A 192.0.2.1"), SignedZone("other.", "a A 192.0.2.1")
    world = world_of(zone, other)
    honest = zone.claim("nx.example.", A)
    foreign = other.claim("m.other.", A).authority[1:]
    assert len(foreign) == 2
    verdict = world.validate(
        msgspec.structs.replace(honest, authority=(*foreign, *honest.authority))
    )
    assert verdict.security is Security.SECURE
    assert all(held.owner.endswith(zone.zone_name) for held in verdict.authority)
    assert ("other.", DNSKEY, False) not in world.asked
