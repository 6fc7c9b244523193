"""Telling systemd about the service's state (sd_notify(3)), when it asks to be told."""

import os
import socket
from collections.abc import Mapping


def notify(state: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send *state* (lines such as ``READY=1``, ``STATUS=…``, ``WATCHDOG=1``, ``STOPPING=1``).

    Return whether it was sent; False without a service manager.  Never raises.
    """
    path = environment.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return False
    # An "@" stands for the zero octet of Linux's abstract names.
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.setblocking(False)
            out.sendto(state.encode(), address)
    except OSError:
        return False
    return True


def watchdog_interval_s(environment: Mapping[str, str] = os.environ) -> float | None:
    """Return how often ``WATCHDOG=1`` is due (half of what the service manager waits for), or
    None when it does not watch."""
    try:
        timeout_us = int(environment.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return timeout_us / 2_000_000 if timeout_us > 0 else None
