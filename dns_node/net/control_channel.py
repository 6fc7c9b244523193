"""One end of a control channel between the processes of a node, in the reactor."""

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from zope.interface import implementer

from dns_node.supervise import pipe


@implementer(IReadDescriptor)
class Channel:
    """One control channel; *on_message* gets each message in the reactor."""

    def __init__(self, descriptor: int, on_message: Callable[[dict[str, Any]], None]):
        self._end = socket.socket(fileno=descriptor)
        self._on_message = on_message

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._end.fileno()

    def logPrefix(self) -> str:  # noqa: N802
        """Return what Twisted's log calls this."""
        return "control"

    def connectionLost(self, reason: object) -> None:  # noqa: N802
        """Called when the reactor ends."""

    def doRead(self) -> None:  # noqa: N802
        """Called when messages wait."""
        while (message := pipe.receive(self._end)) is not None:
            self._on_message(message)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; it is dropped when nobody reads."""
        pipe.send(self._end, message)
