"""The store as a naive dictionary: every rule written again in the plainest way, for comparison."""

import copy
from dataclasses import dataclass, field

from dns_node.zone.change import Import, Remove
from dns_node.zone.check import node_findings
from dns_node.zone.names import ancestors, is_subdomain
from dns_node.zone.rrset import RRset

SOA, NS, DS, CNAME, DNAME, ANY = 6, 2, 43, 5, 39, 255


class No(Exception):
    """The command is refused."""


@dataclass
class Zone:
    serial: int
    is_auto: bool
    sets: dict = field(default_factory=dict)  # (owner, type) -> (ttl, set of rdatas)
    incarnation: int = 0
    template: dict | None = None
    wish: int = 0


def without_serial(rdatas):
    return {rdata[:-20] + bytes(4) + rdata[-16:] for rdata in rdatas}


def serial_of(rdata):
    return int.from_bytes(rdata[-20:-16], "big")


class NaiveStore:
    def __init__(self):
        self.zones, self.keys, self.retired, self.files = {}, {}, {}, {}
        self.revision = 0
        self.incarnations = 0

    def apply(self, command):
        """Return None when refused, else (changed, {(apex, serial)})."""
        was = copy.deepcopy(self.__dict__)
        try:
            return self._apply(command, was)
        except No:
            self.__dict__ = was
            return None

    def _apply(self, command, was):
        self.command = command
        files_before = copy.deepcopy(self.files)
        has_import = False
        self.by_import = set()
        for operation in command.operations:
            self.is_import = isinstance(operation, Import)
            has_import |= self.is_import
            getattr(self, "_" + type(operation).__name__)(operation)
        changed = set()
        before = was["zones"]
        for apex, zone in list(self.zones.items()):
            old = before.get(apex)
            if old is not None and old.incarnation != zone.incarnation:
                old = None
            if self._vanishes(apex, zone, old):
                del self.zones[apex]
                continue
            if old is None or self._differs(zone, old):
                self._check(apex, zone, old, apex in before)
                self._raise_serial(apex, zone, before.get(apex))
                changed.add((apex, zone.serial))
            else:
                self.zones[apex] = copy.deepcopy(old)
        for apex, old in before.items():
            if apex not in self.zones:
                self.retired[apex] = old.serial
                changed.add((apex, -1))
        is_changed = bool(changed) or self.keys != was["keys"] or has_import
        assert has_import or self.files == files_before
        self.revision += is_changed
        return is_changed, changed

    def _differs(self, zone, old):
        def plain(sets):
            return {
                key: (ttl, without_serial(rdatas) if key[1] == SOA else rdatas)
                for key, (ttl, rdatas) in sets.items()
            }

        later = (zone.wish - old.serial) % 2**32
        return plain(zone.sets) != plain(old.sets) or (zone.wish and 0 < later < 2**31)

    def _vanishes(self, apex, zone, old):
        if not zone.is_auto or not set(zone.sets) <= {(apex, SOA), (apex, NS)}:
            return False
        if old is None:
            if zone.template is not None and zone.sets != zone.template:
                zone.is_auto = False
            return zone.template is not None and zone.sets == zone.template
        return any(key not in zone.sets for key in old.sets)

    def _check(self, apex, zone, old, _):
        if (apex, SOA) not in zone.sets or (apex, NS) not in zone.sets:
            raise No
        owners = {owner for owner, _ in zone.sets}
        for owner in owners:
            above = [name for name in ancestors(owner) if name != owner and name in owners]
            if any((name, DNAME) in zone.sets for name in above):
                raise No
            node = self._node(zone, owner)
            old_node = {} if old is None else self._node(old, owner)
            if node == old_node:
                continue
            findings = node_findings(owner, node, owner == apex)
            had = any(f.is_cname_clash for f in node_findings(owner, old_node, owner == apex))
            for finding in findings:
                is_legacy = had or (apex, owner) in self.by_import
                if not finding.is_warning and not (finding.is_cname_clash and is_legacy):
                    raise No

    def _node(self, zone, owner):
        return {
            rrtype: RRset(rrtype, ttl, tuple(sorted(rdatas)))
            for (at, rrtype), (ttl, rdatas) in zone.sets.items()
            if at == owner
        }

    def _raise_serial(self, apex, zone, published):
        used = [published.serial] if published else []
        if published is None or published.incarnation != zone.incarnation:
            used += [self.retired[apex]] if apex in self.retired else []
        ttl, (soa,) = zone.sets[apex, SOA]
        serial = max(used) + 1 if used else serial_of(soa) or 1
        serial = max(serial, self.command.serial_floor, zone.wish)
        zone.serial, zone.wish, zone.template = serial, 0, None
        zone.sets[apex, SOA] = (ttl, {soa[:-20] + serial.to_bytes(4, "big") + soa[-16:]})

    def _zone_of(self, owner, rrtype):
        found = [apex for apex in ancestors(owner) if apex in self.zones]
        if rrtype == DS and found and found[0] == owner:
            return found[1] if len(found) > 1 else "child"
        return found[0] if found else None

    def _zone_to_write(self, owner, rrtype):
        apex = self._zone_of(owner, rrtype)
        if apex == "child":
            raise No
        if apex is None:
            fitting = [c for c in self.command.candidates if is_subdomain(owner, c.apex)]
            if not fitting:
                raise No
            chosen = max(fitting, key=lambda c: len(c.apex))
            apex = chosen.apex
            sets = {
                (apex, SOA): (chosen.soa.ttl_s, set(chosen.soa.rdatas)),
                (apex, NS): (chosen.ns.ttl_s, set(chosen.ns.rdatas)),
            }
            self.zones[apex] = self._new_zone(True, sets)
            self.zones[apex].template = copy.deepcopy(sets)
        return apex, self.zones[apex]

    def _new_zone(self, is_auto, sets):
        self.incarnations += 1
        return Zone(0, is_auto, sets, self.incarnations)

    def _touch(self, apex, owner):
        (self.by_import.add if self.is_import else self.by_import.discard)((apex, owner))

    def _Add(self, op):  # noqa: N802 - named after the operations
        if op.rrtype == SOA:
            self._Replace(op)
            return
        apex, zone = self._zone_to_write(op.owner, op.rrtype)
        self._touch(apex, op.owner)
        old = zone.sets.get((op.owner, op.rrtype))
        ttl = op.ttl_s
        if ttl is None:
            ttl = op.default_ttl_s if old is None else old[0]
        zone.sets[op.owner, op.rrtype] = (ttl, (old[1] if old else set()) | set(op.rdatas))

    def _Replace(self, op):  # noqa: N802
        if not op.rdatas:
            self._Remove(Remove(op.owner, op.rrtype))
            return
        apex, zone = self._zone_to_write(op.owner, op.rrtype)
        old = zone.sets.get((op.owner, op.rrtype))
        ttl = op.ttl_s
        if ttl is None:
            ttl = op.default_ttl_s if old is None else old[0]
        if op.rrtype == SOA:
            if op.owner != apex or len(op.rdatas) != 1:
                raise No
            zone.wish = serial_of(op.rdatas[0])
        if old != (ttl, set(op.rdatas)):
            self._touch(apex, op.owner)
        zone.sets[op.owner, op.rrtype] = (ttl, set(op.rdatas))

    def _Remove(self, op):  # noqa: N802
        apex = self._zone_of(op.owner, op.rrtype)
        if apex in (None, "child"):
            return
        zone = self.zones[apex]
        if op.rrtype == ANY:
            for owner, rrtype in list(zone.sets):
                if owner == op.owner and not (owner == apex and rrtype in (SOA, NS)):
                    self._touch(apex, owner)
                    del zone.sets[owner, rrtype]
            return
        old = zone.sets.get((op.owner, op.rrtype))
        if old is None:
            return
        gone = set(old[1] if op.rdatas is None else op.rdatas)
        if op.rrtype == SOA and gone & old[1]:
            raise No
        self._touch(apex, op.owner)
        self._take(zone, op.owner, op.rrtype, gone)

    def _take(self, zone, owner, rrtype, gone):
        ttl, rdatas = zone.sets.get((owner, rrtype), (0, set()))
        if rdatas - gone:
            zone.sets[owner, rrtype] = (ttl, rdatas - gone)
        else:
            zone.sets.pop((owner, rrtype), None)

    def _DropZone(self, op):  # noqa: N802
        self.zones.pop(op.apex, None)

    def _PutKey(self, op):  # noqa: N802
        self.keys[op.key] = op.value

    def _DeleteKey(self, op):  # noqa: N802
        self.keys.pop(op.key, None)

    def _Import(self, op):  # noqa: N802
        apex = op.source.origin
        known = op.source in self.files
        if (op.removes or op.mode == "update") and not (known and op.mode == "update"):
            raise No
        self.files[op.source] = True
        if op.mode == "adopt":
            return
        if apex not in self.zones:
            if op.mode == "update":
                raise No
            self.zones[apex] = self._new_zone(False, {})
        elif op.mode == "new" and not known:
            raise No
        zone = self.zones[apex]
        if op.mode in ("merge", "replace"):
            zone.is_auto = False
        if op.mode == "replace":
            zone.sets = {key: value for key, value in zone.sets.items() if key[1] == SOA}
        for owner, rrset in op.removes:
            if rrset.rrtype != SOA:
                self._touch(apex, owner)
                self._take(zone, owner, rrset.rrtype, set(rrset.rdatas))
        for owner, rrset in op.adds:
            self._touch(apex, owner)
            ttl, rdatas = zone.sets.get((owner, rrset.rrtype), (0, set()))
            if rrset.rrtype in (SOA, CNAME, DNAME):
                rdatas = set()
            if rrset.rrtype == SOA:
                zone.wish = serial_of(rrset.rdatas[0])
            zone.sets[owner, rrset.rrtype] = (rrset.ttl_s, rdatas | set(rrset.rdatas))


