"""``dns-node ctl``: one console verb against the running node, over its UNIX socket.

Lines of JSON: ``{"line": …, "cwd": …}`` there, ``{"text": …}`` per line of the reply back, then
``{"exit": 0|1|2}``.  Imports nothing heavy, so that it starts at once.
"""

import json
import os
import re
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from dns_node.control.control_socket import socket_path

DONE, REFUSED, UNKNOWN, NO_NODE = 0, 1, 2, 3
REPLY_TIMEOUT_S = 120.0
"""Far above what any verb takes: a node that is silent so long hangs."""


def run_ctl(
    data_dir: str,
    words: Sequence[str],
    out: TextIO | None = None,
    err: TextIO | None = None,
    lines: Iterator[str] | None = None,
) -> int:
    """Run the verb that *words* say; print the reply to *out*; return the exit status: 0 done,
    1 refused, 2 outcome unknown, 3 no node runs on *data_dir* (said on *err*).

    The one word ``-`` runs every line of standard input (*lines*) in one conversation, so that a
    transaction can be made; the status is then the worst one.
    """
    out, err = out or sys.stdout, err or sys.stderr
    try:
        link = _connect(data_dir)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        print(f"no node answers on data directory {data_dir}: {reason}.  Start it, or name "
              "another with -n, -c or --data-dir.", file=err)  # fmt: skip
        return NO_NODE
    wanted = (lines or iter(sys.stdin)) if list(words) == ["-"] else iter([join_words(words)])
    worst = DONE
    with link, link.makefile("rb") as replies:
        for line in wanted:
            worst = max(worst, _ask(link, replies, line.rstrip("\r\n"), out, err))
    return worst


def _connect(data_dir: str) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.settimeout(REPLY_TIMEOUT_S)
    try:
        with socket_path(data_dir) as path:
            link.connect(path)
    except OSError:
        link.close()
        raise
    return link


def _ask(link: socket.socket, replies: Any, line: str, out: TextIO, err: TextIO) -> int:
    request = json.dumps({"line": line, "cwd": os.getcwd()})
    try:
        link.sendall(request.encode(errors="replace") + b"\n")
        for raw in replies:
            reply = json.loads(raw)
            if "exit" in reply:
                return int(reply["exit"])
            print(reply.get("text", ""), file=out, flush=True)
    except BrokenPipeError:
        pass
    except (OSError, ValueError) as error:
        print(f"the conversation with the node broke: {error}", file=err)
        return UNKNOWN
    print("the node ended before it had answered; ask it again", file=err)
    return UNKNOWN


def join_words(words: Sequence[str]) -> str:
    """Return the console line that the shell's *words* mean.

    One word is a whole line.  The shell took the quotes from ``TXT "two words"``, so a word with
    blanks gets them back; a word that has quotes of its own is left alone, and so are values of
    KV SET, which are the rest of the line.
    """
    if len(words) == 1 or words[0].upper().rstrip(":") == "KV":
        return " ".join(words)
    return " ".join([words[0], *map(_quoted, words[1:])])


def _quoted(word: str) -> str:
    if word and ('"' in word or not re.search(r"\s", word)):
        return word
    head, equals, value = word.partition("=")
    if equals and head.lower() == "reason":
        return f'{head}="{value}"'
    return f'"{word}"'
