"""How fast octets may leave, when several transfers share one limit.  Pure."""


class Pace:
    """Spreads what all transfers of a node send over time."""

    def __init__(self) -> None:
        self._free_at_s = float("-inf")

    def wait_s(self, size_octets: int, octets_per_s: int, now_s: float) -> float:
        """Return how long who sends *size_octets* at *now_s* waits before sending more; 0 octets
        per second: there is no limit."""
        if octets_per_s <= 0:
            self._free_at_s = now_s
            return 0.0
        self._free_at_s = max(self._free_at_s, now_s) + size_octets / octets_per_s
        return self._free_at_s - now_s
