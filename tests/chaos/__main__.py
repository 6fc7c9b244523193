"""``scripts/chaos``: breaks things for some minutes and prints the closing report."""

import argparse
import random
import signal
import sys
from types import FrameType

from tests.chaos.faults import ALL, Kind
from tests.chaos.network import CannotRun
from tests.chaos.run import chaos


def main() -> int:
    """Return 0 when nothing was wrong, 1 when something was, 2 when it can't be run here."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long faults go on (5)")
    parser.add_argument("--nodes", type=int, choices=(3, 5), default=3)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument(
        "--break", dest="broken", choices=("journal-sync",), default="",
        help="have the nodes break this promise, to see that it is found",
    )  # fmt: skip
    parser.add_argument(
        "--faults", type=kinds_of, default=ALL, help="only these, by name, with commas between"
    )
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    print(f"seed {options.seed}, {options.nodes} nodes, {options.minutes:g} minutes", flush=True)
    try:
        report = chaos(
            options.minutes * 60, options.nodes, options.seed, options.faults, options.broken
        )
    except CannotRun as error:
        print(f"cannot run here: {error}", file=sys.stderr)
        return 2
    problems = report.problems()
    print("\n".join([*problems[:200], "", *report.lines()]), flush=True)
    return 1 if problems else 0


def kinds_of(names: str) -> tuple[Kind, ...]:
    """Return the kinds of fault with these *names*; ArgumentTypeError for an unknown one."""
    found = {kind.name: kind for kind in ALL}
    try:
        return tuple(found[name] for name in names.split(","))
    except KeyError as error:
        what = f"no fault {error}; there are {', '.join(found)}"
        raise argparse.ArgumentTypeError(what) from None


def _end(number: int, frame: FrameType | None) -> None:
    """End, but clean up first, whatever else is sent meanwhile."""
    for other in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    print(f"ended by signal {number}, cleaning up", flush=True)
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
