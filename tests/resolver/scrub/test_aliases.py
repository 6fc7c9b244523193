"""What is believed of the CNAME and DNAME RRs of a response, and where they lead."""

import msgspec
import pytest

from dns_node.resolver.question import Security
from dns_node.resolver.rank import Rank
from dns_node.resolver.scrub import ALIASES_MAX
from dns_node.resolver.scrubbed import Alias, Answer, Failure, Lame, NoData, NxDomain, TooLong
from tests.resolver.scrub.told import SOA, told
from tests.resolver.wire import held, name


def test_a_chain_is_followed_within_the_zone_whatever_its_order():
    found = told(
        "a.example.com A",
        "answer c.example.com 300 A 192.0.2.1",
        "answer b.example.com 300 CNAME c.example.com",
        "answer a.example.com 300 CNAME b.example.com",
    )
    assert isinstance(found, Answer) and found.target == name("c.example.com")
    assert [each.owner for each in found.aliases] == [name("a.example.com"), name("b.example.com")]
    assert found.rank is Rank.ANSWER, "the server speaks with AA of the first name alone"


def test_a_chain_ends_where_the_zone_ends():
    found = told(
        "a.example.com A",
        "answer a.example.com 300 CNAME b.example.net",
        "answer b.example.net 300 A 192.0.2.66",
    )
    assert isinstance(found, Alias)
    assert found.aliases == (held("a.example.com", "CNAME", "b.example.net"),)
    assert found.target == name("b.example.net") and found.rank is Rank.AUTHORITATIVE


def test_cname_is_an_answer_to_who_asks_for_it():
    found = told("a.example.com CNAME", "answer a.example.com 300 CNAME b.example.com")
    assert isinstance(found, Answer) and found.aliases == ()


def test_a_circle_of_aliases_and_a_name_with_two_is_of_no_use():
    to_b, to_a = (
        "answer a.example.com 300 CNAME b.example.com",
        "answer b.example.com 300 CNAME a.example.com",
    )
    assert isinstance(told("a.example.com A", to_b, to_a), Lame)
    assert isinstance(told("a.example.com A", "answer a.example.com 300 CNAME a.example.com"), Lame)
    assert isinstance(told("a.example.com A", to_b, to_b.replace("b.", "c.")), Lame)


def test_so_many_aliases_are_followed_in_one_response():
    lines = [f"answer n{at}.example.com 300 CNAME n{at + 1}.example.com" for at in range(20)]
    found = told("n0.example.com A", *lines, "answer n20.example.com 300 A 192.0.2.1")
    assert isinstance(found, Alias)
    assert len(found.aliases) == ALIASES_MAX and found.target == name(f"n{ALIASES_MAX}.example.com")


def test_rfc6672_a_dname_makes_the_cname_whatever_the_server_made_of_it():
    dname = "answer old.example.com 300 DNAME new.example.com"
    for cname in ("new", "evil"):
        found = told(
            "a.b.old.example.com A", dname,
            f"answer a.b.old.example.com 0 CNAME a.b.{cname}.example.com",
            "answer a.b.new.example.com 300 A 192.0.2.1",
        )  # fmt: skip
        assert isinstance(found, Answer) and found.target == name("a.b.new.example.com")
        made = held("a.b.old.example.com", "CNAME", "a.b.new.example.com")
        assert found.aliases == (held("old.example.com", "DNAME", "new.example.com"), made)


@pytest.mark.parametrize("qtype", ["CNAME", "ANY"])
@pytest.mark.parametrize("rcode", ["NOERROR", "NXDOMAIN"])  # servers go on to what is not there
def test_the_cname_that_is_asked_for_comes_with_the_dname_that_makes_it(qtype, rcode):
    dname = "answer old.example.com 300 DNAME new.example.com"
    made = held("a.old.example.com", "CNAME", "a.new.example.com")
    for cnames in ((), ("answer a.old.example.com 0 CNAME evil.example.com",)):
        found = told(f"a.old.example.com {qtype}", dname, *cnames, SOA, rcode=rcode)
        assert isinstance(found, Answer) and found.target == name("a.old.example.com")
        assert found.aliases == (held("old.example.com", "DNAME", "new.example.com"),)
        assert found.answer == (made,)


def test_a_dname_beside_the_cname_of_another_name_has_nothing_to_do_with_it():
    cname = "answer a.example.com 300 CNAME b.old.example.com"
    dname = "answer old.example.com 300 DNAME new.example.com"
    found = told("a.example.com CNAME", cname, dname)
    assert isinstance(found, Answer) and found.aliases == ()
    assert found.answer == (held("a.example.com", "CNAME", "b.old.example.com"),)
    assert isinstance(told("a.example.com CNAME", cname, dname, rcode="NXDOMAIN"), Lame)


def test_a_dname_does_not_speak_for_its_own_name():
    found = told("old.example.com A", "answer old.example.com 300 DNAME new.example.com", SOA)
    assert isinstance(found, NoData) and found.aliases == ()


def test_a_dname_is_kept_for_others_only_when_nobody_can_have_forged_it():
    line = "answer old.example.com 300 DNAME new.example.net"
    dname = held("old.example.com", "DNAME", "new.example.net")
    found = told("a.old.example.com A", line)
    assert isinstance(found, Alias)
    assert found.rank_of(dname) is Rank.ADDITIONAL
    assert found.rank_of(msgspec.structs.replace(dname, security=Security.SECURE)) is found.rank
    assert told("a.old.example.com A", line, is_spoof_proof=True).rank_of(dname) is found.rank


def test_rfc6672_2_2_a_name_that_gets_too_long_is_told():
    long = ".".join(["x" * 60] * 3)
    found = told(
        f"{long}.old.example.com A", f"answer old.example.com 300 DNAME {'y' * 60}.example.com",
        rcode="YXDOMAIN",
    )  # fmt: skip
    assert isinstance(found, TooLong) and len(found.aliases) == 1
    assert isinstance(told("a.example.com A", rcode="YXDOMAIN"), Failure)


def test_rfc2308_2_1_the_rcode_is_that_of_the_end_of_the_chain():
    cname = "answer a.example.com 300 CNAME b.example.com"
    found = told("a.example.com A", cname, SOA, rcode="NXDOMAIN")
    assert isinstance(found, NxDomain) and found.target == name("b.example.com")
    assert len(found.aliases) == 1
    assert isinstance(told("a.example.com A", cname, SOA), NoData)
    # What is outside of the zone is not this server's to deny.
    outside = told("a.example.com A", cname.replace("b.", "b.not"), SOA, rcode="NXDOMAIN")
    assert isinstance(outside, Alias)
    assert isinstance(told("a.example.com A", cname, rcode="NXDOMAIN"), Alias)
