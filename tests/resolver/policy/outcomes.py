"""Questions and outcomes, written shortly."""

from dns_node.resolver.question import Held, Outcome, Question, Security
from dns_node.zone.names import name_text, parse_name
from dns_node.zone.rdata import parse_rdata, parse_type, rdata_text, type_text
from dns_node.zone.rrset import RRset


def question(text, qtype="A"):
    """``question("www.example.")``."""
    return Question(parse_name(text), parse_type(qtype))


def held(line, security=Security.INSECURE, signatures=()):
    """One RRset from lines such as ``www.example. 300 A 192.0.2.1``; several rdatas by ``|``."""
    owner, ttl_s, rrtype, data = line.split(None, 3)
    number = parse_type(rrtype)
    rdatas = sorted(parse_rdata(number, text.strip()) for text in data.split("|"))
    rrset = RRset(number, int(ttl_s), tuple(rdatas), tuple(signatures))
    return Held(parse_name(owner), rrset, security)


def positive(*lines, security=Security.INSECURE, ttl_s=300):
    """The outcome with these RRsets in its answer."""
    return Outcome(0, tuple(held(line, security) for line in lines), (), security, ttl_s)


def negative(soa="example. 900 SOA ns.example. h.example. 1 2 3 4 60", rcode=0, answer=()):
    """NODATA, or NXDOMAIN with ``rcode=3``."""
    chain = tuple(held(line) for line in answer)
    return Outcome(rcode, chain, (held(soa),), Security.INSECURE, 60)


def lines(helds):
    """The records of a section as text."""
    return [
        f"{name_text(one.owner)} {one.rrset.ttl_s} {type_text(one.rrset.rrtype)}"
        f" {rdata_text(one.rrset.rrtype, rdata)}"
        for one in helds
        for rdata in one.rrset.rdatas
    ]
