"""The command line and the launcher, as a user calls them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dns_node import __version__

ROOT = Path(__file__).resolve().parents[1]

LIGHT = "import dns_node.__main__, sys; print(*sorted(m.split('.')[0] for m in sys.modules))"


def run(*words, cwd=ROOT, **environment):
    """Return the finished ``dns-node`` with *words*."""
    return subprocess.run(
        [sys.executable, "-m", "dns_node", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )


def test_version_is_the_version_of_the_package():
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"dns-node {__version__}\n")


def test_the_command_line_starts_without_the_heavy_libraries():
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], capture_output=True, text=True, cwd=ROOT, check=True
    )
    heavy = {"twisted", "lmdb", "dns", "pysyncobj", "OpenSSL", "cryptography", "publicsuffixlist"}
    assert heavy.isdisjoint(done.stdout.split())


def test_check_says_that_the_shipped_configuration_is_good():
    done = run("check", "-c", "dns-config.json")
    assert (done.returncode, done.stdout) == (0, "dns-config.json: good, 3 nodes.\n")


def test_check_says_every_problem_with_its_file_and_path_and_starts_nothing(tmp_path):
    (tmp_path / "c.json").write_text('{"nodes": {"0": {"raft_lok": 1}}, "workers": -1}')
    done = run("check", "-c", "c.json", cwd=tmp_path)
    assert done.returncode == 78
    lines = done.stderr.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("c.json: ") for line in lines)
    assert any('nodes.0.raft_lok' in line and '"raft_loc"' in line for line in lines)
    assert sorted(os.listdir(tmp_path)) == ["c.json"]


def test_check_of_one_node_reads_its_certificates(tmp_path):
    entry = '{"raft_loc": "192.0.2.1:4321", "query_loc": "0.0.0.0:53"}'
    (tmp_path / "c.json").write_text(f'{{"nodes": {{"a": {entry}}}, "cluster": {{"tls": {{}}}}}}')
    check = "check", "-n", "a", "-c", "c.json"
    assert run("certs", "init", "certs", cwd=tmp_path).returncode == 0
    without = run(*check, cwd=tmp_path)
    assert (without.returncode, "node-a.pem" in without.stderr) == (78, True)
    assert run("certs", "issue", "certs", "a", "--address", "ns1.example.com",
               cwd=tmp_path).returncode == 0  # fmt: skip
    assert run(*check, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-n", "0"], "-c FILE"),
        (["-c", "dns-config.json"], "-n ID"),
        (["-n", "9", "-c", "dns-config.json"], "0, 1, 2"),
        (["-n", "0", "-c", "absent.json"], "absent.json"),
        (["-n", "3", "--join", "nowhere"], "--join"),
    ],
)
def test_what_can_not_be_run_says_so_in_one_line_and_ends_with_78(words, said):
    done = run(*words)
    assert done.returncode == 78
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [["--frob"], ["ctl"], ["check"], ["certs"], ["--workers", "x"]])
def test_a_command_line_that_makes_no_sense_shows_its_usage_and_ends_with_64(words):
    done = run(*words)
    assert done.returncode == 64
    assert "usage: dns-node" in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["ctl", "--help"], ["check", "-h"], ["certs", "-h"]])
def test_help_ends_with_0_and_names_the_program(words):
    done = run(*words)
    assert done.returncode == 0
    assert "dns-node" in done.stdout


def test_ctl_ends_with_3_when_no_node_runs_there(tmp_path):
    done = run("ctl", "--data-dir", tmp_path, "STATUS")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


# ---- the launcher

FAKE_PYTHON = """#!/bin/sh
# Stands for python3: makes an environment whose python notes what it is asked to do.
case "$*" in
*"-m venv "*) for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python" ;;
*"pip install"*) echo "install $*" >>"$LOG"; [ -z "${NO_NETWORK:-}" ] || exit 1 ;;
*"pip --version"*) ;;
*dns_node*) echo "node $*" ;;
*) [ -z "${TOO_OLD:-}" ] || exit 1 ;;
esac
"""


class Checkout:
    """A copy of the launcher with a python that only notes."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.log = folder / "log"
        for name in "dns-node", "setup.cfg", "pyproject.toml":
            shutil.copy(ROOT / name, folder / name)
        fake = folder / "fake-python"
        fake.write_text(FAKE_PYTHON)
        fake.chmod(0o755)

    def start(self, *words, **environment):
        return subprocess.Popen(
            [self.folder / "dns-node", *words],
            env={**os.environ, "DNS_NODE_PYTHON": str(self.folder / "fake-python"),
                 "LOG": str(self.log), **environment},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *words, **environment):
        process = self.start(*words, **environment)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    @property
    def installs(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


def test_the_launcher_prepares_once_says_so_and_hands_all_words_over(checkout):
    status, out, err = checkout.run("-n", "0", "two words")
    assert status == 0
    assert out == "node -P -m dns_node -n 0 two words\n"
    assert "preparing" in err
    status, out, err = checkout.run("--version")
    assert (status, out, err) == (0, "node -P -m dns_node --version\n", "")
    assert checkout.installs == 1


def test_the_launcher_prepares_again_when_the_requirements_changed(checkout):
    checkout.run()
    with (checkout.folder / "setup.cfg").open("a") as file:
        file.write("# newer\n")
    assert "preparing" in checkout.run()[2]
    assert checkout.installs == 2


def test_two_launchers_at_once_prepare_once(checkout):
    both = [checkout.start(str(number)) for number in range(2)]
    for number, process in enumerate(both):
        out, _ = process.communicate(timeout=30)
        assert out == f"node -P -m dns_node {number}\n"
    assert checkout.installs == 1


def test_the_test_environment_serves_the_node_too(checkout):
    assert checkout.run(DNS_NODE_PREPARE="test")[1] == ""
    assert "[test]" in checkout.log.read_text()
    assert checkout.run()[2] == ""


def test_a_launcher_without_network_says_so_and_tries_again_next_time(checkout):
    status, _, err = checkout.run(NO_NETWORK="1")
    assert status == 69
    assert "Run this again with a network" in err
    assert checkout.run()[0] == 0


def test_a_python_that_is_absent_or_too_old_is_named(checkout):
    status, _, err = checkout.run(DNS_NODE_PYTHON="no-such-python")
    assert (status, "no-such-python" in err) == (69, True)
    status, _, err = checkout.run(TOO_OLD="1")
    assert (status, "3.11 or later" in err) == (69, True)


def test_the_launcher_works_through_a_link_from_another_directory(checkout, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    link = elsewhere / "dns-node"
    link.symlink_to(checkout.folder / "dns-node")
    checkout.run()
    done = subprocess.run([link, "--version"], cwd=elsewhere, capture_output=True, text=True)
    assert done.stdout == "node -P -m dns_node --version\n"
