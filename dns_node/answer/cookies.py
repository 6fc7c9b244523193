"""Server cookies (RFC 7873) in the form that all servers can agree on (RFC 9018).

A server cookie is version 1, three zero octets, the time it was made (u32, seconds) and
SipHash-2-4, under a secret of the cluster, over client cookie, these eight octets and the client's
address.  So every node that has the secret knows the cookies of all others.
"""

import hmac
from typing import Final

import msgspec
from siphash24 import siphash24

CLIENT_COOKIE_SIZE_OCTETS: Final = 8
COOKIES_SIZE_OCTETS: Final = 24
"""Client cookie and server cookie together: what an option of ours always has."""

SECRET_SIZE_OCTETS: Final = 16

AGE_S_MAX: Final = 3600
FUTURE_S_MAX: Final = 300
"""A server cookie is good from five minutes before its time (clocks differ) to an hour after it
(RFC 9018 section 4.3)."""

RENEWAL_AGE_S: Final = 1800
"""A good cookie that is older than this is answered with a new one."""

_VERSION: Final = b"\x01\0\0\0"


class CookieSecrets(msgspec.Struct, frozen=True):
    """What server cookies are made with and checked by, 16 octets each.

    *making* makes them, empty for a server without cookies; *others* are good too: one that will
    be used soon, one that was used until lately.
    """

    making: bytes = b""
    others: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.making)


NO_SECRETS: Final = CookieSecrets()


def make_server_cookie(client_cookie: bytes, address: bytes, now_s: int, secret: bytes) -> bytes:
    """Return the 16 octets of a server cookie that is made at *now_s* (Unix time) for the client
    at *address* (4 or 16 octets)."""
    head = _VERSION + (now_s & 0xFFFF_FFFF).to_bytes(4, "big")
    digest: bytes = siphash24(client_cookie + head + address, key=secret).digest()
    return head + digest


def answer_cookie(
    option: bytes, address: bytes, now_s: int, secrets: CookieSecrets
) -> tuple[bytes, bool]:
    """Return the COOKIE option of the reply to one whose data is *option* (well-formed by
    RFC 7873 section 5.2.2), and whether it held a good server cookie.

    A good one that is younger than half an hour, and made by the secret in use, comes back as it
    is; otherwise the client gets a new one (RFC 9018 section 4.3).
    """
    age_s, is_by_making = _examine(option, address, now_s, secrets)
    if is_by_making and age_s is not None and age_s <= RENEWAL_AGE_S:
        return option, True
    client_cookie = option[:CLIENT_COOKIE_SIZE_OCTETS]
    fresh = make_server_cookie(client_cookie, address, now_s, secrets.making)
    return client_cookie + fresh, age_s is not None


def _examine(
    option: bytes, address: bytes, now_s: int, secrets: CookieSecrets
) -> tuple[int | None, bool]:
    """Return how old the good server cookie in *option* is, None when there is none, and whether
    the secret in use made it.

    The three reserved octets are covered by the hash and may be anything (RFC 9018 section 4.2).
    """
    if len(option) != COOKIES_SIZE_OCTETS or option[8] != 1:
        return None, False
    # Serial number arithmetic (RFC 1982): the time has 32 bits.
    age_s = (now_s - int.from_bytes(option[12:16], "big")) & 0xFFFF_FFFF
    if age_s >= 0x8000_0000:
        age_s -= 0x1_0000_0000
    if not -FUTURE_S_MAX <= age_s <= AGE_S_MAX:
        return None, False
    hashed, told = option[:16] + address, option[16:]
    for secret in (secrets.making, *secrets.others):
        if hmac.compare_digest(siphash24(hashed, key=secret).digest(), told):
            return age_s, secret is secrets.making
    return None, False
