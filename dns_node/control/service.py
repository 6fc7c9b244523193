"""The running node as its doors see it: `control.api.NodeApi` over replica, store and members."""

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, cast

from dns_node import __version__
from dns_node.cluster.command import (
    OPERATION_ID_OCTETS,
    Command,
    Done,
    Operation,
    Precondition,
    PutToken,
    Refused,
    Unknown,
)
from dns_node.cluster.machine import StoreMachine
from dns_node.cluster.replica import Replica
from dns_node.cluster.state_machine import judge
from dns_node.cluster.welcome import hash_token, make_token
from dns_node.config.launch import Launch
from dns_node.config.schema import Settings, ZoneFile
from dns_node.control.api import Answer, ControlView, JoinToken, LoadReport
from dns_node.control.compose import Asker, compose, zone_template
from dns_node.control.cookie_secrets import CookieSecretKeeper
from dns_node.control.loader import Loader
from dns_node.control.options import Options
from dns_node.control.workers import Workers
from dns_node.errors import StoreError
from dns_node.net.recursion.stages import recursion_row, stage_rows
from dns_node.store.layout import STORE_SCHEMA
from dns_node.zone.names import name_text

TOKEN_OCTETS = 24
NO_OPTIONS = Options()
JOINING = Options(reason="join token")
NO_CLUSTER = (
    "NO CLUSTER YET: it forms when a majority of the configured nodes is connected. "
    "The change was not made; try again."
)


class MemberChanges(Protocol):
    """What changes the members (`dns_node.cluster.membership`)."""

    async def admit(self, node: str, raft_loc: str) -> Done | Refused | Unknown:
        """Admit *node* at *raft_loc* without a token."""

    async def remove(self, node: str) -> Done | Refused | Unknown:
        """Take *node* out."""


class Service:
    """Implements `NodeApi`.  *machine* returns the store that is open now, or None."""

    def __init__(
        self,
        launch: Launch,
        replica: Replica,
        machine: Callable[[], StoreMachine | None],
        members: MemberChanges,
        workers: Workers,
    ):
        self.launch = launch
        self._replica, self._machine = replica, machine
        self._members, self._workers = members, workers
        self._loader: Loader | None = None
        self._loaded_from: StoreMachine | None = None
        self.files: tuple[ZoneFile, ...] = launch.node.zone_files
        self.reload_settings: Callable[[], Sequence[str]] = lambda: ()
        self.kept_out: Callable[[], Mapping[str, int]] = dict
        self.cookie_keeper: CookieSecretKeeper | None = None
        self.pauses: Callable[[], Mapping[str, int]] = dict
        self._began_s = time.monotonic()

    @property
    def node_id(self) -> str:
        """This node's configured id."""
        return self.launch.node.id

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.launch.settings

    async def ask_workers(
        self, message: dict[str, Any], timeout_s: float = 3.0, only: int | None = None
    ) -> dict[int, dict[str, Any]]:
        """Return what the workers say to *message* about recursion."""
        from twisted.internet import reactor

        return await self._workers.ask(reactor, message, timeout_s, only)

    def operation_id(self) -> bytes:
        """Return 16 fresh random octets."""
        return secrets.token_bytes(OPERATION_ID_OCTETS)

    def now_ms(self) -> int:
        """Return the time (Unix, milliseconds)."""
        return time.time_ns() // 1_000_000

    @contextmanager
    def view(self) -> Iterator[ControlView]:
        """Return a view of the newest revision; raises StoreError while the store is closed."""
        reader = self._open_machine().writer.reader()
        try:
            yield cast(ControlView, reader)
        finally:
            reader.reset()

    def is_formed(self) -> bool:
        """Return whether this node's store knows its cluster."""
        with self.view() as view:
            return bool(view.meta().cluster_uuid)

    async def propose(self, command: Command, wait: str = "node") -> Answer:
        """Have *command* ordered, applied and, by *wait*, served everywhere."""
        if not self.is_formed():
            # The first command of all fixes the cluster and its members.
            return Answer(Refused((NO_CLUSTER,)))
        if why := self._replica.proposer.find_objection(command):
            return Answer(Refused((why,)))
        deadline_s = float(self.settings.cluster.command_timeout_s)
        outcome = await self._replica.propose(command, deadline_s)
        if wait == "node" or not isinstance(outcome, Done):
            return Answer(outcome)
        visible = await self._replica.wait_visible(outcome.revision, wait, deadline_s)
        return Answer(outcome, *visible)

    async def change(
        self, door: str, operations: tuple[Operation, ...], options: Options = NO_OPTIONS
    ) -> Answer:
        """Propose *operations* as one command of this node's own; a dry run is judged here."""
        asker = Asker(door, f"node {self.node_id}")
        with self.view() as view:
            command = compose(self, view, operations, asker, options)
            if options.is_dry_run:
                return Answer(judge(view, command)[0])
        return await self.propose(command, options.wait)

    async def change_if(
        self, door: str, operation: Operation, precondition: Precondition
    ) -> Answer:
        """Propose one operation that is carried out only when *precondition* holds."""
        asker = Asker(door, f"node {self.node_id}")
        with self.view() as view:
            command = compose(self, view, (operation,), asker, NO_OPTIONS, (precondition,))
        return await self.propose(command)

    def value(self, key: str) -> str | None:
        """Return a value of the key-value space."""
        with self.view() as view:
            return view.value(key)

    async def roll_cookies(self, is_at_once: bool) -> Answer:
        """Give the cluster a new secret of DNS cookies, in stages or at once."""
        if self.cookie_keeper is None:
            return Answer(Refused(("the node is starting; try again",)))
        return await self.cookie_keeper.roll(is_at_once)

    # Zone files

    async def load(self, path: str, mode: str | None, options: Options = NO_OPTIONS) -> LoadReport:
        """Load one zone file; it is managed from now on."""
        file = next((file for file in self.files if file.file == path), ZoneFile(path, None))
        report = await self._load((file,), mode, options)
        if file not in self.files and not report.has_problems and not options.is_dry_run:
            self.files += (file,)
        return report

    async def reload(self, path: str | None, options: Options = NO_OPTIONS) -> LoadReport:
        """Read the configuration's live keys and the managed files again; propose differences."""
        if path is not None:
            return await self.load(path, None, options)
        lines = () if options.is_dry_run else self.reload_settings()
        report = await self._load(self.files, None, options)
        return replace(report, lines=(*lines, *report.lines))

    async def _load(
        self, files: Sequence[ZoneFile], mode: str | None, options: Options
    ) -> LoadReport:
        machine = self._open_machine()
        if self._loader is None or self._loaded_from is not machine:
            self._loaded_from = machine
            self._loader = Loader(self.node_id, machine.writer.reader())
        zones = self.settings.auto_zones
        self._loader.make_template = lambda apex: zone_template(apex, zones)
        self._loader.mass_delete_percent = self.settings.limits.mass_delete_percent

        async def propose(operations: tuple[Operation, ...], reason: str) -> Answer:
            asked = replace(options, reason=options.reason or reason)
            try:
                return await self.change("file", operations, asked)
            except StoreError as error:
                return Answer(Refused((str(error),)))

        return await self._loader.load(
            files,
            self.settings.zone_dir,
            mode,
            propose,
            may_stage=not options.is_dry_run,
            is_forced=options.is_forced,
        )

    # Members

    async def join_token(self, ttl_s: int) -> tuple[JoinToken | None, Answer]:
        """Make a token for one join; the token is None unless the outcome is Done."""
        token = make_token(secrets.token_bytes(TOKEN_OCTETS))
        expires_at_ms = self.now_ms() + ttl_s * 1000
        put = PutToken(hash_token(token), expires_at_ms)
        answer = await self.change("console", (put,), JOINING)
        if not isinstance(answer.outcome, Done):
            return None, answer
        location = self.launch.node.raft_loc
        return JoinToken(token, expires_at_ms, str(location)), answer

    async def add_member(self, node: str, raft_loc: str) -> Answer:
        """Admit *node* at *raft_loc* without a token."""
        return Answer(await self._members.admit(node, raft_loc))

    async def remove_member(self, node: str) -> Answer:
        """Take *node* out of the cluster."""
        return Answer(await self._members.remove(node))

    # Status

    def status(self) -> Mapping[str, Any]:
        """Return what STATUS prints."""
        replica = self._replica.status()
        found: dict[str, Any] = {
            "node": self.node_id,
            "version": __version__,
            "role": replica.role,
            "leader": replica.leader,
            "term": replica.term,
            "commit": replica.commit_index,
            "applied": replica.applied_index,
            "durable": replica.durable_applied_index,
            "log entries": replica.log_entries,
            "log octets": replica.log_octets,
            "uptime seconds": int(time.monotonic() - self._began_s),
        }
        if replica.why:
            found["problem"] = replica.why
        if replica.alarms:
            found["alarm"] = replica.alarms
        found |= self._store_status()
        found["members"] = {
            member.node: {
                "role": member.role,
                "applied": member.applied_index,
                "lag": max(0, replica.commit_index - member.applied_index),
                "heard": f"{max(0.0, member.silence_s):.1f} s ago",
                "connected": member.is_connected,
            }
            for member in replica.members
        }
        if kept_out := self.kept_out():
            found["kept out"] = kept_out
        totals = self._workers.totals()
        found["rate limit"] = {
            "mode": self.settings.rate_limit.mode,
            "dropped": totals["rate_dropped"],
            "replaced": totals["rate_slipped"],
            "noted": totals["rate_noted"],
        }
        found["cookies"] = {"queries": totals["cookie_queries"], "good": totals["cookie_good"]}
        found["data path"] = self._workers.data_path or None
        if pauses := self.pauses():
            found["reactor"] = pauses
        found["workers"] = self._workers.status()
        if self.settings.access.recursion:
            found["recursion"] = recursion_row(totals)
            found["stages"] = stage_rows(totals)
        return found

    def _store_status(self) -> dict[str, Any]:
        try:
            with self.view() as view:
                zones = list(view.zones())
                return {
                    "schema": _schema_text(view.meta().schema),
                    "revision": view.revision(),
                    "digest": view.digest(),
                    "zones": len(zones),
                    "records": sum(header.records for _, header in zones),
                }
        except StoreError as error:
            return {"revision": 0, "digest": "", "zones": 0, "store": str(error)}

    def zone_names(self) -> list[str]:
        """Return the names of the zones that are served."""
        with self.view() as view:
            return [name_text(apex) for apex, _ in view.zones()]

    def _open_machine(self) -> StoreMachine:
        if self._replica.failure:
            why = f"REPLICATION STOPPED: {self._replica.failure} It is tried again soon."
            raise StoreError(why)
        machine = self._machine()
        if machine is None:
            raise StoreError("the store is closed at the moment; STATUS says why.")
        return machine


def _schema_text(schema: int) -> str:
    if schema >= STORE_SCHEMA:
        return str(schema)
    return f"{schema} ({STORE_SCHEMA} once every member runs a release that reads it)"


def history_file(data_dir: str) -> str:
    """Return where the console keeps the lines that were typed."""
    return os.path.join(data_dir, "console-history")
