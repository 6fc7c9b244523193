"""Dialing one peer again and again until it is connected."""

import random
from collections.abc import Callable
from typing import Any

BACK_OFF_MIN_S = 0.1
BACK_OFF_MAX_S = 2.0
PATIENCE_S = 3.0


def back_off_s(attempt: int, chance: random.Random) -> float:
    """Return how long to wait before dial number *attempt* + 1 (0 is the first): doubling from
    0.1 s to 2 s, less up to half of it by chance, so that nodes don't dial in step."""
    delay_s = min(BACK_OFF_MAX_S, BACK_OFF_MIN_S * 2 ** min(attempt, 8))
    return delay_s * (1 - chance.random() / 2)


class Dialer:
    """Keeps dialing one peer at *location* while `should_dial` says so.

    *dial* starts one attempt; its end comes back by `failed` or `connected`.  *patience_s* delays
    the first attempt: the node with the smaller id dials only when the other one doesn't get
    through (a stale address, a firewall that is open in one direction).
    """

    def __init__(
        self,
        reactor: Any,
        chance: random.Random,
        location: str,
        dial: Callable[[], None],
        patience_s: float,
    ) -> None:
        self.location = location
        self.patience_s = patience_s
        self._reactor = reactor
        self._chance = chance
        self._dial = dial
        self._attempt = 0
        self._call: Any = None
        self._is_stopped = False
        self._is_dialing = False
        self._is_connected = False
        self._schedule(patience_s)

    def connected(self) -> None:
        """Rest: the peer is connected, whoever dialed."""
        self._is_dialing = False
        self._is_connected = True
        self._attempt = 0
        self._cancel()

    def disconnected(self) -> None:
        """Dial soon: the peer was connected and is no more."""
        self._is_connected = False
        self._schedule(max(self.patience_s, back_off_s(0, self._chance)))

    def failed(self) -> None:
        """Wait longer: an attempt ended before the peer was accepted."""
        if not self._is_dialing:
            return
        self._is_dialing = False
        if not self._is_connected:
            self._attempt += 1
            self._schedule(back_off_s(self._attempt, self._chance))

    def stop(self) -> None:
        """Dial no more."""
        self._is_stopped = True
        self._cancel()

    def _schedule(self, delay_s: float) -> None:
        self._cancel()
        if not self._is_stopped and not self._is_connected and not self._is_dialing:
            self._call = self._reactor.callLater(delay_s, self._fire)

    def _fire(self) -> None:
        self._call = None
        self._is_dialing = True
        self._dial()

    def _cancel(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
