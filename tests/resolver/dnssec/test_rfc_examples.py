"""The answers of RFC 4035 appendix B and RFC 5155 appendix B, with the signatures that stand there.

The zones were signed with RSA and SHA-1, in 2004 and 2005.
"""

from pathlib import Path

import dns.rdatatype
import dns.zone
import pytest

from dns_node.resolver.budget import Budget
from dns_node.resolver.dnssec.validator import Validator
from dns_node.resolver.dnssec.verdict import Claim, Verdict
from dns_node.resolver.question import Held, Security
from dns_node.resolver.settings import Limits, ResolverSettings
from dns_node.zone.names import parse_name
from dns_node.zone.rrset import RRset
from tests.resolver.signing import NOW_S, nsec3_hash, question, wire

RECORDS = Path(__file__).parent / "records"
APEX = parse_name("example.")

APEX_HASH, AI, X_W, NS1, Y_W, W, NS2, WILDCARD = (
    f"{label}.example."
    for label in (
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom",
        "35mthgpgcu1qg68fab165klnsnk3dpvl",
        "b4um86eghhds6nea196smvmlo4ors995",
        "2t7b4g4vsa5smi47k61mv5bv1a22bojr",
        "ji6neoaepv8b5o6k4ev33abha8ht9fgc",
        "k8udemvp1j2f7eg6jebps17vp3n8i58h",
        "q04jkcevqvmu85r014c7dkba38o0ji5r",
        "r53bq7cc2uvmubfu5ocmm6pers9tk9en",
    )
)


class Example:
    """One of the two zones, whose KSK is the trust anchor."""

    def __init__(self, file_name: str, now_s: float):
        text = (RECORDS / file_name).read_text()
        zone = dns.zone.from_text(text, "example.", relativize=False, check_origin=False)
        self.now_s = now_s
        self.rrsets: dict[tuple[bytes, int], RRset] = {}
        for name, node in zone.nodes.items():
            for rdataset in node:
                if rdataset.rdtype == dns.rdatatype.RRSIG:
                    continue
                signatures = node.get_rdataset(1, dns.rdatatype.RRSIG, rdataset.rdtype) or ()
                self.rrsets[wire(name), int(rdataset.rdtype)] = RRset(
                    int(rdataset.rdtype),
                    rdataset.ttl,
                    tuple(sorted(rdata.to_digestable() for rdata in rdataset)),
                    tuple(rdata.to_digestable() for rdata in signatures),
                )
        anchors = [
            (APEX, 48, rdata) for rdata in self.rrsets[APEX, 48].rdatas if rdata[:2] == b"\1\1"
        ]
        settings = ResolverSettings(trust_anchors=tuple(anchors), accepts_sha1=True)
        self.validator = Validator(settings)

    def held(self, owner: str, rrtype: str, at: str | None = None) -> Held:
        number = int(dns.rdatatype.from_text(rrtype))
        return Held(parse_name(at or owner), self.rrsets[parse_name(owner), number])

    def verdict(
        self, qname: str, qtype: str, rcode: int, answer: list[Held], proofs: list[Held]
    ) -> Verdict:
        """The verdict on an answer; without an answer the SOA stands before the proofs."""
        authority = proofs if answer else [self.held("example.", "SOA"), *proofs]
        asked = question(qname, qtype)
        claim = Claim(asked, rcode, tuple(answer), tuple(authority), APEX)
        validation = self.validator.validate(claim, Budget(Limits(), self.now_s), self.now_s)
        reply = None
        while True:
            try:
                need = validation.send(reply)
            except StopIteration as stop:
                return stop.value
            assert need.question == question("example.", "DNSKEY")
            reply = Claim(need.question, 0, (self.held("example.", "DNSKEY"),), (), APEX)


@pytest.fixture(scope="module")
def nsec() -> Example:
    return Example("rfc4035.zone", 1_083_000_000)


@pytest.fixture(scope="module")
def nsec3() -> Example:
    return Example("rfc5155.zone", 1_200_000_000)


@pytest.mark.parametrize("rrtype", ["A", "HINFO"])
def test_rfc4035_b1_answer(nsec, rrtype):
    answer = [nsec.held("ai.example.", rrtype)]
    assert nsec.verdict("ai.example.", rrtype, 0, answer, []).security is Security.SECURE


@pytest.mark.parametrize(
    ("qname", "qtype", "rcode", "owners"),
    [
        ("ml.example.", "A", 3, ["b.example.", "example."]),  # B.2, name error
        ("ns1.example.", "MX", 0, ["ns1.example."]),  # B.3, no data
        ("a.z.w.example.", "AAAA", 0, ["x.y.w.example.", "*.w.example."]),  # B.7
    ],
)
def test_rfc4035_b_absence_is_proved_and_no_proof_can_be_left_out(
    nsec, qname, qtype, rcode, owners
):
    proofs = [nsec.held(owner, "NSEC") for owner in owners]
    verdict = nsec.verdict(qname, qtype, rcode, [], proofs)
    assert (verdict.security, verdict.rcode) == (Security.SECURE, rcode)
    for left_out in proofs:
        fewer = [proof for proof in proofs if proof is not left_out]
        assert nsec.verdict(qname, qtype, rcode, [], fewer).security is Security.BOGUS


def test_rfc4035_b4_referral_to_a_signed_zone(nsec):
    answer = [nsec.held("a.example.", "DS")]
    assert nsec.verdict("a.example.", "DS", 0, answer, []).security is Security.SECURE


def test_rfc4035_b5_referral_to_an_unsigned_zone(nsec):
    proofs = [nsec.held("b.example.", "NSEC")]
    assert nsec.verdict("b.example.", "DS", 0, [], proofs).security is Security.SECURE
    # It speaks of the DS, and not of what is below.
    assert nsec.verdict("mc.b.example.", "MX", 0, [], proofs).security is Security.BOGUS


def test_rfc4035_b6_wildcard_expansion(nsec):
    answer = [nsec.held("*.w.example.", "MX", "a.z.w.example.")]
    proofs = [nsec.held("x.y.w.example.", "NSEC")]
    assert nsec.verdict("a.z.w.example.", "MX", 0, answer, proofs).security is Security.SECURE
    assert nsec.verdict("a.z.w.example.", "MX", 0, answer, []).security is Security.BOGUS


def test_rfc4035_b8_the_zone_itself_can_not_deny_its_ds(nsec):
    proofs = [nsec.held("example.", "NSEC")]
    assert nsec.verdict("example.", "DS", 0, [], proofs).security is not Security.SECURE


@pytest.mark.parametrize(
    ("qname", "qtype", "rcode", "owners", "security"),
    [
        # B.1: the next closer name lies in a gap with opt-out.
        ("a.c.x.w.example.", "A", 3, [APEX_HASH, X_W, AI], Security.INSECURE),
        ("ns1.example.", "MX", 0, [NS1], Security.SECURE),  # B.2
        ("y.w.example.", "A", 0, [Y_W], Security.SECURE),  # B.2.1, an empty non-terminal
        ("c.example.", "DS", 0, [AI, APEX_HASH], Security.INSECURE),  # B.3, opt-out
        ("a.z.w.example.", "AAAA", 0, [W, NS2, WILDCARD], Security.INSECURE),  # B.5
    ],
)
def test_rfc5155_b_absence_is_proved_and_no_proof_can_be_left_out(
    nsec3, qname, qtype, rcode, owners, security
):
    proofs = [nsec3.held(owner, "NSEC3") for owner in owners]
    verdict = nsec3.verdict(qname, qtype, rcode, [], proofs)
    assert (verdict.security, verdict.rcode) == (security, rcode)
    if len(proofs) == 1:
        proofs = [*proofs, nsec3.held(W, "NSEC3")]
    for left_out in [proofs[0]] if len(owners) == 1 else proofs:
        fewer = [proof for proof in proofs if proof is not left_out]
        other = nsec3.verdict(qname, qtype, rcode, [], fewer)
        # Of no data in an opt-out gap the wildcard's record is no needed part: what is there may
        # be an empty non-terminal above unsigned delegations.
        is_possible = rcode == 0 and other.security is Security.INSECURE
        assert other.security is Security.BOGUS or is_possible


def test_rfc5155_b4_wildcard_expansion_beside_opt_out(nsec3):
    answer = [nsec3.held("*.w.example.", "MX", "a.z.w.example.")]
    proofs = [nsec3.held(NS2, "NSEC3")]
    assert nsec3.verdict("a.z.w.example.", "MX", 0, answer, proofs).security is Security.INSECURE
    assert nsec3.verdict("a.z.w.example.", "MX", 0, answer, []).security is Security.BOGUS


def test_rfc5155_b6_the_zone_itself_can_not_deny_its_ds(nsec3):
    proofs = [nsec3.held(APEX_HASH, "NSEC3")]
    assert nsec3.verdict("example.", "DS", 0, [], proofs).security is not Security.SECURE


def test_hash_of_the_tests_is_that_of_rfc5155():
    """Appendix A: the hash of ``example`` with salt aabbccdd and 12 iterations."""
    digest = nsec3_hash(b"\7example\0", bytes.fromhex("aabbccdd"), 12)
    assert digest == int("0p9mhaveqvm6t7vbl5lop2u3t2rp3tom", 32).to_bytes(20, "big")
    assert NOW_S > 0
