"""When a child that died is started again: decisions, with the time passed in."""

from dataclasses import dataclass

DEATH_WINDOW_S = 10.0
DELAY_S_FIRST = 0.5
DELAY_S_MAX = 30.0


@dataclass(slots=True)
class RestartPlan:
    """Remembers how often a child died lately.

    A child that had lived for 10 s is started at once; a second death within 10 s of the start
    is the beginning of a row, and each further one doubles the delay.
    """

    started_s: float = 0.0
    deaths_in_row: int = 0

    def on_start(self, now_s: float) -> None:
        """Note that the child was started."""
        self.started_s = now_s

    def on_death(self, now_s: float) -> float:
        """Return for how long to wait before the next start; 0.0 means at once."""
        if now_s - self.started_s > DEATH_WINDOW_S:
            self.deaths_in_row = 0
        self.deaths_in_row += 1
        if self.deaths_in_row == 1:
            return 0.0
        # The exponent is bounded: 2.0 ** 1100 is an OverflowError, and a row may be long.
        return min(DELAY_S_MAX, DELAY_S_FIRST * 2.0 ** min(self.deaths_in_row - 2, 16))

    @property
    def is_failing(self) -> bool:
        """Whether the last death was not the first of its row."""
        return self.deaths_in_row > 1
