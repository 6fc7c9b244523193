"""scripts/cluster: all nodes in one terminal, with stand-ins for the nodes."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

STAND_IN = """
import sys
words = sys.argv[1:]
node = words[words.index("-n") + 1]
print("Initializing raft...", *[word for word in words if "zf" in word], flush=True)
if node == "bad":
    sys.exit("cannot listen")
print("Starting DNS server on port 53...", flush=True)
for line in sys.stdin:
    print("got", line.strip(), flush=True)
    if line.strip() == "die":
        sys.exit(3)
"""

RUN = """
import sys
sys.path[:0] = [{scripts!r}, {root!r}]
import run_cluster
sys.exit(run_cluster.main((sys.executable, {stand_in!r})))
"""


class Terminal:
    """The script with stand-ins, and its lines so far."""

    def __init__(self, folder: Path, node_ids=("0", "1", "2")):
        nodes = {
            node_id: {"raft_loc": f"127.0.0.1:{number}", "query_loc": f"127.0.0.1:{number + 100}"}
            for number, node_id in enumerate(node_ids, 2000)
        }
        (folder / "conf.json").write_text(json.dumps({"nodes": nodes}))
        (folder / "zone-files").mkdir()
        (folder / "zone-files" / "zf1.txt").touch()
        (folder / "stand_in.py").write_text(STAND_IN)
        program = RUN.format(
            scripts=str(ROOT / "scripts"), root=str(ROOT), stand_in=str(folder / "stand_in.py")
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, "-c", str(folder / "conf.json")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.lines: list[str] = []

    def until(self, part: str) -> str:
        """Read up to the line with *part* in it, and return it."""
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if part in line:
                return self.lines[-1]
        raise AssertionError(f"no {part!r} in {self.lines}")

    def type(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Read the rest; return the exit status."""
        self.lines += [line.rstrip("\n") for line in self.process.stdout]
        return self.process.wait(20)


@pytest.fixture
def terminal(tmp_path):
    one = Terminal(tmp_path)
    yield one
    one.process.kill()
    one.process.wait(10)


def test_every_line_is_labelled_and_it_says_when_all_nodes_serve(terminal):
    terminal.until("ready: all nodes serve")
    assert sorted(line for line in terminal.lines if "Starting" in line) == [
        f"[{number}] Starting DNS server on port 53..." for number in range(3)
    ]


def test_a_node_gets_the_zone_file_of_its_number_when_there_is_one(terminal):
    terminal.until("ready:")
    with_file = [line for line in terminal.lines if line.endswith("zone-files/zf1.txt")]
    assert [line[:3] for line in with_file] == ["[1]"]


def test_a_line_goes_to_the_node_that_it_names_or_to_the_first(terminal):
    terminal.until("ready:")
    terminal.type("2 ADD:\tnewdomain.com A 1.3.3.7")
    assert terminal.until("got") == "[2] got ADD:\tnewdomain.com A 1.3.3.7"
    terminal.type("ZONES")
    assert terminal.until("got") == "[0] got ZONES"


@pytest.mark.parametrize("how", ["quit", "end of input", "ctrl-C", "SIGTERM"])
def test_it_stops_all_nodes_together(terminal, how):
    terminal.until("ready:")
    if how == "quit":
        terminal.type("quit")
    elif how == "end of input":
        terminal.process.stdin.close()
    else:
        terminal.process.send_signal(signal.SIGINT if how == "ctrl-C" else signal.SIGTERM)
    assert terminal.end() == 0
    assert terminal.lines[-1] == "stopping all nodes ..."


def test_a_node_that_can_not_start_ends_the_whole_and_is_named(tmp_path):
    terminal = Terminal(tmp_path, ("0", "bad"))
    assert terminal.end() == 1
    assert "[bad] cannot listen" in terminal.lines
    assert "[bad] ended with status 1" in terminal.lines


def test_the_others_go_on_when_a_node_that_served_ends(terminal):
    terminal.until("ready:")
    terminal.type("1 die")
    assert terminal.until("ended") == "[1] ended with status 3"
    terminal.type("1 ZONES")
    assert terminal.until("not running") == "[1] is not running"
    terminal.type("2 ZONES")
    assert terminal.until("got") == "[2] got ZONES"


def test_a_configuration_with_mistakes_starts_nothing(tmp_path):
    (tmp_path / "c.json").write_text("{}")
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "run_cluster.py", "-c", tmp_path / "c.json"],
        capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 78
    assert "nodes: expected an object" in done.stderr


def test_it_stops_at_sigterm_where_a_shell_had_sigint_ignored(tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        terminal = Terminal(tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        terminal.until("ready:")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 0
    finally:
        terminal.process.kill()
        terminal.process.wait(10)
