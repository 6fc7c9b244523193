"""The control door: console verbs over a UNIX socket that only the node's user may open."""

import contextlib
import json
import os
import pwd
import socket
import struct
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from dns_node.control.api import NodeApi
from dns_node.control.compose import Asker
from dns_node.control.control_socket import NAME, socket_path
from dns_node.control.replies import REFUSED, Reply
from dns_node.control.session import LINE_SIZE_OCTETS_MAX, Session

QUEUE_MAX = 1024
"""Lines that a client may send ahead of the replies; the reading pauses there."""
CONNECTIONS_MAX = 256


class ControlProtocol(LineOnlyReceiver):
    """One conversation: JSON lines in, their replies in the same order."""

    delimiter = b"\n"
    MAX_LENGTH = 2 * LINE_SIZE_OCTETS_MAX
    transport: Any

    def __init__(self, door: "ControlDoor"):
        self._door = door
        self._session: Session | None = None
        self._waiting: list[bytes] = []
        self._is_busy = False

    def connectionMade(self) -> None:  # noqa: N802
        """Begin, unless there are too many conversations."""
        self._session = self._door.begin(self, _actor(self.transport))
        if self._session is None:
            self._answer(Reply(("too many connections at the control door; try again",), REFUSED))
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Forget it, and with it a transaction that was not committed."""
        self._waiting.clear()
        self._door.end(self)

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        """Run one line, or keep it until those before it are answered."""
        self._waiting.append(line)
        if len(self._waiting) >= QUEUE_MAX:
            self.transport.pauseProducing()
        if not self._is_busy and self._session is not None:
            self._is_busy = True
            self._door.run(self._work(self._session))

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802
        """Refuse and close: where the next line begins is not known."""
        self._answer(Reply(("the line is too long",), REFUSED))
        self.transport.loseConnection()

    async def _work(self, session: Session) -> None:
        try:
            while self._waiting:
                line = self._waiting.pop(0)
                if len(self._waiting) == QUEUE_MAX // 2:
                    self.transport.resumeProducing()
                self._answer(await _reply(session, line))
        finally:
            self._is_busy = False

    def _answer(self, reply: Reply) -> None:
        items: list[dict[str, Any]] = [{"text": line} for line in reply.lines]
        items.append({"exit": reply.exit_status})
        self.transport.write(b"".join(json.dumps(item).encode() + b"\n" for item in items))


async def _reply(session: Session, raw: bytes) -> Reply:
    try:
        request = json.loads(raw)
        line, working_dir = str(request["line"]), str(request.get("cwd", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Reply(('a request is one line: {"line": "…", "cwd": "…"}',), REFUSED)
    return await session.handle(line, working_dir)


def _actor(transport: Any) -> str:
    """Who is at the other end, by the kernel's word (SO_PEERCRED)."""
    try:
        credentials = transport.socket.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
        )
        uid = struct.unpack("3i", credentials)[1]
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
    except (OSError, AttributeError):
        return ""


class ControlDoor(Factory):
    """Listens on ``control.sock`` in the data directory, mode 0600."""

    noisy = False

    def __init__(self, reactor: Any, api: NodeApi, data_dir: str):
        self._reactor = reactor
        self._api = api
        self._data_dir = data_dir
        self._open: set[ControlProtocol] = set()
        self._port: Any = None
        self._path = contextlib.ExitStack()
        self.run: Callable[[Any], Deferred[Any]] = ensureDeferred

    def buildProtocol(self, addr: Any) -> ControlProtocol:  # noqa: N802
        """Return the protocol of one conversation."""
        return ControlProtocol(self)

    def start(self) -> None:
        """Listen; raises twisted.internet.error.CannotListenError or OSError.

        The data directory's lock is held, so that a socket that lies there is nobody's any more.
        """
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self._data_dir, NAME))
        # The path is kept usable: Twisted removes the socket by the name that it was bound under.
        path = self._path.enter_context(socket_path(self._data_dir))
        # The mode comes with a chmod after the bind, and in between anybody could connect.
        old = os.umask(0o177)
        try:
            self._port = self._reactor.listenUNIX(path, self, backlog=64, mode=0o600)
        finally:
            os.umask(old)

    async def stop(self) -> None:
        """Stop listening, close the conversations, take the socket away."""
        port, self._port = self._port, None
        for protocol in list(self._open):
            protocol.transport.loseConnection()
        if port is not None:
            await port.stopListening()
        self._path.close()

    def begin(self, protocol: ControlProtocol, actor: str) -> Session | None:
        """Return a session for a new conversation; None when there are too many."""
        if len(self._open) >= CONNECTIONS_MAX:
            return None
        self._open.add(protocol)
        return Session(self._api, Asker("ctl", actor), is_silent=False)

    def end(self, protocol: ControlProtocol) -> None:
        """Forget a conversation."""
        self._open.discard(protocol)
