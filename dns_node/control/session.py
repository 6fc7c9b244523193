"""One conversation with a door: its transaction, and one reply per line."""

import logging
import os

from dns_node.control.api import NodeApi
from dns_node.control.compose import Asker
from dns_node.control.options import bad_line
from dns_node.control.replies import UNKNOWN, Reply, parse_error, printable, refused
from dns_node.control.requests import Change, Request, Transaction
from dns_node.control.verbs import VERBS, parse_line
from dns_node.errors import DnsNodeError, StoreError

LINE_SIZE_OCTETS_MAX = 64 * 1024
TRANSACTION_LINES_MAX = 100_000
_COLLECTED = ("ADD", "REMOVE", "REPLACE", "DROP", "KV")
_log = logging.getLogger("dns_node.control")


class Session:
    """Runs lines one after the other; `handle` must not be called again before it has answered."""

    def __init__(self, api: NodeApi, asker: Asker, *, is_silent: bool = False):
        self.api = api
        self.asker = asker
        self.is_silent = is_silent
        self.transaction: Transaction | None = None
        self._working_dir = ""

    async def handle(self, line: str, working_dir: str = "") -> Reply:
        """Return the reply to one line; never raises.

        *working_dir* is what relative file names count from; '' is the node's own directory.
        """
        self._working_dir = working_dir
        try:
            reply = await self._answer(line)
        except StoreError as error:
            reply = refused(line.split(None, 1)[0][:40], [str(error)])
        except DnsNodeError as error:
            reply = parse_error(error)
        except Exception:
            # A fault in the program: the door lives on, the log has the traceback.
            _log.exception("a console line failed")
            reply = Reply(
                ("ERROR this line met a fault in the program; the log has it. Whether anything was"
                 " changed is not known: see HISTORY.",),
                UNKNOWN,
            )  # fmt: skip
        return Reply(tuple(map(printable, reply.lines)), reply.exit_status, reply.is_quit)

    def resolve(self, path: str) -> str:
        """Return *path*, absolute."""
        return os.path.abspath(os.path.join(self._working_dir, os.path.expanduser(path)))

    async def _answer(self, line: str) -> Reply:
        if len(line) > LINE_SIZE_OCTETS_MAX:
            raise bad_line(f"the line is longer than {LINE_SIZE_OCTETS_MAX} octets.")
        if self.transaction is not None:
            return await self._answer_in_transaction(line, self.transaction)
        request = self._parse(line)
        return Reply() if request is None else await self._run(request)

    async def _answer_in_transaction(self, line: str, transaction: Transaction) -> Reply:
        """Collect a change, or remember what is wrong with it; other verbs run as always."""
        transaction.lines += 1
        try:
            request = self._parse(line)
            if request is None:
                transaction.lines -= 1
                return Reply()
            if request.verb not in _COLLECTED or not isinstance(request.value, Change):
                transaction.lines -= 1
                if VERBS[request.verb].is_write and request.verb not in ("COMMIT", "ABORT"):
                    raise bad_line(f"{request.verb} can't be part of a transaction.",
                                   "COMMIT or ABORT comes first.")  # fmt: skip
                return await self._run(request)
            if request.options.given:
                raise bad_line("options stand at COMMIT, since they are the whole transaction's.")
            if len(transaction.changes) >= TRANSACTION_LINES_MAX:
                raise bad_line(f"a transaction has {TRANSACTION_LINES_MAX} changes at most.")
        except DnsNodeError as error:
            number = max(transaction.lines, 1)
            reason = " ".join(str(error).split("\n"))
            transaction.problems.append(f"line {number}: {reason}")
            return Reply((f"Some error prevented parsing line: {reason} (line {number} of the "
                          "transaction)",), parse_error(error).exit_status)  # fmt: skip
        transaction.changes.append(request.value)
        text = request.value.legacy
        return Reply((f"Read line into resource record {text}",)
                     if text and not self.is_silent else ())  # fmt: skip

    def _parse(self, line: str) -> Request | None:
        return parse_line(line, self.api.settings.default_ttl_s)

    async def _run(self, request: Request) -> Reply:
        verb = VERBS[request.verb]
        if self.asker.door not in verb.doors:
            doors = ", ".join(verb.doors)
            raise bad_line(f"{verb.name} is not for this door.", f"It is for: {doors}.")
        for name in request.options.given:
            if name not in verb.options:
                raise bad_line(f"{verb.name} takes no option {name}.")
        return await verb.run(self, request)
