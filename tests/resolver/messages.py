"""Replies for the message cache."""

import dns.flags
import dns.message
import dns.rrset

from dns_node.resolver.message_cache import Key


def reply_to(key: Key, ttls_s: tuple[int, ...] = (60,), additional: int = 0) -> bytes:
    """Return a reply without OPT to the question of *key*: an address with each of *ttls_s*, and
    *additional* more in the additional section."""
    name = dns.name.from_wire(key.qname, 0)[0]
    query = dns.message.make_query(name, key.qtype, key.qclass, flags=dns.flags.RD)
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.RA | dns.flags.AD
    for number, ttl_s in enumerate(ttls_s):
        owner = name if not number else dns.name.from_text(f"n{number}", name)
        reply.answer.append(dns.rrset.from_text(owner, ttl_s, 1, 1, f"192.0.2.{number % 250}"))
    for number in range(additional):
        owner = dns.name.from_text(f"more{number}", name)
        reply.additional.append(dns.rrset.from_text(owner, 300, 1, 1, "192.0.2.1"))
    return reply.to_wire(max_size=65535)


def ask(key: Key, message_id: int = 7, flags: int = 0x0100, spelt: bytes | None = None) -> bytes:
    """Return the octets of a query for *key*, its name spelt as *spelt*."""
    name = key.qname if spelt is None else spelt
    assert name.lower() == key.qname
    question = name + key.qtype.to_bytes(2, "big") + key.qclass.to_bytes(2, "big")
    flags |= 0x10 if key.is_cd else 0
    head = message_id << 80 | flags << 64 | 1 << 48 | (1 if key.is_do else 0)
    opt = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0" if key.is_do else b""
    return head.to_bytes(12, "big") + question + opt
