"""Attacks on validators: a test for each class that has been seen, and what it costs at most."""

import dns.name
import dns.rdata
import dns.rrset
import msgspec
import pytest

from dns_node.resolver.dnssec.records import key_tag
from dns_node.resolver.dnssec.verdict import Claim, ErrorCode
from dns_node.resolver.question import Held, Security
from dns_node.zone.names import parse_name
from dns_node.zone.rrset import RRset
from tests.resolver.dnssec.world import World
from tests.resolver.signing import (
    CNAME,
    DNSKEY,
    DS,
    NOW_S,
    NSEC3,
    A,
    Key,
    SignedZone,
    UnsignedZone,
    key,
    nsec3_hash,
    question,
    sign,
)  # fmt: skip


def world_of(child: SignedZone, *more: SignedZone, **settings) -> World:
    return World(SignedZone(".", children=(child, *more)), child, *more, **settings)


def with_rrset(held: Held, **changes) -> Held:
    return msgspec.structs.replace(held, rrset=msgspec.structs.replace(held.rrset, **changes))


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


# Logic.


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


def broken_key(tag: int, number: int) -> bytes:
    """Return the rdata of a DNSKEY of P-256 with *tag* and no point of the curve."""
    start = b"\1\0\3\x0d" + number.to_bytes(2, "big") + bytes(60)
    near = tag - key_tag(start + b"\0\0")
    for last in (near, near - 1, near + 1, near + 2):
        rdata = start + (last & 0xFFFF).to_bytes(2, "big")
        if key_tag(rdata) == tag:
            return rdata
    raise AssertionError("no such tag")


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


def test_nxdomain_for_a_name_that_is_proved_to_exist_becomes_no_data():
    example = SignedZone("example.", "a.b A 192.0.2.1")
    world = World(example)
    claim = world.said(question("b.example.", "A"))
    verdict = world.validate(msgspec.structs.replace(claim, rcode=3))
    assert verdict.security is Security.SECURE
    assert verdict.rcode == 0


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


def test_an_alias_in_place_of_a_ds_is_no_ds():
    """Else the octets of its target could be read as a DS with an unknown algorithm."""
    example = SignedZone("example.", "alias CNAME target\ntarget A 192.0.2.1")
    world = World(example)
    for qname in ("alias.example.", "x.alias.example."):
        forged = Held(parse_name(qname), RRset(A, 60, (b"\6\6\6\6",)))
        for zone in (example.zone_name, parse_name("alias.example.")):
            claim = Claim(question(qname, "A"), 0, (forged,), (), zone)
            assert world.validate(claim).security is Security.BOGUS


def test_a_ds_from_a_wildcard_is_none():
    child = UnsignedZone("sub.example.", "www A 192.0.2.1")
    example = SignedZone("example.", "* DS 1 253 2 " + "00" * 32)
    world = World(example, child)
    moved = example.held("*.example.", DS, "sub.example.")
    asked = question("sub.example.", DS)
    world.lies[asked] = Claim(asked, 0, (moved,), (), example.zone_name)
    assert world.security("www.sub.example.") is Security.BOGUS


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


def test_a_dname_does_not_redirect_its_own_name():
    example = SignedZone("example.", "d DNAME t\nt A 192.0.2.1")
    world = World(example)
    dname, target = example.held("d.example.", 39), example.held("t.example.", A)
    cname = Held(dname.owner, RRset(CNAME, 60, (target.owner,)))
    claim = Claim(question("d.example.", "A"), 0, (dname, cname, target), (), example.zone_name)
    assert world.validate(claim).security is Security.BOGUS


def test_a_secure_rrset_of_another_name_is_no_answer():
    example = SignedZone("example.", "www A 192.0.2.1\nother A 192.0.2.2")
    world = World(example)
    other = example.held("other.example.", A)
    claim = Claim(question("www.example.", "A"), 0, (other,), (), example.zone_name)
    assert world.validate(claim).security is Security.BOGUS


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


def test_a_nonexistent_zone_that_signs_is_bogus():
    """Signatures of a name that is no zone cut, with keys of its own."""
    fake = SignedZone("fake.example.", "www A 6.6.6.6")
    example = SignedZone("example.", "fake A 192.0.2.1")
    world = World(example, fake)
    claim = fake.claim("www.fake.example.", A)
    for zone in (fake.zone_name, example.zone_name, None):
        assert world.validate(msgspec.structs.replace(claim, zone=zone)).security is Security.BOGUS


# Work.


def colliding(zone: SignedZone, number: int) -> tuple[Key, ...]:
    """Return keys of ``example.`` with one tag: KeyTrap's first part."""
    return tuple(
        Key(zone.zsks[0].private, dns.rdata.from_wire(1, DNSKEY, rdata, 0, len(rdata)))
        for rdata in (broken_key(zone.zsks[0].tag, each) for each in range(number))
    )


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


def test_hash_of_the_tests_is_that_of_rfc5155():
    """Appendix A: the hash of ``example`` with salt aabbccdd and 12 iterations."""
    digest = nsec3_hash(b"\7example\0", bytes.fromhex("aabbccdd"), 12)
    assert digest == int("0p9mhaveqvm6t7vbl5lop2u3t2rp3tom", 32).to_bytes(20, "big")
    assert NOW_S > 0
