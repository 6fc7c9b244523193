"""The doors themselves: control socket, kv port, console; with a real reactor."""

import io
import json
import os
import pwd
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from dns_node.control.compose import Asker
from dns_node.control.console import Console
from dns_node.control.control_socket import socket_path
from dns_node.control.ctl import join_words, run_ctl
from dns_node.control.ctl_door import ControlDoor
from dns_node.control.kv import KvDoor
from dns_node.control.session import LINE_SIZE_OCTETS_MAX, Session

from .fake_node import FakeNode


class DoorTest(TestCase):
    """A node in a folder of its own; `door` is stopped afterwards."""

    timeout = 20
    name = "data"
    settings: dict[str, Any] = {}

    def setUp(self) -> None:
        """Start the node and the door."""
        self.root = Path(tempfile.mkdtemp())
        self.folder = self.root / self.name
        self.folder.mkdir(parents=True)
        self.node = FakeNode(self.folder, **self.settings)
        self.begin()

    def begin(self) -> None:
        """Start the door."""

    def tearDown(self) -> Any:
        """Stop the door and the node."""
        done = ensureDeferred(self.end())

        def clean(result: Any) -> Any:
            self.node.close()
            shutil.rmtree(self.root)
            return result
        return done.addBoth(clean)

    async def end(self) -> None:
        """Stop the door."""


def in_thread(function: Callable[..., Any], *arguments: Any) -> "Deferred[Any]":
    """Run a blocking client."""
    return deferToThread(function, *arguments)


def ctl(folder: Path, *words: str, lines: list[str] | None = None) -> tuple[int, str, str]:
    """Return status, output and errors of ``dns-node ctl``."""
    out, err = io.StringIO(), io.StringIO()
    status = run_ctl(str(folder), words, out, err, iter(lines) if lines else None)
    return status, out.getvalue(), err.getvalue()


class ControlDoorTest(DoorTest):
    """`dns-node ctl` against the socket."""

    def begin(self) -> None:
        """Listen."""
        self.door = ControlDoor(reactor, self.node, str(self.folder))
        self.door.start()

    async def end(self) -> None:
        """Stop."""
        await self.door.stop()

    async def test_exit_status_says_done_or_refused_or_unknown(self) -> None:
        status, out, _ = await in_thread(
            ctl, self.folder, "ADD:", "www.a.example", "A", "192.0.2.1"
        )
        assert status == 0 and out.splitlines()[-1].startswith("OK a.example. serial")
        status, out, _ = await in_thread(ctl, self.folder, "ADD:", "www.a.example", "CNAME", "x.")
        assert status == 1 and "REFUSED www.a.example.: nothing changed." in out
        status, out, _ = await in_thread(ctl, self.folder, "FROBNICATE")
        assert status == 1 and "no verb" in out
        self.node.is_lost = True
        status, out, _ = await in_thread(ctl, self.folder, "ADD:", "b.a.example", "A", "192.0.2.1")
        assert status == 2 and "UNKNOWN b.a.example. operation" in out

    async def test_the_socket_is_for_its_owner_only_and_history_names_the_user(self) -> None:
        path = self.folder / "control.sock"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        await in_thread(ctl, self.folder, "ADD:", "www.a.example", "A", "192.0.2.1")
        _, out, _ = await in_thread(ctl, self.folder, "HISTORY")
        assert f"by ctl {pwd.getpwuid(os.getuid()).pw_name}" in out

    async def test_lines_of_standard_input_are_one_conversation_with_its_transaction(self) -> None:
        status, out, _ = await in_thread(lambda: ctl(self.folder, "-", lines=[
            "BEGIN\n", "ADD: x.a.example A 192.0.2.1\n", "ADD: y.a.example A 192.0.2.1\n",
            "COMMIT\n",
        ]))  # fmt: skip
        assert status == 0 and out.count("Added resource record") == 2

    async def test_words_that_the_shell_unquoted_are_quoted_again(self) -> None:
        assert join_words(["ADD:", "a.", "TXT", "two words"]) == 'ADD: a. TXT "two words"'
        assert join_words(["KV", "SET", "k", "two words"]) == "KV SET k two words"
        assert join_words(["ADD: a.example A 192.0.2.1"]) == "ADD: a.example A 192.0.2.1"
        assert join_words(["DROP", "a", "reason=no use"]) == 'DROP a reason="no use"'
        assert join_words(["ADD:", "a", "MX", '["mx.", 5]']) == 'ADD: a MX ["mx.", 5]'

    async def test_requests_that_are_none_are_refused_and_those_after_them_answered(self) -> None:
        def talk() -> list[dict[str, Any]]:
            with socket.socket(socket.AF_UNIX) as link:
                with socket_path(str(self.folder)) as path:
                    link.connect(path)
                link.sendall(b'nonsense\n[1]\n{"line": 1}\n{"line": "HELP"}\n')
                found = []
                with link.makefile() as replies:
                    while sum("exit" in item for item in found) < 4:
                        found.append(json.loads(replies.readline()))
            return found
        items = await in_thread(talk)
        assert [item["exit"] for item in items if "exit" in item] == [1, 1, 1, 0]

    async def test_an_endless_line_is_cut_off(self) -> None:
        def talk() -> bytes:
            with socket.socket(socket.AF_UNIX) as link:
                with socket_path(str(self.folder)) as path:
                    link.connect(path)
                try:
                    link.sendall(b"x" * (4 * LINE_SIZE_OCTETS_MAX))
                    return link.makefile("rb").read()
                except OSError:
                    return b""
        await in_thread(talk)
        assert (await in_thread(ctl, self.folder, "HELP"))[0] == 0

    async def test_without_a_node_the_status_is_3_and_the_directory_is_named(self) -> None:
        await self.door.stop()
        status, out, err = await in_thread(ctl, self.folder, "STATUS")
        assert (status, out) == (3, "") and str(self.folder) in err


class LongPathTest(ControlDoorTest):
    """A data directory whose path does not fit into a socket address."""

    name = "/".join(["x" * 60] * 4)


class KvDoorTest(DoorTest):
    """The kv text protocol."""

    settings = {"kv": {"connections": 8}}

    def begin(self) -> None:
        """Listen."""
        self.door = KvDoor(reactor, self.node, "127.0.0.1", 0)
        self.port = self.door.start()

    async def end(self) -> None:
        """Stop."""
        await self.door.stop()

    def ask(self, octets: bytes) -> str:
        """Return the reply to one request, up to the end of the connection."""
        reply = b""
        try:  # Who is cut off at once may see it already while it connects.
            with socket.create_connection(("127.0.0.1", self.port), 8) as link:
                link.sendall(octets)
                while piece := link.recv(4096):
                    reply += piece
        except (ConnectionResetError, BrokenPipeError):
            pass
        return reply.decode()

    async def test_the_table_of_the_protocol(self) -> None:
        for request, reply in (
            ("kv ping", "PONG"), ("kv get toto", "ERROR"), ("kv set toto titi  tata", "SUCCESS"),
            ("kv get toto", "titi  tata"), ("KV GET toto", "titi  tata"),
            ("kv del toto", "SUCCESS"), ("kv del toto", "SUCCESS"), ("kv get toto", "ERROR"),
            ("kv", "ERROR"),
            ("kv set lonely", "ERROR"), ("kv nonsense a", "ERROR"), ("hello", "ERROR"),
            ("kv join 127.0.0.1:4329 9", "SUCCESS"), ("kv leave 9", "SUCCESS"),
        ):  # fmt: skip
            assert await in_thread(self.ask, request.encode() + b"\n") == reply, request

    async def test_a_key_of_name_and_type_is_a_record_of_the_zone(self) -> None:
        key = b"db.a.example._1"
        text = "db.a.example. 60 IN A 192.0.2.9"
        request = b"kv set " + key + b' "' + text.encode() + b'"\n'
        assert await in_thread(self.ask, request) == "SUCCESS"
        assert await in_thread(self.ask, b"kv get " + key + b"\n") == text
        with self.node.view() as view:
            assert [header.records for _, header in view.zones()] == [3]
        assert await in_thread(self.ask, b"kv del " + key + b"\n") == "SUCCESS"
        assert await in_thread(self.ask, b"kv del " + key + b"\n") == "SUCCESS"
        assert await in_thread(self.ask, b"kv get " + key + b"\n") == "ERROR"
        refused = await in_thread(self.ask, b"kv set " + key + b" other. 60 IN A 192.0.2.9\n")
        assert "db.a.example." in refused and not refused.endswith("\n")

    async def test_other_octets_are_answered_error_at_once_and_so_is_an_endless_line(self) -> None:
        assert await in_thread(self.ask, b"rft") == "ERROR"
        assert await in_thread(self.ask, b"kv set a \xff\xfe\n") == "ERROR"
        assert await in_thread(self.ask, b"kv set a " + b"x" * 200_000) in ("ERROR", "")

    async def test_a_silent_peer_is_cut_off(self) -> None:
        self.node.settings = replace(
            self.node.settings, kv=replace(self.node.settings.kv, idle_s=0)
        )
        assert await in_thread(self.ask, b"kv pi") == ""

    async def test_strangers_are_answered_error(self) -> None:
        access = replace(self.node.settings.access, kv=("192.0.2.0/24",))
        self.node.settings = replace(self.node.settings, access=access)
        assert await in_thread(self.ask, b"kv ping\n") == "ERROR"


class ConsoleTest(DoorTest):
    """The console on a pipe."""

    def begin(self) -> None:
        """Start it on a pipe, printing into a string."""
        self.read, self.write = os.pipe()
        self.out = io.StringIO()
        self.quits = Deferred()
        self.console = Console(
            reactor, Session(self.node, Asker("console", "me")),
            on_quit=lambda: self.quits.callback(None), descriptor=self.read, out=self.out,
        )  # fmt: skip
        self.console.start()

    async def end(self) -> None:
        """End the input and wait for the thread."""
        self.console.stop()
        self.close_input()
        await in_thread(self.console._thread.join)
        os.close(self.read)

    def close_input(self) -> None:
        """End the input, once."""
        if self.write >= 0:
            os.close(self.write)
            self.write = -1

    async def test_lines_are_answered_in_order_and_quit_ends_it(self) -> None:
        os.write(self.write, b"ADD: a.b.example A 192.0.2.1\nSHOW a.b.example A\nQUIT\n")
        await self.quits
        lines = self.out.getvalue().splitlines()
        assert lines[-2:] == ["a.b.example. 3600 IN A 192.0.2.1", "OK bye"]
        assert "Added resource record for this entry." in lines

    async def test_a_long_line_is_refused_and_the_next_one_read(self) -> None:
        octets = b"ADD: " + b"y" * 300_000 + b"\nZONES\nQUIT\n"
        await in_thread(os.write, self.write, octets[:65536])
        rest = octets[65536:]
        while rest:
            rest = rest[await in_thread(os.write, self.write, rest[:65536]) :]
        await self.quits
        lines = self.out.getvalue().splitlines()
        assert sum("longer than" in line for line in lines) == 1
        assert any(line.startswith("zone") for line in lines)

    async def test_the_end_of_the_input_ends_the_console_without_quitting(self) -> None:
        os.write(self.write, b"ADD: a.b.example A 192.0.2.1")
        self.close_input()
        await in_thread(self.console._thread.join)
        assert "OK b.example." in self.out.getvalue()
        assert not self.quits.called
