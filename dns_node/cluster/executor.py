"""Where the work of the journal and of the store runs: a thread each, or a test's hand."""

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol


class Executor(Protocol):
    """Runs jobs one after the other, in the order in which they were submitted."""

    def submit(self, job: Callable[[], None]) -> None:
        """Run *job* later (or now); a job catches its own errors."""
        ...

    def stop(self) -> None:
        """Run what was submitted before, then end; jobs submitted afterwards are dropped."""
        ...


class ThreadExecutor:
    """One thread that runs the jobs; it calls *on_start* first."""

    def __init__(self, name: str, on_start: Callable[[], None] = lambda: None):
        self._on_start = on_start
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        """Run *job* in the thread."""
        if not self._is_stopped:
            self._jobs.put(job)

    def stop(self) -> None:
        """Finish the submitted jobs and join the thread (not from within it)."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self._jobs.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        self._on_start()
        while (job := self._jobs.get()) is not None:
            job()


class SynchronousExecutor:
    """Runs each job at once (a job submitted within a job runs after it)."""

    def __init__(self) -> None:
        self._jobs: deque[Callable[[], None]] = deque()
        self._is_running = False
        self._is_stopped = False

    def submit(self, job: Callable[[], None]) -> None:
        """Run *job* before returning."""
        if self._is_stopped:
            return
        self._jobs.append(job)
        if self._is_running:
            return
        self._is_running = True
        try:
            while self._jobs:
                self._jobs.popleft()()
        finally:
            self._is_running = False

    def stop(self) -> None:
        """Drop later jobs."""
        self._is_stopped = True


class ManualExecutor:
    """Keeps jobs until `run`; a crash before that loses them, as a power loss would."""

    def __init__(self) -> None:
        self._jobs: deque[Callable[[], None]] = deque()
        self._is_stopped = False

    def submit(self, job: Callable[[], None]) -> None:
        """Keep *job*."""
        if not self._is_stopped:
            self._jobs.append(job)

    def run(self, limit: int = 1_000_000) -> int:
        """Run up to *limit* kept jobs; returns how many ran."""
        count = 0
        while self._jobs and count < limit:
            self._jobs.popleft()()
            count += 1
        return count

    def stop(self) -> None:
        """Run what is left, then drop later jobs."""
        self.run()
        self._is_stopped = True

    def crash(self) -> None:
        """Lose what is kept and drop later jobs."""
        self._jobs.clear()
        self._is_stopped = True
