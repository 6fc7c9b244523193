"""Runs seeds: each in a directory of its own, with what it came to as a value."""

import random
import tempfile
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pysyncobj.node import Node

from tests.simulation.disk import simulated_disks
from tests.simulation.faults import Faults, Report
from tests.simulation.oracle import Violation


@contextmanager
def repeatable() -> Iterator[None]:
    """Within it the order in which the core serves its peers does not depend on the process."""
    before = Node.__hash__
    Node.__hash__ = lambda node: zlib.crc32(node.id.encode())
    try:
        yield
    finally:
        Node.__hash__ = before


@contextmanager
def world() -> Iterator[Path]:
    """Within it disks and order are simulated; gives an empty directory."""
    memory = Path("/dev/shm")
    base = memory if memory.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="dns-node-simulation-", dir=base) as directory,
        simulated_disks(),
        repeatable(),
    ):
        yield Path(directory)


def run_seed(seed: int) -> Report:
    """Return what *seed* came to; its violation, if there is one, is text."""
    random.seed(seed)
    with world() as directory:
        faults = Faults(directory, seed)
        try:
            return faults.run()
        except Violation as violation:
            faults.report.violation = str(violation)
        except Exception as error:
            text = "".join(traceback.format_exception(error))
            faults.report.violation = text.replace(f"{directory}/", "")
        return faults.report
