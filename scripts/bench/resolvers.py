"""The resolvers of the benchmark, ours among them: one worker each, no validation, one stub zone.

All of them ask the same local authoritative server for the names of one zone, and have room for all
that the benchmark asks; limits per client are raised, since there is one client.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import machine
from server import Server, StartError, make_directory
from zones import BenchZone

HOME = Path(__file__).resolve().parents[2]

PACKAGES = {
    "unbound": ("unbound", "unbound", "unbound -V"),
    "kresd": ("knot-resolver", "kresd", "kresd --version"),
    "pdns-recursor": ("pdns-recursor", "pdns_recursor", "pdns_recursor --version"),
    "bind": ("bind9", "named", "named -v"),
}
"""By peer: Debian package, program, how it tells its version."""

CACHE_MIB = 1024


def start(name: str, zone: BenchZone, upstream: Server, directory: Path, processors: str) -> Server:
    """Start the resolver *name*, which asks *upstream* for *zone*; raises StartError."""
    place = make_directory(directory / f"resolver-{name}")
    server = Server(name, machine.free_port(), processors, place)
    words = WORDS[name](zone, upstream.port, place, server.port)
    server.start(words, f"n0000005.{zone.origin}", {"PYTHONPATH": str(HOME)})
    return server


def workers(server: Server) -> list[int]:
    """Return the processes of *server* that resolve: all, but of dns-node its worker."""
    if server.name != "dns-node":
        return server.processes()
    found = [pid for pid in server.processes() if machine.title(pid).startswith("dns-worker")]
    if not found:
        raise StartError("dns-node has no worker")
    return found


def _write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def _dns_node(zone: BenchZone, upstream: int, place: Path, port: int) -> list[str]:
    config = {
        "nodes": {"0": {"raft_loc": f"127.0.0.1:{machine.free_port()}",
                        "query_loc": f"127.0.0.1:{port}"}},
        "workers": 1,
        "data_dir": str(place / "data"),
        "recursion": {
            "validation": False,
            "routes": [{"suffix": zone.origin, "kind": "stub",
                        "servers": [f"127.0.0.1:{upstream}"]}],
            "limits": {"questions": 4096, "questions_per_client": 60_000},
            "cache": {"messages_mib": CACHE_MIB, "rrsets_mib": CACHE_MIB, "persistent": False},
        },
    }  # fmt: skip
    path = _write(place / "dns-config.json", json.dumps(config))
    return [sys.executable, "-P", "-m", "dns_node", "-n", "0", "-c", path, "-s"]


def _unbound(zone: BenchZone, upstream: int, place: Path, port: int) -> list[str]:
    text = f"""server:
  interface: 127.0.0.1@{port}
  num-threads: 1
  username: ""
  chroot: ""
  directory: "{place}"
  pidfile: "{place}/pid"
  use-syslog: no
  logfile: ""
  verbosity: 0
  module-config: "iterator"
  do-not-query-localhost: no
  minimal-responses: yes
  msg-cache-size: {CACHE_MIB}m
  rrset-cache-size: {CACHE_MIB}m
  outgoing-range: 8192
  num-queries-per-thread: 4096
  so-rcvbuf: 4m
  so-sndbuf: 4m
  access-control: 127.0.0.0/8 allow
remote-control:
  control-enable: no
stub-zone:
  name: "{zone.origin}"
  stub-addr: 127.0.0.1@{upstream}
"""
    return ["unbound", "-d", "-c", _write(place / "unbound.conf", text)]


def _kresd(zone: BenchZone, upstream: int, place: Path, port: int) -> list[str]:
    unloaded = ("ta_update", "ta_signal_query", "priming", "detect_time_skew", "edns_keepalive")
    text = "\n".join([
        f"net.listen('127.0.0.1', {port}, {{ kind = 'dns' }})",
        "trust_anchors.remove('.')",
        *(f"modules.unload('{name}')" for name in unloaded),
        f"policy.add(policy.suffix(policy.STUB('127.0.0.1@{upstream}'), "
        f"{{todname('{zone.origin}.')}}))",
        f"cache.open({CACHE_MIB}*MB, 'lmdb://{place}')",
        "",
    ])  # fmt: skip
    return ["kresd", "-n", "-c", _write(place / "kresd.conf", text), str(place)]


def _pdns_recursor(zone: BenchZone, upstream: int, place: Path, port: int) -> list[str]:
    text = f"""local-address=127.0.0.1
local-port={port}
socket-dir={place}
threads=1
pdns-distributes-queries=no
reuseport=no
daemon=no
disable-syslog=yes
quiet=yes
loglevel=3
dnssec=off
dont-query=
forward-zones={zone.origin}=127.0.0.1:{upstream}
max-mthreads=4096
max-cache-entries=2000000
max-packetcache-entries=2000000
security-poll-suffix=
webserver=no
"""
    _write(place / "recursor.conf", text)
    return ["pdns_recursor", f"--config-dir={place}"]


def _bind(zone: BenchZone, upstream: int, place: Path, port: int) -> list[str]:
    text = f"""options {{
  directory "{place}"; pid-file none; session-keyfile none;
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion yes; allow-recursion {{ any; }}; dnssec-validation no; minimal-responses yes;
  recursive-clients 10000; max-clients-per-query 0; empty-zones-enable no;
  max-cache-size {CACHE_MIB}m;
}};
controls {{ }};
zone "{zone.origin}" {{
  type forward; forward only; forwarders {{ 127.0.0.1 port {upstream}; }};
}};
"""
    # A static-stub zone can't name a port; a forwarder is asked alike, but with RD.
    return ["named", "-g", "-n", "1", "-c", _write(place / "named.conf", text)]


WORDS: dict[str, Callable[[BenchZone, int, Path, int], list[str]]] = {
    "dns-node": _dns_node,
    "unbound": _unbound,
    "kresd": _kresd,
    "pdns-recursor": _pdns_recursor,
    "bind": _bind,
}
