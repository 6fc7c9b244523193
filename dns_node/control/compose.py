"""From what a door was asked to the command that is proposed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dns_node.cluster.command import Command, Operation, Precondition, StoreRevisionIs
from dns_node.control.api import NodeApi
from dns_node.control.options import Options
from dns_node.zone.apex import candidate_apex, template
from dns_node.zone.change import Add, Replace, ZoneTemplate
from dns_node.zone.rrset import WireName
from dns_node.zone.view import View


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the *door* (console, ctl, kv, …) and the *actor* (a user's name, an address)."""

    door: str
    actor: str = ""


def serial_floor(now_ms: int) -> int:
    """Return yyyymmdd01 of the day of *now_ms*, UTC: the serial that a change suggests
    (RFC 1912 section 2.2).  Modulo 2^32, since a serial has no more (RFC 1982)."""
    day = time.gmtime(now_ms / 1000)
    return (((day.tm_year * 100 + day.tm_mon) * 100 + day.tm_mday) * 100 + 1) % 2**32


def zone_candidates(
    view: View, operations: Sequence[Operation], auto_zones: Any
) -> tuple[ZoneTemplate, ...]:
    """Return a template for each zone that *operations* would need and *view* does not have.

    *auto_zones* are the settings of that name; without ``enabled`` there are none.  Apply uses a
    template only if no zone encloses the name by then.  Raises InputError for a name that gets
    no zone (public suffixes, single labels).
    """
    if not auto_zones.enabled:
        return ()
    found: dict[bytes, ZoneTemplate] = {}
    for operation in operations:
        if not isinstance(operation, Add | Replace) or not operation.rdatas:
            continue
        if view.enclosing_zone(operation.owner) is not None:
            continue
        apex = candidate_apex(operation.owner)
        if apex not in found:
            found[apex] = zone_template(apex, auto_zones)
    return tuple(found.values())


def zone_template(apex: WireName, auto_zones: Any) -> ZoneTemplate:
    """Return SOA and NS of a zone that is made at *apex*, by the settings of that name."""
    return template(
        apex,
        name_servers=auto_zones.name_servers,
        rname=auto_zones.rname,
        ttl_s=auto_zones.ttl_s,
        refresh_s=auto_zones.refresh_s,
        retry_s=auto_zones.retry_s,
        expire_s=auto_zones.expire_s,
        negative_ttl_s=auto_zones.negative_ttl_s,
    )


def compose(
    api: NodeApi,
    view: View,
    operations: Sequence[Operation],
    asker: Asker,
    options: Options | None = None,
    preconditions: Sequence[Precondition] = (),
) -> Command:
    """Return the command that makes *operations* one atomic change; InputError as
    `zone_candidates` raises it."""
    options = options or Options()
    now_ms = api.now_ms()
    conditions = list(preconditions)
    if options.if_revision is not None:
        conditions.insert(0, StoreRevisionIs(options.if_revision))
    return Command(
        operation_id=options.operation or api.operation_id(),
        proposed_at_ms=now_ms,
        door=asker.door,
        actor=asker.actor,
        operations=tuple(operations),
        preconditions=tuple(conditions),
        candidates=zone_candidates(view, operations, api.settings.auto_zones),
        serial_floor=serial_floor(now_ms),
        reason=options.reason,
        dry_run=options.is_dry_run,
    )
