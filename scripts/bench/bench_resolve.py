"""Figures of resolving on this machine, beside other resolvers; ``scripts/bench-resolve`` runs it.

Every resolver gets the first processor; the load generator and the authoritative server that all of
them ask get others (one together, where there are two processors in all).  All resolvers are up at
once, rounds are interleaved over them: the absolute figures of a shared machine move by half
between minutes, the ratios by much less.  Everything is on 127.0.0.1 and ends by itself.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import groups  # noqa: E402
import machine  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
import resolvers  # noqa: E402
import zones  # noqa: E402
from bench_serve import build  # noqa: E402
from questions import HOT_NAMES, Questions  # noqa: E402
from server import Server, StartError  # noqa: E402

NAMES = ["echo", "unbound", "kresd", "pdns-recursor", "bind", "dns-node"]
GROUPS = ["hits", "cold", "mix", "latency", "memory"]
MIXES = (0.5, 0.8, 0.9, 0.95)
TIMEOUT_S = 3


@dataclass(frozen=True)
class Run:
    """What one run of the generator against one resolver gave."""

    server: str
    load: str
    round: int
    qps: float
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    asked: int
    lost: int
    wrong: int
    with_answer: float
    busy: float
    """Processor time of the resolver per second."""
    cpu_us: float
    """Processor time of the resolver per reply."""
    disturbed: str


@dataclass
class Bench:
    """What the loads share."""

    tools: Path
    questions: Questions
    processors: list[int]
    servers: list[Server]
    upstream: Server
    rounds: int
    scale: float
    runs: list[Run]

    def run(self, server: Server, load: str, number: int, file: Path, *, count: int = 0,
            seconds: float = 1.0, window: int = 160, rate: float = 0.0) -> Run:  # fmt: skip
        """Ask *count* of the questions in *file* (for *seconds*, when 0), and keep the figures."""
        words = [str(self.tools / "load"), "-p", str(server.port), "-d", str(file), "-q",
                 str(window), "-c", "8", "-t", str(TIMEOUT_S * 1000), "-g"]  # fmt: skip
        words += ["-n", str(count), "-l", "120"] if count else ["-l", str(seconds)]
        words += ["-r", str(rate)] if rate else []
        pids = server.processes()
        ours = {os.getpid()}.union(*(one.processes() for one in [*self.servers, self.upstream]))
        before, spent = machine.Moment.now(ours), machine.processor_time(pids)
        began_s = time.perf_counter()
        process = subprocess.Popen(
            ["nice", "-n", "-20", "taskset", "-c", str(self.processors[1]), *words], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        machine.prefer(process.pid)
        out, complaint = process.communicate(timeout=180)
        if process.returncode:
            raise RuntimeError(f"the generator ended with {process.returncode}: {complaint}")
        spent = machine.processor_time(pids) - spent
        elapsed_s = time.perf_counter() - began_s
        after = machine.Moment.now(ours | {process.pid})
        got = json.loads(out)
        received = max(1, got["received"])
        steal_s, others_s = after.steal_s(before), after.others_s(before)
        one = Run(
            server.name, load, number, got["qps"], got["p50_us"], got["p90_us"], got["p99_us"],
            got["p999_us"], got["sent"], got["lost"], got["wrong"], got["with_answer"] / received,
            spent.all_s / (got["seconds"] + (0 if count else 0.3)),  # 0.3 s of warm-up
            spent.all_s / max(1, got["all_received"]) * 1e6,
            f"host {steal_s:.1f} s, others {others_s:.1f} s"
            if steal_s + others_s > 0.2 * elapsed_s + 0.1 else "",
        )  # fmt: skip
        self.runs.append(one)
        groups.complain(
            f"{load}, round {number + 1}: {one.server} {one.qps:,.0f}/s, p50 {one.p50_us:,.0f} us, "
            f"p99 {one.p99_us:,.0f} us, {one.cpu_us:.1f} us of its processor each, busy "
            f"{one.busy:.0%}, answered {one.with_answer:.1%}, lost {one.lost}, wrong {one.wrong}"
            + (f" [disturbed: {one.disturbed}]" if one.disturbed else "")
        )
        return one

    @property
    def resolvers(self) -> list[Server]:
        """All but the echo server."""
        return [one for one in self.servers if not one.is_echo]

    def share(self, count: int) -> int:
        """Return *count*, less of it in a quick run."""
        return max(1000, round(count * self.scale))

    def warm_up(self) -> None:
        """Ask every resolver once for every hot name."""
        file = self.questions.warm()
        for server in self.resolvers:
            self.run(server, "warm-up", 0, file, count=HOT_NAMES, window=64)


def hits(bench: Bench) -> None:
    """All hits: a thousand names that were asked for before."""
    file = bench.questions.hot(1000)
    for number in range(bench.rounds):
        for server in bench.servers:
            bench.run(server, "all hits", number, file)


def cold(bench: Bench) -> None:
    """Names that were never asked for, each once."""
    count = bench.share(50_000)
    for number in range(bench.rounds):
        file = bench.questions.cold(count, str(number))
        for server in bench.resolvers:
            bench.run(server, f"cold, {count:,} names", number, file, count=count, window=256)


def mix(bench: Bench) -> None:
    """Hits by Zipf's law, and names that were never asked for in between."""
    for share in MIXES:
        count = bench.share(min(200_000, round(20_000 / (1 - share))))
        for number in range(bench.rounds):
            file = bench.questions.mix(count, share, f"{share}-{number}")
            for server in bench.resolvers:
                bench.run(server, f"{share:.0%} hits", number, file, count=count, window=256)


def latency(bench: Bench) -> None:
    """2,000 questions per second, whether or not replies come: hits, then cold names."""
    count = bench.share(5000)
    hot = bench.questions.hot(1000)
    for number in range(bench.rounds):
        file = bench.questions.cold(count, f"latency-{number}")
        for server in bench.resolvers:
            for load, asked in (("hits at 2,000/s", hot), ("cold at 2,000/s", file)):
                bench.run(server, load, number, asked, count=count, rate=2000.0, window=4096)


def memory(bench: Bench) -> list[list[str]]:
    """Return rows: how much memory names take, each asked once."""
    count = bench.share(200_000)
    file = bench.questions.cold(count, "memory")
    rows = []
    for server in bench.resolvers:
        pids = resolvers.workers(server)
        before = machine.memory(pids).own_mib
        one = bench.run(server, f"memory, {count:,} names", 0, file, count=count, window=256)
        grown = machine.memory(pids).own_mib - before
        kept = one.asked - one.lost
        rows.append([server.name, f"{before:,.0f}", f"{grown:,.0f}", f"{kept:,}",
                     f"{grown / kept * 1e6:,.0f}"])  # fmt: skip
    return rows


def tables(bench: Bench) -> str:
    """Return the table of all runs but the warm-up."""
    rows = []
    for load in dict.fromkeys(one.load for one in bench.runs if one.load != "warm-up"):
        for name in dict.fromkeys(one.server for one in bench.runs):
            found = [one for one in bench.runs if (one.server, one.load) == (name, load)]
            if not found:
                continue
            clean = [one for one in found if not one.disturbed] or found

            def middle(key: str, clean: list[Run] = clean) -> float:
                return statistics.median(getattr(one, key) for one in clean)

            rows.append([
                load, name, f"{middle('qps'):,.0f}",
                f"{min(one.qps for one in found):,.0f}..{max(one.qps for one in found):,.0f}",
                _ratio(bench.runs, name, load), f"{middle('cpu_us'):.1f}",
                f"{middle('p50_us'):,.0f}",
                f"{middle('p90_us'):,.0f}", f"{middle('p99_us'):,.0f}", f"{middle('p999_us'):,.0f}",
                f"{middle('with_answer'):.1%}", f"{sum(one.lost for one in found)}",
                f"{sum(not one.disturbed for one in found)} of {len(found)}",
            ])  # fmt: skip
    return report.table(
        ["load", "resolver", "questions/s", "min..max", "to unbound", "CPU us each", "p50 us",
         "p90 us", "p99 us", "p99.9 us", "answered", "lost", "clean runs"], rows,
    )  # fmt: skip


def _ratio(runs: list[Run], name: str, load: str, reference: str = "unbound") -> str:
    """The median ratio to *reference* in the same round."""
    theirs = {one.round: one.qps for one in runs if (one.server, one.load) == (reference, load)}
    found = [one.qps / theirs[one.round] for one in runs
             if (one.server, one.load) == (name, load) and theirs.get(one.round)]  # fmt: skip
    return f"{statistics.median(found):.2f}" if found else "-"


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP",
                        help=f"which of {', '.join(GROUPS)}; without: all")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="a tenth of the questions, one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", metavar="NAME,NAME",
                        help=f"which resolvers of {', '.join(NAMES)}")  # fmt: skip
    parser.add_argument("--work", default="", metavar="DIR", help="keep zone and tools there")
    parser.add_argument("--json", default="", metavar="FILE", help="append every run to FILE")
    options = parser.parse_args()
    if unknown := [name for name in options.groups if name not in GROUPS]:
        parser.error(f"no such group: {', '.join(unknown)}")
    options.names = options.only.split(",") if options.only else NAMES
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"no such resolver: {', '.join(unknown)}")
    if options.quick:
        options.rounds = 1
    return options


def take_part(names: list[str]) -> list[str]:
    """Return those of *names* that are installed; say which are missing."""
    missing = [
        name
        for name in names
        if name in resolvers.PACKAGES and not shutil.which(resolvers.PACKAGES[name][1])
    ]
    if missing:
        packages = " ".join(resolvers.PACKAGES[name][0] for name in missing)
        groups.complain(f"Not installed, left out: {', '.join(missing)}.  As root, on Debian:\n"
                        f"apt-get install --no-install-recommends {packages}")  # fmt: skip
    if not shutil.which("nsd"):
        sys.exit(
            "bench-resolve: NSD is needed, which the resolvers ask; on Debian: apt install nsd"
        )
    return [name for name in names if name not in missing]


def run(options: argparse.Namespace, directory: Path) -> None:
    """Measure, and print the tables."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:
        sys.exit("bench-resolve: two processors are needed, for the resolver and for the load.")
    names = take_part(options.names)
    tools = directory / "tools"
    tools.mkdir(exist_ok=True)
    build(tools)
    os.sched_setaffinity(0, {processors[1]})
    zone = zones.make(directory, "1m", 1_000_000)
    beside = str(processors[2] if len(processors) > 2 else processors[1])
    upstream = peers.start("nsd", zone, directory, beside)
    servers: list[Server] = []
    rows: list[list[str]] = []
    try:
        for name in names:
            try:
                servers.append(
                    peers.start_echo(directory, tools, str(processors[0])) if name == "echo" else
                    resolvers.start(name, zone, upstream, directory, str(processors[0]))
                )  # fmt: skip
            except StartError as error:
                groups.complain(f"{name}: {error}")
        bench = Bench(tools, Questions(zone, directory), processors, servers, upstream,
                      options.rounds, 0.1 if options.quick else 1.0, [])  # fmt: skip
        chosen = options.groups or GROUPS
        bench.warm_up()
        for group in (hits, cold, mix, latency):
            if group.__name__ in chosen:
                group(bench)
        if "memory" in chosen:
            rows = memory(bench)
    finally:
        for server in [*servers, upstream]:
            server.stop()
    print(machine.describe())
    for name in names:
        if name in resolvers.PACKAGES:
            print(f"{name}: {version(name)}")
    print(f"\n{tables(bench)}")
    if rows:
        head = ["resolver", "MiB before", "MiB more", "names kept", "MiB for a million names"]
        print(f"\n{report.table(head, rows)}")
    if options.json:
        with open(options.json, "a") as file:
            file.writelines(json.dumps(asdict(one)) + "\n" for one in bench.runs)


def version(name: str) -> str:
    """Return what the peer *name* says about its version, in one line."""
    words = resolvers.PACKAGES[name][2].split()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    first = (done.stdout + done.stderr).strip().splitlines()[0]
    return first[max(0, first.find("PowerDNS")) :]


def main() -> int:
    """Run the command line."""
    options = parse()
    with machine.workplace(options.work) as directory:
        run(options, directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
