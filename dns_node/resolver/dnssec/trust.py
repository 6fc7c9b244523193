"""What is known of zones: whether they are signed, and with which keys; and for how long."""

from typing import Final

import msgspec

from dns_node.resolver.dnssec.keys import ZoneKey
from dns_node.resolver.question import ExtendedError, Security
from dns_node.zone.names import is_subdomain
from dns_node.zone.rrset import WireName

TTL_S_MAX: Final = 86_400
INSECURE_TTL_S_MAX: Final = 3600
FAILURE_TTL_S_MAX: Final = 300
"""Failures are kept for at least one second and at most five minutes (RFC 9520 section 3.2)."""

ENTRIES_MAX: Final = 4096


class Trust(msgspec.Struct, frozen=True, gc=False):
    """What is known of *zone*.

    SECURE: *keys* are those that may sign its records.  INSECURE: it is proved that nothing has to
    be signed there.  BOGUS: it has to be signed, and is not as it should; *error* says why.

    *is_cut* is False where the zone above proves that it reaches down to this name: there is no
    zone of that name.  *made_s* is when it was found out.
    """

    zone: WireName
    security: Security
    expires_s: float
    made_s: float
    keys: tuple[ZoneKey, ...] = ()
    error: ExtendedError | None = None
    is_cut: bool = True


class TrustStore:
    """What is known of the zones that were seen, the least used forgotten first."""

    def __init__(self, entries_max: int = ENTRIES_MAX):
        self._entries_max = entries_max
        self._held: dict[WireName, Trust] = {}

    def __len__(self) -> int:
        return len(self._held)

    def find(self, zone: WireName, now_s: float) -> Trust | None:
        """Return what is known of *zone* now."""
        trust = self._held.get(zone)
        if trust is None or now_s >= trust.expires_s:
            return None
        # Moved to the end: the first are those that were not used for longest.
        self._held[zone] = self._held.pop(zone)
        return trust

    def put(self, trust: Trust) -> None:
        """Keep *trust*."""
        self._held.pop(trust.zone, None)
        self._held[trust.zone] = trust
        while len(self._held) > self._entries_max:
            del self._held[next(iter(self._held))]

    def forget(self, zone: WireName) -> None:
        """Forget what is known of *zone*."""
        self._held.pop(zone, None)

    def flush(self, apex: WireName | None) -> int:
        """Forget all zones at and below *apex*, all with None; return how many there were."""
        gone = [zone for zone in self._held if apex is None or is_subdomain(zone, apex)]
        for zone in gone:
            del self._held[zone]
        return len(gone)

    def sweep(self, now_s: float, entries_max: int) -> int:
        """Forget what is over among the first entries; those that are not go to the end."""
        gone = 0
        for zone in list(self._held)[:entries_max]:
            trust = self._held.pop(zone)
            if now_s < trust.expires_s:
                self._held[zone] = trust
            else:
                gone += 1
        return gone
