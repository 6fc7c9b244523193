"""``scripts/chaos``: runs faults for some minutes and prints the closing report."""

import argparse
import random
import signal
import sys

from tests.chaos.network import CannotRun
from tests.chaos.run import chaos


def main() -> int:
    """Return 0 when nothing was wrong, 1 when something was, 2 when it can't be run here."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long faults go on (5)")
    parser.add_argument("--nodes", type=int, choices=(3, 5), default=3)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # clean up when ended
    print(f"seed {options.seed}, {options.nodes} nodes, {options.minutes:g} minutes", flush=True)
    try:
        report = chaos(options.minutes * 60, options.nodes, options.seed)
    except CannotRun as error:
        print(f"cannot run here: {error}", file=sys.stderr)
        return 2
    problems = report.problems()
    print("\n".join([*problems[:200], "", *report.lines()]), flush=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
