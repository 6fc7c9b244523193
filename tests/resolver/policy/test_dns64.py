"""IPv6 addresses for names with IPv4 addresses (RFC 6147, RFC 6052)."""

import pytest

from dns_node.resolver.policy.dns64 import Dns64, check_prefix
from dns_node.resolver.policy.verdict import Answered, Dropped, Request
from dns_node.resolver.question import ExtendedError, Outcome, Security
from dns_node.zone.names import name_text
from dns_node.zone.rdata import type_text
from tests.resolver.policy.outcomes import lines, negative, positive, question

PREFIX = "2001:db8:64::/96"


def answer(asked, verdicts, dns64=None):
    """Play one question; *verdicts* are by "name type".  Returns (verdict, what was asked)."""
    steps = (dns64 or Dns64((PREFIX,))).answer(asked)
    asked_for = []
    try:
        wanted = next(steps)
        while True:
            key = f"{name_text(wanted.qname)} {type_text(wanted.qtype)}"
            asked_for.append(key)
            found = verdicts[key]
            wanted = steps.send(Answered(found) if isinstance(found, Outcome) else found)
    except StopIteration as end:
        return end.value, asked_for


def test_rfc6147_5_1_a_name_with_ipv4_alone_gets_an_ipv6_address():
    verdict, asked = answer(
        question("www.example.", "AAAA"),
        {
            "www.example. AAAA": negative(),
            "www.example. A": positive("www.example. 300 A 192.0.2.33"),
        },
    )
    assert lines(verdict.outcome.answer) == ["www.example. 60 AAAA 2001:db8:64::c000:221"]
    assert asked == ["www.example. AAAA", "www.example. A"]
    assert verdict.outcome.security is Security.INSECURE


def test_rfc6147_5_1_1_a_name_with_an_ipv6_address_keeps_it():
    found = positive("www.example. 300 AAAA 2001:db8::1")
    verdict, asked = answer(question("www.example.", "AAAA"), {"www.example. AAAA": found})
    assert verdict.outcome is found and len(asked) == 1


def test_rfc6147_5_1_2_nxdomain_stays_nxdomain():
    gone = negative(rcode=3)
    verdict, asked = answer(question("www.example.", "AAAA"), {"www.example. AAAA": gone})
    assert verdict.outcome is gone and len(asked) == 1


def test_rfc6147_5_1_3_another_error_counts_as_no_aaaa():
    verdict, _ = answer(
        question("www.example.", "AAAA"),
        {
            "www.example. AAAA": Outcome(2),
            "www.example. A": positive("www.example. 300 A 192.0.2.1"),
        },
    )
    assert lines(verdict.outcome.answer) == ["www.example. 300 AAAA 2001:db8:64::c000:201"]


@pytest.mark.parametrize(
    "bogus", [Outcome(2, security=Security.BOGUS), Outcome(2, errors=(ExtendedError(6),))]
)
def test_rfc6147_5_5_what_is_bogus_stays_servfail(bogus):
    verdict, asked = answer(question("www.example.", "AAAA"), {"www.example. AAAA": bogus})
    assert verdict.outcome is bogus and len(asked) == 1


def test_rfc6147_5_1_4_mapped_addresses_count_as_none():
    verdict, _ = answer(
        question("www.example.", "AAAA"),
        {"www.example. AAAA": positive("www.example. 300 AAAA ::ffff:192.0.2.1"),
         "www.example. A": positive("www.example. 300 A 192.0.2.1")},
    )  # fmt: skip
    assert lines(verdict.outcome.answer) == ["www.example. 300 AAAA 2001:db8:64::c000:201"]


def test_rfc6147_5_1_5_aliases_stay_before_the_address():
    alias = "www.example. 300 CNAME a.example."
    verdict, _ = answer(
        question("www.example.", "AAAA"),
        {"www.example. AAAA": negative(answer=[alias]),
         "www.example. A": positive(alias, "a.example. 20 A 192.0.2.1")},
    )  # fmt: skip
    assert lines(verdict.outcome.answer) == [
        "www.example. 300 CNAME a.example.",
        "a.example. 20 AAAA 2001:db8:64::c000:201",
    ]


def test_rfc6147_5_1_6_without_ipv4_the_empty_answer_stays():
    nothing = negative()
    verdict, _ = answer(
        question("www.example.", "AAAA"),
        {"www.example. AAAA": nothing, "www.example. A": negative()},
    )
    assert verdict.outcome is nothing


@pytest.mark.parametrize("ttl_s, seen", [(300, 300), (3600, 600)])
def test_rfc6147_5_1_7_without_an_soa_the_ttl_is_600_at_most(ttl_s, seen):
    verdict, _ = answer(
        question("www.example.", "AAAA"),
        {
            "www.example. AAAA": Outcome(0),
            "www.example. A": positive(f"www.example. {ttl_s} A 192.0.2.1"),
        },
    )
    assert verdict.outcome.answer[0].rrset.ttl_s == seen


def test_rfc6147_5_5_only_a_validator_that_wants_it_raw_gets_it_raw():
    dns64, asked = Dns64(), question("www.example.", "AAAA")
    assert dns64.concerns(Request(asked))
    assert dns64.concerns(Request(asked, is_do=True))
    assert dns64.concerns(Request(asked, is_cd=True))
    assert not dns64.concerns(Request(asked, is_do=True, is_cd=True))
    assert not dns64.concerns(Request(question("www.example.", "A")))


RFC6052_2_4 = [
    ("2001:db8::/32", "2001:db8:c000:221::"),
    ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
    ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
    ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
    ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:0"),
    ("2001:db8:122:344::/96", "2001:db8:122:344::c000:221"),
]


@pytest.mark.parametrize("prefix, address", RFC6052_2_4)
def test_rfc6052_2_4_addresses_are_embedded_as_in_its_table(prefix, address):
    verdict, _ = answer(
        question("www.example.", "AAAA"),
        {
            "www.example. AAAA": negative(),
            "www.example. A": positive("www.example. 9 A 192.0.2.33"),
        },
        Dns64((prefix,)),
    )
    assert lines(verdict.outcome.answer) == [
        lines(positive(f"www.example. 9 AAAA {address}").answer)[0]
    ]


def test_rfc6147_5_2_each_prefix_gives_an_address():
    verdict, _ = answer(
        question("www.example.", "AAAA"),
        {"www.example. AAAA": negative(), "www.example. A": positive("www.example. 9 A 192.0.2.1")},
        Dns64((PREFIX, "2001:db8:65::/96")),
    )
    assert len(verdict.outcome.answer[0].rrset.rdatas) == 2


def test_rfc6052_3_1_the_well_known_prefix_is_for_public_addresses():
    nothing = negative()
    given = {"a.example. AAAA": nothing, "a.example. A": positive("a.example. 9 A 10.0.0.1")}
    verdict, _ = answer(question("a.example.", "AAAA"), given, Dns64())
    assert verdict.outcome is nothing
    verdict, _ = answer(question("a.example.", "AAAA"), given)
    assert len(verdict.outcome.answer) == 1, "an operator's own prefix may carry them"


def test_rfc7050_ipv4only_arpa_tells_the_prefix():
    given = {
        "ipv4only.arpa. AAAA": negative(),
        "ipv4only.arpa. A": positive("ipv4only.arpa. 9 A 192.0.0.170 | 192.0.0.171"),
    }
    verdict, _ = answer(question("ipv4only.arpa.", "AAAA"), given, Dns64())
    assert lines(verdict.outcome.answer)[0] == "ipv4only.arpa. 9 AAAA 64:ff9b::c000:aa"


def test_rfc6147_5_3_1_the_ptr_of_such_an_address_is_an_alias_to_that_of_the_ipv4_address():
    digits = "20010db8006400000000000" + "0c0000221"
    name = ".".join(reversed(digits)) + ".ip6.arpa."
    ptr = "33.2.0.192.in-addr.arpa."
    verdict, _ = answer(
        question(name, "PTR"), {f"{ptr} PTR": positive(f"{ptr} 9 PTR www.example.")}
    )
    assert lines(verdict.outcome.answer) == [f"{name} 300 CNAME {ptr}", f"{ptr} 9 PTR www.example."]


def test_other_reverse_names_are_resolved():
    for name in ("1." + "0." * 31 + "ip6.arpa.", "8.b.d.ip6.arpa.", "x." * 32 + "ip6.arpa."):
        found = negative(rcode=3)
        verdict, _ = answer(question(name, "PTR"), {f"{name} PTR": found})
        assert verdict.outcome is found


def test_what_policy_drops_stays_dropped():
    verdict, _ = answer(question("a.example.", "AAAA"), {"a.example. AAAA": Dropped("rule")})
    assert verdict == Dropped("rule")


@pytest.mark.parametrize(
    "text", ["2001:db8::/65", "2001:db8:0:0:1234::/96", "2001:db8:0:0:ff00::/96"]
)
def test_a_prefix_that_rfc6052_does_not_know_is_refused(text):
    with pytest.raises(ValueError):
        check_prefix(text)
