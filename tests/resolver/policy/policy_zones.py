"""Policy zones, written as in a master file, and rulings played against given outcomes."""

from dns_node.answer.respond import Client
from dns_node.resolver.policy.policy import Policy
from dns_node.resolver.policy.rpz_match import PolicyZone
from dns_node.resolver.policy.rpz_rules import read_rules
from dns_node.resolver.policy.rpz_table import Table, make_table
from dns_node.resolver.policy.verdict import Answered, NameServers, Request, Resolve
from dns_node.zone.names import name_text, parse_name
from dns_node.zone.rdata import parse_rdata, parse_type, type_text
from dns_node.zone.rrset import RRset
from tests.resolver.policy.outcomes import held, lines, positive, question

APEX = parse_name("rpz.example.")
CLIENT = Client("192.0.2.99", 5353)
BAD = "www.bad.example."
REAL = {"www.bad.example. A": positive(f"{BAD} 300 A 192.0.2.1")}


def nodes_of(*records, apex=APEX):
    """[(owner, {type: RRset})] of records such as ``www.bad.example 60 CNAME .``."""
    found = {}
    for record in records:
        owner, ttl_s, rrtype, data = record.split(None, 3)
        number = parse_type(rrtype)
        node = found.setdefault(parse_name(owner, apex), {})
        rdatas = node[number].rdatas if number in node else ()
        node[number] = RRset(number, int(ttl_s), (*rdatas, parse_rdata(number, data, apex)))
    return list(found.items())


def rules_of(*records, apex=APEX):
    """The rules, by key."""
    complaints = []
    rules = dict(read_rules(apex, nodes_of(*records, apex=apex), complaints))
    assert not complaints
    return rules


def zone_of(*records, apex="rpz.example.", **options):
    """A policy zone with these records."""
    name = parse_name(apex)
    soa = held(f"{apex} 900 SOA ns.example. h.example. 7 2 3 4 60").rrset
    table = Table(make_table(name, soa, rules_of(*records, apex=name).items()))
    return PolicyZone(name, table, **options)


def play(policy, asked, outcomes=None, *, client=CLIENT, is_do=False, is_cd=False):
    """(verdict, what was resolved); *outcomes* are by "name type"."""
    text, _, qtype = asked.partition(" ")
    ruling = policy.rule(Request(question(text, qtype or "A"), client, is_do, is_cd))
    step, resolved = ruling.begin(), []
    while isinstance(step, Resolve):
        key = f"{name_text(step.question.qname)} {type_text(step.question.qtype)}"
        resolved.append(key)
        step = ruling.take((outcomes or {})[key])
    return step, resolved


def shown(verdict):
    """(rcode, records of the answer) of what was answered; else the verdict's name."""
    if not isinstance(verdict, Answered):
        return type(verdict).__name__
    return verdict.outcome.rcode, lines(verdict.outcome.answer)


def policy_of(*zones, **options):
    """A policy of these zones alone."""
    return Policy(zones=zones, **options)


def rewrite(record, asked=f"{BAD} A", outcomes=None, **options):
    """(what the client sees, what was resolved) under one rule."""
    verdict, resolved = play(policy_of(zone_of(record)), asked, outcomes or REAL, **options)
    return shown(verdict), resolved


def servers_of(cut, *names, addresses=()):
    """The servers of a cut; without addresses none is known."""
    wire = tuple(map(parse_name, names))
    return NameServers(
        parse_name(cut), frozenset(wire), frozenset(addresses), wire * (not addresses)
    )


SERVERS = (
    servers_of("bad.example.", "ns.evil.net.", addresses=[bytes((203, 0, 113, 5))]),
    servers_of("example.", "a.tld.", addresses=[bytes((198, 51, 100, 5))]),
)


def known_servers(_name):
    return SERVERS
