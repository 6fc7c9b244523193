"""A node for the doors' tests: the real store and the real judging, without a cluster."""

import asyncio
import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dns_node.cluster.command import (
    Command,
    DropMember,
    FormCluster,
    Member,
    Outcome,
    PutKey,
    PutMember,
    PutToken,
    Refused,
    Unknown,
    compose_entry,
)
from dns_node.cluster.machine import StoreMachine
from dns_node.config.load import parse
from dns_node.control.api import Answer, JoinToken, LoadReport
from dns_node.control.compose import Asker, compose
from dns_node.control.cookie_secrets import KEY
from dns_node.control.options import Options
from dns_node.control.session import Session

NOW_MS = 1_795_219_200_000  # 2026-11-21 00:00 UTC


class FakeNode:
    """Implements `NodeApi`; *visible*, *unknown* and *report* are what the tests set."""

    def __init__(self, folder: Path, **settings: Any):
        node = {"raft_loc": "127.0.0.1:4321", "query_loc": "127.0.0.1:10053"}
        self.settings = parse({"nodes": {"0": node}, **settings}, base_dir=str(folder))
        self.node_id = "0"
        self.machine = StoreMachine(folder)
        self.visible: tuple[tuple[str, ...], ...] = (("0", "1", "2"), (), ())
        self.is_lost = False
        self.asked_workers: list[dict[str, Any]] = []
        self.worker_replies: dict[int, dict[str, Any]] = {}
        self.report = LoadReport(())
        self.loaded: list[tuple[str | None, str | None]] = []
        self._numbers = itertools.count(1)
        members = tuple(
            Member(str(n), f"uuid{n}", "voter", f"127.0.0.1:432{n + 1}") for n in (0, 1)
        )
        self._apply((FormCluster("cluster", members),))

    def _apply(self, operations: tuple[Any, ...]) -> Outcome:
        with self.view() as view:
            return self._judge(compose(self, view, operations, Asker("test")))

    def _judge(self, command: Command) -> Outcome:
        index, _ = self.machine.applied()
        outcomes = self.machine.apply([(index + 1, 1, compose_entry((command,)))])
        return outcomes[0][1]

    async def propose(self, command: Command, wait: str = "node") -> Answer:
        """Judge and apply at once."""
        if self.is_lost:
            return Answer(Unknown(command.operation_id, "no leader for 5 s"))
        outcome = self._judge(command)
        return Answer(outcome) if wait == "node" else Answer(outcome, *self.visible)

    @contextmanager
    def view(self) -> Iterator[Any]:
        """Return the newest revision."""
        reader = self.machine.writer.reader()
        try:
            yield reader
        finally:
            reader.reset()

    async def ask_workers(
        self, message: dict[str, Any], timeout_s: float = 3.0, only: int | None = None
    ) -> dict[int, dict[str, Any]]:
        """Keep the message, and return what the test says."""
        self.asked_workers.append(message)
        return self.worker_replies

    def status(self) -> Mapping[str, Any]:
        """Return a little of a state."""
        with self.view() as view:
            return {
                "node": "0", "leader": None, "log entries": 0, "revision": view.revision(),
                "digest": view.digest(),
                "members": {"0": {"role": "voter", "lag": 0}, "1": {"role": "voter", "lag": 3}},
                "workers": {"0": {"queries": 5}},
            }  # fmt: skip

    async def reload(self, path: str | None, options: Options) -> LoadReport:
        """Return what the test said."""
        self.loaded.append((path, None))
        return self.report

    async def load(self, path: str, mode: str | None, options: Options) -> LoadReport:
        """Return what the test said."""
        self.loaded.append((path, mode))
        return self.report

    async def join_token(self, ttl_s: int) -> tuple[JoinToken | None, Answer]:
        """Make a token."""
        outcome = self._apply((PutToken(b"h" * 32, self.now_ms() + ttl_s * 1000),))
        if isinstance(outcome, Refused):
            return None, Answer(outcome)
        until_ms = self.now_ms() + ttl_s * 1000
        return JoinToken("token-of-the-test", until_ms, "127.0.0.1:4321"), Answer(outcome)

    async def add_member(self, node: str, raft_loc: str) -> Answer:
        """Record a learner."""
        return Answer(self._apply((PutMember(Member(node, "", "learner", raft_loc)),)))

    async def remove_member(self, node: str) -> Answer:
        """Forget a member."""
        return Answer(self._apply((DropMember(node),)))

    async def roll_cookies(self, is_at_once: bool) -> Answer:
        """Put something in place of the secrets."""
        return Answer(self._apply((PutKey(KEY, f"v1.sealed.{is_at_once}"),)))

    def operation_id(self) -> bytes:
        """Return the next number."""
        return next(self._numbers).to_bytes(16)

    def now_ms(self) -> int:
        """Return the morning of 2026-11-21."""
        return NOW_MS

    def close(self) -> None:
        """Close the store."""
        self.machine.close()


def ask(session: Session, line: str) -> Any:
    """Return the session's reply to one line (nothing in it needs a reactor)."""
    return asyncio.run(session.handle(line))


def dialog(session: Session, script: str) -> None:
    """Play *script*: ``> line`` is typed, ``< line`` must be printed, in order and nothing else;
    ``#`` in an expected line stands for a number, ``…`` for anything."""
    expected: list[str] = []
    printed: list[str] = []
    typed = ""

    def check() -> None:
        patterns = [
            re.escape(text).replace(r"\#", r"\d+").replace("…", ".*") for text in expected
        ]
        same = len(patterns) == len(printed) and all(
            re.fullmatch(pattern, line) for pattern, line in zip(patterns, printed, strict=True)
        )
        assert same, f"> {typed}\nexpected:\n  {expected}\nprinted:\n  {printed}"

    for raw in script.strip().splitlines():
        line = raw.strip()
        if line.startswith("<"):
            expected.append(line[2:])
            continue
        check()
        assert line.startswith(">"), f"a dialog's lines begin with > or <: {line}"
        typed, expected = line[2:], []
        printed = list(ask(session, typed).lines)
    check()
