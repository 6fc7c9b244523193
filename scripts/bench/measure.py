"""One measurement: the generator against one server, and what the server spent on it."""

import json
import os
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import machine
from server import Server
from zones import BenchZone

TRIES_MAX = 4
"""A run that the host or another program disturbed is done again, up to this often."""


@dataclass(frozen=True)
class Figures:
    """What one run gave; times in microseconds."""

    server: str
    load: str
    round: int
    qps: float
    p50_us: float
    p99_us: float
    user_us: float
    """Processor time of the server per reply outside of the kernel (sampled, so about)."""
    kernel_us: float
    busy: float
    """The server's own processor time per second: near its processors, it is the bottleneck."""
    lost: int
    wrong: int
    with_answer: float
    """The share of replies with an answer: a server that refuses quickly looks fast."""
    nxdomain: float
    size_octets: float
    disturbed: str
    """Why the run is not to be trusted; "" when it is."""


@dataclass
class Generator:
    """The load generator, on *processors*; *ours* are servers that are no strangers."""

    tools: Path
    processors: list[int]
    seconds: float = 1.0
    window: int = 160
    sockets: int = 5
    is_plain: bool = False
    has_edns: bool = False
    ours: list[Server] = field(default_factory=list)

    def run(
        self, server: Server, questions: Path, *, first_line: int = 0, rate_qps: float = 0.0,
        is_tcp: bool = False, count: int = 1,
    ) -> tuple[dict[str, Any], machine.ProcessorTime, float, str]:  # fmt: skip
        """Return (figures of the generator, the server's time, seconds, disturbance).

        *count* generators run at once, each on its own processor; their counts are added up.
        """
        words = [
            str(self.tools / "load"), "-p", str(server.port), "-d", str(questions), "-l",
            str(self.seconds), "-o", str(first_line),
        ]  # fmt: skip
        if is_tcp:
            words += ["-T", "-q", "512", "-c", "16"]
        else:
            words += ["-q", str(self.window), "-c", str(self.sockets if count == 1 else 40)]
        if rate_qps:
            words += ["-r", str(rate_qps / count)]
        words += ["-e"] * self.has_edns + ["-g"] * (not self.is_plain and not rate_qps)
        family = server.processes()
        ours = {os.getpid()}.union(*(one.processes() for one in self.ours))
        before, spent, began_s = (
            machine.Moment.now(ours), machine.processor_time(family), time.perf_counter()
        )  # fmt: skip
        running = [self._start(words, number) for number in range(count)]
        results = [self._result(process) for process in running]
        spent = machine.processor_time(family) - spent
        elapsed_s = time.perf_counter() - began_s
        after = machine.Moment.now(ours | {process.pid for process in running})
        return _sum(results), spent, elapsed_s, _disturbance(before, after)

    def _start(self, words: list[str], number: int) -> subprocess.Popen[str]:
        processor = str(self.processors[number % len(self.processors)])
        process = subprocess.Popen(
            ["nice", "-n", "-20", "taskset", "-c", processor, *words], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        machine.prefer(process.pid)
        return process

    def _result(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        out, complaint = process.communicate(timeout=60)
        if process.returncode:
            raise RuntimeError(f"the generator ended with {process.returncode}: {complaint}")
        return json.loads(out)  # type: ignore[no-any-return]


def _sum(results: list[dict[str, Any]]) -> dict[str, Any]:
    whole = dict(results[0])
    for key in whole:
        if key.endswith("_us") or key in ("seconds", "size_octets"):
            whole[key] = statistics.median(result[key] for result in results)
        else:
            whole[key] = sum(result[key] for result in results)
    return whole


def _disturbance(before: machine.Moment, after: machine.Moment) -> str:
    steal_s, others_s = after.steal_s(before), after.others_s(before)
    if steal_s > 0.1:
        return f"the host took {steal_s:.2f} s"
    if others_s > 0.5 * (os.cpu_count() or 1):
        return f"other programs took {others_s:.2f} s"
    return ""


def measure(
    generator: Generator, server: Server, zone: BenchZone, load: str, number: int,
    *, rate_qps: float = 0.0, is_tcp: bool = False, count: int = 1, label: str = "",
) -> Figures:  # fmt: skip
    """Return the figures of one run, the least disturbed of up to `TRIES_MAX`."""
    for _ in range(TRIES_MAX):
        # Another place in the file each round, the same one for all servers of a round.
        got, spent, elapsed_s, disturbed = generator.run(
            server, zone.question_files[load], first_line=number * 61_813, rate_qps=rate_qps,
            is_tcp=is_tcp, count=count,
        )  # fmt: skip
        replies = max(1, got["all_received"])
        received = max(1, got["received"])
        busy = spent.all_s / (elapsed_s - 0.1)
        if not disturbed and not rate_qps and busy < 0.8 * count:
            disturbed = f"the server had {busy:.0%} of its processor"
        if not disturbed:
            break
        time.sleep(0.2)
    return Figures(
        server=server.name, load=label or load, round=number, qps=got["qps"],
        p50_us=got["p50_us"], p99_us=got["p99_us"], user_us=spent.user_s / replies * 1e6,
        kernel_us=spent.kernel_s / replies * 1e6, busy=busy, lost=got["lost"], wrong=got["wrong"],
        with_answer=got["with_answer"] / received, nxdomain=got["nxdomain"] / received,
        size_octets=got["size_octets"], disturbed=disturbed,
    )  # fmt: skip


def verify(server: Server, zone: BenchZone, count: int = 40) -> None:
    """Ask for *count* names of all types and one that is not there; raise ValueError if an answer
    is not what the zone says."""
    for name, kind, records in zone.sample(count):
        query = dns.message.make_query(name, kind)
        reply = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=2)
        text = [line for rrset in reply.answer for line in rrset.to_text().splitlines()]
        wanted = records if kind != "A" else records[: len(text)] or records
        if text != wanted or not reply.flags & dns.flags.AA:
            raise ValueError(f"{server.name} answers {text} to {name} {kind}, not {wanted}")
    query = dns.message.make_query(f"x0000000.{zone.origin}", "A")
    reply = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=2)
    if reply.rcode() != dns.rcode.NXDOMAIN:
        raise ValueError(f"{server.name} answers {reply.rcode()} to a name that is not there")


def percent_right(figures: Figures) -> float:
    """Return how many of 100 replies were of the kind that the load asks for."""
    is_negative = figures.load.startswith("non-existent")
    return 100 * (figures.nxdomain if is_negative else figures.with_answer)
