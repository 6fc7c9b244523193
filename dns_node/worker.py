"""A worker process: answers DNS on its own sockets from the store, whoever else is alive.

Its start description (JSON in the environment, see `supervise.launch`)::

    {"worker": 0, "node": "0", "store": "/…/store", "control": FD, "counters": FD, "limits": FD,
     "udp": [{"fd": FD, "address": "0.0.0.0", "port": 53, "wildcard": true}], "tcp": [the same],
     "settings": {"query": ["any"], "proxy": [], "identity": "0", "version": "dns-node",
                  "tcp_connections": 1000, "tcp_connections_per_address": 100, "tcp_idle_s": 10,
                  "cookies": true, "rate_limit": {"mode": "on", …}, "query_log": null,
                  "recursion": {"clients": ["127.0.0.1"], "section": {…}},
                  "dnstap": null, "log_level": "info", "log_format": "text"}}

Control messages, one JSON object each.  To the worker: ``{"do": "generation"}`` (the store has a
new one), ``{"do": "settings", "settings": {…}}``, ``{"do": "ping", "token": …}``,
``{"do": "recursion", "token": …, "verb": …}`` (`net.recursion.verbs`), ``{"do": "stop"}``, and from
the supervisor ``{"event": "node", "state": "started"}``.  From it: ``{"ready": true, "worker": N,
"pid": P, "data_path": "native"}`` after its start and the node's, ``{"pong": token}``,
``{"token": …, "reply": {…}}``.
"""

import gc
import json
import mmap
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, Final

from twisted.internet import reactor as _reactor

from dns_node.answer.access import Networks
from dns_node.answer.rate_limit import RateLimits
from dns_node.answer.respond import AnswerSettings
from dns_node.answer.shared_block import SharedBlock
from dns_node.errors import StoreError
from dns_node.metrics import BLOCK_SIZE_OCTETS, INDEX, Counters
from dns_node.net.answering import Answering
from dns_node.net.connection_limits import TcpLimits
from dns_node.net.control_channel import Channel
from dns_node.net.dnstap import Dnstap
from dns_node.net.events import EventRing, Writer
from dns_node.net.native import (
    NATIVE,
    PYTHON,
    NativeReader,
    NoNativeError,
    load_core,
    make_core,
)
from dns_node.net.query_log import QueryLog
from dns_node.net.recursion.resolving import DRAIN_S, Resolving
from dns_node.net.recursion.settings import section_from
from dns_node.net.recursion.verbs import Verbs
from dns_node.net.tcp import TcpFactory
from dns_node.net.udp import UdpReader
from dns_node.store.reader import Reader
from dns_node.supervise.launch import read_start
from dns_node.supervise.process import allow_descriptors, set_title

reactor: Any = _reactor

FINISH_S: Final = 3.0
"""How long a worker that stops waits for clients to take their replies."""

DESCRIPTORS: Final = 32_768
"""Open files of a worker: each query to a server has a socket of its own."""

STORE_CHECK_S: Final = 1.0
"""How often CURRENT is looked at, in case a message about a new generation was lost."""

REPORT_S: Final = 60.0
"""The same complaint is made at most this often."""

TCP_BACKLOG: Final = 256


class Worker:
    """One worker: builds everything from its start description; `run` returns after the stop."""

    def __init__(self, start: dict[str, Any]):
        self._number = int(start["worker"])
        self._node = str(start.get("node", ""))
        self._data_directory = Path(start["store"]).parent
        self._is_json = False
        self._reported: dict[str, float] = {}
        counters = mmap.mmap(start["counters"], BLOCK_SIZE_OCTETS)
        shared = mmap.mmap(start["limits"], 0)
        block = SharedBlock(shared, self._number)
        self._answering = Answering(Counters(counters), self._report, block)
        self._data_path = self._take_core(start)
        self._resolving = Resolving(
            self._answering, reactor, self._data_directory, self._number
        )
        self._verbs = Verbs(self._resolving)
        self._factory = TcpFactory(self._answering, reactor)
        self._udp = [
            UdpReader(
                socket.socket(fileno=item["fd"]), self._answering, is_wildcard=item["wildcard"]
            )
            for item in start["udp"]
        ]
        self._resolving.waiting = lambda: sum(udp.waiting() for udp in self._udp)
        self._tcp_sockets = [socket.socket(fileno=item["fd"]) for item in start["tcp"]]
        self._ports: list[Any] = []
        self._logs: dict[tuple[str, str], EventRing] = {}
        self._control = Channel(start["control"], self._take)
        self._is_stopping = False
        self.apply(start.get("settings", {}))

    def _take_core(self, start: dict[str, Any]) -> str:
        """Answer natively if that can be; return what STATUS calls the data path."""
        try:
            core = make_core(load_core(), start["counters"], start["limits"], self._number)
        except NoNativeError as error:
            return f"{PYTHON} ({error})"
        except Exception as error:
            self._report("the native data path can't be used", error)
            return f"{PYTHON} ({error})"
        self._answering.native = core
        return NATIVE

    def run(self) -> None:
        """Answer until SIGTERM or a stop message."""
        signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(self.stop))
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)
        self.check_store()
        for tcp in self._tcp_sockets:
            tcp.listen(TCP_BACKLOG)
            port = reactor.adoptStreamPort(tcp.fileno(), tcp.family, self._factory)
            self._ports.append(port)
            tcp.close()  # the port has a duplicate; the supervisor keeps the original
        for udp in self._udp:
            udp.start(reactor)
        reactor.addReader(self._control)
        reactor.callWhenRunning(self.say_ready)
        # What lives from here on lives as long as the process: the collector need not look at it.
        gc.collect()
        gc.freeze()
        reactor.run(installSignalHandlers=False)
        for ring in self._logs.values():
            ring.close()

    def say_ready(self) -> None:
        """Tell the node that this worker answers."""
        self._control.send({
            "ready": True, "worker": self._number, "pid": os.getpid(),
            "data_path": self._data_path,
        })  # fmt: skip

    def check_store(self) -> None:
        """Open the store when there is one by now, or its newest generation; again every second."""
        if not self._is_stopping:
            reactor.callLater(STORE_CHECK_S, self.check_store)
        self.follow_generation()
        if reactor.running and self._data_path == NATIVE and self._answering.native is None:
            self._data_path = f"{PYTHON} (the native one failed; see the log)"
            self._resolving.core_changed()
            self.say_ready()

    def follow_generation(self) -> None:
        """Read the current generation of the store from here on."""
        reader = self._answering.reader
        try:
            if reader is None:
                core = self._answering.native
                fresh = (
                    Reader(self._data_directory)
                    if core is None
                    else NativeReader(core, self._data_directory)
                )
                fresh.reset()
                self._answering.reader = fresh
            elif isinstance(reader, Reader | NativeReader):
                reader.reopen()
                reader.reset()
            self._resolving.look_at_zones()
        except StoreError as error:
            self._report("no store to answer from", error)

    def apply(self, settings: dict[str, Any]) -> None:
        """Work with *settings* from here on; keys that are missing have their defaults."""
        self._is_json = settings.get("log_format") == "json"
        idle_s = int(settings.get("tcp_idle_s", 10))
        recursion = settings.get("recursion", {})
        clients = Networks(recursion.get("clients", []))
        answers = AnswerSettings(
            identity=(settings.get("identity") or "").encode(),
            version=(settings.get("version") or "").encode(),
            query=Networks(settings.get("query", ["any"])),
            recursion=clients,
            idle_timeout_s=idle_s,
        )
        limits = settings.get("rate_limit", {})
        if "exempt" in limits:
            limits = {**limits, "exempt": Networks(limits["exempt"])}
        self._answering.has_cookies = settings.get("cookies", True)
        self._answering.configure(answers, RateLimits(**limits))
        self._resolving.apply(clients, section_from(recursion.get("section", {})))
        self._factory.limits = TcpLimits(
            connections=int(settings.get("tcp_connections", 1000)),
            connections_per_address=int(settings.get("tcp_connections_per_address", 100)),
            idle_s=idle_s,
        )
        proxies = Networks(settings.get("proxy", []))
        self._factory.proxies = proxies
        for udp in self._udp:
            udp.proxies = proxies
        self._apply_logs(settings)

    def _take(self, message: dict[str, Any]) -> None:
        match message:
            case {"do": "generation"}:
                self.follow_generation()
            case {"do": "settings", "settings": dict() as settings}:
                self.apply(settings)
            case {"do": "recursion", "token": int() as token}:
                self._verbs.run(
                    message, lambda reply: self._control.send({"token": token, "reply": reply})
                )
            case {"do": "ping"}:
                self._control.send({"pong": message.get("token")})
            case {"do": "stop"}:
                self.stop()
            case {"event": "node", "state": "started"}:
                self.say_ready()

    def stop(self) -> None:
        """Answer what has arrived, accept nothing more, and end."""
        if self._is_stopping:
            return
        self._is_stopping = True
        self._resolving.begin_stop()
        for udp in self._udp:
            udp.stop(reactor)
        for port in self._ports:
            port.stopListening()
        self._end_when_resolved(reactor.seconds() + DRAIN_S)

    def _end_when_resolved(self, deadline_s: float) -> None:
        if not self._resolving.is_idle and reactor.seconds() < deadline_s:
            reactor.callLater(0.02, self._end_when_resolved, deadline_s)
            return
        self._resolving.give_up()
        self._factory.finish_all()
        self._end_when_finished(reactor.seconds() + FINISH_S)

    def _end_when_finished(self, deadline_s: float) -> None:
        if self._factory.connections and reactor.seconds() < deadline_s:
            reactor.callLater(0.02, self._end_when_finished, deadline_s)
        else:
            reactor.stop()

    def _apply_logs(self, settings: dict[str, Any]) -> None:
        identity = self._answering.settings.identity
        wanted: dict[tuple[str, str], Writer] = {}
        if path := settings.get("query_log"):
            wanted["query_log", path] = QueryLog(path, self._node, self._number)
        if path := settings.get("dnstap"):
            wanted["dnstap", path] = Dnstap(path, identity, self._answering.settings.version)
        for key in [key for key in self._logs if key not in wanted]:
            self._logs.pop(key).close()
        for key, writer in wanted.items():
            if key not in self._logs:
                title = f"{key[0].replace('_', '-')}-{self._number}"
                self._logs[key] = EventRing(writer, title, self._on_lost)
        self._answering.sinks = list(self._logs.values())

    def _on_lost(self, number: int, error: OSError) -> None:
        # Called by a writer's thread, while the block has one writing thread: hand over.
        reactor.callFromThread(self._answering.counters.add, INDEX["log_dropped"], number)
        reactor.callFromThread(self._report, "queries are not logged", error)

    def _report(self, what: str, error: BaseException) -> None:
        """Say on standard error what went wrong, with where if it is a fault of the program."""
        now_s = reactor.seconds()
        key = f"{what.split(' of ')[0]} {type(error).__name__}"
        if now_s < self._reported.get(key, float("-inf")) + REPORT_S:
            return
        self._reported[key] = now_s
        is_expected = isinstance(error, (StoreError, OSError))
        text = str(error) if is_expected else "".join(traceback.format_exception(error))
        log = f"worker {self._number}"
        if self._is_json:
            line = json.dumps({"level": "error", "log": log, "message": f"{what}: {text}"})
        else:
            line = f"{log}: error: {what}: {text.rstrip()}"
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            return


def main() -> int:
    """Run a worker as the supervisor describes it; return the exit status."""
    start = read_start(os.environ)  # type: ignore[arg-type]
    set_title(f"dns-worker-{start['worker']}")
    allow_descriptors(DESCRIPTORS)
    Worker(start).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
