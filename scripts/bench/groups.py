"""The groups of measurements; each returns its tables and its rows for the table of budgets."""

import select
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import machine
import peers
import report
import zones
from changes import Changes
from measure import Figures, Generator, measure, verify
from own import OwnNode
from server import Server, StartError
from zones import BenchZone

CHANGE_RATE = 1000
IMPORT_RECORDS = 200_000
SIZES = {"10k": 10_000, "1m": 1_000_000}


@dataclass
class Bench:
    """What the groups share: where things lie, which servers take part, how long."""

    directory: Path
    generator: Generator
    processors: list[int]
    rounds: int
    names: list[str]
    note: Callable[[str], None]
    figures: list[Figures] = field(default_factory=list)

    def zone(self, size: str) -> BenchZone:
        """Return the zone of that size; written when first asked for."""
        return zones.make(self.directory, size, SIZES[size])

    @contextmanager
    def servers(
        self, zone: BenchZone, names: list[str], workers: int = 1, processors: str = ""
    ) -> Iterator[list[Server]]:
        """Start those of *names* that take part, all at once; stop them at the end."""
        started: list[Server] = []
        processors = processors or str(self.processors[0])
        try:
            for name in [name for name in names if name.split("-")[0] in self.chosen]:
                try:
                    server = self.start(name, zone, processors, workers)
                except StartError as error:
                    self.note(f"{name}: {error}")
                    continue
                started.append(server)
                if not server.is_echo:
                    verify(server, zone)
                    self.note(f"{name}: first answer after {server.start_s:.2f} s, "
                              f"{server.memory().own_mib:.0f} MiB")  # fmt: skip
            self.generator.ours = started
            yield started
        finally:
            for server in started:
                server.stop()

    @property
    def chosen(self) -> set[str]:
        """The first words of the servers that take part."""
        return {name.split("-")[0] for name in self.names}

    def start(self, name: str, zone: BenchZone, processors: str, workers: int = 1) -> Server:
        """Start one server; raises StartError."""
        if name.startswith("echo"):
            batch = int(name.partition("-")[2] or 64)
            return peers.start_echo(self.directory, self.generator.tools, processors, batch)
        if name.startswith("dns-node"):
            node = OwnNode(zone, self.directory, processors, workers,
                           is_limited=name.endswith("limited"))  # fmt: skip
            node.serve()
            if node.load_s:
                rate = zone.name_count / node.load_s
                self.note(f"dns-node: LOAD took {node.load_s:.1f} s, {rate:,.0f} records/s")
            self.note(f"dns-node: data path {node.data_path()}")
            return node
        return peers.start(name, zone, self.directory, processors, workers)

    def run(self, server: Server, zone: BenchZone, load: str, number: int, label: str = "",
            rate_qps: float = 0.0, is_tcp: bool = False, count: int = 1) -> Figures:  # fmt: skip
        """Measure once, say so, and keep the figures."""
        one = measure(self.generator, server, zone, load, number, rate_qps=rate_qps,
                      is_tcp=is_tcp, count=count, label=label)  # fmt: skip
        self.figures.append(one)
        self.note(
            f"{one.load}, round {number + 1}: {one.server} {one.qps:,.0f}/s, p50 {one.p50_us:.0f} "
            f"us, p99 {one.p99_us:.0f} us, user {one.user_us:.2f} us, kernel {one.kernel_us:.2f} "
            f"us, busy {one.busy:.0%}, lost {one.lost}, wrong {one.wrong}"
            + (f" [disturbed: {one.disturbed}]" if one.disturbed else "")
        )
        return one


Outcome = tuple[str, list[list[str]]]


def speed(bench: Bench, size: str) -> Outcome:
    """Closed loop over UDP: how many questions per second, existing names and not."""
    zone = bench.zone(size)
    names = ["echo", "echo-32", "echo-1", "nsd", "knot", "bind", "pdns", "dns-node"]
    names += ["dns-node-limited"] if size == "10k" else []
    loads = ["existing", "non-existent"] + (["hot"] if size == "1m" else [])
    found = []
    with bench.servers(zone, names) as servers:
        for load in loads:
            for number in range(bench.rounds):
                found += [bench.run(server, zone, load, number, f"{load}, {size}")
                          for server in servers]  # fmt: skip
    said = {f"{load}, {size}": f"UDP, one worker, {size} names, {load}" for load in loads}
    return report.speed(found), report.verdicts(found, said)


def tcp(bench: Bench) -> Outcome:
    """Closed loop over 16 TCP connections, pipelined."""
    zone = bench.zone("10k")
    found = []
    with bench.servers(zone, ["nsd", "knot", "bind", "dns-node"]) as servers:
        for number in range(bench.rounds):
            found += [bench.run(server, zone, "existing", number, "TCP", is_tcp=True)
                      for server in servers]  # fmt: skip
    rows = []
    if (value := report.ratio(found, "dns-node", "TCP", "knot")) is not None:
        verdict = "met" if value >= 1 else "missed"
        rows.append(["TCP, 16 connections", "at least Knot", f"{value:.2f} of knot", verdict])
    return report.speed(found), rows


def latency(bench: Bench) -> Outcome:
    """Open loop at half of what the server reached in the closed loop just before."""
    zone = bench.zone("1m")
    found: list[Figures] = []
    with bench.servers(zone, ["echo", "nsd", "knot", "dns-node"]) as servers:
        for number in range(bench.rounds):
            for server in servers:
                full = bench.run(server, zone, "existing", number, "full load, 1m")
                found.append(bench.run(server, zone, "existing", number, "half load, 1m",
                                       rate_qps=full.qps / 2))  # fmt: skip
    rows, p99_us = [], {}
    for server in dict.fromkeys(one.server for one in found):
        runs = [one for one in found if one.server == server]
        p99_us[server] = report.median(runs, lambda one: one.p99_us)
        rows.append([server, f"{report.median(runs, lambda one: one.qps) / 1000:.0f}k",
                     f"{report.median(runs, lambda one: one.p50_us):.0f}", f"{p99_us[server]:.0f}",
                     f"{sum(one.lost for one in runs)}"])  # fmt: skip
    verdicts = []
    if {"echo", "dns-node"} <= p99_us.keys():
        over_us = p99_us["dns-node"] - p99_us["echo"]
        verdicts.append(["p99 at half load, 1m names", "under 200 us above the echo's",
                         f"{over_us:+.0f} us; the echo has {p99_us['echo']:.0f} us",
                         _verdict(over_us, p99_us["echo"])])  # fmt: skip
    head = ["server", "queries/s (half of its maximum)", "p50 us", "p99 us", "lost"]
    return report.table(head, rows), verdicts


def _verdict(over_us: float, echo_us: float) -> str:
    if echo_us > 1000:
        return "can't be told: the machine is not quiet enough"
    return "met" if over_us < 200 else "missed"


def start(bench: Bench) -> Outcome:
    """Killed and started again with 1M names: time to the first answer, and memory."""
    zone = bench.zone("1m")
    rows, verdicts = [], []
    first, second = map(str, bench.processors[:2])
    alone = [(name, first) for name in ("nsd", "knot", "bind", "pdns", "dns-node")]
    # The node process starts at the same time as the worker: with a second processor beside it.
    for name, used in [*alone, ("dns-node", f"{first},{second}")]:
        with bench.servers(zone, [name], 1, used) as servers:
            for server in servers:
                times_s = []
                for _ in range(bench.rounds):
                    server.kill()
                    server.start_again()
                    times_s.append(server.start_s)
                bench.run(server, zone, "existing", 0, "warm-up")
                memory = server.memory()
                median_s = statistics.median(times_s)
                count = str(len(used.split(",")))
                span = f"{min(times_s):.2f}..{max(times_s):.2f}"
                rows.append([name, count, f"{median_s:.2f}", span,
                             f"{memory.own_mib:.0f}", f"{memory.store_mib:.0f}"])  # fmt: skip
                if name == "dns-node":
                    verdict = "met" if median_s < 0.5 else "missed"
                    what = f"start to first answer, 1m names, {count} processor(s)"
                    verdicts.append([what, "under 0.5 s",
                                     f"{median_s:.2f} s", verdict])  # fmt: skip
    head = ["server", "processors", "start to first answer, s", "min..max",
            "memory (PSS) after a load, MiB", "pages of the store, MiB"]  # fmt: skip
    return report.table(head, rows), verdicts


def workers(bench: Bench) -> Outcome:
    """1 to n workers, with as many generators where there are processors for both."""
    zone = bench.zone("1m")
    rows, verdicts = [], []
    half = len(bench.processors) // 2
    for count in [n for n in (1, 2, 4, 8, 14, 28, 56) if n <= max(4, half)]:
        has_room = count <= half
        used = bench.processors[:count] if has_room else bench.processors[:1]
        if has_room:
            bench.generator.processors = bench.processors[len(used) : 2 * len(used)]
        generators = count if has_room else 1
        with bench.servers(zone, ["echo", "dns-node"], count, ",".join(map(str, used))) as servers:
            found = [bench.run(server, zone, "existing", number, f"{count} workers",
                               count=generators if server.name == "dns-node" else 1)
                     for number in range(bench.rounds) for server in servers
                     if not (server.is_echo and has_room and count > 1)]  # fmt: skip
            for node in servers:
                if not isinstance(node, OwnNode):
                    continue
                own = [one for one in found if one.server == "dns-node"]
                ratio = report.ratio(found, "dns-node", f"{count} workers", "echo")
                four = machine.memory(node.workers())
                whole = node.memory()
                rows.append([
                    str(count), "one each" if has_room else "all on one",
                    f"{report.median(own, lambda one: one.qps) / 1000:.0f}k",
                    "-" if ratio is None else f"{ratio:.2f}",
                    f"{report.median(own, lambda one: one.user_us):.2f}",
                    f"{report.median(own, lambda one: one.kernel_us):.2f}",
                    f"{four.own_mib:.0f}", f"{whole.own_mib:.0f}", f"{whole.store_mib:.0f}",
                ])  # fmt: skip
                if count == 4:
                    verdicts.append([
                        "memory for 1m names, four workers", "under 150 MiB beside the store",
                        f"workers {four.own_mib:.0f} MiB, all processes {whole.own_mib:.0f} MiB",
                        "met" if four.own_mib < 150 else "missed",
                    ])  # fmt: skip
    head = ["workers", "processors", "queries/s", "to echo", "user us", "kernel us",
            "workers' memory, MiB", "all processes', MiB", "pages of the store, MiB"]  # fmt: skip
    return report.table(head, rows), verdicts


def writes(bench: Bench) -> Outcome:
    """Answers while changes are applied, and while a bulk import runs, all on one processor."""
    zone = bench.zone("1m")
    rows = []
    with bench.servers(zone, ["dns-node"]) as servers:
        for node in servers:
            assert isinstance(node, OwnNode)
            for number in range(bench.rounds):
                rows += _beside(bench, node, zone, number)
    head = ["beside", "round", "queries/s", "of undisturbed", "worker's share of the processor",
            "p50 / p99 us at a quarter load", "what was done"]  # fmt: skip
    return report.table(head, rows), []


def _beside(bench: Bench, node: OwnNode, zone: BenchZone, number: int) -> list[list[str]]:
    rows = []
    alone = bench.run(node, zone, "existing", number, "alone")

    def probe(what: str) -> list[str]:
        before = machine.processor_time(node.workers())
        whole = machine.processor_time(node.processes())
        full = alone if what == "nothing" else bench.run(node, zone, "existing", number, what)
        share = machine.processor_time(node.workers()) - before
        whole = machine.processor_time(node.processes()) - whole
        quiet = bench.run(node, zone, "existing", number, f"{what}, quarter load",
                          rate_qps=alone.qps / 4)  # fmt: skip
        part = f"{share.all_s / whole.all_s:.0%}" if whole.all_s else "-"
        return [what, str(number + 1), f"{full.qps / 1000:.0f}k", f"{full.qps / alone.qps:.2f}",
                part, f"{quiet.p50_us:.0f} / {quiet.p99_us:.0f}"]  # fmt: skip

    rows.append([*probe("nothing"), ""])
    changes = Changes(node, zone.origin, CHANGE_RATE)
    changes.start()
    figures = probe(f"{CHANGE_RATE} changes/s")
    rate = changes.stop()
    p50_ms = statistics.median(changes.times_s or [0.0]) * 1000
    said = f"{rate:,.0f} changes/s acknowledged, p50 {p50_ms:.1f} ms, refused {changes.refused}"
    rows.append([*figures, said])
    origin = f"import{number}.bench"
    path = bench.directory / f"{origin}.zone"
    zones.write_import(path, origin, IMPORT_RECORDS)
    talk = node.talk()
    talk.send(f"LOAD {path}")
    figures = probe("a bulk import")
    is_over = bool(select.select([talk], [], [], 0)[0])
    done = "over before the questions" if is_over else "still running after the questions"
    talk.run("STATUS")
    talk.run(f"DROP {origin}")
    rows.append([*figures, f"{IMPORT_RECORDS:,} records; {done}"])
    return rows


GROUPS: dict[str, Callable[[Bench], Outcome]] = {
    "10k": lambda bench: speed(bench, "10k"),
    "1m": lambda bench: speed(bench, "1m"),
    "latency": latency,
    "tcp": tcp,
    "start": start,
    "workers": workers,
    "writes": writes,
}


def complain(text: str) -> None:
    """Write *text* to standard error."""
    print(text, file=sys.stderr, flush=True)
