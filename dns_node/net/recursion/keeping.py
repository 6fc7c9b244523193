"""What a worker keeps of its resolver over a restart: the RRset cache, and the trust anchors.

Files in the data directory, which belong to this node alone; each worker has its own.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from dns_node.resolver.cache_file import compose_blocks, parse_blocks
from dns_node.resolver.dnssec.anchors import Row
from dns_node.resolver.rrset_cache import RRsetCache
from dns_node.resolver.rrset_entry import Entry

FOLDER: Final = "resolver"

SLICE_ENTRIES: Final = 500
"""Entries that are taken up before questions have their turn."""

Report = Callable[[str, BaseException], None]


class Keeping:
    """The files of one worker.  *clock* is the reactor."""

    def __init__(self, data_directory: Path, worker: int, clock: Any, report: Report):
        self._folder = data_directory / FOLDER
        self._cache_file = self._folder / f"cache-{worker}"
        self._anchors_file = self._folder / f"trust-anchors-{worker}"
        self._clock = clock
        self._report = report

    def dump(self, cache: RRsetCache, now_s: float) -> int:
        """Write what lives in *cache*; return how many octets that were, 0 when it failed."""
        return self._write(self._cache_file, compose_blocks(cache.dump(now_s)))

    def load(self, cache: RRsetCache) -> None:
        """Take up what an earlier worker wrote, a slice at a time from now on."""
        with contextlib.suppress(OSError):  # there is none, or it can't be read
            self._load_on(cache, parse_blocks(self._cache_file.read_bytes()))

    def _load_on(self, cache: RRsetCache, entries: Iterator[Entry]) -> None:
        try:
            part = list(islice(entries, SLICE_ENTRIES))
            cache.load(part, self._clock.seconds())
        except Exception as error:
            self._report("the cache of an earlier run can't be taken up", error)
            return
        if part:
            self._clock.callLater(0, self._load_on, cache, entries)

    def dump_anchors(self, rows: Iterable[Row]) -> None:
        """Write the state of the trust anchors (RFC 5011)."""
        self._write(self._anchors_file, (msgspec.json.encode(tuple(rows)),))

    def anchors(self) -> tuple[Row, ...]:
        """Return the state of the trust anchors that was written last, () for none."""
        try:
            return msgspec.json.decode(self._anchors_file.read_bytes(), type=tuple[Row, ...])
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.MsgspecError) as error:
            self._report("the state of the trust anchors can't be read", error)
            return ()

    def _write(self, path: Path, parts: Iterable[bytes]) -> int:
        """Write a file whole or not at all."""
        fresh = path.with_name(f"{path.name}.new")
        octets = 0
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:
                for part in parts:
                    octets += file.write(part)
            fresh.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink()
            self._report(f"{path.name} can't be written", error)
            return 0
        return octets
