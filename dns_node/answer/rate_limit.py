"""Response rate limiting: how many equal answers over UDP the clients of one netblock may have.

Who forges queries in somebody's name has our answers sent there.  So answers are counted by
account: netblock, kind of answer, and the name it is about (`Sections.subject`); of absent and
synthesised names and those below a zone cut there are any number, and the zone's stands for them
all.  An account has a bucket that holds one second's worth of answers, from which each answer takes
one (GCRA, ITU-T I.371).  When it is empty, answers are dropped; but each *slip*-th is replaced by
`respond.respond_limited`, so that true clients in that netblock still get theirs.

The accounts are 64-bit cells of the block that all workers share, so that the limits are those of
the node.  A cell is bits 0-39: when the bucket is full again, in microseconds, modulo 2^40;
bits 40-42: limited answers modulo *slip*; bit 43: whether answers were limited since the bucket
was full; bits 44-63: the account's tag.  The account is SipHash-2-4, with the block's key, of the
size of the address u8, the netblock, the kind u8, and the subject: its low 15 bits name one of
32,768 rows of eight cells, its high 20 bits are the tag.  Where a row is full, the account that has
most in its bucket is forgotten.  Two workers may read a cell at the same moment: then one answer
is not counted.
"""

import enum
from typing import Final

import msgspec
from siphash24 import siphash24

from dns_node.answer.access import Networks, netblock
from dns_node.answer.shared_block import CELLS, Notice, SharedBlock
from dns_node.zone.rrset import WireName

CELLS_PER_ROW: Final = 8
WINDOW_US: Final = 1_000_000
"""What a bucket holds, as time."""

LACK_US_MAX: Final = 2 * WINDOW_US
"""A bucket that seems to lack more than this has been full since.  It may seem to lack more than it
holds to a worker whose batch began before that of another one."""

SLIP_MAX: Final = 7

ECHO_PORTS: Final = frozenset((7, 13, 17, 19, 37, 53))
"""Ports of services that answer anything: an error sent there may come back as a query, and so on
(CVE-2024-2169).  They get one error a second."""

_TIME_BITS: Final = (1 << 40) - 1
_IS_LIMITED: Final = 1 << 43
_ROWS: Final = CELLS // CELLS_PER_ROW


class Kind(enum.IntEnum):
    """What an answer is counted as."""

    ANSWER = 0
    NODATA = 1
    NXDOMAIN = 2
    REFERRAL = 3
    ERROR = 4
    ECHO = 5


class Verdict(enum.IntEnum):
    """What to do with an answer: send it, send `respond_limited`'s in its place, send nothing;
    or send it because limits are only logged, when it would have been limited."""

    SEND = 0
    SLIP = 1
    DROP = 2
    NOTE = 3


class RateLimits(msgspec.Struct, frozen=True):
    """The limits in force.  *mode* is ``on``, ``log`` (nothing is limited) or ``off``; 0 answers
    per second are no limit; *slip* 0 replaces no answer, 1 each."""

    mode: str = "on"
    answers_per_s: int = 200
    errors_per_s: int = 50
    slip: int = 2
    ipv4_prefix: int = 24
    ipv6_prefix: int = 56
    exempt: Networks = Networks(("127.0.0.0/8", "::1"))


class RateLimiter:
    """Judges the answers of one worker; *limits* may be replaced at any time."""

    def __init__(self, block: SharedBlock, limits: RateLimits):
        self.limits = limits
        self._block = block

    def judge(
        self, address: str, port: int, kind: Kind, subject: WireName, now_us: int
    ) -> Verdict:
        """Return what to do with an answer that is sent to *address* over UDP without a good
        cookie; *now_us* is a clock that all workers share and that never falls.

        An error is not worth a replacement: it is sent or dropped.
        """
        limits = self.limits
        if limits.mode == "off" or limits.exempt.lists(address):
            return Verdict.SEND
        rate_per_s, slip = limits.answers_per_s, limits.slip
        if kind is Kind.ERROR:
            rate_per_s, slip = limits.errors_per_s, 0
            if port in ECHO_PORTS:
                kind, rate_per_s = Kind.ECHO, 1
        if not rate_per_s:
            return Verdict.SEND
        block = netblock(address, limits.ipv4_prefix, limits.ipv6_prefix)
        account = hash_account(self._block.hash_key, block, kind, subject)
        verdict, is_first = charge(self._block.cells, account, now_us, rate_per_s, slip)
        if verdict is Verdict.SEND:
            return verdict
        is_only_logged = limits.mode == "log"
        if is_first:
            self._block.put_notice(Notice(kind, is_only_logged, block, subject))
        return Verdict.NOTE if is_only_logged else verdict


def hash_account(hash_key: bytes, block: bytes, kind: Kind, subject: WireName) -> int:
    """Return the 64-bit number of an account."""
    octets = b"%c%b%c%b" % (len(block), block, kind, subject)
    return int.from_bytes(siphash24(octets, key=hash_key).digest(), "little")


def charge(
    cells: "memoryview[int]", account: int, now_us: int, rate_per_s: int, slip: int
) -> tuple[Verdict, bool]:
    """Take one answer from the bucket of *account*; return SEND, SLIP or DROP, and whether this is
    the first that is limited since the bucket was full."""
    tag = account >> 44
    row = account % _ROWS * CELLS_PER_ROW
    now_us &= _TIME_BITS
    oldest, least_us = row, LACK_US_MAX + 1
    for place in range(row, row + CELLS_PER_ROW):
        cell = cells[place]
        missing_us = (cell - now_us) & _TIME_BITS
        if missing_us > LACK_US_MAX:
            missing_us = 0  # the bucket has been full since
        if missing_us and cell >> 44 == tag:
            break
        if missing_us < least_us:
            oldest, least_us = place, missing_us
    else:
        place, cell, missing_us = oldest, tag << 44, 0
    each_us = WINDOW_US // rate_per_s
    if missing_us + each_us <= WINDOW_US:
        full_at_us = (now_us + missing_us + each_us) & _TIME_BITS
        cells[place] = cell & ~_TIME_BITS | full_at_us
        return Verdict.SEND, False
    is_first = not cell & _IS_LIMITED
    number = cell >> 40 & 7
    if slip:
        cell = cell & ~(7 << 40) | (number + 1) % slip << 40
    cells[place] = cell | _IS_LIMITED
    return Verdict.SLIP if slip and not number else Verdict.DROP, is_first
