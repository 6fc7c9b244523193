"""``scripts/simulate``: run seeds, show one of them, or write the table of mutations."""

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from twisted.logger import globalLogBeginner

from tests.simulation.faults import Report
from tests.simulation.killing import check_table, write_table
from tests.simulation.mutations import MUTATIONS
from tests.simulation.seeds import run_seed

HASH_SEED = "0"
SUMMED = (
    "entries", "calls", "done", "refused", "unknown", "reads", "crashes", "power_losses",
    "snapshots", "changes", "terms", "frames",
)  # fmt: skip
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "simulation.md"


def run_quietly(seed: int) -> Report:
    """Return the report of *seed*, without its trace when all is well."""
    silence()
    report = run_seed(seed)
    if not report.violation:
        report.trace = None
    return report


def silence():
    """Let what the nodes log go nowhere: there is a lot, of things that are meant to fail."""
    if not getattr(silence, "is_done", False):
        silence.is_done = True
        globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)


def run_seeds(first_seed: int, seeds: int, jobs: int) -> int:
    """Run the seeds, print the violations and the summary line; return how many violations."""
    began_s = time.monotonic()
    numbers = range(first_seed, first_seed + seeds)
    totals: Counter[str] = Counter()
    failed: list[int] = []
    simulated_s = 0.0
    with ProcessPoolExecutor(jobs) as pool:
        run = pool.map if jobs > 1 else map
        for report in run(run_quietly, numbers):
            for name in SUMMED:
                totals[name] += getattr(report, name)
            simulated_s += report.seconds
            if report.violation:
                failed.append(report.seed)
                print(f"seed {report.seed}: {report.violation.strip()}")
                print(f"  scripts/simulate --trace {report.seed}", flush=True)
    words = ", ".join(f"{totals[name]} {name.replace('_', ' ')}" for name in SUMMED)
    print(
        f"{seeds} seeds from {first_seed}, {len(failed)} violations; {words}; "
        f"{simulated_s / 3600:.1f} h simulated in {time.monotonic() - began_s:.0f} s"
    )
    return len(failed)


def show(seed: int) -> int:
    """Print what happened in *seed*; return 1 when it fails."""
    silence()
    report = run_seed(seed)
    for now_s, text in report.trace or ():
        print(f"{now_s:9.3f}  {text}")
    print(f"seed {seed}: {report.violation or 'no violation'}")
    return int(bool(report.violation))


def main() -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="how many seeds to run")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--trace", type=int, metavar="SEED", help="show what happens in one seed")
    parser.add_argument("--mutations", action="store_true", help=f"write {DOCUMENT.name} anew")
    parser.add_argument(
        "--check-mutations", action="store_true", help=f"is what {DOCUMENT.name} says still so?"
    )
    options = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        # The order of sets is a part of what a seed decides.
        os.environ["PYTHONHASHSEED"] = HASH_SEED
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    if options.trace is not None:
        return show(options.trace)
    if options.mutations or options.check_mutations:
        silence()
        if options.mutations:
            return write_table(DOCUMENT, options.seeds)
        problems = check_table(DOCUMENT)
        print("\n".join(problems) or f"{len(MUTATIONS)} rules: each is needed")
        return int(bool(problems))
    return int(run_seeds(options.first_seed, options.seeds, options.jobs) > 0)


if __name__ == "__main__":
    sys.exit(main())
