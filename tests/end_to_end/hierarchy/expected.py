"""What a validating resolver says about the hierarchy; the same table for ours and for others."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Expected:
    """A question and what is to come of it.

    *values*: the rdata of the type that was asked for, at the end of the alias chain; *is_secure*:
    AD.
    """

    name: str
    rrtype: str = "A"
    rcode: str = "NOERROR"
    values: tuple[str, ...] = ()
    is_secure: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.rrtype}"


def _secure(name: str, *values: str, rrtype: str = "A") -> Expected:
    return Expected(name, rrtype, values=values, is_secure=True)


def _insecure(name: str, *values: str, rrtype: str = "A") -> Expected:
    return Expected(name, rrtype, values=values)


SECURE: Final = (
    _secure("www.north.", "192.0.2.1"),
    _secure("www.signed.north.", "192.0.2.11"),
    _secure("www.signed.north.", "2001:db8::11", rrtype="AAAA"),
    _secure("signed.north.", "10 mail.signed.north.", rrtype="MX"),
    _secure("anything.wild.signed.north.", "192.0.2.13"),
    _secure("deep.er.wild.signed.north.", "192.0.2.13"),
    _secure("inside.signed.north.", "192.0.2.11"),
    _secure("some.alias.signed.north.", "192.0.2.11"),
    _secure("to-nsec3.signed.north.", "192.0.2.20"),
    _secure("to-knot.signed.north.", "192.0.2.20"),
    _secure("www.tree.signed.north.", "192.0.2.20"),
    _secure("www.sub.signed.north.", "192.0.2.1"),
    _secure("www.nsec3.north.", "192.0.2.20"),
    _secure("other.wild.nsec3.north.", "192.0.2.22"),
    _secure("www.knot.north.", "192.0.2.23"),
    _secure("www.rsa.north.", "192.0.2.1"),
    _secure("ent.signed.north."),
    _secure("www.signed.north.", rrtype="LOC"),
    _secure("ent.nsec3.north."),
    _secure("unsigned.north.", rrtype="DS"),
)
"""Answers and absences that are proven."""

SECURE_ABSENT: Final = tuple(
    Expected(name, rcode="NXDOMAIN", is_secure=True)
    for name in (
        "nothing.north.", "nothing.signed.north.", "nothing.nsec3.north.", "nothing.knot.north.",
        "to-nowhere.signed.north.", "nosuchtld.",
    )
)  # fmt: skip
"""Names whose absence is proven."""

INSECURE: Final = (
    _insecure("www.unsigned.north.", "192.0.2.1"),
    _insecure("www.island.north.", "192.0.2.1"),
    _insecure("www.algorithm.north.", "192.0.2.1"),
    _insecure("www.plain.south.", "192.0.2.40"),
    _insecure("to-plain.signed.north.", "192.0.2.40"),
    _insecure("www.lame.north.", "192.0.2.1"),
    _insecure("www.upward.north.", "192.0.2.1"),
    _insecure("www.dead.north.", "192.0.2.1"),
    _insecure("www.glueless.north.", "192.0.2.1"),
    _insecure("www.six.south.", "192.0.2.1"),
    _insecure("www.slow.north.", "192.0.2.1"),
    _insecure("www.short.south.", "192.0.2.50"),
    _insecure("www.noedns.south.", "192.0.2.51"),
    _insecure("www.folding.south.", "192.0.2.53"),
    _insecure("www.counted.south.", "192.0.2.56"),
    _insecure("c8.chain.south.", "192.0.2.30"),
    Expected("nothing.plain.south.", rcode="NXDOMAIN"),
)
"""Below a delegation that is proven to be insecure."""

BOGUS: Final = tuple(
    Expected(name, rcode="SERVFAIL")
    for name in (
        "www.expired.north.", "www.future.north.", "www.badsig.north.", "www.wrongds.north.",
        "www.missing.north.", "nothing.nodenial.north.", "to-bogus.signed.north.",
    )
)  # fmt: skip
"""What must not be believed."""

UNREACHABLE: Final = tuple(
    Expected(name, rcode="SERVFAIL")
    for name in ("www.nobody.south.", "www.lame.south.", "www.ring-a.south.", "self.chain.south.")
)
"""What can't be resolved."""

ALL: Final = SECURE + SECURE_ABSENT + INSECURE + BOGUS + UNREACHABLE
