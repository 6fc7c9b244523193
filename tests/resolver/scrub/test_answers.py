"""What is believed of an answer."""

import msgspec

from dns_node.resolver.rank import Rank
from dns_node.resolver.scrub import scrub
from dns_node.resolver.scrubbed import Answer, Lame, NoData
from tests.resolver.scrub.told import EXAMPLE, SIGNATURE, WWW, told
from tests.resolver.wire import held, name, question, response


def test_an_authoritative_answer_is_believed_most():
    found = told("www.example.com A", WWW, "answer www.example.com 200 A 192.0.2.2")
    assert isinstance(found, Answer)
    assert found.answer == (held("www.example.com", "A", "192.0.2.1", "192.0.2.2", ttl_s=200),)
    assert (found.aliases, found.proofs, found.target) == ((), (), name("www.example.com"))
    assert found.rank_of(found.answer[0]) is Rank.AUTHORITATIVE


def test_rfc2181_5_2_an_rrset_has_the_least_ttl_of_its_records_and_no_record_twice():
    found = told(
        "www.example.com A", WWW, "answer www.example.com 200 A 192.0.2.2", WWW,
        "answer www.example.com 100 " + SIGNATURE.format("A"),
    )  # fmt: skip
    [only] = found.answer
    assert only.rrset.ttl_s == 100
    assert len(only.rrset.rdatas) == 2 and len(only.rrset.signatures) == 1


def test_signatures_are_found_in_the_additional_section_too_unless_there_are_some_in_place():
    strayed = "additional www.example.com 100 " + SIGNATURE.format("A")
    [only] = told("www.example.com A", WWW, strayed).answer
    assert len(only.rrset.signatures) == 1 and only.rrset.ttl_s == 100
    in_place = "answer www.example.com 300 " + SIGNATURE.format("A").replace("AAAA", "BBBB")
    [only] = told("www.example.com A", WWW, in_place, strayed).answer
    assert len(only.rrset.signatures) == 1 and only.rrset.ttl_s == 300
    [only] = told("www.example.com A", WWW, strayed.replace("www", "mail")).answer
    assert only.rrset.signatures == ()


def test_what_the_question_does_not_need_is_dropped():
    found = told(
        "www.example.com A", WWW,
        "answer mail.example.com 300 A 192.0.2.9",
        "answer www.example.com 300 TXT evil",
        "authority example.com 300 NS ns1.example.com",
        "additional ns1.example.com 300 A 192.0.2.53",
    )  # fmt: skip
    assert found == Answer(
        (), name("www.example.com"), (), Rank.AUTHORITATIVE,
        answer=(held("www.example.com", "A", "192.0.2.1"),),
    )  # fmt: skip


def test_records_of_another_class_are_dropped():
    made = response("www.example.com A", WWW)
    [only] = made.answer
    other = msgspec.structs.replace(made, answer=(msgspec.structs.replace(only, rrclass=3),))
    assert isinstance(scrub(made, question("www.example.com A"), EXAMPLE), Answer)
    assert isinstance(scrub(other, question("www.example.com A"), EXAMPLE), NoData)


def test_an_answer_without_aa_is_believed_less_and_one_of_a_resolver_not_at_all():
    assert told("www.example.com A", WWW, flags="").rank is Rank.ANSWER
    assert isinstance(told("www.example.com A", WWW, flags="RA"), Lame)
    assert isinstance(told("www.example.com A", WWW, flags="AA RA"), Answer)


def test_a_forwarder_is_believed_about_all_names_but_not_much():
    found = told(
        "www.example.com A",
        "answer www.example.com 300 CNAME www.example.net",
        "answer www.example.net 300 A 192.0.2.1",
        cut=".", flags="RA AA", is_forwarder=True,
    )  # fmt: skip
    assert isinstance(found, Answer) and found.rank is Rank.ANSWER
    assert found.target == name("www.example.net")


def test_any_gives_all_rrsets_of_the_name():
    found = told(
        "www.example.com ANY", WWW, "answer www.example.com 300 TXT text",
        "answer mail.example.com 300 A 192.0.2.9",
    )  # fmt: skip
    assert {each.rrset.rrtype for each in found.answer} == {1, 16}


def test_a_question_for_rrsig_gets_the_signatures_of_the_name():
    found = told("www.example.com RRSIG", "answer www.example.com 300 " + SIGNATURE.format("A"))
    [only] = found.answer
    assert only.rrset.rrtype == 46 and len(only.rrset.rdatas) == 1


def test_proofs_come_with_a_signed_answer_only_when_they_are_signed():
    lines = [
        WWW, "answer www.example.com 300 " + SIGNATURE.format("A"),
        "authority a.example.com 300 NSEC z.example.com A RRSIG NSEC",
        "authority a.example.com 300 " + SIGNATURE.format("NSEC"),
        "authority b.example.com 300 NSEC z.example.com A RRSIG NSEC",
    ]  # fmt: skip
    found = told("www.example.com A", *lines)
    assert [proof.owner for proof in found.proofs] == [name("a.example.com")]
    assert found.authority == found.proofs
    assert told("www.example.com A", lines[0], *lines[2:]).proofs == ()


def test_nxdomain_beside_an_answer_is_of_no_use():
    assert isinstance(told("www.example.com A", WWW, rcode="NXDOMAIN"), Lame)
