"""What a supervisor is told to run, and what its children are told at their start."""

import json
import sys
from dataclasses import dataclass, field
from typing import Any

START_VARIABLE = "DNS_NODE_START"
"""The environment variable with a child's start description (one JSON object)."""

START_SIZE_OCTETS_MAX = 100_000
"""Below Linux's limit of 128 KiB for one environment string."""

EXIT_CONFIGURATION = 78
"""EX_CONFIG of sysexits(3): the node has said what is wrong; starting it again can't help."""


def _child(module: str) -> tuple[str, ...]:
    # -P: a file called twisted.py in the current directory must not take the library's place.
    return (sys.executable, "-P", "-m", module)


@dataclass(frozen=True, slots=True)
class Launch:
    """One node as its supervisor sees it.

    *addresses* are the (host, port) pairs of `query_loc`; port 0 (tests) takes a free one.
    *worker_settings* is handed to every worker as it is, *arguments* to the node process (command
    line words that are not in the configuration).  *user* is the user to become when started as
    root.  The commands are replaced by tests only.
    """

    node: str
    config: str | None
    data_dir: str
    addresses: tuple[tuple[str, int], ...]
    workers: int
    user: str | None = None
    worker_settings: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    log_format: str = "text"
    node_command: tuple[str, ...] = _child("dns_node.node")
    worker_command: tuple[str, ...] = _child("dns_node.worker")
    stop_node_s: float = 10.0
    stop_workers_s: float = 16.0


def start_text(description: dict[str, Any]) -> str:
    """Return the JSON text of a child's start description; ValueError when it is too large for
    an environment variable."""
    text = json.dumps(description, separators=(",", ":"))
    if len(text) > START_SIZE_OCTETS_MAX:
        raise ValueError(f"the start description has {len(text)} octets")
    return text


def read_start(environment: dict[str, str]) -> dict[str, Any]:
    """Return, in a child, the start description, and take it out of *environment*.

    Raises KeyError when the process was not started by a supervisor.
    """
    description = json.loads(environment.pop(START_VARIABLE))
    assert isinstance(description, dict)
    return description
