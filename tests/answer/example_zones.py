"""Zones that several tests ask."""

RFC4592 = """
@                 SOA   ns.example.com. host.example.com. 1 2 3 4 5
@                 NS    ns.example.com.
@                 NS    ns.example.net.
*                 TXT   "this is a wildcard"
*                 MX    10 host1.example.
sub.*             TXT   "this is not a wildcard"
host1             A     192.0.2.1
_ssh._tcp.host1   SRV   0 0 22 host1.example.
_ssh._tcp.host2   SRV   0 0 22 host2.example.
subdel            NS    ns.example.com.
subdel            NS    ns.example.net.
"""
"""The example zone of RFC 4592 section 2.2.1."""
