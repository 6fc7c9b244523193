"""Plays `.rpl` files, each in a network namespace of its own: ``scripts/play-rpl FILE…``."""

import argparse
import asyncio
import concurrent.futures
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import playing, resolvers, scenario, settings
from .playing import Result

LIMIT_S = 120.0
REPOSITORY = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run the command line; 0 when nothing failed."""
    parser = argparse.ArgumentParser(prog="play-rpl", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="or a folder of them")
    parser.add_argument("--resolver", choices=sorted(resolvers.STARTERS), default="dns-node")
    parser.add_argument("--qmin", choices=("on", "off"),
                        help="where a file does not say it (else: off)")  # fmt: skip
    parser.add_argument("-j", "--jobs", type=int, default=1, help="how many at once")
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="what was asked; the resolver's log of a failure")  # fmt: skip
    parser.add_argument("--inside", metavar="DIR", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return _inside(Path(options.files[0]), options)
    files = []
    for name in options.files:
        path = Path(name)
        files += sorted(path.rglob("*.rpl")) if path.is_dir() else [path]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = pool.map(lambda one: play(one, options), files)
        for path, result in zip(files, results, strict=True):
            counts[result.verdict] += 1
            _tell(path, result, options.verbose)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count))
    return 1 if counts["failed"] else 0


def play(path: Path, options: argparse.Namespace) -> Result:
    """Play *path* in a process of its own, in a network namespace of its own."""
    began_s = time.monotonic()
    try:
        parsed = scenario.parse(path.read_text(errors="replace"))
        settings.parse(parsed.settings)
    except scenario.UnsupportedError as error:
        return Result("skipped", str(error))
    except (OSError, scenario.ScenarioError) as error:
        return Result("failed", str(error))
    with tempfile.TemporaryDirectory(prefix="rpl-") as folder:
        words = ["unshare", "--net", "--pid", "--fork", "--kill-child"]
        words += [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        words += [sys.executable, "-m", "tests.rpl", "--inside", folder]
        words += ["--resolver", options.resolver]
        words += ["--qmin", options.qmin] if options.qmin else []
        process = subprocess.Popen(
            [*words, str(path.resolve())], cwd=REPOSITORY, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            said, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Result("failed", f"not over within {LIMIT_S:g} s")
        try:
            result = Result(**json.loads((Path(folder) / "result").read_text()))
        except (OSError, ValueError):
            text = said.decode(errors="replace").strip()
            return Result("failed", f"the player ended with {process.returncode}: {text[-800:]}")
    result.seconds = time.monotonic() - began_s
    return result


def _inside(path: Path, options: argparse.Namespace) -> int:
    folder = Path(options.inside)
    parsed = scenario.parse(path.read_text(errors="replace"))
    if options.qmin:
        parsed.settings.insert(0, f"query-minimization: {options.qmin}")
    try:
        result = asyncio.run(playing.play(parsed, options.resolver, folder))
    except scenario.UnsupportedError as error:
        result = Result("skipped", str(error))
    (folder / "result").write_text(json.dumps(dataclasses.asdict(result)))
    return 0


def _tell(path: Path, result: Result, is_verbose: bool) -> None:
    seconds = f" ({result.seconds:.1f} s)" if result.seconds else ""
    print(f"{path}: {result.verdict}{seconds}{': ' if result.reason else ''}{result.reason}")
    if result.verdict == "failed" or is_verbose:
        for text in result.unscripted:
            print(f"    no reply in the scenario: {text}")
    if is_verbose:
        for text in result.asked:
            print(f"    asked: {text}")
        if result.verdict == "failed":
            print("    " + "\n    ".join(result.log.splitlines()))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
