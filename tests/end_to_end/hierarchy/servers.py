"""NSD, Knot and BIND, one process per host, configured for the zones that the host serves."""

import contextlib
import shutil
import subprocess
from pathlib import Path

from .place import Place
from .plan import REAL_HOSTS, ZONES, Zone
from .zone_files import ZoneFiles

PROGRAMS = (
    "nsd", "knotd", "named", "keymgr", "ldns-keygen", "ldns-signzone", "dnssec-keygen",
    "dnssec-signzone",
)  # fmt: skip
"""What has to be installed; on Debian: nsd knot bind9 bind9-utils ldnsutils."""


def missing() -> str:
    """Return which PROGRAMS are not installed, in one line; "" when none."""
    return ", ".join(name for name in PROGRAMS if not shutil.which(name))


def zones_of(host: int) -> list[Zone]:
    """Return the zones that *host* serves."""
    return [zone for zone in ZONES if host in zone.hosts]


class RealServer:
    """One process of NSD, Knot or BIND."""

    def __init__(
        self, kind: str, host: int, files: ZoneFiles, folder: Path, prefix: tuple[str, ...]
    ):
        self.kind = kind
        self.host = host
        self.folder = folder / f"{kind}-{host}"
        self.folder.mkdir(parents=True)
        self._prefix = prefix
        self._log = (self.folder / "log").open("ab")
        self._words = {"nsd": _nsd, "knot": _knot, "bind": _bind}[kind](
            zones_of(host), files, files.place, host, self.folder
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def pid(self) -> int:
        """Its (first) process."""
        assert self._process
        return self._process.pid

    def start(self) -> None:
        """Start it (once more); it answers soon, not at once."""
        self._process = subprocess.Popen(
            [*self._prefix, *self._words],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def why_ended(self) -> str:
        """Return the end of its log when it has ended, "" while it runs."""
        if self._process is None or self._process.poll() is None:
            return ""
        return (self.folder / "log").read_text(errors="replace")[-2000:] or "it ended"

    def stop(self) -> None:
        """End it, by force after five seconds."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)


def start_all(files: ZoneFiles, folder: Path, prefix: tuple[str, ...]) -> list[RealServer]:
    """Start every real host."""
    # BIND opens the addresses of interfaces only, and of 127.0.0.0/8 that is one.
    others = {"bind": "nsd"} if files.place.is_on_loopback else {}
    return [
        RealServer(others.get(kind, kind), host, files, folder, prefix)
        for kind, hosts in REAL_HOSTS.items()
        for host in hosts
    ]


def _nsd(zones: list[Zone], files: ZoneFiles, place: Place, host: int, folder: Path) -> list[str]:
    lines = ["server:"]
    lines += [f"  ip-address: {address}@{place.port}" for address in place.addresses(host)]
    lines += [
        '  username: ""', '  chroot: ""', f'  zonesdir: "{folder}"', '  database: ""',
        f'  pidfile: "{folder}/nsd.pid"', f'  xfrdfile: "{folder}/xfrd"',
        f'  xfrdir: "{folder}"', f'  zonelistfile: "{folder}/zonelist"',
        '  cookie-secret-file: ""', "  server-count: 1", "  rrl-ratelimit: 0",
        "  round-robin: no", "remote-control:", "  control-enable: no",
    ]  # fmt: skip
    for zone in zones:
        lines += ["zone:", f'  name: "{zone.apex}"', f'  zonefile: "{files.path(zone)}"']
    return ["nsd", "-d", "-c", _write(folder / "nsd.conf", lines)]


def _knot(zones: list[Zone], files: ZoneFiles, place: Place, host: int, folder: Path) -> list[str]:
    signed = [zone for zone in zones if zone.signing and zone.signing.tool == "knot"]
    assert len(signed) <= 1, "one place for keys per process"
    lines = ["server:", f"  rundir: {folder}", "  udp-workers: 1", "  tcp-workers: 1",
             "  background-workers: 1"]  # fmt: skip
    lines += [f"  listen: {address}@{place.port}" for address in place.addresses(host)]
    lines += ["log:", "  - target: stderr", "    any: warning", "database:",
              f"  storage: {folder}"]  # fmt: skip
    for zone in signed:
        assert zone.signing
        lines += [f"  kasp-db: {files.folder / ('keys-' + zone.apex.strip('.'))}", "policy:",
                  "  - id: own", f"    algorithm: {zone.signing.algorithm.lower()}",
                  "    single-type-signing: on",
                  f"    nsec3: {'off' if zone.signing.iterations is None else 'on'}",
                  f"    nsec3-iterations: {zone.signing.iterations or 0}",
                  "    nsec3-salt-length: 0"]  # fmt: skip
    lines.append("zone:")
    for zone in zones:
        lines += [f"  - domain: {zone.apex}", f"    file: {files.path(zone)}",
                  "    zonefile-sync: -1", "    journal-content: none",
                  "    semantic-checks: off"]  # fmt: skip
        if zone in signed:
            lines += ["    dnssec-signing: on", "    dnssec-policy: own",
                      "    journal-content: changes", "    zonefile-load: difference"]  # fmt: skip
            lines.remove("    journal-content: none")
    return ["knotd", "-c", _write(folder / "knot.conf", lines)]


def _bind(zones: list[Zone], files: ZoneFiles, place: Place, host: int, folder: Path) -> list[str]:
    six = place.address6(host)
    lines = [
        "options {", f'  directory "{folder}"; pid-file none; session-keyfile none;',
        f"  listen-on port {place.port} {{ {place.address(host)}; }};",
        f"  listen-on-v6 port {place.port} {{ {six or 'none'}; }};",
        "  recursion no; dnssec-validation no; empty-zones-enable no; check-integrity no;",
        "  minimal-responses yes; notify no; allow-query { any; };", "};", "controls { };",
    ]  # fmt: skip
    lines += [
        f'zone "{zone.apex}" {{ type primary; file "{files.path(zone)}"; '
        "check-names ignore; check-mx ignore; };"
        for zone in zones
    ]
    return ["named", "-g", "-n", "1", "-c", _write(folder / "named.conf", lines)]


def _write(path: Path, lines: list[str]) -> str:
    path.write_text("\n".join(lines) + "\n")
    return str(path)
