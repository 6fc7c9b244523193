"""The native data path of a worker: whether it can be used, and the store as it sees it.

The core is a shortcut: what it is not certain about it hands up, and `net.answering` answers from
the same revision, through the core's own environment (two LMDB libraries must not open one
environment in one process).  ``DNS_NODE_DATA_PATH=Python`` in the environment leaves it out.
"""

import importlib
import ipaddress
import os
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dns_node.answer.access import Networks
from dns_node.answer.rate_limit import RateLimits
from dns_node.answer.respond import AnswerSettings
from dns_node.errors import StoreError
from dns_node.metrics import FIRST_BUCKET, NAMES
from dns_node.resolver.message_cache import Key
from dns_node.store.generation import current_generation, generation_path
from dns_node.store.lmdb_view import TABLES, LmdbView
from dns_node.zone.rrset import WireName

if TYPE_CHECKING:
    from dns_node._native import Core, Recursion

CHOICE_VARIABLE: Final = "DNS_NODE_DATA_PATH"

NATIVE: Final = "native"
PYTHON: Final = "Python"

_SOURCES: Final = Path(__file__).resolve().parents[2] / "native"


class NoNativeError(Exception):
    """The native data path can't be used; the text says why."""


class NativeFaultError(Exception):
    """The core panicked at a query; the text says where."""


def load_core(environment: Mapping[str, str] = os.environ) -> "type[Core]":
    """Return the class of the core; raises NoNativeError.

    A core that was built from other sources than those beside it is not used: it may answer
    otherwise than the definition.
    """
    if environment.get(CHOICE_VARIABLE, "").lower() == PYTHON.lower():
        raise NoNativeError(f"{CHOICE_VARIABLE} says so")
    try:
        module: Any = importlib.import_module("dns_node._native")
    except ImportError as error:
        why = "it was not built" if isinstance(error, ModuleNotFoundError) else str(error)
        raise NoNativeError(why) from error
    if _SOURCES.is_dir() and checksum(_SOURCES) != module.SOURCES:
        raise NoNativeError("it was built from other sources; ./dns-node builds it anew")
    core: type[Core] = module.Core
    return core


def load_recursion() -> "type[Recursion]":
    """Return the class of a core's questions to servers; there is a core."""
    module: Any = importlib.import_module("dns_node._native")
    found: type[Recursion] = module.Recursion
    return found


def checksum(sources: Path) -> str:
    """Return what tells one state of the sources from another (native/binding/build.rs has it)."""
    found = 0
    for part in ("src", "../core/src"):
        root = sources / "binding" / part
        for path in sorted(root.rglob("*.rs"), key=lambda path: path.parts):
            found = zlib.crc32(path.read_bytes(), found)
    return f"{found:08x}"


def make_core(
    made_of: "type[Core]", counters: int | None = None, limits: int | None = None, worker: int = 0
) -> "Core":
    """Return a core that counts in the block behind the descriptor *counters*, and limits by the
    one behind *limits*, of which *worker* has its area."""
    if counters is None:
        return made_of(limits=limits, worker=worker)
    return made_of(counters, list(NAMES), FIRST_BUCKET, limits, worker)


def configure_core(
    core: "Core", settings: AnswerSettings, limits: RateLimits, has_cookies: bool
) -> None:
    """Have the core answer by *settings* and *limits*; the block has the secrets of cookies."""
    core.configure(
        settings.identity, settings.version, plain(settings.query), settings.idle_timeout_s
    )
    core.configure_limits(
        limits.mode,
        limits.answers_per_s,
        limits.errors_per_s,
        limits.slip,
        limits.ipv4_prefix,
        limits.ipv6_prefix,
        plain(limits.exempt),
        has_cookies,
    )


def plain(networks: Networks) -> list[str]:
    """Return *networks* as the core reads them: addresses with prefix lengths, or ``any``."""
    return [
        text if text == "any" else str(ipaddress.ip_network(text, strict=False))
        for text in networks.texts
    ]


class NativeMessageCache:
    """The core's message cache: filled and flushed like `resolver.message_cache.MessageCache`, and
    asked by the core itself, for the clients in *recursion*."""

    def __init__(self, core: "Core", recursion: Networks, size_octets_max: int, stale_s: int = 0):
        self._core = core
        self.size_octets_max = size_octets_max
        core.configure_recursion(plain(recursion), size_octets_max, stale_s)

    def __len__(self) -> int:
        return self._core.cache_size()[0]

    @property
    def size_octets(self) -> int:
        """What the entries cost together."""
        return self._core.cache_size()[1]

    def put(
        self, key: Key, message: bytes, ttl_s: int, now_s: float, error: int | None = None
    ) -> bool:
        """Keep a reply, see `MessageCache.put`."""
        parts = (key.qname, key.qtype, key.qclass, key.is_do, key.is_cd)
        return self._core.cache_put(parts, message, ttl_s, now_s, error)

    def find_stale(self, key: Key, now_s: float) -> tuple[bytes, float, int] | None:
        """Return (message, when it was put, for how long) of what was kept under *key* and is
        over, None when there is nothing such."""
        parts = (key.qname, key.qtype, key.qclass, key.is_do, key.is_cd)
        return self._core.cache_stale(parts, now_s)

    def flush_name(self, qname: WireName) -> int:
        """Forget all replies about *qname*; return how many there were."""
        return self._core.cache_flush_name(qname)

    def flush_subtree(self, apex: WireName) -> int:
        """Forget all replies about *apex* and the names below it; return how many there were."""
        return self._core.cache_flush_subtree(apex)

    def flush_all(self) -> int:
        """Forget everything; return how many replies that were."""
        return self._core.cache_flush_all()

    def sweep(self, now_s: float, slots_max: int) -> int:
        """Forget what is over in the next *slots_max* slots; return how many entries that were."""
        return self._core.cache_sweep(now_s, slots_max)

    def take_due(self) -> list[Key]:
        """Return whose replies should be asked for again, since the last call."""
        return [
            Key(
                due[:-5],
                int.from_bytes(due[-5:-3], "big"),
                int.from_bytes(due[-3:-1], "big"),
                bool(due[-1] & 1),
                bool(due[-1] & 2),
            )
            for due in self._core.take_due()
        ]


class NativeReader(LmdbView):
    """The store through the core, as `store.reader.Reader` shows it through py-lmdb.

    A new reader has let go of the revision; `renew` takes it up.
    """

    def __init__(self, core: "Core", data_directory: Path | str):
        """Open the current generation; raises StoreError when there is none yet."""
        self._core = core
        self._data_directory = Path(data_directory)
        self._generation = -1
        self._tables: Any = _TableNames()
        self._transaction = _Rows(core)
        self.reopen()

    def renew(self) -> None:
        """See the newest revision from here on; raises StoreError."""
        self._core.renew()

    def reset(self) -> None:
        """Let go of the pages of the revision that was read."""
        self._core.reset()

    def reopen(self) -> bool:
        """Follow CURRENT to a new generation; return whether there was one.

        The revision is let go of either way.  Raises StoreError when there is no store; what was
        open before then stays open and readable.
        """
        self._core.reset()
        generation = current_generation(self._data_directory)
        if generation is None:
            raise StoreError(f"there is no store in {self._data_directory} yet.")
        if generation == self._generation:
            return False
        self._core.open(str(generation_path(self._data_directory, generation)))
        self._generation = generation
        return True

    def close(self) -> None:
        """Let go of the store."""
        self._core.close()


class _TableNames:
    """Stands where `store.lmdb_view.Tables` has handles: the core knows tables by name."""

    def __init__(self) -> None:
        for table in TABLES:
            setattr(self, table, table.encode())


class _Rows:
    """Stands where `LmdbView` has a transaction."""

    def __init__(self, core: "Core"):
        self._core = core

    def get(self, key: bytes, default: bytes | None, table: bytes) -> bytes | None:
        """Return the value of one row."""
        value = self._core.get(table, key)
        return default if value is None else value

    def cursor(self, table: bytes) -> "_Cursor":
        """Return a cursor without a place."""
        return _Cursor(self._core, table)


class _Cursor:
    """What `LmdbView` asks of a cursor; each step finds its place anew."""

    def __init__(self, core: "Core", table: bytes):
        self._core, self._table = core, table
        self._row: tuple[bytes, bytes] | None = None

    def set_range(self, key: bytes) -> bool:
        """Go to the first row at or after *key*."""
        return self._go(self._core.row_from(self._table, key, False))

    def first(self) -> bool:
        """Go to the first row."""
        return self._go(self._core.row_from(self._table, b"", False))

    def last(self) -> bool:
        """Go to the last row."""
        return self._go(self._core.row_before(self._table, None))

    def next(self) -> bool:
        """Go to the next row."""
        return self._go(self._core.row_from(self._table, self.key(), True))

    def prev(self) -> bool:
        """Go to the row before."""
        return self._go(self._core.row_before(self._table, self.key()))

    def key(self) -> bytes:
        """Return the key of the row."""
        return self._row[0] if self._row else b""

    def value(self) -> bytes:
        """Return the value of the row."""
        return self._row[1] if self._row else b""

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        while self._row is not None:
            yield self._row
            self.next()

    def _go(self, row: tuple[bytes, bytes] | None) -> bool:
        self._row = row
        return row is not None


def main(arguments: Sequence[str]) -> int:
    """Print which data path a worker here would have, and why not the native one."""
    try:
        load_core()
    except NoNativeError as error:
        print(f"{PYTHON} ({error})")
    else:
        print(NATIVE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
