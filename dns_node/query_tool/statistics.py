"""What many questions took, in numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import dns.rcode

GOOD_RCODES = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
PERCENTILES = (50, 90, 95, 99)


@dataclass
class Tally:
    """Replies and failures as they come; *taken_s* are the times of all replies."""

    taken_s: list[float] = field(default_factory=list)
    rcodes: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """How many questions were asked."""
        return self.rcodes.total() + self.reasons.total()

    @property
    def successes(self) -> int:
        """How many were answered: that there is no such name is an answer."""
        return sum(self.rcodes[rcode] for rcode in GOOD_RCODES)

    @property
    def exit_status(self) -> int:
        """0 when all were answered, 1 when some were, 2 when none was."""
        if self.successes == self.total:
            return 0
        return 1 if self.successes else 2

    def note_reply(self, rcode: int, took_s: float) -> None:
        """Count a reply."""
        self.rcodes[rcode] += 1
        self.taken_s.append(took_s)

    def note_failure(self, reason: str) -> None:
        """Count a question without a reply."""
        self.reasons[reason] += 1


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the smallest of the *ordered* values that so many percent are not above."""
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def summary(tally: Tally, wall_s: float) -> list[str]:
    """Return the lines that tell of a run that took *wall_s*."""
    total, successes = tally.total, tally.successes
    lines = [
        "Summary",
        f"  Total: {total}   Successes: {successes}   Failures: {total - successes}",
    ]
    if tally.taken_s:
        ordered = sorted(tally.taken_s)
        average = sum(ordered) / len(ordered)
        lines.append(f"  Average RTT: {_ms(average)}")
        shown = [("min", ordered[0])]
        shown += [(f"p{percent}", percentile(ordered, percent)) for percent in PERCENTILES]
        shown.append(("max", ordered[-1]))
        lines.append("  RTT: " + ", ".join(f"{name} {_ms(value)}" for name, value in shown))
    lines.append(f"  Approximate QPS: {total / wall_s if wall_s else 0:.1f} in {wall_s:.2f} s")
    if tally.rcodes:
        shown_rcodes = ", ".join(
            f"{dns.rcode.to_text(dns.rcode.Rcode.make(rcode))} {number}"
            for rcode, number in tally.rcodes.most_common()
        )
        lines.append(f"  Rcodes: {shown_rcodes}")
    lines += [f"  No reply: {number} ({why})" for why, number in tally.reasons.most_common()]
    return lines


def _ms(value_s: float) -> str:
    return f"{value_s * 1000:.3f} ms"
