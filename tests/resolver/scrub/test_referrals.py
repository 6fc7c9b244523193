"""What is believed of a referral: its cut, its servers, their glue and the DS."""

import pytest

from dns_node.resolver.scrub import NAME_SERVERS_MAX
from dns_node.resolver.scrubbed import Lame, NoData, Referral
from tests.resolver.scrub.told import EXAMPLE, SIGNATURE, told
from tests.resolver.wire import held, name

REFERRAL = (
    "authority example.com 900 NS ns1.example.com",
    "authority example.com 900 NS ns2.example.net",
    "additional ns1.example.com 800 A 192.0.2.53",
    "additional ns1.example.com 800 AAAA 2001:db8::53",
)


def test_a_referral_gives_the_cut_its_servers_and_their_glue():
    found = told("www.example.com A", *REFERRAL, cut="com", flags="")
    assert found == Referral(
        EXAMPLE,
        held("example.com", "NS", "ns1.example.com", "ns2.example.net", ttl_s=900),
        (),
        (
            held("ns1.example.com", "A", "192.0.2.53", ttl_s=800),
            held("ns1.example.com", "AAAA", "2001:db8::53", ttl_s=800),
        ),
    )


def test_glue_is_of_names_that_are_asked_for_and_within_the_zone():
    found = told(
        "www.example.com A", *REFERRAL, "additional ns2.example.net 900 A 192.0.2.66",
        "additional www.example.com 900 A 192.0.2.66", "additional ns1.example.com 900 TXT x",
        cut="com", flags="",
    )  # fmt: skip
    assert {(each.owner, each.rrset.rrtype) for each in found.glue} == {
        (name("ns1.example.com"), 1), (name("ns1.example.com"), 28),
    }  # fmt: skip


@pytest.mark.parametrize(
    "address",
    ["A 0.0.0.0", "A 0.1.2.3", "A 224.0.0.1", "A 255.255.255.255", "AAAA ::", "AAAA ff02::1"],
)
def test_glue_that_is_no_host_is_dropped(address):
    found = told(
        "www.example.com A", REFERRAL[0], f"additional ns1.example.com 900 {address}", cut="com",
        flags="",
    )  # fmt: skip
    assert found.glue == ()


def test_a_referral_has_a_bounded_number_of_servers_and_addresses():
    servers = [f"authority example.com 900 NS ns{at}.example.com" for at in range(40)]
    glue = [f"additional ns39.example.com 900 A 192.0.2.{at}" for at in range(40)]
    found = told("www.example.com A", *servers, *glue, cut="com", flags="")
    assert len(found.name_servers.rrset.rdatas) == NAME_SERVERS_MAX
    assert name("ns39.example.com") in found.name_servers.rrset.rdatas, "it has glue"
    [only] = found.glue
    assert len(only.rrset.rdatas) == 6


def test_a_referral_comes_with_the_ds_or_the_proof_that_there_is_none():
    ds = "authority example.com 900 DS 1 8 2 " + "ab" * 32
    signed = "authority example.com 900 " + SIGNATURE.format("DS")
    found = told("www.example.com A", *REFERRAL, ds, signed, cut="com", flags="")
    [only] = found.authority
    assert only.rrset.rrtype == 43 and only.rrset.signatures
    proof = "authority example.com 900 NSEC f.com NS RRSIG NSEC"
    signed = "authority example.com 900 " + SIGNATURE.format("NSEC")
    found = told("www.example.com A", *REFERRAL, proof, signed, cut="com", flags="")
    assert [each.rrset.rrtype for each in found.authority] == [47]


@pytest.mark.parametrize(
    "owner", [".", "com", "example.net", "www2.example.com", "a.www.example.com"]
)
def test_a_referral_goes_down_the_way_to_the_name(owner):
    line = f"authority {owner} 900 NS ns1.example.com"
    assert isinstance(told("www.example.com A", line, cut="com", flags=""), Lame)


def test_of_two_cuts_the_higher_one_is_this_servers_to_tell():
    found = told(
        "a.www.example.com A", "authority www.example.com 900 NS ns.evil.net", *REFERRAL, cut="com",
        flags="",
    )  # fmt: skip
    assert found.cut == EXAMPLE


def test_a_forwarder_refers_to_nobody():
    found = told("www.example.com A", *REFERRAL, flags="RA", cut=".", is_forwarder=True)
    assert isinstance(found, NoData) and found.ttl_s == 0
