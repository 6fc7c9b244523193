"""What is believed of a negative response (RFC 2308)."""

import pytest

from dns_node.resolver.rank import Rank
from dns_node.resolver.scrubbed import Lame, NoData, NxDomain
from tests.resolver.scrub.told import EXAMPLE, SIGNATURE, SOA, told


def test_rfc2308_5_an_absence_lives_for_the_lesser_of_ttl_and_minimum_of_its_soa():
    for found in (told("x.example.com A", SOA), told("x.example.com A", SOA, rcode="NXDOMAIN")):
        assert isinstance(found, NoData | NxDomain)
        assert found.ttl_s == 60 and found.rank is Rank.AUTHORITY
        assert found.soa.owner == EXAMPLE and found.authority == (found.soa,)
    assert told("x.example.com A", SOA.replace("900", "30")).ttl_s == 30


def test_an_absence_without_a_soa_is_told_and_not_kept():
    found = told("x.example.com A", rcode="NXDOMAIN")
    assert isinstance(found, NxDomain) and (found.ttl_s, found.soa, found.authority) == (
        0,
        None,
        (),
    )
    found = told("x.example.com A", "authority example.com 300 NS ns1.example.com")
    assert isinstance(found, NoData) and found.ttl_s == 0


@pytest.mark.parametrize("owner", ["com", ".", "example.net", "y.example.com"])
def test_a_soa_that_is_not_of_a_zone_of_the_name_denies_nothing(owner):
    soa = SOA.replace("example.com 900", f"{owner} 900")
    assert isinstance(told("x.example.com A", soa, rcode="NXDOMAIN"), Lame)
    assert isinstance(told("x.example.com A", soa), Lame)


def test_the_soa_may_be_of_a_zone_below_the_one_that_was_asked():
    found = told("x.example.com A", SOA, cut="com")
    assert isinstance(found, NoData) and found.soa.owner == EXAMPLE


def test_proofs_of_an_absence_come_with_it():
    found = told(
        "x.example.com A", SOA, "authority example.com 300 NSEC z.example.com NS SOA RRSIG NSEC",
        "authority example.com 300 " + SIGNATURE.format("NSEC"),
        "authority com 300 NSEC d.com NS", "authority com 300 " + SIGNATURE.format("NSEC"),
        rcode="NXDOMAIN",
    )  # fmt: skip
    assert [proof.owner for proof in found.proofs] == [EXAMPLE]
    assert found.authority == (found.soa, *found.proofs)


def test_an_absence_by_a_resolver_is_of_no_use():
    assert isinstance(told("x.example.com A", SOA, flags="RA"), Lame)
    assert told("x.example.com A", SOA, flags="").rank is Rank.ANSWER
    assert told("x.example.com A", SOA, flags="RA", is_forwarder=True).rank is Rank.ANSWER
