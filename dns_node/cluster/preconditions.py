"""What must hold before a command: every condition that does not is said."""

from dns_node.cluster.command import (
    KeyIs,
    Precondition,
    RRsetIs,
    StoreRevisionIs,
    ZoneIs,
    ZoneSerialIs,
)
from dns_node.cluster.wording import rrset_name, rrset_text
from dns_node.store.rows import StateView
from dns_node.zone.names import name_text
from dns_node.zone.rrset import RRset
from dns_node.zone.soa import SOA_OCTETS_MIN, with_serial


def unmet(view: StateView, preconditions: tuple[Precondition, ...]) -> list[str]:
    """Return one line for each precondition that does not hold."""
    found = (_objection(view, condition) for condition in preconditions)
    return [text for text in found if text]


def _objection(view: StateView, condition: Precondition) -> str:
    match condition:
        case StoreRevisionIs(revision):
            at = view.revision()
            return "" if at == revision else f"if-revision={revision}, but the store is at {at}"
        case ZoneSerialIs(apex, serial):
            return _serial_objection(view, apex, serial)
        case ZoneIs(apex, zone_id, serial):
            return _zone_objection(view, apex, zone_id, serial)
        case RRsetIs():
            return _rrset_objection(view, condition)
        case KeyIs(key, value):
            now = view.value(key)
            return "" if now == value else f"key {key} is {_shown(now)} by now, not {_shown(value)}"


def _serial_objection(view: StateView, apex: bytes, serial: int) -> str:
    header = view.zone(apex)
    if header is None:
        return f"there is no zone {name_text(apex)}"
    if header.serial != serial:
        return f"zone {name_text(apex)} has serial {header.serial}, not {serial}"
    return ""


def _zone_objection(view: StateView, apex: bytes, zone_id: int | None, serial: int | None) -> str:
    header, name = view.zone(apex), name_text(apex)
    if zone_id is None:
        return "" if header is None else f"zone {name} exists by now"
    if header is None:
        return f"zone {name} is gone by now"
    if header.zone_id != zone_id:
        return f"zone {name} was published anew since"
    if serial is not None and header.serial != serial:
        return f"zone {name} has changed since: its serial is {header.serial}, not {serial}"
    return ""


def _rrset_objection(view: StateView, condition: RRsetIs) -> str:
    header = view.zone(condition.apex)
    node = None if header is None else view.node(header.zone_id, condition.owner)
    now = None if node is None else node.get(condition.rrtype)
    if _comparable(now) == _comparable(condition.rrset):
        return ""
    name = rrset_name(condition.owner, condition.rrtype)
    return f"{name} is {rrset_text(now)} by now, not {rrset_text(condition.rrset)}"


def _comparable(rrset: RRset | None) -> RRset | None:
    if rrset is None or rrset.rrtype != 6 or len(rrset.rdatas[0]) < SOA_OCTETS_MIN:
        return rrset
    return with_serial(rrset, 0)


def _shown(value: str | None) -> str:
    return "absent" if value is None else repr(value)
