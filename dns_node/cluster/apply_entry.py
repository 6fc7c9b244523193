"""Applying log entries to a store: each command exactly once, in the order of the log."""

import msgspec

from dns_node.cluster.admission import row_of
from dns_node.cluster.command import (
    OPERATION_ID_OCTETS,
    Command,
    Outcome,
    UnknownSchemaError,
    compose_outcome,
    parse_entry,
    parse_outcome,
)
from dns_node.cluster.effects import Effects, ZoneChange
from dns_node.cluster.state_machine import judge
from dns_node.store.rows import OperationRow
from dns_node.store.transaction import WriteTransaction


def apply_entry(
    transaction: WriteTransaction, index: int, term: int, payload: bytes
) -> list[tuple[bytes, Outcome]]:
    """Apply the entry at *index* and return (operation id, outcome) of its commands in order.

    An entry that the store has already returns [] and changes nothing.  The outcomes count only
    once *transaction* is committed.  Raises UnknownSchemaError when a newer release wrote the
    entry, and StoreError; in both cases the transaction must be aborted.
    """
    if index <= transaction.applied()[0]:
        return []
    answers: list[tuple[bytes, Outcome]] = []
    commands = parse_entry(payload)
    _follow_schema(transaction, payload[0])
    for command in commands:
        answers += apply_command(transaction, command)
    transaction.put_applied(index, term)
    return answers


def _follow_schema(transaction: WriteTransaction, schema: int) -> None:
    meta = transaction.meta()
    if not meta.cluster_uuid:
        # The first command's schema is the cluster's, whatever this release begins with.
        transaction.put_schema(schema)
    elif schema > meta.schema:
        what = f"a log entry of schema {schema} in a cluster at schema {meta.schema}"
        raise UnknownSchemaError(f"{what}: the log can't be trusted here.")


def apply_command(
    transaction: WriteTransaction, command: Command
) -> list[tuple[bytes, Outcome]]:
    """Judge and write one command; return its answer, and that of a staged command it ran.

    An operation id that has an outcome gets that again; it is not carried out twice.
    """
    is_old = command.proposed_at_ms < transaction.meta().operations_horizon_ms
    is_recordable = not is_old and len(command.operation_id) == OPERATION_ID_OCTETS
    recorded = transaction.operation(command.operation_id) if is_recordable else None
    if recorded is not None:
        return [(command.operation_id, parse_outcome(recorded))]
    outcome, effects = judge(transaction, command)
    if command.dry_run:
        # A dry run is judged where it is asked for; one that got into the log changes nothing.
        return [(command.operation_id, outcome)]
    _write(transaction, effects)
    ids = [command.operation_id]
    if effects.also_recorded is not None:
        ids.append(effects.also_recorded)
    if is_recordable:
        row = OperationRow(command.proposed_at_ms, compose_outcome(outcome))
        for operation_id in ids:
            transaction.put_operation(operation_id, row)
    return [(operation_id, outcome) for operation_id in ids]


def _write(transaction: WriteTransaction, effects: Effects) -> None:
    """Write what was decided; the transaction keeps the digests."""
    for zone in effects.zones:
        _write_zone(transaction, zone)
    for apex, serial in effects.retired.items():
        transaction.put_retired_serial(apex, serial)
    for zone_id, dead in effects.dead.items():
        transaction.put_dead(zone_id, dead)
    for source in effects.sources:
        transaction.put_untallied_rows(source.header.zone_id, source.changed)
        transaction.put_source(source.key, source.header)
    for key, value in effects.keys.items():
        transaction.put_value(key, value)
    _write_cluster(transaction, effects)
    for stage, change in effects.stages.items():
        header = change.header
        if header is not None and change.rows:
            tally = transaction.put_staged_rows(header, change.rows)
            header = msgspec.structs.replace(header, tally=tally)
        for number, octets in change.slices.items():
            transaction.put_stage_slice(stage, number, octets)
        transaction.put_stage(stage, header)
    if effects.horizons is not None:
        transaction.put_horizons(*effects.horizons)
    if effects.history is not None:
        transaction.put_history(effects.history)
    if effects.next_zone_id or effects.revision is not None:
        revision = transaction.revision() if effects.revision is None else effects.revision
        transaction.put_revision(revision, effects.next_zone_id)


def _write_zone(transaction: WriteTransaction, change: ZoneChange) -> None:
    header = change.header
    if header is not None and change.rows is not None:
        rows = change.rows
        tally = transaction.put_rows(rows.zone_id, rows.tally, rows.changed)
        header = msgspec.structs.replace(
            header,
            names=tally.names,
            records=tally.records,
            cuts=tally.cuts,
            dnames=tally.dnames,
            wildcards=tally.wildcards,
            digest=tally.digest,
        )
    transaction.put_zone(change.apex, header)


def _write_cluster(transaction: WriteTransaction, effects: Effects) -> None:
    for node, member in effects.members.items():
        transaction.put_member(node, None if member is None else row_of(member))
    for token_hash, expires_at_ms in effects.tokens.items():
        transaction.put_token(token_hash, expires_at_ms)
    if effects.cluster_uuid is not None:
        transaction.put_cluster_uuid(effects.cluster_uuid)
    if effects.schema is not None:
        transaction.put_schema(effects.schema)
