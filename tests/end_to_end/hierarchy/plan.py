"""The name tree: which zone is where, how it is signed, and what is wrong with it.

`Zone.text` is the zone without its SOA and its NS records, in master file format; "{4:HOST}" in it
stands for an IPv4 address, "{6:HOST}" for an IPv6 address of the hierarchy.
"""

from dataclasses import dataclass
from typing import Final

# Hosts by number.  One host is one server, so that no server answers for a parent and its child.
ROOT_A, ROOT_B = 1, 2
NORTH_1, NORTH_2, SOUTH_1, SOUTH_2 = 10, 11, 12, 13
NSD, KNOT, BIND = 20, 21, 22
SLOW, SILENT, REFUSING, LIAR, SHORT, NO_EDNS, FOLDING, DEAF_TO_EDNS, UPWARD, COUNTED, CRAWLING = (
    range(30, 41)
)
MUTABLE = 41
FAST_RESOLVER, SLOW_RESOLVER, FAILING_RESOLVER = 51, 52, 53
NOBODY = 99
"""An address where nothing listens."""

REAL_HOSTS: Final = {
    "nsd": (ROOT_A, SOUTH_2, NSD),
    "knot": (ROOT_B, NORTH_1, KNOT),
    "bind": (NORTH_2, SOUTH_1, BIND),
}
"""By software: the hosts that it runs, each a process."""

ODD_HOSTS: Final = (
    SLOW, SILENT, REFUSING, LIAR, SHORT, NO_EDNS, FOLDING, DEAF_TO_EDNS, UPWARD, COUNTED, CRAWLING,
    MUTABLE, FAST_RESOLVER, SLOW_RESOLVER, FAILING_RESOLVER,
)  # fmt: skip
"""The hosts of `odd`: one process that misbehaves on purpose, or counts."""


@dataclass(frozen=True)
class Signing:
    """How a zone is signed.  *tool*: "bind", "ldns" or "knot" (which signs while it serves);
    *iterations* of NSEC3, None for NSEC; *days* from now: inception and expiry."""

    tool: str
    algorithm: str = "ECDSAP256SHA256"
    iterations: int | None = None
    is_opt_out: bool = False
    has_zsk: bool = False
    days: tuple[int, int] = (-1, 30)


@dataclass(frozen=True)
class Zone:
    """One zone.  *hosts* serve it; *names* are its NS names, by default ns1, ns2, … in it.

    *ds* is what the parent has: "" for the DS of its key (none when it is not signed), "none",
    "wrong", or the rdata of one.  *damage* names what is done to it after signing: "signature" (the
    address of www is another one), "denial" (no NSEC).
    """

    apex: str
    hosts: tuple[int, ...]
    text: str = "www A 192.0.2.1\n"
    signing: Signing | None = None
    names: tuple[str, ...] = ()
    ds: str = ""
    damage: str = ""
    ttl_s: int = 3600
    negative_ttl_s: int = 60
    has_ipv6_only: bool = False

    @property
    def parent(self) -> str:
        """The apex of the zone above; "" for the root's."""
        return "" if self.apex == "." else self.apex.split(".", 1)[1] or "."

    def ns_names(self) -> tuple[str, ...]:
        """Return the absolute names of its name servers."""
        return self.names or tuple(
            f"ns{number}.{self.apex}" for number in range(1, len(self.hosts) + 1)
        )


_LDNS = Signing("ldns")

SIGNED_TEXT = """
@ A 192.0.2.10
@ MX 10 mail
@ CAA 0 issue "ca.north"
www A 192.0.2.11
www AAAA 2001:db8::11
mail A 192.0.2.12
*.wild A 192.0.2.13
a.b.ent A 192.0.2.14
big 300 TXT {big}
inside CNAME www
to-plain CNAME www.plain.south.
to-nsec3 CNAME www.nsec3.north.
to-knot CNAME to-nsec3.knot.north.
to-nowhere CNAME nothing.nsec3.north.
to-bogus CNAME www.badsig.north.
*.alias CNAME www
tree DNAME nsec3.north.
short 2 A 192.0.2.15
_443._tcp.www TLSA 3 1 1 {tlsa}
"""

CHAIN_TEXT = "\n".join(
    ["end A 192.0.2.30"]
    + [f"c{n} CNAME {f'c{n - 1}' if n > 1 else 'end'}" for n in range(1, 21)]
    + ["ring-a CNAME ring-b", "ring-b CNAME ring-a", "self CNAME self", ""]
)

ZONES: Final = (
    Zone(
        ".",
        (ROOT_A, ROOT_B),
        names=("a.root.", "b.root."),
        text="a.root. A {4:1}\nb.root. A {4:2}\n",
        signing=Signing("bind", "RSASHA256", has_zsk=True),
    ),
    Zone("north.", (NORTH_1, NORTH_2), signing=_LDNS),
    Zone("south.", (SOUTH_1, SOUTH_2), signing=Signing("bind", iterations=0, is_opt_out=True)),
    # Secure, by every tool and algorithm.
    Zone("signed.north.", (NSD,), SIGNED_TEXT, _LDNS),
    Zone("sub.signed.north.", (BIND,), signing=Signing("bind", "ECDSAP384SHA384")),
    Zone(
        "nsec3.north.",
        (BIND,),
        "www A 192.0.2.20\na.ent A 192.0.2.21\n*.wild A 192.0.2.22\n",
        Signing("bind", iterations=0),
    ),  # fmt: skip
    Zone(
        "knot.north.",
        (KNOT,),
        "www A 192.0.2.23\nto-nsec3 CNAME www.nsec3.north.\n",
        Signing("knot", "ED25519", iterations=0),
    ),  # fmt: skip
    Zone("rsa.north.", (BIND,), signing=Signing("bind", "RSASHA256", 10, has_zsk=True)),
    # Insecure, each for another reason.
    Zone("unsigned.north.", (NSD,)),
    Zone("island.north.", (NSD,), signing=_LDNS, ds="none"),
    Zone("algorithm.north.", (NSD,), ds=f"4711 200 2 {'AB' * 32}"),
    Zone("plain.south.", (NSD,), "www A 192.0.2.40\nlong 300 TXT {big}\n"),
    Zone("iterations.south.", (BIND,), signing=Signing("bind", iterations=120)),
    # Bogus, each for another reason.
    Zone("expired.north.", (NSD,), signing=Signing("ldns", days=(-60, -30))),
    Zone("future.north.", (NSD,), signing=Signing("ldns", days=(30, 60))),
    Zone("badsig.north.", (NSD,), signing=_LDNS, damage="signature"),
    Zone("wrongds.north.", (NSD,), signing=_LDNS, ds="wrong"),
    Zone("missing.north.", (NSD,), ds=f"4711 13 2 {'CD' * 32}"),
    Zone("nodenial.north.", (NSD,), signing=_LDNS, damage="denial"),
    # Delegations with something amiss.
    Zone("lame.north.", (REFUSING, NSD)),
    Zone("upward.north.", (UPWARD, NSD)),
    Zone("dead.north.", (SILENT, NOBODY, NSD)),
    Zone("nobody.south.", (NOBODY,)),
    Zone("lame.south.", (REFUSING, UPWARD)),
    Zone("glueless.north.", (NSD,), names=("ns1.plain.south.",)),
    Zone("ring-a.south.", (NSD,), names=("ns1.ring-b.south.",)),
    Zone("ring-b.south.", (NSD,), names=("ns1.ring-a.south.",)),
    Zone("six.south.", (NSD,), has_ipv6_only=True),
    # Servers with a way of their own.
    Zone("slow.north.", (SLOW, NSD)),
    Zone("short.south.", (SHORT,), "www A 192.0.2.50\n"),
    Zone("noedns.south.", (NO_EDNS,), "www A 192.0.2.51\n"),
    Zone("deaf.south.", (DEAF_TO_EDNS,), "www A 192.0.2.52\n"),
    Zone("folding.south.", (FOLDING,), "www A 192.0.2.53\n"),
    Zone("liar.south.", (LIAR,), "www A 192.0.2.54\nalso A 192.0.2.55\n"),
    Zone("counted.south.", (COUNTED,), "www A 192.0.2.56\nhot 5 A 192.0.2.57\n* A 192.0.2.58\n"),
    Zone("crawling.south.", (CRAWLING,), "* A 192.0.2.59\n"),
    Zone("mutable.south.", (MUTABLE,), "www 2 A 192.0.2.60\n* 2 A 192.0.2.61\n"),
    # Names with something amiss.
    Zone("chain.south.", (NSD,), CHAIN_TEXT),
    Zone("private.south.", (NSD,), "ten A 10.1.2.3\nhome A 127.0.0.1\nlan A 192.168.1.1\n"),
)


def children_of(apex: str) -> tuple[Zone, ...]:
    """Return the zones that are delegated by the one at *apex*."""
    return tuple(zone for zone in ZONES if zone.parent == apex)


def zone_of(apex: str) -> Zone:
    """Return the zone at *apex*; StopIteration when there is none."""
    return next(zone for zone in ZONES if zone.apex == apex)
