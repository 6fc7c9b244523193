"""The node process: puts the parts together, starts them in order, stops them in reverse.

Its start description comes from the supervisor (`supervise.launch`); its stdin is the console.
"""

import contextlib
import logging
import mmap
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.error import CannotListenError

from dns_node import __version__, logs, sd_notify
from dns_node.answer.shared_block import SharedBlock
from dns_node.cluster.certificates import require_tls
from dns_node.cluster.command import Done
from dns_node.cluster.credentials import NodeCredentials
from dns_node.cluster.executor import ThreadExecutor
from dns_node.cluster.local_member import LocalMember
from dns_node.cluster.replica import ReplicaSettings
from dns_node.config.handover import launch_from, worker_settings
from dns_node.config.launch import Launch
from dns_node.config.reload import reread
from dns_node.control import collector
from dns_node.control.actions import load_reply
from dns_node.control.api import LoadReport
from dns_node.control.compose import Asker
from dns_node.control.console import Console
from dns_node.control.ctl_door import ControlDoor
from dns_node.control.kv import KvDoor
from dns_node.control.pauses import Pauses
from dns_node.control.protection import Protection
from dns_node.control.service import Service, history_file
from dns_node.control.session import Session
from dns_node.control.upkeep import Upkeep
from dns_node.control.workers import Workers
from dns_node.errors import DnsNodeError, InputError, Problem
from dns_node.net.control_channel import Channel
from dns_node.net.recursion.policy_process import PolicyProcess
from dns_node.net.recursion.policy_settings import feed_zones
from dns_node.supervise.launch import EXIT_CONFIGURATION, read_start
from dns_node.supervise.process import set_title

reactor: Any = _reactor

STOP_S: Final = 8.0
"""The supervisor kills after ten seconds; what is left to write is written by then."""

NEAR_ENTRIES: Final = 64

LOADED_SHOWN_MAX: Final = 20
"""When more zones are loaded at once, their number is told and not each."""

_log = logging.getLogger("dns_node")


class NodeProcess:
    """One node from its start to its end; `run` returns the exit status."""

    def __init__(self, start: dict[str, Any], launch: Launch):
        self._launch = launch
        self._exit_status = 0
        self._is_stopping = False
        self._was_led = False
        self._addresses = [(host, port) for host, port in start["addresses"]]
        self._supervisor = Channel(start["supervisor"], self._on_supervisor)
        self._workers = Workers(start["workers"])
        node, settings = launch.node, launch.settings
        is_there = bool(node.tls)
        require_tls(str(node.raft_loc), is_there)
        self._credentials = None
        if (tls := node.tls) is not None:
            self._credentials = NodeCredentials(node.id, tls.ca, tls.certificate, tls.key)
        configured = {name: str(entry.raft_loc) for name, entry in settings.nodes.items()}
        self._member = LocalMember(
            reactor,
            node.id,
            Path(node.data_dir),
            str(node.raft_loc),
            {} if launch.join else configured,
            self._credentials,
            ReplicaSettings(
                log_octets_max=settings.cluster.log_size_max_mib << 20,
                absent_s_max=settings.cluster.log_age_max_h * 3600.0,
            ),
            lambda: self._workers.tell({"do": "generation"}),
            lambda name: ThreadExecutor(name, lambda: set_title(f"dns-{name}")),
            {name: entry.role for name, entry in settings.nodes.items()} | {node.id: node.role},
        )
        self._service = Service(
            launch,
            self._member.replica,
            lambda: self._member.machine,
            self._member.members,
            self._workers,
        )
        self._service.reload_settings = self.reload_settings
        self._service.kept_out = self._member.kept_out
        self._member.snapshot_rate_octets_s = self._snapshot_rate_octets_s
        self._pauses = Pauses(reactor)
        self._service.pauses = self._pauses.status
        self._door = ControlDoor(reactor, self._service, node.data_dir)
        self._kv: KvDoor | None = None
        self._console: Console | None = None
        self._policy = PolicyProcess(reactor, node.data_dir, node.id)
        block = SharedBlock(mmap.mmap(start["limits"], 0))
        self._protection = Protection(reactor, self._service, self._member, block)
        self._upkeep = Upkeep(reactor, self._service, self._member, self._workers, self._replace)

    # Life

    def run(self) -> int:
        """Start everything, and return when it has stopped."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: reactor.callFromThread(self.stop))
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(self._on_hangup))
        reactor.callWhenRunning(lambda: self._watch(ensureDeferred(self._start())))
        collector.settle()
        reactor.run(installSignalHandlers=False)
        return self._exit_status

    async def _start(self) -> None:
        self._member.open()
        reactor.addReader(self._supervisor)
        self._workers.on_data_path = lambda found: self._say(f"data path: {found}")
        self._workers.start(reactor)
        self._protection.start()
        self._feed_policy(self._launch)
        if zones := self._service.zone_names():
            self._serve()
            places = self._listening()
            self._say(f"Serving {len(zones)} zones from the store on {places} already.")
        self._say("Initializing raft...")
        self._member.replica.on_leader = lambda *_: self._begin_when_formed()
        self._member.replica.on_applied = lambda *_: self._begin_when_formed()
        self._member.on_removed = self._on_removed
        await self._member.start()
        self._open_doors()
        self._upkeep.start()
        self._pauses.start()
        if self._launch.join is not None:
            await self._member.join(self._launch.join.member, self._launch.join.token)

    def _open_doors(self) -> None:
        node = self._launch.node
        self._door.start()
        if node.kv_loc is not None:
            self._kv = KvDoor(reactor, self._service, node.kv_loc.host, node.kv_loc.port)
            try:
                self._kv.start()
            except CannotListenError as error:
                place = f"nodes.{node.id}.kv_loc"
                what = f"cannot listen on {node.kv_loc}: {error.socketError.strerror}."
                raise InputError([Problem(place, what, "Use another address.")]) from error
        asker = Asker("console", os.environ.get("USER", ""))
        session = Session(self._service, asker, is_silent=self._launch.is_silent)
        self._console = Console(
            reactor, session, on_quit=self.stop, history_file=history_file(node.data_dir)
        )
        self._console.start()

    def _begin_when_formed(self) -> None:
        """Go on with the start once a leader is known, the cluster has its first command, and this
        node has about all that was committed: one that is far behind sends who asks to others."""
        if self._was_led or self._is_stopping:
            return
        status = self._member.replica.status()
        is_near = status.commit_index - status.applied_index <= NEAR_ENTRIES
        if status.leader is not None and is_near and self._service.is_formed():
            self._was_led = True
            self._watch(ensureDeferred(self._begin_serving()))

    async def _begin_serving(self) -> None:
        self._say("Raft initialized!")
        self._say("Loading zonefile...")
        self._tell(await self._service.reload(None))
        self._serve()
        for _, port in dict.fromkeys((0, port) for _, port in self._addresses):
            self._say(f"Starting DNS server on port {port}...")

    def _serve(self) -> None:
        """Have the workers answer (again: they may have been told before)."""
        self._supervisor.send({"serve": True})
        sd_notify.notify("READY=1\nSTATUS=answering DNS")

    def stop(self) -> None:
        """Stop in an orderly way; a second call has no effect."""
        if not self._is_stopping:
            self._is_stopping = True
            reactor.callLater(STOP_S, self._end)
            ensureDeferred(self._stop()).addErrback(self._failed).addBoth(lambda _: self._end())

    async def _stop(self) -> None:
        if self._launch.settings.leave_on_stop and self._member.log.is_formed():
            answer = await self._service.remove_member(self._launch.node.id)
            self._say(f"leaving the cluster: {answer.outcome}", is_always=True)
        self._upkeep.stop()
        self._policy.stop()
        self._protection.stop()
        self._pauses.stop()
        if self._console is not None:
            self._console.stop()
        if self._kv is not None:
            await self._kv.stop()
        await self._door.stop()
        await self._member.stop()

    def _end(self) -> None:
        if reactor.running:
            reactor.stop()

    # Events

    def _on_supervisor(self, message: dict[str, Any]) -> None:
        match message:
            case {"event": "stop"}:
                self.stop()
            case {"event": "worker", "state": "ended", "worker": int() as number}:
                self._workers.ended(number)
                self._upkeep.check_readers()

    def _replace(self, worker: int, why: str) -> None:
        self._supervisor.send({"replace": worker, "why": why})

    def _snapshot_rate_octets_s(self) -> int:
        return self._service.settings.cluster.snapshot_rate_mib_s << 20

    def _on_removed(self, text: str) -> None:
        # What it has it goes on answering, until somebody stops it.
        self._say(f"REMOVED: {text}", is_always=True)

    def _on_hangup(self) -> None:
        self._watch(ensureDeferred(self._reload()))

    async def _reload(self) -> None:
        self._tell(await self._service.reload(None))

    def reload_settings(self) -> Sequence[str]:
        """Read the configuration again; return what the user should know.  A wrong one changes
        nothing."""
        old = self._service.launch
        try:
            new, changes = reread(old)
        except InputError as error:
            return [f"the configuration stays as it was: {line}" for line in str(error).split("\n")]
        self._service.launch = new
        self._service.files = new.node.zone_files
        settings = worker_settings(new)
        self._workers.tell({"do": "settings", "settings": settings})
        self._supervisor.send({"settings": settings})
        logs.set_level(new.settings.logging.level)
        self._feed_policy(new)
        lines = [f"changed: {change}" for change in changes.live]
        lines += [f"takes a restart: {change}" for change in changes.restart]
        if self._credentials is not None:
            try:
                self._credentials.reload()
            except InputError as error:
                lines.append(f"the certificates stay as they were: {error}")
        return lines

    def _feed_policy(self, launch: Launch) -> None:
        logging_section = launch.settings.logging
        zones = feed_zones(launch.settings.recursion)
        self._policy.feed(zones, logging_section.level, logging_section.format)

    # Words

    def _say(self, text: str, *, is_always: bool = False) -> None:
        if self._launch.is_silent and not is_always:
            return
        if self._console is not None:
            self._console.say(text)
            return
        with contextlib.suppress(OSError, ValueError):
            print(text, flush=True)

    def _tell(self, report: LoadReport) -> None:
        if not report.lines and not report.answers:
            return
        lines = load_reply(report, "the zone files").lines
        if len(report.answers) > LOADED_SHOWN_MAX:
            done = sum(isinstance(answer.outcome, Done) for answer in report.answers)
            lines = tuple(line for line in lines if not line.startswith("OK "))
            lines += (f"OK {done} zones loaded from files; ZONES lists them",)
        for line in lines:
            self._say(line, is_always=True)

    def _listening(self) -> str:
        ports = dict.fromkeys(port for _, port in self._addresses)
        return "port " + ", ".join(map(str, ports))

    def _watch(self, done: "Deferred[Any]") -> None:
        done.addErrback(self._failed)

    def _failed(self, failure: Any) -> None:
        """A DnsNodeError while starting is for the user and ends the node; the rest is a fault."""
        if failure.check(DnsNodeError) and not self._is_stopping:
            print(failure.value, file=sys.stderr, flush=True)
            self._exit_status = EXIT_CONFIGURATION
            self.stop()
            return
        _log.error("a fault in the program", exc_info=failure.value)


def main() -> int:
    """Run the node process as the supervisor describes it; return the exit status."""
    start = read_start(os.environ)  # type: ignore[arg-type]
    set_title("dns-node")
    try:
        launch = launch_from(start["arguments"])
        logs.begin_logging(
            launch.settings.logging.level, launch.settings.logging.format, f"node {launch.node.id}"
        )
        logs.lead_twisted()
        _log.debug("dns-node %s, node %s", __version__, launch.node.id)
        return NodeProcess(start, launch).run()
    except DnsNodeError as error:
        print(error, file=sys.stderr, flush=True)
        return EXIT_CONFIGURATION


if __name__ == "__main__":
    sys.exit(main())
