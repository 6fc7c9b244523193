"""Trust anchors: the keys at which chains of trust begin, and how they change (RFC 5011).

An anchor of a zone is configured as a DS or a DNSKEY record.  What the zone's own key set, signed
by an anchor, says afterwards is followed: a new key becomes an anchor when it has been there for 30
days, one that revokes itself is none from then on, for good.  `rows` is what has to outlive a
restart.  Negative anchors (RFC 7646) say below which names nothing is validated for a while.

Everything here is values and times; nobody is asked.  `Anchors.due` says whose keys are to be
looked at again, `Anchors.observe` takes what was seen.
"""

import math
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final

import msgspec

from dns_node.resolver.dnssec.keys import ZoneKey, digest_of
from dns_node.resolver.dnssec.records import DS, REVOKED, Delegation, key_tag, parse_ds
from dns_node.zone.names import ROOT, ancestors
from dns_node.zone.rrset import WireName

DAY_S: Final = 86_400

ADD_HOLD_DOWN_S: Final = 30 * DAY_S
REMOVE_HOLD_DOWN_S: Final = 30 * DAY_S

KEYS_MAX: Final = 16
"""Keys that are remembered of one zone; a zone that shows more has the others ignored."""

_SEP: Final = 0x0001

ROOT_ANCHORS: Final[tuple[tuple[WireName, int, bytes], ...]] = tuple(
    (ROOT, DS, tag.to_bytes(2, "big") + b"\x08\x02" + bytes.fromhex(digest))
    for tag, digest in (
        # KSK-2017 and KSK-2024 (https://data.iana.org/root-anchors/root-anchors.xml).
        (20326, "e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d"),
        (38696, "683d2d0acb8c9b712a1948b27f741219298d0a450d612c483af444a4c0fb2b16"),
    )
)
"""The DS records of the root zone's keys."""


class KeyState(Enum):
    """The states of RFC 5011 section 4.2, without Start (a key that is not known)."""

    ADD_PENDING = "add pending"
    VALID = "valid"
    MISSING = "missing"
    REVOKED = "revoked"
    REMOVED = "removed"


class Row(msgspec.Struct, frozen=True, gc=False):
    """What is known of one key of a zone with an anchor.

    *dnskey* is its rdata without the revoked flag.  *since_s* is when it came into *state*.
    """

    zone: WireName
    dnskey: bytes
    state: KeyState
    since_s: float


class _Zone:
    """The anchors of one zone."""

    def __init__(self) -> None:
        self.configured: list[Delegation] = []
        self.rows: dict[bytes, Row] = {}
        self.next_look_s = 0.0


class Anchors:
    """The trust anchors of a validator.  *configured* are (owner, type, rdata) of DS and DNSKEY
    records."""

    def __init__(self, configured: Iterable[tuple[WireName, int, bytes]]):
        self._zones: dict[WireName, _Zone] = {}
        for owner, rrtype, rdata in configured:
            zone = self._zones.setdefault(owner, _Zone())
            anchor = parse_ds(rdata) if rrtype == DS else digest_of(owner, rdata)
            if anchor not in zone.configured:
                zone.configured.append(anchor)

    def closest(self, name: WireName) -> WireName | None:
        """Return the deepest zone with an anchor at or above *name*."""
        return next((above for above in ancestors(name) if above in self._zones), None)

    def delegations(self, zone: WireName) -> tuple[Delegation, ...]:
        """Return the anchors of *zone* that hold now, as DS records."""
        held = self._zones[zone]
        trusted = [
            digest_of(zone, row.dnskey)
            for row in held.rows.values()
            if row.state in (KeyState.VALID, KeyState.MISSING)
        ]
        gone = [
            row.dnskey
            for row in held.rows.values()
            if row.state in (KeyState.REVOKED, KeyState.REMOVED)
        ]
        configured = [
            anchor
            for anchor in held.configured
            if anchor not in trusted and not any(_is_of(anchor, zone, each) for each in gone)
        ]
        return tuple(trusted + configured)

    def is_anchor(self, zone: WireName, key: ZoneKey) -> bool:
        """Return whether *key*, seen without its revoked flag, is an anchor of *zone*."""
        rdata = _without_revoked(key.rdata)
        return any(_is_of(anchor, zone, rdata) for anchor in self.delegations(zone))

    def rows(self) -> tuple[Row, ...]:
        """Return what is to be kept over a restart."""
        return tuple(row for zone in self._zones.values() for row in zone.rows.values())

    def load(self, rows: Iterable[Row]) -> None:
        """Take up *rows* of an earlier run; those of zones without an anchor are ignored."""
        for row in rows:
            zone = self._zones.get(row.zone)
            if zone is not None and len(zone.rows) < KEYS_MAX:
                zone.rows[row.dnskey] = row

    def due(self, now_s: float) -> tuple[WireName, ...]:
        """Return the zones whose DNSKEY RRset is to be asked for again (section 2.3)."""
        return tuple(name for name, zone in self._zones.items() if now_s >= zone.next_look_s)

    def failed(self, zone: WireName, now_s: float) -> None:
        """The keys of *zone* could not be had or were not good: ask again in an hour."""
        self._zones[zone].next_look_s = now_s + 3600

    def observe(
        self,
        zone: WireName,
        keys: Sequence[ZoneKey],
        revoked: Sequence[ZoneKey],
        original_ttl_s: int,
        signature_left_s: float,
        now_s: float,
    ) -> bool:
        """Take note of the key set of *zone*, whose signature by an anchor was checked just now.

        *revoked* are those of *keys* that have the revoked flag and have signed the set
        themselves.  Return whether anything changed that is to be kept.
        """
        held = self._zones[zone]
        half = min(15 * DAY_S, original_ttl_s / 2, signature_left_s / 2)
        held.next_look_s = now_s + max(3600, half)
        before = dict(held.rows)
        hold_down_s = max(ADD_HOLD_DOWN_S, original_ttl_s)
        seen = {_without_revoked(key.rdata) for key in keys if not key.is_revoked}
        for rdata in sorted(seen):
            if rdata[1] & _SEP and rdata[0] & 1:
                self._see(zone, held, rdata, hold_down_s, now_s)
        for key in revoked:
            self._revoke(zone, held, _without_revoked(key.rdata), now_s)
        for rdata, row in list(held.rows.items()):
            if rdata not in seen:
                self._miss(held, row, now_s)
        return held.rows != before

    def _see(
        self, zone: WireName, held: _Zone, rdata: bytes, hold_down_s: float, now_s: float
    ) -> None:
        row = held.rows.get(rdata)
        if row is None:
            if len(held.rows) >= KEYS_MAX:
                return
            is_anchor = any(_is_of(anchor, zone, rdata) for anchor in held.configured)
            state = KeyState.VALID if is_anchor else KeyState.ADD_PENDING
            held.rows[rdata] = Row(zone, rdata, state, now_s)
            return
        has_stayed = row.state is KeyState.ADD_PENDING and now_s - row.since_s >= hold_down_s
        if has_stayed or row.state is KeyState.MISSING:
            held.rows[rdata] = Row(zone, rdata, KeyState.VALID, now_s)

    def _revoke(self, zone: WireName, held: _Zone, rdata: bytes, now_s: float) -> None:
        """A key that was an anchor is none any more; of other keys it says nothing."""
        row = held.rows.get(rdata)
        is_anchor = any(_is_of(anchor, zone, rdata) for anchor in held.configured)
        if row is None and not is_anchor:
            return
        if row is None or row.state in (KeyState.VALID, KeyState.MISSING):
            held.rows[rdata] = Row(zone, rdata, KeyState.REVOKED, now_s)
        elif row.state is KeyState.ADD_PENDING:
            del held.rows[rdata]

    def _miss(self, held: _Zone, row: Row, now_s: float) -> None:
        match row.state:
            case KeyState.ADD_PENDING:
                del held.rows[row.dnskey]
            case KeyState.VALID:
                held.rows[row.dnskey] = msgspec.structs.replace(
                    row, state=KeyState.MISSING, since_s=now_s
                )
            case KeyState.REVOKED if now_s - row.since_s >= REMOVE_HOLD_DOWN_S:
                held.rows[row.dnskey] = msgspec.structs.replace(
                    row, state=KeyState.REMOVED, since_s=now_s
                )
            case _:
                pass


class NegativeAnchors:
    """Names at and below which nothing is validated (RFC 7646), each until its time is over."""

    def __init__(self, names: Iterable[WireName] = ()):
        self._until_s: dict[WireName, float | None] = dict.fromkeys(names)

    def add(self, name: WireName, until_s: float | None = None) -> None:
        """Validate nothing at and below *name* until *until_s*, None for ever."""
        self._until_s[name] = until_s

    def remove(self, name: WireName) -> bool:
        """Forget the anchor at *name*; return whether there was one."""
        present = name in self._until_s
        self._until_s.pop(name, None)
        return present

    def held(self, now_s: float) -> tuple[tuple[WireName, float | None], ...]:
        """Return the names and ends of those that hold now."""
        return tuple(
            (name, until_s)
            for name, until_s in self._until_s.items()
            if until_s is None or now_s < until_s
        )

    def closest(self, name: WireName, now_s: float) -> WireName | None:
        """Return the deepest one at or above *name* that holds now."""
        if not self._until_s:
            return None
        for above in ancestors(name):
            if above in self._until_s:
                until_s = self._until_s[above]
                if until_s is None or now_s < until_s:
                    return above
                del self._until_s[above]
        return None

    def ends_s(self, name: WireName, now_s: float) -> float | None:
        """Return when the deepest one at or above *name* ends, None where there is none."""
        found = self.closest(name, now_s)
        if found is None:
            return None
        until_s = self._until_s[found]
        return math.inf if until_s is None else until_s


def _without_revoked(rdata: bytes) -> bytes:
    """Return *rdata* of a DNSKEY without the revoked flag, which also changes the key tag."""
    return bytes((rdata[0], rdata[1] & ~REVOKED & 0xFF)) + rdata[2:]


def _is_of(anchor: Delegation, zone: WireName, rdata: bytes) -> bool:
    """Return whether *anchor* is the digest of the DNSKEY *rdata*."""
    return anchor.tag == key_tag(rdata) and ZoneKey(rdata).matches(zone, anchor)
