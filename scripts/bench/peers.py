"""The other servers: what they need to serve one zone, without logs, limits and DNSSEC.

All of them get one worker unless more are asked for, minimal responses, and no rate limit.
"""

import shutil
import subprocess
from pathlib import Path

import machine
from server import Server, make_directory
from zones import BenchZone

PACKAGES = {
    "nsd": ("nsd", "nsd", "nsd -v"),
    "knot": ("knot", "knotd", "knotd -V"),
    "bind": ("bind9", "named", "named -v"),
    "pdns": ("pdns-server pdns-backend-lmdb", "pdns_server", "pdns_server --version"),
}
"""By peer: Debian packages, program, how it tells its version."""


def missing(names: list[str]) -> list[str]:
    """Return those of *names* whose program is not installed."""
    return [name for name in names if name in PACKAGES and not shutil.which(PACKAGES[name][1])]


def how_to_install(names: list[str]) -> str:
    """Return the commands that install *names* on Debian without starting them."""
    packages = " ".join(PACKAGES[name][0] for name in names)
    return (
        "printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d\n"
        "chmod 755 /usr/sbin/policy-rc.d\n"
        f"apt-get install --no-install-recommends {packages}"
    )


def version(name: str) -> str:
    """Return what *name* says about its version, in one line."""
    done = subprocess.run(PACKAGES[name][2].split(), capture_output=True, text=True, check=False)
    first = (done.stdout + done.stderr).strip().splitlines()[0]
    return first[first.find("PowerDNS") :] if name == "pdns" else first


def start(
    name: str, zone: BenchZone, directory: Path, processors: str, workers: int = 1
) -> Server:
    """Start the peer *name* with *zone* and return it; raises StartError when it is silent."""
    place = make_directory(directory / f"{name}-{zone.origin}-{workers}")
    server = Server(name, machine.free_port(), processors, place)
    words = _WORDS[name](zone, place, server.port, workers)
    server.start(words, f"n0000005.{zone.origin}")
    return server


def start_echo(directory: Path, tools: Path, processors: str, batch: int = 64) -> Server:
    """Start the echo server, which has up to *batch* datagrams for a system call."""
    name = "echo" if batch == 64 else f"echo-{batch}"
    server = Server(name, machine.free_port(), processors, make_directory(directory / name))
    server.start([str(tools / "echo"), str(server.port), str(batch), "16"], "x")
    return server


def _write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def _nsd(zone: BenchZone, place: Path, port: int, workers: int) -> list[str]:
    text = f"""server:
  ip-address: 127.0.0.1@{port}
  server-count: {workers}
  reuseport: {"yes" if workers > 1 else "no"}
  username: ""
  chroot: ""
  zonesdir: "{place}"
  database: ""
  pidfile: "{place}/nsd.pid"
  xfrdfile: "{place}/xfrd"
  zonelistfile: "{place}/zonelist"
  cookie-secret-file: ""
  minimal-responses: yes
  hide-version: yes
  rrl-ratelimit: 0
  tcp-count: 1000
  round-robin: no
remote-control:
  control-enable: no
zone:
  name: "{zone.origin}"
  zonefile: "{zone.path}"
"""
    return ["nsd", "-d", "-c", _write(place / "nsd.conf", text)]


def _knot(zone: BenchZone, place: Path, port: int, workers: int) -> list[str]:
    text = f"""server:
  rundir: "{place}"
  listen: 127.0.0.1@{port}
  udp-workers: {workers}
  tcp-workers: {workers}
  background-workers: 1
  tcp-max-clients: 1000
log:
  - target: stderr
    any: error
database:
  storage: "{place}"
zone:
  - domain: {zone.origin}
    file: "{zone.path}"
    zonefile-sync: -1
    journal-content: none
"""
    return ["knotd", "-c", _write(place / "knot.conf", text)]


def _bind(zone: BenchZone, place: Path, port: int, workers: int) -> list[str]:
    text = f"""options {{
  directory "{place}"; pid-file none; session-keyfile none;
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; minimal-responses yes; dnssec-validation no;
}};
controls {{ }};
zone "{zone.origin}" {{ type primary; file "{zone.path}"; }};
"""
    return ["named", "-g", "-n", str(workers), "-c", _write(place / "named.conf", text)]


def _pdns(zone: BenchZone, place: Path, port: int, workers: int) -> list[str]:
    text = f"""launch=lmdb
lmdb-filename={place}/pdns.lmdb
lmdb-shards=1
local-address=127.0.0.1:{port}
socket-dir={place}
receiver-threads={workers}
distributor-threads=1
reuseport={"yes" if workers > 1 else "no"}
daemon=no
guardian=no
disable-syslog=yes
loglevel=3
webserver=no
api=no
"""
    _write(place / "pdns.conf", text)
    subprocess.run(
        ["pdnsutil", f"--config-dir={place}", "load-zone", zone.origin, str(zone.path)],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return ["pdns_server", f"--config-dir={place}"]


_WORDS = {"nsd": _nsd, "knot": _knot, "bind": _bind, "pdns": _pdns}
