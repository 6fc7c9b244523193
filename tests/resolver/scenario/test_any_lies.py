"""Whatever a server says, the resolver ends within its limits, and other zones are unharmed."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from dns_node.resolver.question import Security
from dns_node.resolver.settings import Limits
from tests.resolver.scenario.player import Player, rcode_of, spelt
from tests.resolver.scenario.script import parse
from tests.resolver.scenario.statements import perform

POISON = "203.0.113.66"
OWNERS = (
    "{qname}", "{above}", "www.good.com.", "good.com.", "com.", ".", "ns.good.com.", "ns.com.",
    "evil.com.", "ns.evil.com.", "x.evil.com.", "a.root-servers.net.", "*.evil.com.",
)  # fmt: skip
RDATA = (
    f"A {POISON}", f"A {POISON}", "A 192.0.2.2", "NS ns.good.com.", "NS ns.evil.com.",
    "NS {qname}", "CNAME www.good.com.", "CNAME x{n}.evil.com.", "CNAME {qname}", "DNAME evil.com.",
    "DNAME good.com.", "SOA ns.com. host.com. 1 3600 600 86400 86400", "TXT text",
    "SOA ns.evil.com. host.evil.com. 1 3600 600 86400 300", "NSEC zz.evil.com. A RRSIG NSEC",
    f"DS 1 13 2 {0:064x}",
)  # fmt: skip
QUESTIONS = ("www.evil.com.", "x.evil.com.", "a.b.c.evil.com.", "evil.com.", "ns.evil.com.")
TYPES = ("A", "NS", "CNAME", "TXT", "AAAA", "DS", "ANY")

STAGE = """# Lies.
zone . at 198.41.0.4 {words} {above}
zone com. at 192.0.2.1 {words} {above}
zone evil.com. at 192.0.2.2 {words}
zone good.com. at 192.0.2.3 {words}
  www A 192.0.2.80
"""


def lie(chance, address):
    """Return a `server` statement with made-up replies of the server at *address*."""
    conditions = chance.choice(["", " over udp", " over tcp", " first 3", " for *.evil.com."])
    harm = chance.choice(["", "", "", "", " trailing", " cut-short", " wrong-case", " ad"])
    action = chance.choice(["reply"] * 8 + ["truncated", "silent", "zone", "slow 1 reply"])
    if action in ("truncated", "silent"):
        harm = ""
    lines = [f"server {address}{conditions}: {action}{harm}"]
    if chance.random() < 0.3:
        lines.append("  rcode " + chance.choice(["NXDOMAIN", "SERVFAIL", "REFUSED", "YXDOMAIN"]))
    if chance.random() < 0.5:
        lines.append("  flags " + chance.choice(["qr", "qr aa", "qr ra", "qr aa ra", "qr aa tc"]))
    for _ in range(chance.randint(0, 6)):
        section = chance.choice(["answer", "answer", "authority", "authority", "additional"])
        times = chance.choice(["", "", "", "12x ", "60x "])
        ttl_s = chance.choice([0, 60, 86400, 2147483647])
        lines.append(f"  {times}{section} {chance.choice(OWNERS)} {ttl_s} {chance.choice(RDATA)}")
    return "\n".join(lines) + "\n"


def world(chance, words, above="", liars=("192.0.2.2",)):
    """Return a player with the stage and lies of *liars*, and its text."""
    text = STAGE.format(words=words, above=above) + "".join(
        lie(chance, chance.choice(liars)) for _ in range(chance.randint(1, 4))
    )
    script = parse("lies", text)
    player = Player(script)
    for statement in script.statements:
        perform(player, statement)
    return player, text


def told(player, name, rrtype):
    """Ask; return the outcome, after a look at what it cost."""
    exchange = player.ask(name, rrtype)
    outcome = player.finish(exchange)
    cost, limits = exchange.cost, Limits()
    assert cost.queries <= limits.queries_max
    assert cost.seconds <= limits.time_max_s + 0.01
    assert cost.octets <= limits.octets_max
    assert cost.checks <= limits.checks_max
    assert cost.restarts <= limits.restarts_max
    return outcome


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_whatever_one_zones_servers_say_other_zones_are_unharmed(seed):
    chance = random.Random(seed)
    player, text = world(chance, "")
    for _ in range(4):
        told(player, chance.choice(QUESTIONS), chance.choice(TYPES))
    for name in ("www.good.com.", "nosuch.good.com.", "nosuch.com."):
        outcome = told(player, name, "A")
        lines = [line for held in outcome.answer for line in spelt(held)]
        if name.startswith("www"):
            assert [line.split()[-1] for line in lines] == ["192.0.2.80"], text
        else:
            assert rcode_of(outcome) == "NXDOMAIN", text
            assert not lines, text
    asked = {log[0] for exchange in player.exchanges[4:] for log in exchange.log}
    assert POISON not in asked, text


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_what_is_told_as_secure_was_signed(seed):
    chance = random.Random(seed)
    words = chance.choice(["signed", "signed nsec3"])
    player, text = world(chance, words, chance.choice(["", "opt-out"]))
    for _ in range(4):
        outcome = told(player, chance.choice(QUESTIONS), chance.choice(TYPES))
        lines = [line for held in outcome.answer for line in spelt(held)]
        assert not any(POISON in line for line in lines), text
        if outcome.security is Security.BOGUS:
            assert not lines, text
            assert rcode_of(outcome) == "SERVFAIL", text
        else:
            assert outcome.security is not Security.INSECURE, text
    outcome = told(player, "www.good.com.", "A")
    assert outcome.security is Security.SECURE, text
    assert [line.split()[-1] for held in outcome.answer for line in spelt(held)] == ["192.0.2.80"]


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_on_whatever_way_lies_come_in_nothing_of_a_signed_tree_is_told_that_is_not_so(seed):
    chance = random.Random(seed)
    liars = ("198.41.0.4", "192.0.2.1", "192.0.2.2", "192.0.2.3")
    player, text = world(chance, chance.choice(["signed", "signed nsec3"]), liars=liars)
    for _ in range(5):
        name = chance.choice((*QUESTIONS, "www.good.com.", "nosuch.good.com.", "good.com.", "."))
        outcome = told(player, name, chance.choice(TYPES))
        assert outcome.security is not Security.INSECURE, text
        lines = [line for held in outcome.answer for line in spelt(held)]
        assert not any(POISON in line for line in lines), text
        if outcome.security is not Security.SECURE:
            assert not lines, text
            assert rcode_of(outcome) in ("SERVFAIL", "YXDOMAIN"), text


def does_something(player, chance, names):
    """Let the client or time do something; what clients without CD are told is returned."""
    name, rrtype = chance.choice(names), chance.choice(TYPES)
    match chance.choice(["ask", "ask", "ask", "cd", "refresh", "wait", "together"]):
        case "ask":
            return [told(player, name, rrtype)]
        case "cd":
            player.finish(player.ask(name, rrtype, is_cd=True))
        case "refresh":
            return [player.finish(player.ask(name, rrtype, is_refresh=True))]
        case "wait":
            player.settle(chance.choice([0.1, 5.0, 61.0, 700.0, 4000.0]))
        case "together":
            begun = [player.ask(name, each) for each in (rrtype, "A", rrtype)]
            return [player.finish(exchange) for exchange in begun]
    return []


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_when_the_lies_are_over_everything_is_as_it_was(seed):
    chance = random.Random(seed)
    liars = ("198.41.0.4", "192.0.2.1", "192.0.2.2", "192.0.2.3")
    player, text = world(chance, chance.choice(["signed", "signed nsec3"]), liars=liars)
    names = (*QUESTIONS, "www.good.com.", "nosuch.good.com.", ".", "com.")
    for _ in range(6):
        for outcome in does_something(player, chance, names):
            lines = [line for held in outcome.answer for line in spelt(held)]
            assert not any(POISON in line for line in lines), text
            assert outcome.security is not Security.INSECURE, text
    player.servers.rules = []
    # Failures and bogus zones are remembered for a minute at most.
    player.settle(130.0)
    outcome = told(player, "www.good.com.", "A")
    assert outcome.security is Security.SECURE, text
    assert [line.split()[-1] for held in outcome.answer for line in spelt(held)] == ["192.0.2.80"]
    assert rcode_of(told(player, "nosuch.evil.com.", "A")) == "NXDOMAIN", text
