"""Named steps of a node at which it can be killed, or lose its power; the product knows none.

Python loads this file in every process that finds it on PYTHONPATH; only a node process (`-m
dns_node.node`) with `CHAOS_SEAM` in its environment is touched.  There the functions below are
wrapped.  Which step ends the process is read from the file `armed` in the folder that the variable
names: "token step count action", where action is kill or power (the file system of `CHAOS_DISK` is
shut down first: what was not synced is gone).  Then the file is called `hit`.
"""

import fcntl
import functools
import os
import signal
import struct
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

FS_IOC_SHUTDOWN = 0x8004587D
WITHOUT_FLUSHING = struct.pack("I", 2)

POINTS = {
    # on the way of every change
    "journal-write": ("dns_node.cluster.journal_disk", "JournalDisk.write"),
    "ack-release": ("dns_node.cluster.consensus", "Consensus._release"),
    "forward": ("dns_node.cluster.proposer", "Proposer.on_forward"),
    "apply": ("dns_node.cluster.machine", "StoreMachine.apply"),
    "store-commit": ("dns_node.store.transaction", "WriteTransaction.commit"),
    "reply": ("dns_node.cluster.proposer", "Proposer.on_outcomes"),
    # now and then
    "store-sync": ("dns_node.store.writer", "Writer.sync"),
    "journal-trim": ("dns_node.cluster.journal", "Journal.trim"),
    "garbage": ("dns_node.store.writer", "Writer.collect_garbage"),
    # when a node starts, or the leader is lost
    "journal-open": ("dns_node.cluster.journal_disk", "JournalDisk.__init__"),
    "store-open": ("dns_node.store.writer", "Writer.__init__"),
    "vote": ("dns_node.cluster.journal", "Journal.setCurrentTerm"),
    # while a snapshot arrives
    "snapshot-chunk": ("dns_node.cluster.snapshot", "_write_chunk"),
    "snapshot-finish": ("dns_node.cluster.snapshot", "_finish_partial"),
    "generation-adopt": ("dns_node.store.generation", "adopt"),
    "generation-point": ("dns_node.store.generation", "point_at"),
    "journal-adopt": ("dns_node.cluster.journal", "Journal.adopt"),
    "fsync": ("os", "fsync"),
    "rename": ("os", "rename"),
    "replace": ("os", "replace"),
}
"""Where the steps are; each has a moment before and one after, as in "journal-write:before"."""

_seen: dict[str, int] = {}
_rename = os.rename


def passed(step: str) -> None:
    """End this process if *step* is the one that was asked for, as often as was asked for."""
    folder = os.environ["CHAOS_SEAM"]
    armed = f"{folder}/armed"
    if not os.access(armed, os.F_OK):
        return
    try:
        with open(armed, encoding="ascii") as file:
            token, wanted, count, action = file.read().split()
        if wanted != step:
            return
        _seen[token] = _seen.get(token, 0) + 1
        if _seen[token] < int(count):
            return
        _rename(armed, f"{folder}/hit")  # once only, whoever comes first
    except (OSError, ValueError):
        return
    if action == "power":
        disk = os.open(os.environ["CHAOS_DISK"], os.O_RDONLY)
        fcntl.ioctl(disk, FS_IOC_SHUTDOWN, WITHOUT_FLUSHING)
    os.kill(os.getpid(), signal.SIGKILL)


def wrap(module: ModuleType, qualified: str, name: str) -> None:
    """Put the step *name* before and after the function *qualified* of *module*."""
    *classes, function_name = qualified.split(".")
    owner: Any = functools.reduce(getattr, classes, module)
    function = getattr(owner, function_name)

    @functools.wraps(function)
    def stepped(*arguments: Any, **named: Any) -> Any:
        passed(f"{name}:before")
        result = function(*arguments, **named)
        passed(f"{name}:after")
        return result

    setattr(owner, function_name, stepped)


def sync_no_journal(lmdb: ModuleType) -> None:
    """Open journals without fsync: a node that breaks its word, to see that this is found."""
    opened = lmdb.open

    def unsafe(path: str, **named: Any) -> Any:
        if path.endswith("journal"):
            named.update(sync=False)
        return opened(path, **named)

    lmdb.open = unsafe  # type: ignore[attr-defined]


class Finder:
    """Wraps the functions of a module when it is imported."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the ordinary spec, with a loader that wraps afterwards; None for other modules."""
        steps = [(step, at[1]) for step, at in POINTS.items() if at[0] == name]
        is_broken = name == "lmdb" and os.environ.get("CHAOS_BREAK") == "journal-sync"
        spec = PathFinder.find_spec(name, path) if steps or is_broken else None
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            for step, qualified in steps:
                wrap(module, qualified, step)
            if is_broken:
                sync_no_journal(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if "CHAOS_SEAM" in os.environ and "dns_node.node" in sys.orig_argv:
    sys.meta_path.insert(0, Finder())  # type: ignore[arg-type]
    for _step, (_module, _function) in POINTS.items():
        if _module == "os":
            wrap(os, _function, _step)
