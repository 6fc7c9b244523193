"""Asking `respond` as a client would, and reading the reply with dnspython."""

import dns.flags
import dns.message
import dns.rcode

from dns_node.answer.respond import AnswerSettings, Client, Drop, respond
from tests.model.native import twin

SETTINGS = AnswerSettings(identity=b"node-0", version=b"dns-node")
UDP = Client("192.0.2.53", 4000)
TCP = Client("192.0.2.53", 4000, True)


def ask_octets(view, octets, client=UDP, settings=SETTINGS):
    """Return the octets of the reply, or None when there is none.

    Where the native core is built, it is asked too: what it answers must be the same.
    """
    reply = respond(octets, view, client, 0.0, settings)
    expected = None if isinstance(reply, Drop) else reply.octets
    core = twin(view)
    if core is not None:
        assert core.respond(octets, client, 0.0, settings) in (expected, False)
    return expected


def ask(view, qname, qtype="A", client=UDP, settings=SETTINGS, **options):
    """Return the parsed reply to a query without RD; *options* are dnspython's make_query's."""
    query = dns.message.make_query(qname, qtype, flags=0, **options)
    octets = ask_octets(view, query.to_wire(), client, settings)
    reply = dns.message.from_wire(octets)
    assert query.is_response(reply)
    return reply


def rcode(reply):
    """Return the rcode as text."""
    return dns.rcode.to_text(reply.rcode())


def is_aa(reply):
    """Say whether AA is set."""
    return bool(reply.flags & dns.flags.AA)


def is_tc(reply):
    """Say whether TC is set."""
    return bool(reply.flags & dns.flags.TC)


def lines(section):
    """Return the records of a section as sorted lines of owner, TTL, type and rdata."""
    return sorted(
        f"{rrset.name} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {rdata}"
        for rrset in section
        for rdata in rrset
    )
