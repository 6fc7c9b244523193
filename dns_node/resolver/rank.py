"""How much data is to be believed by where it came from (RFC 2181 section 5.4.1)."""

from enum import IntEnum


class Rank(IntEnum):
    """The ranks from the least believed on; data replaces what has the same rank or a lower one.

    What has a rank below ANSWER finds servers and is never told to a client.
    """

    HINT = 0
    """What the configuration says of the root servers."""
    ADDITIONAL = 1
    """The NS RRset and the glue of a referral."""
    ANSWER = 2
    """From the answer section, but of a server that does not speak for the zone (a resolver, the
    later part of a chain of aliases)."""
    AUTHORITY = 3
    """From the authority section of an authoritative answer; DS and its proofs in a referral."""
    AUTHORITATIVE = 4
    """What the answer section of an authoritative answer says to the question itself."""
