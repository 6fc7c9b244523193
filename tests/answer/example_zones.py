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

EXAMPLE = """
@            3600 SOA   ns1.example. host.example. 7 3600 600 86400 300
@            NS    ns1.example.
@            NS    ns2.example.
@            MX    10 mail.example.
@            A     192.0.2.1
ns1          A     192.0.2.2
ns2          A     192.0.2.3
ns2          AAAA  2001:db8::3
mail         A     192.0.2.4
www          CNAME web.example.
web          60 A  192.0.2.5
far          CNAME www.other.
farther      CNAME nosuch.other.
away         CNAME www.elsewhere.
todeleg      CNAME x.child.example.
loop1        CNAME loop2.example.
loop2        CNAME loop1.example.
c1           CNAME c2.example.
c2           CNAME c3.example.
c3           CNAME c4.example.
c4           CNAME c5.example.
c5           CNAME c6.example.
c6           CNAME c7.example.
c7           CNAME c8.example.
c8           CNAME web.example.
c0           CNAME c1.example.
ent.deep     TXT   "here"
child        NS    ns.child.example.
child        NS    ns.sister.example.
child        NS    ns.nowhere.
ns.child     A     192.0.2.10
ns.child     AAAA  2001:db8::10
sister       NS    ns.sister.example.
ns.sister    A     192.0.2.11
secure       NS    ns.secure.example.
secure       DS    1 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns.secure    A     192.0.2.12
hosted       NS    ns1.example.
hosted       DS    2 13 2 0000000000000000000000000000000000000000000000000000000000000000
tree         120 DNAME other.
*.wild       TXT   "wild"
*.walias     CNAME web.example.
*.gone       CNAME nosuch.example.
a.wild       A     192.0.2.20
_sip._udp    SRV   0 0 5060 mail.example.
svc          HTTPS 1 . alpn=h2
svc          A     192.0.2.30
alias        HTTPS 0 svc.example.
new          TYPE65400 \\# 9 0377777703636f6d00
many         TXT   "{long}"
many         TXT   "a{long}"
many         TXT   "b{long}"
many         TXT   "c{long}"
many         TXT   "d{long}"
many         TXT   "e{long}"
""".format(long="x" * 200)
OTHER = """
@            SOA   ns1.other. host.other. 1 2 3 4 60
@            NS    ns1.other.
ns1          A     198.51.100.1
www          A     198.51.100.2
"""
HOSTED = """
@            SOA   ns1.example. host.example. 1 2 3 4 60
@            NS    ns1.example.
www          A     192.0.2.40
"""
