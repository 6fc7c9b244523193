"""Tables in Markdown of what was measured, budgets beside."""

import statistics
from collections.abc import Callable, Iterable

from measure import Figures, percent_right

TIE = 0.03
"""Ratios that are nearer to 1 show no difference."""


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """Return a Markdown table with columns of even width."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            for line in lines]  # fmt: skip
    text.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in text)


def median(figures: list[Figures], of: Callable[[Figures], float]) -> float:
    """Return the median over the undisturbed runs, over all when there is none."""
    clean = [one for one in figures if not one.disturbed] or figures
    return statistics.median(of(one) for one in clean)


def ratio(
    figures: list[Figures], server: str, load: str, reference: str,
    of: Callable[[Figures], float] = lambda one: one.qps,
) -> float | None:  # fmt: skip
    """Return the median over the rounds of what *of* tells (queries per second) of *server*
    against *reference* in the same round; None when there is no such round."""

    def rounds(name: str) -> dict[int, Figures]:
        return {one.round: one for one in figures if (one.server, one.load) == (name, load)}

    ours, theirs = rounds(server), rounds(reference)
    pairs = [(ours[i], theirs[i]) for i in ours if i in theirs]
    clean = [pair for pair in pairs if not (pair[0].disturbed or pair[1].disturbed)]
    quotients = [of(a) / of(b) for a, b in clean or pairs]
    return statistics.median(quotients) if quotients else None


def speed(figures: list[Figures]) -> str:
    """Return the table of queries per second."""
    rows = []
    for load in dict.fromkeys(one.load for one in figures):
        for server in dict.fromkeys(one.server for one in figures):
            runs = [one for one in figures if (one.server, one.load) == (server, load)]
            if not runs:
                continue
            rates = [one.qps for one in runs]
            clean = sum(not one.disturbed for one in runs)
            is_echo = server.startswith("echo")
            rows.append([
                load, server, f"{median(runs, lambda one: one.qps) / 1000:,.0f}k",
                f"{min(rates) / 1000:,.0f}..{max(rates) / 1000:,.0f}k",
                _two(ratio(figures, server, load, "echo")),
                _two(ratio(figures, server, load, "echo", _per_processor_s)),
                f"{median(runs, lambda one: one.user_us):.2f}",
                f"{median(runs, lambda one: one.kernel_us):.2f}",
                f"{median(runs, lambda one: one.p99_us):.0f}",
                "-" if is_echo else f"{median(runs, percent_right):.0f} %",
                f"{sum(one.wrong for one in runs)}/{sum(one.lost for one in runs)}",
                f"{clean} of {len(runs)}",
            ])  # fmt: skip
    return table(
        ["load", "server", "queries/s", "min..max", "to echo", "by time", "user us", "kernel us",
         "p99 us", "right", "wrong/lost", "clean runs"], rows,
    )  # fmt: skip


def verdicts(figures: list[Figures], loads: dict[str, str]) -> list[list[str]]:
    """Return rows (what, budget, measured, verdict) for the *loads* (label -> what it says)."""
    rows = []
    for load, what in loads.items():
        own = ratio(figures, "dns-node", load, "echo")
        if own is None:
            continue
        versus = {peer: ratio(figures, "dns-node", load, peer) for peer in ("nsd", "knot")}
        there = {peer: value for peer, value in versus.items() if value is not None}
        text = ", ".join(f"{value:.2f} of {peer}" for peer, value in there.items())
        rows.append([
            what, "above NSD and Knot; aim: 0.80 of the echo",
            f"{own:.2f} of the echo" + (f", {text}" if text else ""),
            _against(min(there.values(), default=None)) + ("" if own >= 0.8 else "; aim missed"),
        ])  # fmt: skip
    return rows


def _against(lowest: float | None) -> str:
    """Say what the lowest ratio to a peer means; they repeat to about `TIE` from run to run."""
    if lowest is None:
        return "unknown"
    return "a tie" if abs(lowest - 1) <= TIE else "met" if lowest > 1 else "missed"


def budgets(rows: list[list[str]]) -> str:
    """Return the table of budgets."""
    return table(["what", "budget", "measured", "verdict"], rows)


def _per_processor_s(one: Figures) -> float:
    """Replies for a second of the server's own processor time: what others take does not count."""
    return 1e6 / (one.user_us + one.kernel_us)


def _two(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
