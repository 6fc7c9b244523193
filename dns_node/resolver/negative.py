"""What is known not to be (RFC 2308), and what could not be found out (RFC 9520)."""

from typing import Final

import msgspec

from dns_node.resolver.question import ExtendedError, Held, Question, Security
from dns_node.zone.rrset import WireName

WHOLE_NAME: Final = 0
"""`Denied.rrtype` for a name that does not exist: no type is 0."""

PROOFS_SIZE_OCTETS_MAX: Final = 4096
"""Proofs that are larger together are not kept."""


class Denied(msgspec.Struct, frozen=True, gc=False):
    """*owner* has no RRset of type *rrtype*, or does not exist when that is WHOLE_NAME.

    *authority* is what tells it: the SOA first, then the proofs.
    """

    owner: WireName
    rrtype: int
    authority: tuple[Held, ...]
    security: Security = Security.INDETERMINATE

    @property
    def is_nxdomain(self) -> bool:
        """Say whether the whole name does not exist."""
        return self.rrtype == WHOLE_NAME


class Unresolved(msgspec.Struct, frozen=True, gc=False):
    """*question* could not be answered, and is not to be tried again for a while."""

    question: Question
    errors: tuple[ExtendedError, ...] = ()
