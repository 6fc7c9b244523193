"""A draft of the store: a command is carried out here, judged whole, and only then written."""

from dns_node.cluster.command import Command, Operation
from dns_node.cluster.effects import Effects
from dns_node.store.rows import DeadZone, Meta, StateView, Tally
from dns_node.store.tallies import tally_of
from dns_node.zone.change import ZoneTemplate
from dns_node.zone.names import ancestors, is_subdomain, name_text
from dns_node.zone.rrset import Node, RRset, WireName
from dns_node.zone.view import AUTO, ZoneHeader

NS, SOA = 2, 6


class DraftZone:
    """One zone as the command leaves it.

    *published* is its header before the command (None: there was no such zone).  *zone_id* is
    where its rows lie now, 0 when there is no zone; *nodes* are those that the command touched,
    *originals* what they were under the same zone id.
    """

    __slots__ = (
        "apex", "published", "zone_id", "tally", "flags", "kind", "origin", "nodes", "originals",
        "touched_by", "serial_wish", "serial_floor", "created_from", "is_imported",
    )  # fmt: skip

    def __init__(self, apex: WireName, published: ZoneHeader | None):
        self.apex = apex
        self.published = published
        self.nodes: dict[WireName, dict[int, RRset]] = {}
        self.originals: dict[WireName, Node | None] = {}
        self.touched_by: dict[WireName, int] = {}
        self.serial_wish = 0
        self.serial_floor = 0
        self.created_from: ZoneTemplate | None = None
        self.is_imported = False
        if published is None:
            self._set(0, Tally(), 0, "primary", "")
        else:
            self._set_header(published)

    @property
    def is_there(self) -> bool:
        """Whether there is a zone at this point of the command."""
        return self.zone_id != 0

    @property
    def is_new(self) -> bool:
        """Whether the zone's rows are other ones than before the command."""
        return self.published is None or self.zone_id != self.published.zone_id

    def create(self, zone_id: int, flags: int, origin: str, tally: Tally | None = None) -> None:
        """Begin a zone whose rows lie under *zone_id*: none yet, or those of *tally*."""
        self._forget_nodes()
        self._set(zone_id, tally or Tally(), flags, "primary", origin)

    def restore(self, header: ZoneHeader) -> None:
        """Take the rows of a zone that was published before, as they were then."""
        self._forget_nodes()
        self._set_header(header)
        self.serial_floor = header.serial

    def drop(self) -> None:
        """Withdraw the zone; what the command did to its rows before is forgotten."""
        self._forget_nodes()
        self._set(0, Tally(), 0, "primary", "")

    def _forget_nodes(self) -> None:
        self.nodes.clear()
        self.originals.clear()
        self.touched_by.clear()
        self.serial_wish = self.serial_floor = 0
        self.created_from = None
        self.is_imported = False

    def _set_header(self, header: ZoneHeader) -> None:
        self._set(header.zone_id, tally_of(header), header.flags, header.kind, header.origin)

    def _set(self, zone_id: int, tally: Tally, flags: int, kind: str, origin: str) -> None:
        self.zone_id, self.tally, self.flags = zone_id, tally, flags
        self.kind, self.origin = kind, origin


class Draft:
    """The view of a command under judgement: reads go through to *view* where it wrote nothing.

    *problems* and *notes* collect what the user is told; *number* is the operation at work.
    """

    def __init__(self, view: StateView, command: Command):
        self.view = view
        self.command = command
        self.meta: Meta = view.meta()
        self.revision = self.meta.revision + 1
        self.effects = Effects(next_zone_id=self.meta.next_zone_id)
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.others: list[str] = []
        self.number = 0
        self.zones: dict[WireName, DraftZone] = {}
        self.keys: dict[str, tuple[str | None, str | None]] = {}
        self._is_reshaped = False

    def refuse(self, why: str, number: int | None = None) -> None:
        """Note a reason against the command; *number* tells the operation if it is not this."""
        self.problems.append(self._numbered(why, self.number if number is None else number))

    def note(self, what: str) -> None:
        """Note something that the user should know."""
        self.notes.append(self._numbered(what, self.number))

    def _numbered(self, text: str, number: int) -> str:
        several = len(self.command.operations) > 1 and number
        return f"change {number}: {text}" if several else text

    def operation(self, number: int) -> Operation | None:
        """Return operation *number* of the command, counted from 1 (0: none of them)."""
        return self.command.operations[number - 1] if number else None

    def new_zone_id(self) -> int:
        """Return a zone id that was never used."""
        zone_id = self.effects.next_zone_id
        self.effects.next_zone_id += 1
        return zone_id

    def bury(self, zone_id: int, apex: WireName = b"", header: ZoneHeader | None = None) -> None:
        """Leave the rows of *zone_id* behind: for UNDO with *header*, else as garbage."""
        self.effects.dead[zone_id] = DeadZone(self.revision, apex, header)

    def zone_at(self, apex: WireName) -> DraftZone:
        """Return the draft of the zone at exactly *apex*, which may be none (`is_there`)."""
        zone = self.zones.get(apex)
        if zone is None:
            zone = self.zones[apex] = DraftZone(apex, self.view.zone(apex))
        return zone

    def enclosing(self, owner: WireName) -> DraftZone | None:
        """Return the zone with the longest apex that is *owner* or above it."""
        if not self._is_reshaped:
            found = self.view.enclosing_zone(owner)
            if found is None:
                return None
            apex, header = found
            zone = self.zones.get(apex)
            if zone is None:
                zone = self.zones[apex] = DraftZone(apex, header)
            return zone
        for apex in ancestors(owner):
            zone = self.zones.get(apex)
            if zone is None and (published := self.view.zone(apex)) is not None:
                zone = self.zones[apex] = DraftZone(apex, published)
            if zone is not None and zone.is_there:
                return zone
        return None

    def reshape(self, zone: DraftZone) -> None:
        """Say that *zone* was created, withdrawn or swapped: lookups can't go to the view only."""
        assert self.zones[zone.apex] is zone
        self._is_reshaped = True

    def node(self, zone: DraftZone, owner: WireName) -> Node | None:
        """Return the RRsets at *owner* as the command has them so far."""
        touched = zone.nodes.get(owner)
        if touched is not None:
            return touched or None
        return self.view.node(zone.zone_id, owner) if zone.is_there else None

    def edit(self, zone: DraftZone, owner: WireName) -> dict[int, RRset]:
        """Return the node at *owner*, to be changed in place."""
        assert zone.is_there
        zone.touched_by[owner] = self.number
        node = zone.nodes.get(owner)
        if node is None:
            original = self.view.node(zone.zone_id, owner)
            zone.originals[owner] = original
            node = zone.nodes[owner] = dict(original) if original else {}
        return node

    def create_for(self, owner: WireName) -> DraftZone | None:
        """Create the zone that the proposer suggests for *owner*, with its SOA and NS; return None
        and note the reason when it suggests none."""
        fitting = [c for c in self.command.candidates if is_subdomain(owner, c.apex)]
        if not fitting:
            self.refuse(
                f"{name_text(owner)} lies in no zone of this cluster, and none may be created "
                "for it. Load a zone file with a SOA for the zone that you mean."
            )
            return None
        candidate = max(fitting, key=lambda c: len(c.apex))
        zone = self.zone_at(candidate.apex)
        zone.create(self.new_zone_id(), AUTO, self.command.door)
        zone.created_from = candidate
        apex_node = self.edit(zone, zone.apex)
        apex_node[SOA], apex_node[NS] = candidate.soa, candidate.ns
        self.reshape(zone)
        return zone
