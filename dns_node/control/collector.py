"""The collector of cyclic garbage, kept from holding the reactor up.

A full collection looks at every object there is while no thread runs: a tenth of a second and more
while a large zone file is in memory.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

LARGE_OBJECTS = 100_000


def settle() -> None:
    """Leave what there is now out of all later collections: it stays as long as the process."""
    gc.collect()
    gc.freeze()


@contextmanager
def held() -> Iterator[None]:
    """Collect nothing within it; if very much was made, leave that out of later collections too
    (it goes when nobody refers to it any more, as it holds no cycles)."""
    before = gc.get_count()[0]
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_count()[0] > before + LARGE_OBJECTS:
            gc.freeze()
        if was_enabled:
            gc.enable()
