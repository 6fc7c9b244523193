"""The validator as a whole: chains of trust over a tree of signed and unsigned zones."""

import msgspec
import pytest

from dns_node.resolver.budget import BudgetExceeded
from dns_node.resolver.dnssec.trust import Trust, TrustStore
from dns_node.resolver.dnssec.verdict import Claim, ErrorCode
from dns_node.resolver.question import Held, Question, Security
from dns_node.zone.rrset import RRset
from tests.resolver.dnssec.world import World
from tests.resolver.signing import DAY_S, DNSKEY, DS, NOW_S, SignedZone, UnsignedZone, key, question

LINES = """
www A 192.0.2.1
both A 192.0.2.1
both AAAA 2001:db8::1
*.w A 192.0.2.2
a.b.c TXT x
alias CNAME www
wild CNAME x.w
away CNAME www.un.example.
d DNAME t
www.t A 192.0.2.9
"""


def tree(denial: str = "nsec", **settings) -> World:
    """A root, ``example.`` with all kinds of names, a signed and an unsigned child."""
    signed = SignedZone("sub.example.", "www A 192.0.2.3\n*.w A 192.0.2.4", denial=denial)
    unsigned = UnsignedZone("un.example.", "www A 192.0.2.5")
    example = SignedZone("example.", LINES, denial=denial, children=(signed, unsigned))
    return World(SignedZone(".", children=(example,)), example, signed, unsigned, **settings)


@pytest.fixture(scope="module", params=["nsec", "nsec3"])
def world(request) -> World:
    return tree(request.param)


@pytest.mark.parametrize(
    ("qname", "qtype", "rcode"),
    [
        ("www.example.", "A", 0),
        ("www.example.", "TXT", 0),
        ("nx.example.", "A", 3),
        ("deep.nx.example.", "A", 3),
        ("b.c.example.", "A", 0),
        ("x.w.example.", "A", 0),
        ("y.x.w.example.", "A", 0),
        ("x.w.example.", "TXT", 0),
        ("*.w.example.", "A", 0),
        ("alias.example.", "A", 0),
        ("wild.example.", "A", 0),
        ("www.d.example.", "A", 0),
        ("nx.d.example.", "A", 3),
        ("d.example.", "DNAME", 0),
        ("d.example.", "A", 0),
        ("example.", "SOA", 0),
        ("example.", "DNSKEY", 0),
        ("example.", "DS", 0),
        ("sub.example.", "DS", 0),
        ("www.sub.example.", "A", 0),
        ("nx.sub.example.", "A", 3),
        ("nx.w.sub.example.", "A", 0),
        (".", "NS", 0),
        ("nx.", "A", 3),
        (".", "DS", 0),
        ("un.example.", "DS", 0),
    ],
)
def test_what_a_signed_zone_says_is_secure(world, qname, qtype, rcode):
    verdict = world.ask(qname, qtype)
    assert verdict.security is Security.SECURE, verdict
    assert verdict.rcode == rcode
    assert not verdict.errors
    assert all(held.security is Security.SECURE for held in verdict.answer + verdict.authority)


@pytest.mark.parametrize("qname", ["www.un.example.", "nx.un.example.", "un.example."])
def test_what_is_below_an_insecure_delegation_is_insecure(world, qname):
    verdict = world.ask(qname)
    assert verdict.security is Security.INSECURE
    assert not verdict.errors


def test_an_alias_into_an_insecure_zone_stays_secure_itself(world):
    claim = world.said(question("away.example.", "A"))
    end = world.said(question("www.un.example.", "A"))
    whole = msgspec.structs.replace(
        claim, answer=claim.answer + end.answer, is_open=False, zone=None
    )
    verdict = world.validate(whole)
    assert verdict.security is Security.INSECURE
    assert [held.security for held in verdict.answer] == [Security.SECURE, Security.INSECURE]


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


def unsigned(claim: Claim) -> Claim:
    """The claim without any signature or proof."""
    answer = tuple(
        msgspec.structs.replace(held, rrset=msgspec.structs.replace(held.rrset, signatures=()))
        for held in claim.answer
    )
    authority = tuple(
        msgspec.structs.replace(held, rrset=msgspec.structs.replace(held.rrset, signatures=()))
        for held in claim.authority
        if held.rrset.rrtype == 6
    )
    return msgspec.structs.replace(claim, answer=answer, authority=authority)


@pytest.mark.parametrize(
    ("qname", "code"),
    [
        ("www.example.", ErrorCode.RRSIGS_MISSING),
        ("alias.example.", ErrorCode.RRSIGS_MISSING),
        ("nx.example.", ErrorCode.RRSIGS_MISSING),
        ("www.sub.example.", ErrorCode.RRSIGS_MISSING),
    ],
)
def test_signatures_that_were_taken_away_make_bogus(world, qname, code):
    verdict = world.validate(unsigned(world.said(question(qname, "A"))))
    assert verdict.security is Security.BOGUS
    assert [error.code for error in verdict.errors] == [code]
    assert not verdict.answer and not verdict.authority


def test_a_changed_record_makes_bogus(world):
    claim = world.said(question("www.example.", "A"))
    held = claim.answer[0]
    rrset = msgspec.structs.replace(held.rrset, rdatas=(b"\x06\x06\x06\x06",))
    claim = msgspec.structs.replace(claim, answer=(msgspec.structs.replace(held, rrset=rrset),))
    verdict = world.validate(claim)
    assert verdict.security is Security.BOGUS
    assert verdict.errors[0].code == ErrorCode.BOGUS


@pytest.mark.parametrize(
    ("times", "code"),
    [
        ((NOW_S - 9 * DAY_S, NOW_S - 1), ErrorCode.SIGNATURE_EXPIRED),
        ((NOW_S + 60, NOW_S + DAY_S), ErrorCode.SIGNATURE_NOT_YET_VALID),
        ((NOW_S + DAY_S, NOW_S - DAY_S), ErrorCode.SIGNATURE_EXPIRED_BEFORE_VALID),
    ],
)
def test_signatures_count_in_their_time_only(times, code):
    child = SignedZone("example.", "www A 192.0.2.1", inception_s=times[0], expiration_s=times[1])
    verdict = World(SignedZone(".", children=(child,)), child).ask("www.example.")
    assert verdict.security is Security.BOGUS
    assert verdict.errors[0].code == code


def test_a_ttl_is_no_longer_than_its_signature_lasts():
    child = SignedZone("example.", "www A 192.0.2.1", expiration_s=NOW_S + 90)
    verdict = World(SignedZone(".", children=(child,)), child).ask("www.example.")
    assert verdict.security is Security.SECURE
    assert verdict.answer[0].rrset.ttl_s == 90


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


def test_keys_that_the_ds_does_not_name_make_bogus():
    said = SignedZone("example.", "www A 192.0.2.1")
    other = (key(13, "stolen", 257),), (key(13, "stolen too"),)
    real = SignedZone("example.", "www A 192.0.2.1", ksks=other[0], zsks=other[1])
    world = World(SignedZone(".", children=(said,)), real)
    verdict = world.ask("www.example.")
    assert verdict.security is Security.BOGUS
    assert verdict.errors[0].code == ErrorCode.DNSKEY_MISSING
    # Perhaps what was kept is old: both were asked for once more from a server.
    assert ("example.", DS, True) in world.asked and ("example.", DNSKEY, True) in world.asked


def test_a_failure_is_kept_for_a_while_and_then_tried_again():
    child = SignedZone("example.", "www A 192.0.2.1")
    world = World(SignedZone(".", children=(child,)), child)
    world.lies[question("example.", "DNSKEY")] = None
    assert world.security("www.example.") is Security.BOGUS
    world.asked.clear()
    assert world.security("www.example.") is Security.BOGUS
    assert world.asked == []
    world.lies.clear()
    world.now_s += 6
    assert world.security("www.example.") is Security.SECURE


def test_what_the_budget_ends_is_no_failure_of_the_zone():
    child = SignedZone("example.", "www A 192.0.2.1")
    world = World(SignedZone(".", children=(child,)), child)
    claim = world.said(question("www.example.", "A"))
    with pytest.raises(BudgetExceeded):
        world.validate(claim, world.new_budget(checks_max=3))
    assert world.security("www.example.") is Security.SECURE


def test_an_unsigned_answer_below_a_cut_that_the_same_servers_serve_is_insecure(world):
    """No referral was seen: the servers of example. also serve un.example."""
    fresh = tree()
    claim = fresh.said(question("www.un.example.", "A"))
    claim = msgspec.structs.replace(claim, zone=b"\x07example\0")
    assert fresh.validate(claim).security is Security.INSECURE


def test_a_delegation_that_the_zone_above_denies_is_bogus(world):
    """A forged referral to a zone that does not exist, with unsigned answers."""
    claim = Claim(question("evil.www.example.", "A"), 0, (), (), b"\3www\7example\0")
    assert world.validate(claim).security is Security.BOGUS


def test_a_key_that_is_new_in_the_zone_is_found_before_the_old_set_is_over():
    old = SignedZone("example.", "www A 192.0.2.1")
    new = SignedZone("example.", "www A 192.0.2.1", ksks=old.ksks, zsks=(key(13, "new"),))
    root = SignedZone(".", children=(old,))
    world = World(root, old)
    assert world.security("www.example.") is Security.SECURE
    world.zones[1] = new
    world.now_s += 60
    assert world.security("www.example.") is Security.SECURE
    assert world.asked[-1] == ("example.", DNSKEY, True)


def test_keys_are_not_asked_for_again_and_again_for_signatures_that_nobody_made():
    zone = SignedZone("example.", "www A 192.0.2.1")
    other = SignedZone("example.", "www A 192.0.2.1", ksks=zone.ksks, zsks=(key(13, "x"),))
    world = World(zone)
    world.ask("www.example.")
    world.asked.clear()
    lie = other.claim("www.example.", 1)
    for _ in range(50):
        world.now_s += 1
        assert world.validate(lie).security is Security.BOGUS
    assert len(world.asked) <= 2


def test_a_zone_that_is_new_is_found_although_it_was_no_zone_just_now():
    child = SignedZone("sub.example.", "www A 192.0.2.1")
    before = SignedZone("example.", "sub A 192.0.2.1")
    after = SignedZone("example.", children=(child,), ksks=before.ksks, zsks=before.zsks)
    world = World(before, child)
    assert world.security("www.sub.example.") is Security.BOGUS
    world.zones[0] = after
    assert world.security("www.sub.example.") is Security.BOGUS
    world.now_s += 31
    assert world.security("www.sub.example.") is Security.SECURE


def test_keys_are_known_no_longer_than_the_ds_that_vouches_for_them():
    child = SignedZone("example.", "www A 192.0.2.1")
    world = World(SignedZone(".", children=(child,), ttl_s=60), child)
    assert world.security("www.example.") is Security.SECURE
    world.asked.clear()
    world.now_s += 61
    assert world.security("www.example.") is Security.SECURE
    assert ("example.", DS, False) in world.asked


def test_what_is_known_of_zones_is_bounded():
    store = TrustStore(entries_max=10)
    for number in range(100):
        store.put(Trust(bytes((1, number)) + b"\0", Security.INSECURE, NOW_S + number, NOW_S))
        assert store.find(b"\1\0\0", NOW_S - 1) is not None, "what is used stays"
        assert len(store) <= 10
    assert store.sweep(NOW_S + 95, 100) == 6
    assert len(store) == 4
    assert store.flush(None) == 4


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


def test_negative_trust_anchors_make_insecure_with_the_error_that_says_so():
    world = tree(negative_anchors=(b"\3sub\7example\0",))
    verdict = world.ask("www.sub.example.")
    assert verdict.security is Security.INSECURE
    assert [error.code for error in verdict.errors] == [ErrorCode.NEGATIVE_TRUST_ANCHOR]
    assert world.security("www.example.") is Security.SECURE
    world.validator.negative_anchors.remove(b"\3sub\7example\0")
    assert world.security("www.sub.example.") is Security.SECURE


def test_a_negative_anchor_that_is_added_later_holds_at_once_and_ends():
    world = tree()
    assert world.security("www.sub.example.") is Security.SECURE
    world.validator.negative_anchors.add(b"\3sub\7example\0", NOW_S + 100)
    assert world.security("www.sub.example.") is Security.INSECURE
    world.now_s += 100
    assert world.security("www.sub.example.") is Security.SECURE


def test_rfc7646_an_anchor_below_a_negative_one_holds():
    child = SignedZone("sub.example.", "www A 192.0.2.1")
    example = SignedZone("example.", "www A 192.0.2.1", children=(child,))
    anchors = example.anchors() + child.anchors()
    negative = (b"\7example\0",)
    world = World(example, child, trust_anchors=anchors, negative_anchors=negative)
    assert world.security("www.sub.example.") is Security.SECURE
    assert world.security("www.example.") is Security.INSECURE


def test_an_island_of_security_below_an_unsigned_zone_is_secure_by_its_own_anchor():
    island = SignedZone("island.un.example.", "www A 192.0.2.8")
    parent = UnsignedZone("un.example.", children=())
    example = SignedZone("example.", children=(parent,))
    root = SignedZone(".", children=(example,))
    anchors = root.anchors() + island.anchors()
    world = World(root, example, parent, island, trust_anchors=anchors)
    assert world.security("www.island.un.example.") is Security.SECURE
    assert world.security("www.un.example.") is Security.INSECURE


def test_outside_all_anchors_everything_is_insecure():
    child = SignedZone("example.", "www A 192.0.2.1")
    other = SignedZone("other.", "www A 192.0.2.1")
    world = World(child, other)
    assert world.security("www.other.") is Security.INSECURE
    assert world.security("www.example.") is Security.SECURE


def test_without_validation_nothing_is_asked_and_all_is_indeterminate():
    world = tree(validates=False)
    assert world.security("www.example.") is Security.INDETERMINATE
    assert world.asked == []


def test_how_long_a_zone_needs_no_validation_is_known():
    world = tree()
    validator, un, sub = world.validator, b"\2un\7example\0", b"\3sub\7example\0"
    assert validator.insecure_until_s(un, NOW_S) is None
    world.ask("www.un.example.")
    world.ask("www.sub.example.")
    assert validator.insecure_until_s(un, NOW_S) == NOW_S + 300  # the TTL of the NSEC
    assert validator.insecure_until_s(un, NOW_S + 300) is None
    assert validator.insecure_until_s(sub, NOW_S) is None
    validator.negative_anchors.add(sub, NOW_S + 10)
    assert validator.insecure_until_s(sub, NOW_S) == NOW_S + 10
    validator.negative_anchors.add(sub)
    assert validator.insecure_until_s(sub, NOW_S) == float("inf")
    assert tree(validates=False).validator.insecure_until_s(sub, NOW_S) == float("inf")


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


def test_signatures_that_are_asked_for_themselves_are_not_signed():
    world = tree()
    held = world.zones[1].held("www.example.", 1)
    rrset = RRset(46, 3600, held.rrset.signatures)
    asked = question("www.example.", "RRSIG")
    claim = Claim(asked, 0, (Held(held.owner, rrset),), (), b"\7example\0")
    assert world.validate(claim).security is Security.INSECURE


def test_a_question_for_any_type_is_as_secure_as_all_that_came():
    world = tree()
    zone = world.zones[1]
    asked = question("both.example.", "ANY")
    answer = tuple(zone.held("both.example.", rrtype) for rrtype in (1, 28, 47))
    claim = Claim(asked, 0, answer, (), zone.zone_name)
    assert world.validate(claim).security is Security.SECURE
    bare = unsigned(msgspec.structs.replace(claim, answer=answer[:1])).answer
    claim = msgspec.structs.replace(claim, answer=(*bare, *answer[1:]))
    assert world.validate(claim).security is Security.BOGUS


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


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_the_error_says_what_is_wrong_with_a_proof(denial):
    world = tree(denial)
    example = world.zones[1]
    claim = world.said(question("nx.example.", "A"))
    soa, *proofs = claim.authority

    def code(authority) -> int:
        verdict = world.validate(msgspec.structs.replace(claim, authority=tuple(authority)))
        assert verdict.security is Security.BOGUS
        return verdict.errors[0].code

    assert code([soa]) == ErrorCode.NSEC_MISSING
    assert code([soa, proofs[0]]) == ErrorCode.BOGUS
    assert code([]) == ErrorCode.RRSIGS_MISSING
    old = SignedZone(
        "example.", example.lines, denial=denial, children=example.children,
        expiration_s=NOW_S - 1,
    )  # fmt: skip
    assert code([soa, *old.claim("nx.example.", 1).authority[1:]]) == ErrorCode.SIGNATURE_EXPIRED


def test_what_a_referral_said_of_the_ds_is_over_with_its_ttl():
    """The servers of a zone may be known for longer than that it is insecure."""
    world = tree()
    asked = question("un.example.", "DS")
    said = world.said(asked)
    world.lies[asked] = msgspec.structs.replace(said, said_s=NOW_S)
    world.now_s = NOW_S + 200
    assert world.security("www.un.example.") is Security.INSECURE
    assert world.validator.insecure_until_s(b"\2un\7example\0", world.now_s) == NOW_S + 300
    assert ("un.example.", DS, True) not in world.asked
    world.now_s = NOW_S + 300
    assert world.security("www.un.example.") is Security.INSECURE
    assert ("un.example.", DS, True) in world.asked


def test_other_servers_are_asked_for_keys_that_are_not_good_and_then_for_the_ds():
    world = tree()
    ds, dnskey = question("sub.example.", "DS"), question("sub.example.", "DNSKEY")
    said: dict[Question, int] = {ds: 0, dnskey: 0}

    def lame(asked: Question, times: int):
        """What a server without DNSSEC says, so many times; then what the zone says."""

        def lie(claim: Claim) -> Claim:
            said[asked] += 1
            return unsigned(claim) if said[asked] <= times else claim

        world.lies[asked] = lie

    for bad_ds, bad_keys, expected in (
        (0, 1, [(ds, False), (dnskey, False), (dnskey, True)]),
        (1, 0, [(ds, False), (ds, True), (dnskey, True)]),
        (0, 2, [(ds, False), (dnskey, False), (dnskey, True), (ds, True), (dnskey, True)]),
    ):
        world.validator.flush()
        world.ask("www.example.")
        world.asked.clear()
        said.update({ds: 0, dnskey: 0})
        lame(ds, bad_ds)
        lame(dnskey, bad_keys)
        assert world.security("www.sub.example.") is Security.SECURE
        assert world.asked == [("sub.example.", asked.qtype, fresh) for asked, fresh in expected]


def test_something_new_about_a_ds_ends_the_wait_after_a_failure():
    world = tree()
    sub = b"\3sub\7example\0"
    world.lies[question("sub.example.", "DNSKEY")] = None
    assert world.security("www.sub.example.") is Security.BOGUS
    world.lies.clear()
    world.validator.doubt(sub, world.now_s)
    assert world.security("www.sub.example.") is Security.SECURE
    world.validator.doubt(sub, world.now_s)  # what is good is not doubted
    assert world.validator.security_of(sub, world.now_s) is Security.SECURE
