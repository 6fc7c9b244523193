"""The questions of the resolver benchmark: hot names, names that were never asked, mixes."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zones import BenchZone

HOT_NAMES = 10_000
"""The names that mixes hit, by Zipf's law; the first thousand of them are the load of hits."""


def fresh_numbers(name_count: int) -> Iterator[int]:
    """Yield the numbers of names with an address, each once, those of hot names left out."""
    return itertools.islice((n for n in range(name_count) if n % 20 >= 5), HOT_NAMES, None)


def hot_numbers(name_count: int) -> list[int]:
    """Return the numbers of the hot names."""
    return list(itertools.islice((n for n in range(name_count) if n % 20 >= 5), HOT_NAMES))


@dataclass
class Questions:
    """Files of questions about *zone*; each server is asked the same ones."""

    zone: BenchZone
    directory: Path
    used: int = 0
    """How many of the fresh names were taken so far."""
    _fresh: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self._fresh = fresh_numbers(self.zone.name_count)
        self._hot = hot_numbers(self.zone.name_count)

    def hot(self, count: int) -> Path:
        """Return the file of the first *count* hot names, in disorder, over and over."""
        dice = random.Random(1)
        names = self._hot[:count]
        numbers: list[int] = []
        while len(numbers) < max(50_000, count):
            dice.shuffle(names)
            numbers += names
        return self._write(f"hot-{count}", numbers)

    def warm(self) -> Path:
        """Return the file with every hot name once."""
        return self._write("warm", self._hot)

    def cold(self, count: int, label: str) -> Path:
        """Return a file of *count* names that no other file has."""
        return self._write(f"cold-{label}", self._take(count))

    def mix(self, count: int, hits: float, label: str) -> Path:
        """Return a file of *count* questions; the share *hits* of them is about hot names."""
        dice = random.Random(2)
        weights = list(itertools.accumulate(1 / rank for rank in range(1, len(self._hot) + 1)))
        fresh = iter(self._take(round(count * (1 - hits))))
        order = [True] * (count - round(count * (1 - hits))) + [False] * round(count * (1 - hits))
        dice.shuffle(order)
        hot = iter(dice.choices(self._hot, cum_weights=weights, k=sum(order)))
        return self._write(f"mix-{label}", [next(hot) if is_hit else next(fresh)
                                            for is_hit in order])  # fmt: skip

    def _take(self, count: int) -> list[int]:
        taken = list(itertools.islice(self._fresh, count))
        self.used += count
        if len(taken) < count:
            raise ValueError("the zone has no more names that were never asked for")
        return taken

    def _write(self, name: str, numbers: list[int]) -> Path:
        path = self.directory / f"questions-{name}.txt"
        origin = self.zone.origin
        path.write_text("".join(f"n{number:07d}.{origin} A\n" for number in numbers))
        return path
