"""Figures of answering on this machine, beside other servers; ``scripts/bench-serve`` runs it.

Every server gets the first processor, the load generator the second one.  All servers of a group
are up at once, rounds are interleaved over them, and a ratio is taken against the echo server of
the same round: the absolute figures of a shared machine move by half between minutes, the ratios
by much less.  Everything is on 127.0.0.1 and ends by itself.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import groups  # noqa: E402
import machine  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
from measure import Generator  # noqa: E402

HERE = Path(__file__).resolve().parent
NAMES = ["echo", "nsd", "knot", "bind", "pdns", "dns-node"]


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP",
                        help=f"which of {', '.join(groups.GROUPS)}; without: all")  # fmt: skip
    parser.add_argument("--quick", action="store_true",
                        help="10k names; echo, NSD, Knot, dns-node; two short rounds")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each run")
    parser.add_argument("--only", default="", metavar="NAME,NAME",
                        help=f"which servers of {', '.join(NAMES)}")  # fmt: skip
    parser.add_argument("--plain-send", action="store_true", help="a generator without UDP_SEGMENT")
    parser.add_argument("--edns", action="store_true", help="questions with an EDNS OPT record")
    parser.add_argument("--work", default="", metavar="DIR",
                        help="keep zones, tools and loaded stores there")  # fmt: skip
    parser.add_argument("--json", default="", metavar="FILE", help="append every run to FILE")
    options = parser.parse_args()
    unknown = [name for name in options.groups if name not in groups.GROUPS]
    if unknown:
        parser.error(f"no such group: {', '.join(unknown)}")
    if options.quick:
        options.groups = options.groups or ["10k"]
        options.rounds, options.seconds = 2, 0.7
        options.only = options.only or "echo,nsd,knot,dns-node"
    return options


def build(directory: Path) -> None:
    """Compile the generator and the echo server; raises SystemExit without a C compiler."""
    for name in ("load", "echo"):
        source, program = HERE / f"{name}.c", directory / name
        if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
            continue
        try:
            subprocess.run(["cc", "-O2", "-o", str(program), str(source)], check=True)
        except (OSError, subprocess.CalledProcessError):
            sys.exit("bench-serve: a C compiler is needed; on Debian: apt install gcc libc6-dev")


def take_part(options: argparse.Namespace) -> list[str]:
    """Return the servers that take part; say which are missing."""
    names = options.only.split(",") if options.only else NAMES
    if unknown := [name for name in names if name not in NAMES]:
        sys.exit(f"bench-serve: no such server: {', '.join(unknown)}")
    missing = peers.missing(names)
    if missing:
        groups.complain(f"Not installed, left out: {', '.join(missing)}.  As root, on Debian:\n"
                        + peers.how_to_install(missing))  # fmt: skip
    return [name for name in names if name not in missing]


def run(options: argparse.Namespace, directory: Path) -> None:
    """Measure, and print the tables."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:
        sys.exit("bench-serve: two processors are needed, for the server and for the load.")
    names = take_part(options)
    tools = directory / "tools"
    tools.mkdir(exist_ok=True)
    build(tools)
    # What is left runs beside the generator, never beside a server.
    os.sched_setaffinity(0, {processors[1]})
    generator = Generator(tools, [processors[1]], options.seconds,
                          is_plain=options.plain_send, has_edns=options.edns)  # fmt: skip
    bench = groups.Bench(directory, generator, processors, options.rounds, names, groups.complain)
    tables, verdicts = [], []
    for group in options.groups or list(groups.GROUPS):
        generator.processors = [processors[1]]
        text, rows = groups.GROUPS[group](bench)
        tables.append((group, text))
        verdicts += rows
    print(f"{machine.describe()}")
    for name in names:
        if name in peers.PACKAGES:
            print(f"{name}: {peers.version(name)}")
    for group, text in tables:
        print(f"\n## {group}\n\n{text}")
    if verdicts:
        print(f"\n## Budgets\n\n{report.budgets(verdicts)}")
    if options.json:
        with open(options.json, "a") as file:
            file.writelines(json.dumps(asdict(one)) + "\n" for one in bench.figures)


def main() -> int:
    """Run the command line."""
    options = parse()
    with machine.workplace(options.work) as directory:
        run(options, directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
