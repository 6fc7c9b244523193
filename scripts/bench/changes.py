"""Changes at a steady rate, as users make them: one control conversation per change in flight."""

import contextlib
import selectors
import threading
import time

from own import OwnNode

IN_FLIGHT = 64
NAME_COUNT = 1000


class Changes:
    """Replaces addresses of *origin* at *rate* changes per second from `start` to `stop`."""

    def __init__(self, node: OwnNode, origin: str, rate: float):
        self._origin = origin
        self._rate = rate
        self._talks = [node.talk() for _ in range(IN_FLIGHT)]
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._began_s = 0.0
        self.acknowledged = 0
        self.refused = 0
        self.times_s: list[float] = []

    def start(self) -> None:
        """Begin; returns at once."""
        self._began_s = time.perf_counter()
        self._thread.start()

    def stop(self) -> float:
        """End; return the changes per second that were acknowledged."""
        self._is_over.set()
        self._thread.join()
        elapsed_s = time.perf_counter() - self._began_s
        for talk in self._talks:
            talk.close()
        return self.acknowledged / elapsed_s

    def _run(self) -> None:
        selector = selectors.DefaultSelector()
        free = list(range(IN_FLIGHT))
        sent_s = [0.0] * IN_FLIGHT
        for number, talk in enumerate(self._talks):
            selector.register(talk, selectors.EVENT_READ, number)
        sent = 0
        while not self._is_over.is_set():
            due = int((time.perf_counter() - self._began_s) * self._rate)
            while free and sent < due:
                number = free.pop()
                sent_s[number] = time.perf_counter()
                self._talks[number].send(self._line(sent))
                sent += 1
            for key, _ in selector.select(0.001):
                with contextlib.suppress(BlockingIOError):
                    reply = self._talks[key.data].receive()
                    if reply is None:
                        continue
                    self.acknowledged += reply[0] == 0
                    self.refused += reply[0] != 0
                    self.times_s.append(time.perf_counter() - sent_s[key.data])
                    free.append(key.data)

    def _line(self, number: int) -> str:
        name = f"c{number % NAME_COUNT:04d}.{self._origin}"
        return f"REPLACE: {name} 60 A 10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
