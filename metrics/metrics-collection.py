#!/usr/bin/env python3
"""Measures a running cluster: queries per second, latency, and how fast a change is everywhere.

    metrics/metrics-collection.py [-c dns-config.json] [-n ID] [--json] [--seconds S] [--rounds K]
                                  [--in-flight W]

Test 1 asks node ID for a record of its own zone, test 2 for one of another node's zone, test 3
asks each node in turn; then temporary records are added through node ID, timed until every other
node serves them, and removed again.  Runs from any folder.
"""

import argparse
import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path[:0] = [HERE, ROOT]

_SECONDS = 2.0
_ROUNDS = 20


def main() -> int:
    """Run the command line; return 0 when all was measured, 1 when the cluster, or a part of it,
    was not there, 130 after Ctrl-C."""
    options = _options()
    _need_environment()
    from dns_node.errors import DnsNodeError

    def stop(*_: object) -> NoReturn:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # what was added is removed, undisturbed
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        return _measure(options)
    except DnsNodeError as error:
        print(f"metrics-collection: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nmetrics-collection: stopped; the temporary records are removed.", file=sys.stderr)
        return 130


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("-c", "--config", metavar="FILE", help="default: dns-config.json")
    parser.add_argument("-n", "--node", metavar="ID", help="default: the first node")
    parser.add_argument("--json", action="store_true", help="one JSON object, for machines")
    parser.add_argument(
        "--seconds",
        type=float,
        default=_SECONDS,
        metavar="S",
        help=f"how long each load test runs (default {_SECONDS:g})",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=_ROUNDS,
        metavar="K",
        help=f"how many changes are timed (default {_ROUNDS}, 0 for none)",
    )
    parser.add_argument(
        "--in-flight",
        type=int,
        default=64,
        metavar="W",
        help="questions in flight at a time (default 64; 1: the latency without any queue)",
    )
    options = parser.parse_args()
    if not 0 < options.seconds <= 3600:
        parser.error("--seconds: expected a number above 0 and up to 3600")
    if not 0 <= options.rounds <= 100_000:
        parser.error("--rounds: expected a whole number from 0 to 100000")
    if not 1 <= options.in_flight <= 10_000:
        parser.error("--in-flight: expected a whole number from 1 to 10000")
    return options


def _need_environment() -> None:
    """Go on under the checkout's own .venv when this Python lacks a package; end when both do."""
    try:
        import dns_node.config.load  # noqa: F401
    except ImportError as error:
        python = os.path.join(ROOT, ".venv", "bin", "python")
        if os.path.exists(python) and not os.environ.get("DNS_NODE_METRICS_EXEC"):
            os.environ["DNS_NODE_METRICS_EXEC"] = "1"
            os.execv(python, [python, os.path.abspath(__file__), *sys.argv[1:]])
        sys.exit(f"metrics-collection: {error}; run ./dns-node --version once: it prepares .venv.")


def _measure(options: argparse.Namespace) -> int:
    import report
    from running_cluster import RunningCluster, find_config

    cluster = RunningCluster(find_config(options.config), options.node)
    silent = cluster.silent_nodes()
    for node in silent:
        host, port = cluster.addresses[node]
        print(
            f"metrics-collection: node {node} does not answer DNS on {host} port {port}.",
            file=sys.stderr,
        )
    if cluster.node in silent:
        print(
            "metrics-collection: is the cluster running? ./scripts/cluster starts it.",
            file=sys.stderr,
        )
        return 1
    progress = report.Progress()
    tests: list[report.LoadTest] = []
    found = None
    with contextlib.closing(cluster.control()) as control:
        own, other = cluster.questions(control)
        for test in _load_tests(cluster, own, other, silent, options, progress):
            tests.append(test)
            if not options.json:
                print(f"Test {test.number}: {test.what}, {test.question} at node {test.node}")
                print(report.rate_line(test.result), flush=True)
        others = {
            node: address
            for node, address in cluster.addresses.items()
            if node != cluster.node and node not in silent
        }
        if options.rounds and others:
            found = _propagation(control, others, own.name, options.rounds, progress)
    if options.json:
        print(json.dumps(report.as_json(cluster.node, tests, found), indent=2))
    else:
        print(f"\nLatency with {options.in_flight} questions in flight:")
        print(report.load_table(tests))
        if found:
            print("\n" + report.propagation_table(cluster.node, found))
    return 1 if silent else 0


def _load_tests(cluster, own, other, silent, options, progress) -> Iterator:  # type: ignore
    """Yield each load test once it is measured."""
    from query_load import measure
    from report import LoadTest

    plan = [(1, "own zone", cluster.node, own)]
    if other is not None:
        plan.append((2, "another node's zone", cluster.node, other))
    plan += [(3, "each node", node, own) for node in cluster.addresses if node not in silent]
    for number, what, node, question in plan:
        label = f"test {number}: {question} at node {node}"
        result = measure(
            cluster.addresses[node],
            question.encode(),
            options.seconds,
            lanes=min(8, options.in_flight),
            window=options.in_flight,
            on_progress=lambda share, label=label: progress.show(label, share),
        )
        progress.clear()
        yield LoadTest(number, what, node, str(question), result)


def _propagation(control, others, zone, rounds, progress):  # type: ignore
    """Return the times of *rounds* temporary records; raises InputError when one is refused."""
    from propagation import NotAcknowledged, measure_propagation

    from dns_node.errors import InputError, Problem

    tag = f"metrics-{secrets.token_hex(6)}"
    try:
        return measure_propagation(
            control, others, zone, rounds, tag, lambda share: progress.show("propagation", share)
        )
    except NotAcknowledged as error:
        raise InputError([Problem("", str(error))]) from None
    finally:
        progress.clear()


if __name__ == "__main__":
    sys.exit(main())
