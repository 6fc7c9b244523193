"""What the measurements look like: lines and a table for people, JSON for machines, a progress bar
on a terminal."""

import statistics
import sys
from dataclasses import dataclass
from typing import Any, TextIO

from propagation import Propagation
from query_load import LoadResult


@dataclass(frozen=True)
class LoadTest:
    """Load test *number* (1 own zone, 2 another node's, 3 each node): what it asks whom."""

    number: int
    what: str
    node: str
    question: str
    result: LoadResult


def rate_line(result: LoadResult) -> str:
    """Return the line that has reported a rate since the first version."""
    return f"This test recorded a rate of {int(result.rate)} queries/sec."


def table(rows: list[list[str]]) -> str:
    """Return *rows*, the first one the heading, in columns; those of numbers to the right."""
    columns = []
    for heading, *cells in zip(*rows, strict=True):
        width = max(map(len, (heading, *cells)))
        is_number = all(cell.replace(".", "", 1).isdigit() or cell == "-" for cell in cells)
        columns.append([
            cell.rjust(width) if is_number else cell.ljust(width) for cell in (heading, *cells)
        ])  # fmt: skip
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


def load_table(tests: list[LoadTest]) -> str:
    """Return the table of all load tests."""
    rows = [
        ["test", "question", "node", "queries/s", "p50 ms", "p95 ms", "p99 ms", "lost", "other"]
    ]
    for test in tests:
        result = test.result
        rows.append(
            [
                f"{test.number} {test.what}",
                test.question,
                test.node,
                f"{result.rate:.0f}",
                *(f"{result.percentile_ms(percent):.2f}" for percent in (50, 95, 99)),
                str(result.lost),
                str(result.negative),
            ]
        )
    return table(rows)


def propagation_table(node: str, found: Propagation) -> str:
    """Return the table of the times to "acknowledged" and to "visible" on each other node."""
    rows = [["what", "node", "min ms", "median ms", "max ms", "missed"]]
    for what, where, times, missed in (
        ("ADD to acknowledged", node, found.acknowledged_ms, 0),
        *(
            ("acknowledged to visible", other, times, found.missed[other])
            for other, times in found.visible_ms.items()
        ),
    ):
        spread = [f"{value:.2f}" for value in _spread(times)] if times else ["-"] * 3
        rows.append([what, where, *spread, str(missed)])
    return table(rows)


def as_json(node: str, tests: list[LoadTest], found: Propagation | None) -> dict[str, Any]:
    """Return everything as one JSON object."""
    return {
        "node": node,
        "tests": [
            {
                "test": test.number,
                "what": test.what,
                "node": test.node,
                "question": test.question,
                "rate": round(test.result.rate, 1),
                "p50_ms": round(test.result.percentile_ms(50), 3),
                "p95_ms": round(test.result.percentile_ms(95), 3),
                "p99_ms": round(test.result.percentile_ms(99), 3),
                "answers": len(test.result.latencies_s),
                "lost": test.result.lost,
                "negative": test.result.negative,
            }
            for test in tests
        ],
        "propagation": found
        and {
            "node": node,
            "rounds": len(found.acknowledged_ms),
            "acknowledged_ms": _spread_json(found.acknowledged_ms),
            "visible_ms": {
                other: {**_spread_json(times), "missed": found.missed[other]}
                for other, times in found.visible_ms.items()
            },
        },
    }


def _spread(times: list[float]) -> tuple[float, float, float]:
    return min(times), statistics.median(times), max(times)


def _spread_json(times: list[float]) -> dict[str, float | None]:
    spread = _spread(times) if times else (None, None, None)
    names = ("min", "median", "max")
    return {name: value and round(value, 3) for name, value in zip(names, spread, strict=True)}


class Progress:
    """A bar on one line of a terminal; nothing anywhere else."""

    WIDTH = 30

    def __init__(self, out: TextIO = sys.stderr):
        self._out = out
        self._is_shown = out.isatty()

    def show(self, label: str, share: float) -> None:
        """Draw the bar of *label* at *share* (0 to 1)."""
        if self._is_shown:
            filled = int(self.WIDTH * share)
            bar = "#" * filled + "." * (self.WIDTH - filled)
            self._out.write(f"\r\x1b[K[{bar}] {share:4.0%}  {label}")
            self._out.flush()

    def clear(self) -> None:
        """Take the bar away."""
        if self._is_shown:
            self._out.write("\r\x1b[K")
            self._out.flush()
