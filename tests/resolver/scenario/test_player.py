"""The player itself: what is written wrongly is refused, what does not happen is noticed, and its
servers speak as servers do."""

import dns.dnssec
import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.resolver.scenario import authority
from tests.resolver.scenario.player import BEGIN_S, Player
from tests.resolver.scenario.script import SCENARIOS, ScriptError, parse, read
from tests.resolver.scenario.statements import perform

STAGE = {"zone", "set", "local", "upstream", "route", "nta"}

EXAMPLE = """# A name.
zone . at 198.41.0.4
zone example. at 192.0.2.2
  www A 192.0.2.80
  *.wild A 192.0.2.81
  alias CNAME www
  tree DNAME example.
  deep.empty A 192.0.2.82
  sub NS ns.sub
  ns.sub A 192.0.2.3
"""


def play(text):
    return Player(parse("test", text)).play()


def staged(text):
    """Return a player with its zones built, and nothing asked."""
    script = parse("test", text)
    player = Player(script)
    for statement in script.statements:
        if statement.verb in STAGE:
            perform(player, statement)
    player.build_zones()
    return player


def reply_of(address, qname, qtype="A", text=EXAMPLE, **options):
    query = dns.message.make_query(qname, qtype, flags=0, **options)
    zones = staged(text).servers.zones[address]
    return dns.message.from_wire(authority.answer(query.to_wire(), zones, True))


@pytest.mark.parametrize(
    "text",
    [
        "zone . at 198.41.0.4\n",
        "# Title\n  indented\n",
        "# Title\nzones . at 198.41.0.4\n",
        "# Title\nlimit queries\n",
        "# Title\nzone . 198.41.0.4\n",
        "# Title\nserver 192.0.2.1 sometimes: silent\n",
        "# Title\nset limits.queries 3\nzone . at 198.41.0.4\nclient> a. A\n",
    ],
)
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(ScriptError):
        play(text)


@pytest.mark.parametrize(
    "lines",
    [
        "client< NXDOMAIN",
        "client< NOERROR\n  www.example. A 192.0.2.81",
        "client< NOERROR",
        "client< NOERROR\n  www.example. 60 A 192.0.2.80",
        "client< NOERROR secure\n  ...",
        "client< NOERROR stale\n  ...",
        "client< NOERROR ede=3\n  ...",
        "client< NOERROR within=0.001\n  ...",
        "queries 1",
        "queries 1 to 192.0.2.2\nqueries 0 to 192.0.2.2",
        "asks among\n  192.0.2.9 www.example. A",
        "asks\n  192.0.2.2 www.example. A",
        "why no such text",
    ],
)
def test_what_does_not_happen_is_noticed(lines):
    with pytest.raises(AssertionError, match=r"test\.scenario:\d+"):
        play(EXAMPLE + "client> www.example. A\n" + lines + "\n")


def test_a_server_refers_with_glue_and_without_aa():
    reply = reply_of("192.0.2.2", "www.sub.example.")
    assert not reply.flags & dns.flags.AA
    assert [str(rrset) for rrset in reply.authority] == ["sub.example. 3600 IN NS ns.sub.example."]
    assert [str(rrset) for rrset in reply.additional] == ["ns.sub.example. 3600 IN A 192.0.2.3"]


def test_a_zone_is_delegated_by_the_zone_above_it():
    reply = reply_of("198.41.0.4", "www.example.")
    assert str(reply.authority[0]) == "example. 3600 IN NS ns.example."
    assert str(reply.additional[0]) == "ns.example. 3600 IN A 192.0.2.2"


@pytest.mark.parametrize(
    ("qname", "rcode", "answer"),
    [
        ("www.example.", "NOERROR", ["www.example. 3600 IN A 192.0.2.80"]),
        ("a.b.wild.example.", "NOERROR", ["a.b.wild.example. 3600 IN A 192.0.2.81"]),
        ("empty.example.", "NOERROR", []),
        ("nosuch.example.", "NXDOMAIN", []),
        ("elsewhere.", "REFUSED", []),
        (
            "alias.example.",
            "NOERROR",
            ["alias.example. 3600 IN CNAME www.example.", "www.example. 3600 IN A 192.0.2.80"],
        ),
        (
            "www.tree.example.",
            "NOERROR",
            [
                "tree.example. 3600 IN DNAME example.",
                "www.tree.example. 3600 IN CNAME www.example.",
                "www.example. 3600 IN A 192.0.2.80",
            ],
        ),
    ],
)
def test_a_server_answers_as_rfc1034_4_3_2_has_it(qname, rcode, answer):
    reply = reply_of("192.0.2.2", qname)
    assert dns.rcode.to_text(reply.rcode()) == rcode
    assert [str(rrset) for rrset in reply.answer] == answer


def test_a_large_reply_is_cut_to_a_header_with_tc_over_udp():
    text = EXAMPLE + "".join(f"  many A 198.18.0.{number}\n" for number in range(100))
    reply = reply_of("192.0.2.2", "many.example.", text=text)
    assert reply.flags & dns.flags.TC
    assert not reply.answer


SIGNED = [path.stem for path in sorted(SCENARIOS.glob("*.scenario"))
          if " signed" in path.read_text(encoding="utf-8")]  # fmt: skip


@pytest.mark.parametrize("name", SIGNED)
def test_signatures_are_good_where_nothing_else_is_said(name):
    player = Player(read(SCENARIOS / f"{name}.scenario"))
    for statement in player.script.statements:
        if statement.verb in STAGE:
            perform(player, statement)
    player.build_zones()
    for zone in player.zones:
        if {"keytrap", "expired", "future"} & set(zone.options):
            continue
        keys = {zone.apex: zone.find(zone.apex, 48)}
        proofs = {(rrset.name, rrset.rdtype): rrset for rrset in zone.denial.rrsets()}
        for place, signatures in zone.signatures.items():
            rrset = proofs.get(place) or zone.find(*place)
            policy = dns.dnssec.allow_all_policy
            dns.dnssec.validate(rrset, signatures, keys, now=BEGIN_S, policy=policy)
