"""Primaries of policy zones that misbehave: nothing of what they send is taken."""

import struct
import threading

import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import dns.tsigkeyring
import pytest

from dns_node.net.recursion import policy_transfer
from dns_node.net.recursion.policy_transfer import Primary, TransferError, TsigKey, transfer
from tests.query_tool.servers import serve

NAME = dns.name.from_text("rpz.example.")
KEY = TsigKey("feed.", "hmac-sha256", "c2l4dGVlbiBvY3RldHMgYW5kIG1vcmUgb2YgdGhlbSE=")
SOA = "ns.example. h.example. 1 1 1 600 60"


@pytest.fixture(scope="module")
def data_path():
    """These tests answer no questions."""
    return ""


def message(octets, *records, key=None, name="rpz.example."):
    """A message of a transfer with these (owner, type, data)."""
    keyring = dns.tsigkeyring.from_text({KEY.name: (KEY.algorithm, KEY.secret)})
    query = dns.message.from_wire(octets, keyring=keyring)
    reply = dns.message.make_response(query)
    reply.question = [dns.rrset.RRset(dns.name.from_text(name), 1, query.question[0].rdtype)]
    for owner, rrtype, data in records:
        reply.answer.append(dns.rrset.from_text(owner, 60, "IN", rrtype, data))
    if key is None:
        reply.tsig = None
        reply.keyring = None
    return reply.to_wire()


WHOLE = (("rpz.example.", "SOA", SOA), ("bad.rpz.example.", "CNAME", "."),
         ("rpz.example.", "SOA", SOA))  # fmt: skip


def fetch(answer, key=None, old=None):
    with serve(answer, closes_at_once=True) as port:
        return transfer(NAME, old, Primary("127.0.0.1", port), key)


def test_a_whole_zone_is_taken():
    zone = fetch(lambda octets, _: [message(octets, *WHOLE)])
    assert dns.name.from_text("bad.rpz.example.") in zone.nodes
    several = [WHOLE[:1], WHOLE[1:2], WHOLE[2:]]
    zone = fetch(lambda octets, _: [message(octets, *part) for part in several])
    assert dns.name.from_text("bad.rpz.example.") in zone.nodes


def test_a_signed_zone_is_taken_from_who_has_the_key():
    zone = fetch(lambda octets, _: [message(octets, *WHOLE, key=KEY)], KEY)
    assert dns.name.from_text("bad.rpz.example.") in zone.nodes


@pytest.mark.parametrize(
    ("records", "options"),
    [(WHOLE[:2], {}), (WHOLE[1:], {}), ((), {}), (WHOLE, {"name": "other.example."})],
    ids=["cut short", "no SOA first", "empty", "another zone"],
)
def test_what_is_no_whole_zone_is_not_taken(records, options):
    with pytest.raises(TransferError):
        fetch(lambda octets, _: [message(octets, *records, **options)])


def test_a_name_outside_the_zone_is_no_part_of_it():
    records = (WHOLE[0], ("bad.elsewhere.", "CNAME", "."), WHOLE[2])
    try:
        zone = fetch(lambda octets, _: [message(octets, *records)])
    except TransferError:
        return
    assert [str(owner) for owner in zone.nodes] == ["rpz.example."]


def test_a_transfer_without_the_signature_that_was_asked_for_is_not_taken():
    with pytest.raises(TransferError):
        fetch(lambda octets, _: [message(octets, *WHOLE)], KEY)


def test_an_endless_transfer_is_broken_off(monkeypatch):
    monkeypatch.setattr(policy_transfer, "OCTETS_MAX", 100_000)

    def answer(octets, _transport):
        yield message(octets, WHOLE[0])
        while True:
            yield message(octets, *(WHOLE[1:2] * 50))

    with pytest.raises(TransferError, match="too large"):
        fetch(answer)


def test_a_primary_that_says_nothing_is_left(monkeypatch):
    monkeypatch.setattr(policy_transfer, "TIMEOUT_S", 0.2)
    is_over = threading.Event()

    def answer(_octets, _transport):
        is_over.wait(5)
        return []

    try:
        with pytest.raises(TransferError, match="no reply in time"):
            fetch(answer)
    finally:
        is_over.set()


def test_a_transfer_that_fails_leaves_the_zone_as_it_was():
    zone = fetch(lambda octets, _: [message(octets, *WHOLE)])

    def torn(octets, _transport):
        new = SOA.replace(" 1 1 1 ", " 2 1 1 ")
        yield message(
            octets, ("rpz.example.", "SOA", new), ("rpz.example.", "SOA", SOA),
            ("bad.rpz.example.", "CNAME", "."), ("rpz.example.", "SOA", new),
        )  # fmt: skip
        yield struct.pack("!H", 5)

    with pytest.raises(TransferError):
        fetch(torn, old=zone)
    assert dns.name.from_text("bad.rpz.example.") in zone.nodes
    assert zone.get_rdataset(NAME, dns.rdatatype.SOA)[0].serial == 1
