"""What is believed of a response."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.resolver.message import Record, Response
from dns_node.resolver.question import Held, Question, Security
from dns_node.resolver.rank import Rank
from dns_node.resolver.scrub import ALIASES_MAX, NAME_SERVERS_MAX, scrub
from dns_node.resolver.scrubbed import (
    Alias,
    Answer,
    Failure,
    Lame,
    NoData,
    NxDomain,
    Referral,
    TooLong,
)
from dns_node.zone.names import is_subdomain
from tests.resolver.wire import held, name, names, question, rdata_of, response

WWW = "answer www.example.com 300 A 192.0.2.1"
SOA = "authority example.com 900 SOA ns1.example.com h.example.com 1 2 3 4 60"
SIGNATURE = "RRSIG {} 8 3 300 20300101000000 20200101000000 1 example.com. AAAA"
EXAMPLE = name("example.com")


def told(asked: str, *lines: str, cut: str = "example.com", flags="AA", rcode="NOERROR", **how):
    return scrub(
        response(asked, *lines, flags=flags, rcode=rcode), question(asked), name(cut), **how
    )


# Answers


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
        (), name("www.example.com"), (held("www.example.com", "A", "192.0.2.1"),), (),
        Rank.AUTHORITATIVE,
    )  # fmt: skip


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


# Aliases


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


def test_records_of_another_class_are_dropped():
    made = response("www.example.com A", WWW)
    [only] = made.answer
    other = msgspec.structs.replace(made, answer=(msgspec.structs.replace(only, rrclass=3),))
    assert isinstance(scrub(made, question("www.example.com A"), EXAMPLE), Answer)
    assert isinstance(scrub(other, question("www.example.com A"), EXAMPLE), NoData)


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


# What is absent


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


# Referrals


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


def test_a_server_that_knows_nothing_is_lame():
    assert told("www.example.com A", flags="").is_resolver
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


# Whatever a server says


CUTS = st.sampled_from([b"\0", name("com"), EXAMPLE, name("www.example.com")])
TYPES = (1, 28, 2, 5, 39, 6, 16, 43, 46, 47)


@st.composite
def records(draw) -> Record:
    rrtype = draw(st.sampled_from(TYPES))
    rdata = draw(rdata_of(rrtype))
    if rrtype == 46:
        rdata = draw(st.sampled_from([b"\0\1", b"\0\2", b"\0\x2f"])) + bytes(17) + b"\0sig"
    owner = draw(names(labels_max=2))
    return Record(
        owner, rrtype, draw(st.sampled_from([1, 1, 1, 3])), draw(st.integers(0, 999)), rdata
    )


@st.composite
def exchanges(draw) -> tuple[Question, bytes, Response]:
    cut = draw(CUTS)
    below = draw(names(labels_max=2))
    asked = Question(below if is_subdomain(below, cut) else cut, draw(st.sampled_from(TYPES)))
    sections = [tuple(draw(st.lists(records(), max_size=6))) for _ in range(3)]
    flags = 0x8000 | draw(st.sampled_from([0, 0x400, 0x80]))
    rcode = draw(st.sampled_from([0, 0, 0, 3, 6]))
    return asked, cut, Response(1, flags | rcode, rcode, asked, b"", *sections, None)


def all_held(found) -> list[Held]:
    found_sets = []
    for field in found.__struct_fields__:
        value = getattr(found, field)
        values = value if isinstance(value, tuple) else (value,)
        found_sets += [each for each in values if isinstance(each, Held)]
    return found_sets


@given(exchanges(), st.booleans())
def test_nothing_out_of_bailiwick_is_ever_believed(exchange, is_spoof_proof):
    asked, cut, made = exchange
    found = scrub(made, asked, cut, is_spoof_proof=is_spoof_proof)
    for each in all_held(found):
        assert is_subdomain(each.owner, cut)
        assert each.rrset.rdatas and list(each.rrset.rdatas) == sorted(set(each.rrset.rdatas))
    match found:
        case Referral(below, name_servers, authority, glue):
            assert below != cut and is_subdomain(below, cut) and is_subdomain(asked.qname, below)
            assert name_servers.owner == below
            assert len(name_servers.rrset.rdatas) <= NAME_SERVERS_MAX
            assert {each.owner for each in glue} <= set(name_servers.rrset.rdatas)
            assert all(each.rrset.rrtype in (43, 47, 50) for each in authority)
        case Answer() | Alias() | NoData() | NxDomain():
            at = asked.qname
            for alias in found.aliases:
                if alias.rrset.rrtype == 39:
                    assert is_subdomain(at, alias.owner) and at != alias.owner
                else:
                    assert alias.owner == at
                    [at] = alias.rrset.rdatas
            assert found.target == at
            if isinstance(found, Answer):
                assert all(each.owner == at for each in found.answer)
                assert {each.rrset.rrtype for each in found.answer} == {asked.qtype}
            if isinstance(found, NoData | NxDomain):
                assert is_subdomain(at, cut)
                assert found.soa is None or is_subdomain(at, found.soa.owner)


@given(exchanges(), st.lists(records(), max_size=6), st.permutations(range(3)))
def test_records_from_outside_change_nothing(exchange, more, order):
    asked, cut, made = exchange
    # But for those that say that another zone is meant.
    outside = tuple(
        each for each in more
        if not is_subdomain(each.owner, cut) and each.rrtype not in (2, 6)
    )  # fmt: skip
    sections = [made.answer, made.authority, made.additional]
    sections[order[0]] = outside + sections[order[0]]
    padded = msgspec.structs.replace(
        made, answer=sections[0], authority=sections[1], additional=sections[2]
    )
    assert scrub(padded, asked, cut) == scrub(made, asked, cut)
