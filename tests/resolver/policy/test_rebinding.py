"""Addresses of the inside don't come from the outside."""

import pytest

from dns_node.resolver.policy.rebinding import Rebinding
from dns_node.resolver.question import Security
from dns_node.zone.names import parse_name
from tests.resolver.policy.outcomes import lines, negative, positive

PROTECTION = Rebinding(allowed=[parse_name("corp.example.")])


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "127.0.0.1", "192.168.1.1", "172.31.255.255", "169.254.1.1", "0.0.0.0",
     "100.64.0.1"],
)  # fmt: skip
def test_a_private_ipv4_address_is_taken_out_and_the_client_is_told(address):
    outcome = PROTECTION.protect(positive(f"www.example. 300 A {address}"))
    assert outcome.rcode == 0 and outcome.answer == ()
    assert [error.code for error in outcome.errors] == [15]


@pytest.mark.parametrize(
    "address",
    ["::1", "::", "fd00::1", "fe80::1", "::ffff:10.0.0.1", "64:ff9b::192.168.0.1",
     "2002:7f00:1::"],
)  # fmt: skip
def test_a_private_ipv6_address_is_taken_out_in_all_its_disguises(address):
    assert PROTECTION.protect(positive(f"www.example. 300 AAAA {address}")).answer == ()


@pytest.mark.parametrize("address", ["172.32.0.1", "11.0.0.1", "100.128.0.1", "192.0.2.1"])
def test_other_addresses_are_left_as_they_are(address):
    outcome = positive(f"www.example. 300 A {address}")
    assert PROTECTION.protect(outcome) is outcome


def test_what_is_left_of_an_rrset_is_not_told_as_signed():
    whole = positive(
        "www.example. 60 CNAME a.example.",
        "a.example. 300 A 10.0.0.1 | 192.0.2.1",
        security=Security.SECURE,
    )
    outcome = PROTECTION.protect(whole)
    assert lines(outcome.answer) == [
        "www.example. 60 CNAME a.example.",
        "a.example. 300 A 192.0.2.1",
    ]
    assert outcome.security is Security.INSECURE
    assert outcome.answer[1].rrset.signatures == ()


def test_names_that_may_lead_inside_do():
    inside = positive("db.corp.example. 300 A 10.0.0.1")
    assert PROTECTION.protect(inside) is inside
    by_alias = positive("www.evil. 300 CNAME x.evil.", "x.evil. 300 A 10.0.0.1")
    assert len(PROTECTION.protect(by_alias).answer) == 1


def test_hints_of_https_records_count_as_addresses():
    hinted = positive("www.example. 300 HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1,10.0.0.1")
    assert PROTECTION.protect(hinted).answer == ()
    hinted6 = positive("www.example. 300 SVCB 1 t.example. ipv6hint=fd00::1")
    assert PROTECTION.protect(hinted6).answer == ()
    good = positive("www.example. 300 HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1 ipv6hint=2001:4860::1")
    assert PROTECTION.protect(good) is good


def test_an_answer_without_addresses_is_left_as_it_is():
    outcome = negative()
    assert PROTECTION.protect(outcome) is outcome
