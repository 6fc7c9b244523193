"""What is believed of a response that is written as lines."""

from dns_node.resolver.scrub import scrub
from tests.resolver.wire import name, question, response

WWW = "answer www.example.com 300 A 192.0.2.1"
SOA = "authority example.com 900 SOA ns1.example.com h.example.com 1 2 3 4 60"
SIGNATURE = "RRSIG {} 8 3 300 20300101000000 20200101000000 1 example.com. AAAA"
EXAMPLE = name("example.com")


def told(asked: str, *lines: str, cut: str = "example.com", flags="AA", rcode="NOERROR", **how):
    return scrub(
        response(asked, *lines, flags=flags, rcode=rcode), question(asked), name(cut), **how
    )
