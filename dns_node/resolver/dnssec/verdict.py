"""What is asked of a validator, what it needs on the way, and what it says in the end.

A validation is a generator.  It is given a `Claim` (what servers said, scrubbed, in answer to one
question), yields a `Need` for each thing that it has to know, is sent the `Claim` that answers that
need, or None when no server gives one, and returns a `Verdict`::

    validation = validator.validate(claim, budget, now_s)
    need = next(validation)                      # StopIteration: its value is the verdict
    need = validation.send(claim_or_none)        # again, until StopIteration

How to meet a need, `Need.question`, which is always a DS or a DNSKEY:

* Ask the servers of the zone for a DNSKEY; for a DS those of the zone *above* its owner.
  `Claim.zone` says whose servers they were.  The claim is not to be validated first: that is done
  here.  Do not follow aliases.
* What a referral to the owner said of its DS is a good answer to the need for it: the DS RRset as
  `answer`, or else the NSEC and NSEC3 RRsets of the authority section as `authority` with the
  rcode 0, and the zone whose servers sent the referral as `zone`.
* So is an entry of the RRset cache.  What is marked SECURE there is not checked again.
* With `Need.is_fresh` a server has to be asked: what was kept is not good enough.

`BudgetExceeded` comes out of the generator where the question's budget is used up; nothing is then
kept of the validation.  (A failure of a zone that is not due to the budget is kept for a while.)
"""

from enum import IntEnum
from typing import Final

import msgspec

from dns_node.resolver.question import ExtendedError, Held, Question, Security
from dns_node.zone.rrset import WireName


class ErrorCode(IntEnum):
    """The info codes of RFC 8914 that validation gives."""

    UNSUPPORTED_DNSKEY_ALGORITHM = 1
    UNSUPPORTED_DS_DIGEST = 2
    INDETERMINATE = 5
    BOGUS = 6
    SIGNATURE_EXPIRED = 7
    SIGNATURE_NOT_YET_VALID = 8
    DNSKEY_MISSING = 9
    RRSIGS_MISSING = 10
    NO_ZONE_KEY_BIT = 11
    NSEC_MISSING = 12
    SIGNATURE_EXPIRED_BEFORE_VALID = 25
    UNSUPPORTED_NSEC3_ITERATIONS = 27
    SYNTHESIZED = 29
    NEGATIVE_TRUST_ANCHOR = 33


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What servers said to *question*, scrubbed but not yet believed.

    *answer* holds the alias chain from ``question.qname`` on in its order (CNAMEs; a DNAME before
    the CNAME that follows from it), then the RRset that was asked for; *authority* the SOA, the
    NSEC and the NSEC3 RRsets.  `RRset.signatures` are those that came with each.

    *zone* is the cut whose servers sent it, None where that is not known (a forwarder: the answer
    may then come from several zones).  *is_open*: the answer is a chain of aliases whose end is
    asked for separately; without it, an answer that holds nothing of the type that was asked for
    claims that there is nothing, and has to prove it; so does an open one without any alias.  With
    YXDOMAIN the answer ends with the DNAME that makes too long a name (RFC 6672 section 2.2).

    *said_s* is when it was said, None for now: its TTLs count from then.
    """

    question: Question
    rcode: int
    answer: tuple[Held, ...] = ()
    authority: tuple[Held, ...] = ()
    zone: WireName | None = None
    is_open: bool = False
    said_s: float | None = None

    def at(self, now_s: float) -> "Claim | None":
        """Return the claim with the TTLs that are left at *now_s*, None when one is over."""
        if self.said_s is None or not self.answer + self.authority:
            return self
        age_s = max(0, int(now_s - self.said_s))
        if not age_s:
            return self
        if any(held.rrset.ttl_s <= age_s for held in self.answer + self.authority):
            return None
        answer = tuple(_aged(held, age_s) for held in self.answer)
        authority = tuple(_aged(held, age_s) for held in self.authority)
        return msgspec.structs.replace(self, answer=answer, authority=authority, said_s=None)


def _aged(held: Held, age_s: int) -> Held:
    rrset = msgspec.structs.replace(held.rrset, ttl_s=held.rrset.ttl_s - age_s)
    return msgspec.structs.replace(held, rrset=rrset)


class Need(msgspec.Struct, frozen=True, gc=False):
    """A DS or DNSKEY that the validation needs next; see the module.  *is_fresh*: from a server."""

    question: Question
    is_fresh: bool = False


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What the validation of a claim found.

    *answer* and *authority* are those of the claim with the security of each RRset.  In a SECURE
    RRset the TTL is no longer than its signature allows (RFC 4035 section 5.3.3) and *signatures*
    are those that were checked; what the claim held beside what is needed is left out.  The whole
    is as *security* says: BOGUS means that nothing of it may be used.

    *rcode* is that of the claim, or what was proved in its place: a name that exists does so, even
    where NXDOMAIN was said.  *denial_zone* is the zone whose NSEC or NSEC3 proved a secure absence.
    *is_wildcard*: an RRset of the answer was made from a wildcard, so that the proofs in
    *authority* belong to it.
    *errors* explain what is not SECURE; *steps* are lines for WHY.
    """

    security: Security
    answer: tuple[Held, ...] = ()
    authority: tuple[Held, ...] = ()
    errors: tuple[ExtendedError, ...] = ()
    rcode: int = 0
    denial_zone: WireName | None = None
    is_wildcard: bool = False
    steps: tuple[str, ...] = ()


class Synthesis(msgspec.Struct, frozen=True, gc=False):
    """What NSEC or NSEC3 records of earlier, secure answers say to a question (RFC 8198).

    *answer* holds the RRset that a wildcard makes, nothing in a negative answer; *ttl_s* is how
    long it may be kept.  All of it is SECURE.  *target* is where to go on from an alias.
    """

    rcode: int
    answer: tuple[Held, ...]
    authority: tuple[Held, ...]
    ttl_s: int
    target: WireName | None = None


RCODE_NOERROR: Final = 0
RCODE_NXDOMAIN: Final = 3
RCODE_YXDOMAIN: Final = 6
