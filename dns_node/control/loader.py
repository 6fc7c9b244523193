"""Loading managed zone files: read in a thread, planned on a view, proposed as commands."""

import glob
import os
import secrets
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, DeferredSemaphore, ensureDeferred, gatherResults
from twisted.internet.threads import deferToThread

from dns_node.cluster.command import (
    OPERATION_ID_OCTETS,
    Done,
    Operation,
    PublishRows,
    Refused,
    StageRows,
)
from dns_node.config.schema import ZoneFile
from dns_node.control import collector
from dns_node.control.api import Answer, LoadReport
from dns_node.control.mass_delete import RECORDS_MIN, judge_loss
from dns_node.control.sources import ImportPlan, difference, plan_import
from dns_node.errors import InputError, Problem
from dns_node.store.layout import rows_digest
from dns_node.store.reader import Reader
from dns_node.zone.apex import template
from dns_node.zone.change import Import, SourceKey, ZoneTemplate
from dns_node.zone.contents import ZoneContents
from dns_node.zone.names import BadText, parse_name
from dns_node.zone.portions import empty
from dns_node.zone.rrset import RRset, WireName
from dns_node.zone.zone_file import read_zone_file

PROPOSALS_MAX = 32
"""Imports under way at once."""
TRIES_MAX = 3
"""A plan is made again when another node was quicker."""
FILES_PER_TURN = 32
STAGED_RECORDS_MIN = 20_000
"""From here on a new zone's rows are staged and published by a small command."""
SLICE_OCTETS_MAX = 128 * 1024
SLICES_AHEAD = 2
"""While a slice is written by one node, the next is on its way to another."""

Propose = Callable[[tuple[Operation, ...], str], Coroutine[Any, Any, Answer]]
"""(operations, reason) -> answer, never an error; the node adds time, operation id, door, actor."""


@dataclass(slots=True)
class _Findings:
    """What a load has found so far; the reading thread and the reactor fill it in turns."""

    answers: list[Answer] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def report(self) -> LoadReport:
        """Return it as the doors want it: warnings first, then every bad line."""
        return LoadReport((*self.warnings, *self.errors), tuple(self.answers), bool(self.errors))


@dataclass(frozen=True, slots=True)
class _Read:
    """One origin of one file, as read in the thread."""

    key: SourceKey
    contents: ZoneContents
    digest: bytes
    plan: ImportPlan
    objection: str = ""
    """Why it is not proposed without being forced."""
    is_staged: bool = False
    """Whether *contents* go ahead in slices; the plan's operation holds no rows then."""


class Loader:
    """Loads zone files for the node *node_id*.

    *reader* is used by one thread at a time, which `load` ensures.
    *make_template* gives a legacy file the SOA and NS that it lacks.
    """

    def __init__(self, node_id: str, reader: Reader):
        self._node_id = node_id
        self._reader = reader
        # It is renewed for each use; until then it would pin every page that is freed.
        reader.reset()
        self._turn = DeferredSemaphore(1)
        self.make_template: Callable[[WireName], ZoneTemplate] = template
        self.mass_delete_percent = 100
        """What an import may take away of a zone without being forced."""

    async def load(
        self,
        files: Sequence[ZoneFile],
        zone_dir: str | None,
        mode: str | None,
        propose: Propose,
        *,
        may_stage: bool = True,
        is_forced: bool = False,
    ) -> LoadReport:
        """Load *files* (globs are expanded), *propose* what differs, and return what happened.

        Never raises for a bad file: it blocks only itself.  Loads follow one another.  Without
        *may_stage* (a dry run) nothing is written ahead of the change itself.  What would remove
        too much of a zone is refused unless *is_forced*.
        """
        await self._turn.acquire()
        try:
            self._propose, self._may_stage = propose, may_stage
            self._is_forced = is_forced
            return await self._load(files, zone_dir, mode)
        finally:
            self._turn.release()

    async def _load(
        self, files: Sequence[ZoneFile], zone_dir: str | None, mode: str | None
    ) -> LoadReport:
        report = _Findings()
        named = await deferToThread(lambda: list(_expand(files, report)))
        places = DeferredSemaphore(PROPOSALS_MAX)
        under_way = []
        for at in range(0, len(named), FILES_PER_TURN):
            turn = named[at : at + FILES_PER_TURN]
            found = await deferToThread(self._read_turn, turn, zone_dir, mode, report)
            for read in found:
                await places.acquire()
                under_way.append(ensureDeferred(self._carry(read, mode, report, places)))
        await gatherResults(under_way)
        return report.report()

    def _read_turn(self, *arguments: Any) -> list[_Read]:
        with collector.held():
            return self._read(*arguments)

    def _read(
        self,
        files: Sequence[tuple[str, str | None]],
        zone_dir: str | None,
        mode: str | None,
        report: _Findings,
    ) -> list[_Read]:
        """Read and plan some files; runs in a thread."""
        found = []
        self._reader.renew()
        try:
            for path, origin in files:
                try:
                    apex = parse_name(origin) if origin else None
                    zones = read_zone_file(path, apex, zone_dir, make_template=self.make_template)
                except BadText as error:
                    report.errors.append(f"{path}: origin {origin}: {error}")
                    continue
                except InputError as error:
                    report.errors.extend(str(problem) for problem in error.problems)
                    continue
                for contents in zones:
                    report.warnings.extend(f"warning: {line}" for line in contents.warnings)
                    found.append(self._plan(path, contents, mode))
        finally:
            self._reader.reset()
        return found

    def _plan(self, path: str, contents: ZoneContents, mode: str | None) -> _Read:
        key = SourceKey(self._node_id, path, contents.origin)
        digest = rows_digest(contents.nodes)  # type: ignore[arg-type]
        plan = plan_import(self._reader, key, contents.nodes, digest, mode)
        objection = "" if self._is_forced else self._object(key, contents, plan.operation)
        operation, is_staged = plan.operation, False
        if operation is not None and self._may_stage and operation.mode in ("new", "replace"):
            is_staged = len(operation.adds) >= STAGED_RECORDS_MIN
        if operation is not None and is_staged:
            plan = ImportPlan(msgspec.structs.replace(operation, adds=()), plan.warning)
        return _Read(key, contents, digest, plan, objection, is_staged)

    def _object(self, key: SourceKey, contents: ZoneContents, operation: Import | None) -> str:
        """Return why *operation* takes too much away, '' when it does not."""
        zone = self._reader.zone(key.origin)
        if operation is None or zone is None or zone.records < RECORDS_MIN:
            return ""
        removes = operation.removes
        if operation.mode == "replace":
            removes, _ = difference(self._reader.walk(zone.zone_id), contents.nodes)
        lost = sum(len(rrset.rdatas) for _, rrset in removes)
        reason = judge_loss(key.origin, lost, zone.records, self.mass_delete_percent)
        if not reason:
            return ""
        line = f"LOAD {key.path} replace" if operation.mode == "replace" else f"RELOAD {key.path}"
        return f"{key.path}: it would {reason} Nothing was loaded; {line} force loads it."

    async def _carry(
        self, read: _Read, mode: str | None, report: _Findings, places: DeferredSemaphore
    ) -> None:
        """Propose one origin's plan, and plan again when another node was quicker."""
        try:
            for tries_left in reversed(range(TRIES_MAX)):
                if read.plan.warning:
                    report.warnings.append(f"warning: {read.plan.warning}")
                if read.plan.operation is None:
                    return
                if read.objection:
                    report.errors.append(read.objection)
                    return
                answer = await self._propose_import(read, read.plan.operation)
                again = None
                if isinstance(answer.outcome, Refused) and tries_left:
                    again = await deferToThread(self._plan_again, read, mode)
                if again is None or again.plan == read.plan:
                    report.answers.append(answer)
                    return
                read = again
        finally:
            places.release()
            if len(read.contents.nodes) >= STAGED_RECORDS_MIN:
                await deferToThread(empty, read.contents.nodes)

    def _plan_again(self, read: _Read, mode: str | None) -> _Read:
        self._reader.renew()
        try:
            with collector.held():
                return self._plan(read.key.path, read.contents, mode)
        finally:
            self._reader.reset()

    async def _propose_import(self, read: _Read, operation: Import) -> Answer:
        reason = f"zone file {read.key.path}"
        if not read.is_staged:
            return await self._propose((operation,), reason)
        stage = secrets.token_bytes(OPERATION_ID_OCTETS)
        if (failed := await self._send_ahead(stage, read.contents, reason)) is not None:
            return failed
        key = read.key
        publish = PublishRows(stage, key.origin, operation.mode, read.digest, key.node, key.path)
        return await self._propose((publish,), reason)

    async def _send_ahead(
        self, stage: bytes, contents: ZoneContents, reason: str
    ) -> Answer | None:
        """Write the rows of *contents*, unpublished; return the first answer that is not Done."""
        slices = _slices(contents)
        under_way: deque[Deferred[Answer]] = deque()
        failed: Answer | None = None
        while True:
            while failed is None and len(under_way) < SLICES_AHEAD and (rows := next(slices, ())):
                under_way.append(ensureDeferred(self._propose((StageRows(stage, rows),), reason)))
            if not under_way:
                return failed
            answer = await under_way.popleft()
            if failed is None and not isinstance(answer.outcome, Done):
                failed = answer


def _slices(
    contents: ZoneContents,
) -> Iterator[tuple[tuple[WireName, tuple[RRset, ...]], ...]]:
    """Yield the rows of *contents* in slices that each fit well into a log entry."""
    rows: list[tuple[WireName, tuple[RRset, ...]]] = []
    size = 0
    for owner in contents.nodes:
        rrsets = tuple(contents.nodes[owner].values())
        size += (
            len(owner)
            + 8
            + sum(
                12 + sum(len(rdata) + 4 for rdata in rrset.rdatas + rrset.signatures)
                for rrset in rrsets
            )
        )
        rows.append((owner, rrsets))
        if size >= SLICE_OCTETS_MAX:
            yield tuple(rows)
            rows, size = [], 0
    if rows:
        yield tuple(rows)


def _expand(files: Sequence[ZoneFile], report: _Findings) -> Iterator[tuple[str, str | None]]:
    """Yield (absolute path, origin) of each file once; a name that matches none is an error."""
    seen = set()
    for file in files:
        is_glob = any(sign in file.file for sign in "*?[")
        paths = sorted(glob.glob(file.file, recursive=True)) if is_glob else [file.file]
        if not paths:
            report.errors.append(
                str(Problem(file.file, "no such file.", "Correct zone_files, or create it."))
            )
        for path in map(os.path.abspath, paths):
            if path not in seen:
                seen.add(path)
                yield path, file.origin
