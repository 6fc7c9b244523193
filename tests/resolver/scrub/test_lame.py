"""Responses that are of no use: lame, an error, or to another question."""

import pytest

from dns_node.resolver.scrub import scrub
from dns_node.resolver.scrubbed import Failure, Lame, NoData
from tests.resolver.scrub.told import EXAMPLE, SOA, WWW, told
from tests.resolver.wire import question, response


def test_a_server_that_knows_nothing_is_lame():
    assert told("www.example.com A", flags="").is_resolver
    assert told("www.example.com AAAA", WWW, flags="").is_resolver
    for elsewhere in ("net", "com"):
        refers = f"authority {elsewhere} 900 NS ns.net"
        assert not told("www.example.com AAAA", WWW, refers, flags="").is_resolver
    assert isinstance(
        told("www.example.com A", "authority example.com 900 NS .", flags="", cut="com"), Lame
    )


def test_a_server_that_refers_upwards_speaks_for_nothing_whatever_it_says_of_itself():
    upwards = "authority com 900 NS ns.com"
    assert isinstance(told("www.example.com A", upwards, flags="AA"), Lame)
    assert isinstance(told("www.example.com A", upwards, SOA, flags="AA"), NoData)
    assert isinstance(told("www.example.com A", "authority net 900 NS ns.net", flags="AA"), NoData)


def test_the_denial_of_a_resolver_may_do_when_it_is_whole():
    for rcode in ("NOERROR", "NXDOMAIN"):
        whole = told("www.example.com A", SOA, flags="RA", rcode=rcode)
        assert isinstance(whole, Lame) and whole.is_resolver
    bare = told("www.example.com A", flags="RA", rcode="NXDOMAIN")
    assert isinstance(bare, Lame) and not bare.is_resolver


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP", "NOTAUTH"])
def test_an_error_is_a_failure(rcode):
    found = told("www.example.com A", WWW, rcode=rcode)
    assert isinstance(found, Failure) and found.rcode > 0


def test_a_response_to_another_question_is_of_no_use():
    made = response("www.example.com A", WWW)
    for asked in ("www.example.com AAAA", "www2.example.com A"):
        assert isinstance(scrub(made, question(asked), EXAMPLE), Lame)
