"""A cluster of real processes on 127.0.0.1, in a folder of its own."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.flags
import dns.message

from dns_node.control.ctl import run_ctl

from . import dns_client
from .ports import free_ports
from .processes import NodeProcess
from .waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
ZONE_FILES = ROOT / "zone-files"
READY = r"^Starting DNS server on port \d+\.\.\."
REPLY = r"^(OK\b|REFUSED\b|UNKNOWN\b|ERROR\b|NOT |Some error prevented parsing line)"
"""A console's last line for one command (the legacy lines come before it)."""


def environment(**more: str) -> dict[str, str]:
    """Return the environment for a product process: this checkout, unbuffered, plus *more*."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


@dataclass(frozen=True, slots=True)
class CtlAnswer:
    """What `dns-node ctl` said: exit status (0 done, 1 refused, 2 unknown, 3 no node), texts."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of standard output."""
        return self.out.splitlines()


class Cluster:
    """Writes `dns-config.json` and starts, asks, kills and stops its nodes.

    *nodes* are numbered "0", "1", …; *settings* are further top-level keys of the configuration,
    *node_settings* further keys per node.  `stop` must be called (the fixtures do).
    """

    def __init__(
        self,
        folder: Path,
        nodes: int = 3,
        workers: int = 1,
        settings: dict[str, Any] | None = None,
        node_settings: dict[int, dict[str, Any]] | None = None,
    ):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.workers = workers
        ports = free_ports(2 * nodes)
        self.raft_ports = dict(enumerate(ports[:nodes]))
        self.ports = dict(enumerate(ports[nodes:]))
        self.config_file = folder / "dns-config.json"
        self.config = {
            "nodes": {
                str(n): {
                    "raft_loc": f"127.0.0.1:{self.raft_ports[n]}",
                    "query_loc": f"127.0.0.1:{self.ports[n]}",
                    **(node_settings or {}).get(n, {}),
                }
                for n in range(nodes)
            },
            **(settings or {}),
        }
        # A test asks the Internet for nothing unless it says so.
        self.config["access"] = {"recursion": [], **(settings or {}).get("access", {})}
        self.write_config()
        self.processes: dict[int, NodeProcess] = {}
        self.arguments: dict[int, list[str]] = {}
        self.ended: list[NodeProcess] = []
        self.releases: dict[int, Path] = {}
        """Where the package of a node lies that runs another release than this one."""

    def write_config(self) -> None:
        """Write `config` to the configuration file."""
        self.config_file.write_text(json.dumps(self.config, indent=2))

    def data_dir(self, n: int) -> Path:
        """Return the data directory of node *n*: the default, beside the configuration."""
        return self.folder / "data" / f"node-{n}"

    # ---- starting and stopping

    def start(self, n: int, *arguments: str, zones: list[Path] | None = None) -> NodeProcess:
        """Start node *n* (zones: default the shipped zfN.txt, [] for none); returns at once."""
        if zones is None:
            shipped = ZONE_FILES / f"zf{n}.txt"
            zones = [shipped] if shipped.exists() else []
        words = [word for zone in zones for word in ("-z", str(zone))] + list(arguments)
        self.arguments[n] = words
        return self._spawn(n)

    def _spawn(self, n: int) -> NodeProcess:
        assert n not in self.processes, f"node {n} runs already"
        command = [
            sys.executable,
            "-m",
            "dns_node",
            "-n",
            str(n),
            "-c",
            str(self.config_file),
            "--workers",
            str(self.workers),
            *self.arguments[n],
        ]
        where = environment(PYTHONPATH=str(self.releases.get(n, ROOT)))
        self.processes[n] = NodeProcess(command, self.folder, where)
        return self.processes[n]

    def start_all(self, deadline_s: float = 30.0, zones: bool = True) -> "Cluster":
        """Start every node and wait until each says that it serves and has the zones of all."""
        for n in self.ports:
            self.start(n, zones=None if zones else [])
        for n in self.ports:
            self.wait_ready(n, deadline_s)
        if zones:
            self.wait_zones(deadline_s)
        return self

    def wait_ready(self, n: int, deadline_s: float = 30.0) -> None:
        """Wait for the start-up line that ends the start of node *n*."""
        process = self.processes[n]
        try:
            process.out.wait_for(READY, deadline_s=deadline_s)
        except AssertionError as error:
            log = "\n  ".join(process.err.since()[-30:])
            raise AssertionError(f"node {n}: {error}\nand on standard error:\n  {log}") from None

    def wait_zones(self, deadline_s: float = 20.0) -> None:
        """Wait until every running node answers for the shipped zones of all configured nodes."""
        apexes = ["example.com", "cs244b.com", "cats.com"][: len(self.ports)]
        for n in self.processes:
            for apex in apexes:
                self.wait_answer(n, apex, "SOA", None, deadline_s)

    def restart(self, n: int, deadline_s: float = 30.0) -> NodeProcess:
        """Start node *n* again with its arguments of before, and wait until it serves."""
        if n in self.processes:
            self.forget(n)
        process = self._spawn(n)
        self.wait_ready(n, deadline_s)
        return process

    def restart_hard(self, n: int, deadline_s: float = 30.0) -> NodeProcess:
        """`kill -9` all of node *n*, then start it again and wait until it serves."""
        self.down(n)
        return self.restart(n, deadline_s)

    def forget(self, n: int) -> None:
        """Take the ended process of node *n* out of the books; AssertionError if it runs."""
        process = self.processes.pop(n)
        process.wait(10)
        eventually(lambda: not process.left_over(), 10, f"all processes of node {n} to end")
        self.ended.append(process)

    def kill(self, n: int, number: int = signal.SIGKILL, which: str = "supervisor") -> None:
        """Send a signal to the supervisor, node or worker process of node *n*, or to all."""
        self.processes[n].signal(number, which)

    def down(self, n: int) -> None:
        """`kill -9` every process of node *n*; gone on return."""
        self.kill(n, which="all")
        self.forget(n)

    def stop(self) -> None:
        """Stop every node; AssertionError when one needed force or left a process behind."""
        complaints = []
        for n in list(self.processes):
            self.processes[n].remember()
            if self.processes[n].is_running():
                os.kill(self.processes[n].pid, signal.SIGTERM)
        for n in list(self.processes):
            process = self.processes.pop(n)
            complaints += [f"node {n}: {text}" for text in process.end()]
        for process in self.ended:
            complaints += process.end()
        assert not complaints, "\n".join(complaints)

    # ---- talking

    def console(self, n: int, line: str, reply: str = REPLY, deadline_s: float = 10.0) -> list[str]:
        """Type *line* at node *n*; return the lines printed up to the one that *reply* matches."""
        process = self.processes[n]
        before = process.out.position()
        process.write(line + "\n")
        end, _ = process.out.wait_for(reply, before, deadline_s)
        return process.out.since(before)[: end - before]

    def ctl(self, n: int, *words: str, deadline_s: float = 20.0) -> CtlAnswer:
        """Run `dns-node ctl` for node *n* with *words* as the verb; return status and texts."""
        command = [
            sys.executable,
            "-m",
            "dns_node",
            "ctl",
            "-n",
            str(n),
            "-c",
            str(self.config_file),
            *words,
        ]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment(),
            timeout=deadline_s,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        return CtlAnswer(done.returncode, done.stdout, done.stderr)

    def say(self, n: int, *words: str) -> CtlAnswer:
        """Like `ctl`, without a process for it: the same code, in this one."""
        out, err = io.StringIO(), io.StringIO()
        status = run_ctl(str(self.data_dir(n)), words, out, err)
        return CtlAnswer(status, out.getvalue(), err.getvalue())

    def done(self, n: int, *words: str) -> CtlAnswer:
        """Like `say`; AssertionError unless it answered "done"."""
        answer = self.say(n, *words)
        assert answer.status == 0, f"{words}: {answer}"
        return answer

    def status(self, n: int) -> dict[str, str]:
        """Return the `name: value` lines of STATUS; AssertionError while the node is not there."""
        answer = self.done(n, "STATUS")
        found = (re.match(r"\s*([\w][\w .-]*?):\s*(.*)$", line) for line in answer.lines)
        return {match[1].lower(): match[2] for match in found if match}

    def ask(self, n: int, name: str, rrtype: str = "A", **options: Any) -> dns.message.Message:
        """Return node *n*'s reply to one question (see `dns_client.ask`)."""
        return dns_client.ask(self.ports[n], name, rrtype, **options)

    def values(self, n: int, name: str, rrtype: str = "A", **options: Any) -> list[str]:
        """Return the rdata texts that node *n* answers with, sorted."""
        return dns_client.values(self.ask(n, name, rrtype, **options), rrtype)

    def dig(self, n: int, *words: str) -> str:
        """Return what the real dig prints when it asks node *n*."""
        return dns_client.dig(self.ports[n], *words)

    def wait_answer(
        self, n: int, name: str, rrtype: str, texts: list[str] | None, deadline_s: float = 10.0
    ) -> None:
        """Wait until node *n* answers, over TCP when it must, with exactly *texts* (None: any)."""

        def answers() -> bool:
            reply = self.ask(n, name, rrtype, timeout_s=1.0)
            if reply.flags & dns.flags.TC:
                reply = self.ask(n, name, rrtype, timeout_s=1.0, tcp=True)
            found = dns_client.values(reply, rrtype)
            return bool(found) if texts is None else found == sorted(texts)

        eventually(
            answers,
            deadline_s,
            f"node {n} to answer {name} {rrtype} with {texts}",
            ignore=dns_client.NOT_YET,
        )

    def wait_rcode(self, n: int, name: str, rcode: str, deadline_s: float = 10.0) -> None:
        """Wait until node *n* answers *name* with *rcode*."""
        eventually(
            lambda: dns_client.rcode_text(self.ask(n, name, timeout_s=1.0)) == rcode,
            deadline_s,
            f"node {n} to answer {rcode} for {name}",
            ignore=dns_client.NOT_YET,
        )

    def wait_equal(self, deadline_s: float = 15.0) -> str:
        """Wait until all running nodes report one revision and one digest; return the digest."""

        def equal() -> str:
            states = [self.status(n) for n in self.processes]
            digests = {(state["revision"], state["digest"]) for state in states}
            return states[0]["digest"] if len(digests) == 1 else ""

        return eventually(equal, deadline_s, "equal revision and digest on all nodes", poll_s=0.2)
