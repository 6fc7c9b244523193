"""The octets of a reply: compression, whole RRsets, signatures."""

from collections import Counter

import dns.message
import dns.name
from hypothesis import given
from hypothesis import strategies as st

from dns_node.answer.respond import QR
from dns_node.answer.sections import ADDITIONAL, ANSWER, Message, Sections, compose
from dns_node.zone.rrset import RRset
from tests.answer.dict_view import wire

labels = st.sampled_from([b"a", b"b", b"example", b"x" * 63, b"\0", b"*"])
names = st.lists(labels, max_size=3).map(
    lambda found: b"".join(bytes([len(label)]) + label for label in found) + b"\0"
)


def rdatas_of(rrtype):
    if rrtype == 6:
        return st.tuples(names, names).map(lambda pair: pair[0] + pair[1] + bytes(20))
    if rrtype == 15:
        return names.map(lambda name: b"\0\x0a" + name)
    if rrtype == 33:
        return names.map(lambda name: bytes(6) + name)
    return names


rrsets = st.sampled_from([2, 5, 6, 12, 15, 33, 39]).flatmap(
    lambda rrtype: st.lists(rdatas_of(rrtype), min_size=1, max_size=4, unique=True).map(
        lambda found: RRset(rrtype, 60, tuple(sorted(found)))
    )
)


def message_of(qname, entries, size=65535):
    sections = Sections()
    for owner, rrset, is_required in entries:
        sections.put(ANSWER if is_required else ADDITIONAL, owner, rrset, is_required=is_required)
    question = qname + b"\0\1\0\1"
    message, is_truncated = compose(question, qname, sections, size, False)
    return message.finish(7, QR, b""), is_truncated, sections


@given(names, st.lists(st.tuples(names, rrsets, st.just(True)), max_size=30))
def test_dnspython_reads_back_what_was_composed(qname, entries):
    octets, is_truncated, sections = message_of(qname, entries)
    assert not is_truncated
    parsed = dns.message.from_wire(octets, one_rr_per_rrset=True)
    found = [(r.name.to_wire(), int(r.rdtype), r[0].to_wire()) for r in parsed.answer]
    expected = [
        (entry.owner, entry.rrset.rrtype, rdata)
        for entry in sections.entries[ANSWER]
        for rdata in entry.rrset.rdatas
    ]
    assert found == expected


@given(
    names,
    st.lists(st.tuples(names, rrsets, st.booleans()), max_size=20),
    st.integers(300, 900),
)
def test_a_reply_never_exceeds_its_size_and_holds_whole_rrsets(qname, entries, size):
    octets, is_truncated, sections = message_of(qname, entries, size)
    assert len(octets) <= size
    parsed = dns.message.from_wire(octets, one_rr_per_rrset=True)
    if is_truncated:
        assert not parsed.answer and not parsed.additional
    else:
        assert len(parsed.answer) == sum(
            len(entry.rrset.rdatas) for entry in sections.entries[ANSWER]
        )
    sizes = {
        (entry.owner, entry.rrset.rrtype): len(entry.rrset.rdatas)
        for entry in sections.entries[ADDITIONAL]
    }
    found = Counter((r.name.to_wire(), int(r.rdtype)) for r in parsed.additional)
    assert all(sizes[key] == number for key, number in found.items())


def test_the_rule_of_compression_by_example():
    qname = wire("www.example.com.")
    hosts = wire("a.mail.example.com."), wire("b.mail.example.com.")
    mx = RRset(15, 1, (b"\0\1" + hosts[0], b"\0\2" + hosts[1]))
    srv = RRset(33, 1, (bytes(6) + wire("www.example.com."),))
    octets, _, _ = message_of(qname, [(qname, mx, True), (wire("example.com."), srv, True)])
    body = octets[12 + len(qname) + 4 :]
    fixed = "000f000100000001"
    assert body.hex() == (
        "c00c" + fixed + "000b" + "0001" + "0161" + "046d61696c" + "c010"  # a.mail.(example.com)
        + "c00c" + fixed + "0006" + "0002" + "0162" + "c031"  # b.(mail.example.com)
        + "c010" + "0021000100000001" + "0017" + "000000000000" + wire("www.example.com.").hex()
    )  # fmt: skip


def test_after_120_pointers_names_are_written_out():
    qname = wire("e.")
    message = Message(qname + b"\0\1\0\1", qname, 65535)
    for number in range(130):
        owner = b"\x04" + f"n{number:03}".encode() + qname
        sections = Sections()
        sections.put(ANSWER, owner, RRset(1, 1, (b"\x7f\0\0\1",)))
        before = len(message.octets)
        assert message.add(ANSWER, sections.entries[ANSWER][0], False)
        pointer = message.octets[before + 5] >= 0xC0
        assert pointer == (number < 120)
    dns.message.from_wire(message.finish(1, QR, b""))


def test_no_pointer_goes_beyond_16383_octets():
    qname = wire("e.")
    owners = [(f"x{n}.", n) for n in range(90)]
    entries = [(wire(name), RRset(16, 1, (b"\xff" + b"t" * 255,)), True) for name, _ in owners]
    entries += [(wire(name), RRset(1, 1, (b"\x7f\0\0\1",)), True) for name, _ in owners]
    octets, _, _ = message_of(qname, entries)
    parsed = dns.message.from_wire(octets)
    assert len(octets) > 0x4000
    assert [r.name for r in parsed.answer] == [dns.name.from_wire(e[0], 0)[0] for e in entries]
