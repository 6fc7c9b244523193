"""Whatever a server says: nothing out of bailiwick is believed."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dns_node.resolver.message import Record, Response
from dns_node.resolver.question import Held, Question
from dns_node.resolver.scrub import NAME_SERVERS_MAX, scrub
from dns_node.resolver.scrubbed import Alias, Answer, NoData, NxDomain, Referral
from dns_node.zone.names import is_subdomain
from tests.resolver.scrub.told import EXAMPLE
from tests.resolver.wire import name, names, rdata_of

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
