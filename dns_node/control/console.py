"""The console on standard input: a terminal with line editing, or a pipe with plain lines.

A thread of its own reads and prints, so that neither a slow reader nor a terminal that was
stopped with ctrl-S ever blocks the reactor; the lines run on the reactor's thread.
"""

import contextlib
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from twisted.internet.defer import ensureDeferred

from dns_node.control.replies import Reply
from dns_node.control.session import LINE_SIZE_OCTETS_MAX, Session
from dns_node.control.verbs import VERBS

HISTORY_LINES = 1000
PROMPT = "dns-node> "
BACKGROUND_POLL_S = 1.0


class Console:
    """Reads lines until the end of the input, QUIT, or `stop`.

    *on_quit* is called on the reactor's thread after QUIT has been answered.
    """

    def __init__(
        self,
        reactor: Any,
        session: Session,
        *,
        on_quit: Callable[[], None],
        history_file: str | None = None,
        descriptor: int = 0,
        out: TextIO | None = None,
    ):
        self._reactor = reactor
        self._session = session
        self._on_quit = on_quit
        self._history_file = history_file
        self._descriptor = descriptor
        self._out = out or sys.stdout
        self._is_terminal = os.isatty(descriptor)
        self._terminal_state: Any = None
        self._replies: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        self._is_stopped = threading.Event()
        self._is_prompting = False
        self._readline: Any = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to read.  Call it in the main thread."""
        if self._is_terminal:
            import termios

            # A node in the background must not be stopped by the kernel because its console
            # touches the terminal; reads fail instead, and are tried again.
            signal.signal(signal.SIGTTIN, signal.SIG_IGN)
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            with contextlib.suppress(termios.error):
                self._terminal_state = termios.tcgetattr(self._descriptor)
        # A daemon: a thread that waits in read() can't be ended, and must not hold up the exit.
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and put the terminal back as it was."""
        self._is_stopped.set()
        self._replies.put(None)
        if self._terminal_state is not None and self._is_foreground():
            import termios

            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._terminal_state)

    def say(self, text: str) -> None:
        """Print a line of the node's own; on a terminal it goes above the line being typed."""
        if self._is_prompting:
            typed = self._readline.get_line_buffer() if self._readline is not None else ""
            text = f"\r\x1b[K{text}\n{PROMPT}{typed}"
        else:
            text += "\n"
        with contextlib.suppress(OSError, ValueError):
            self._out.write(text)
            self._out.flush()

    # ---- the console's thread

    def _run(self) -> None:
        from dns_node.supervise.process import set_title

        set_title("console")
        lines = self._typed_lines() if self._is_terminal else self._piped_lines()
        for line in lines:
            if self._is_stopped.is_set():
                return
            reply = self._ask(line)
            if reply is None or not self._print(reply.lines):
                return
            if reply.is_quit:
                self._reactor.callFromThread(self._on_quit)
                return
        if self._is_terminal and not self._session.is_silent:
            self._print(("", "The console is closed, the node runs on; ctrl-C stops it."))

    def _ask(self, line: str) -> Reply | None:
        self._reactor.callFromThread(self._begin, line)
        return self._replies.get()

    def _begin(self, line: str) -> None:
        done = ensureDeferred(self._session.handle(line))
        done.addCallbacks(self._replies.put, lambda failure: self._replies.put(Reply()))

    def _print(self, lines: tuple[str, ...]) -> bool:
        """Print the lines; False when nobody reads them any more."""
        try:
            for line in lines:
                self._out.write(line + "\n")
            self._out.flush()
        except UnicodeEncodeError:
            self._out.write("".join(line.encode("ascii", "replace").decode() + "\n"
                                    for line in lines))  # fmt: skip
            self._out.flush()
        except (OSError, ValueError):
            return False
        return True

    def _piped_lines(self) -> Iterator[str]:
        """Yield the lines of a pipe or file; the last one may lack its end.  A line that is too
        long is yielded cut, one character above what the session takes."""
        rest = b""
        is_skipping = False
        while True:
            try:
                octets = os.read(self._descriptor, 65_536)
            except OSError:
                octets = b""
            pieces = (rest + octets).split(b"\n")
            rest = pieces.pop()
            for piece in pieces:
                if not is_skipping:
                    yield _text(piece)
                is_skipping = False
            if len(rest) > LINE_SIZE_OCTETS_MAX:
                if not is_skipping:
                    yield _text(rest)
                rest, is_skipping = b"", True
            if not octets:
                if rest and not is_skipping:
                    yield _text(rest)
                return

    def _typed_lines(self) -> Iterator[str]:
        """Yield the lines that are typed, with editing and history where readline is there."""
        readline = self._readline = self._set_up_readline()
        prompt = "" if self._session.is_silent else PROMPT
        while not self._is_stopped.is_set():
            if not self._is_foreground():
                self._is_stopped.wait(BACKGROUND_POLL_S)
                continue
            try:
                self._is_prompting = bool(prompt)
                line = input(prompt)
            except (EOFError, ValueError):
                return
            except OSError:  # EIO: sent to the background while reading
                self._is_stopped.wait(BACKGROUND_POLL_S)
                continue
            finally:
                self._is_prompting = False
            yield line
            if readline is not None and self._history_file:
                with contextlib.suppress(OSError):
                    readline.write_history_file(self._history_file)

    def _set_up_readline(self) -> Any:
        try:
            import readline
        except ImportError:  # a Python without it: plain lines
            return None
        readline.set_history_length(HISTORY_LINES)
        readline.set_completer_delims(" \t")
        readline.set_completer(_complete)
        readline.parse_and_bind("tab: complete")
        if self._history_file:
            with contextlib.suppress(OSError):
                readline.read_history_file(self._history_file)
        return readline

    def _is_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:
            return False


def _complete(text: str, state: int) -> str | None:
    """Complete the names of verbs (readline asks for one after the other)."""
    found = [name + " " for name in VERBS if name.startswith(text.upper())]
    return found[state] if state < len(found) else None


def _text(octets: bytes) -> str:
    return octets[: LINE_SIZE_OCTETS_MAX + 1].decode(errors="replace").rstrip("\r")
