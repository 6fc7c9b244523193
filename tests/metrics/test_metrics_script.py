"""The whole script against stand-ins: two nameservers, and a control socket that says OK."""

import json
import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from test_metrics_query_load import nameserver, positive

SCRIPT = Path(__file__).resolve().parents[2] / "metrics" / "metrics-collection.py"
RATE = re.compile(r"^This test recorded a rate of \d+ queries/sec\.$", re.MULTILINE)
Lines = list[str]


class _Door(socketserver.StreamRequestHandler):
    lines: Lines

    def handle(self) -> None:
        for raw in self.rfile:
            line = json.loads(raw)["line"]
            self.lines.append(line)
            if line == "ZONES":
                self._say({"text": "zone          serial"}, {"text": "example.com.  1"},
                          {"text": "cats.com.     1"})  # fmt: skip
            self._say({"text": "OK"}, {"exit": 0})

    def _say(self, *parts: dict[str, object]) -> None:
        self.wfile.write(b"".join(json.dumps(part).encode() + b"\n" for part in parts))


@contextmanager
def two_nodes(folder: Path) -> Iterator[tuple[Path, Lines]]:
    """Yield a configuration of two stand-in nodes, and the lines that node 0 was told."""
    lines: Lines = []
    (folder / "data" / "node-0").mkdir(parents=True)
    handler = type("Door", (_Door,), {"lines": lines})
    with (
        nameserver(positive) as zero,
        nameserver(positive) as one,
        socketserver.ThreadingUnixStreamServer(
            str(folder / "data" / "node-0" / "control.sock"), handler) as door,
    ):  # fmt: skip
        threading.Thread(target=door.serve_forever, args=(0.05,)).start()
        config = folder / "dns-config.json"
        config.write_text(json.dumps({"nodes": {
            "0": {"raft_loc": "127.0.0.1:1", "query_loc": f"127.0.0.1:{zero[1]}"},
            "1": {"raft_loc": "127.0.0.1:2", "query_loc": f"127.0.0.1:{one[1]}"},
        }}))  # fmt: skip
        try:
            yield config, lines
        finally:
            door.shutdown()


def collect(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the script from the root folder, with a relative path to nothing."""
    return subprocess.run([sys.executable, str(SCRIPT), "-c", str(config), *words], cwd="/",
                          capture_output=True, text=True, timeout=60)  # fmt: skip


def test_every_test_gets_its_line_and_every_temporary_record_is_removed(tmp_path: Path) -> None:
    with two_nodes(tmp_path) as (config, lines):
        done = collect(config, "--seconds", "0.1", "--rounds", "3")
    assert done.returncode == 0, done
    assert len(RATE.findall(done.stdout)) == 4
    assert "cats.com. MX at node 0" in done.stdout
    added = [line.split()[1] for line in lines if line.startswith("ADD:")]
    removed = [line.split()[1] for line in lines if line.startswith("REMOVE:")]
    assert len(set(added)) == 3 and added == removed
    assert all(re.fullmatch(r"metrics-[0-9a-f]{12}-\d\.example\.com\.", name) for name in added)


def test_json_has_the_rates_and_the_propagation(tmp_path: Path) -> None:
    with two_nodes(tmp_path) as (config, _):
        done = collect(config, "--json", "--seconds", "0.1", "--rounds", "2", "-n", "0")
    found = json.loads(done.stdout)
    assert [test["test"] for test in found["tests"]] == [1, 2, 3, 3]
    assert found["propagation"]["rounds"] == 2
    assert found["propagation"]["visible_ms"]["1"]["missed"] == 0


def test_without_a_configuration_it_says_which_file_it_looked_for(tmp_path: Path) -> None:
    done = collect(tmp_path / "nowhere.json")
    assert done.returncode == 1
    assert "nowhere.json" in done.stderr and "Traceback" not in done.stderr
