"""The resolver under test: ours, or Unbound, to see what others make of a scenario."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .scenario import UnsupportedError
from .settings import ROOT_NAME, Settings

LISTEN: Final = "127.5.3.53"
"""Not 127.0.0.1, which may be a server of the scenario."""
PORT: Final = 53
_REPOSITORY: Final = Path(__file__).resolve().parents[2]
_FAKETIME: Final = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


@dataclass
class Clock:
    """What the resolver's real-time clock says: *offset_s* more than ours, by libfaketime."""

    path: Path
    offset_s: float = 0.0

    def environment(self) -> dict[str, str]:
        """Return what makes a process follow this clock; raises UnsupportedError."""
        if not _FAKETIME:
            raise UnsupportedError("libfaketime is needed (on Debian: apt install faketime)")
        self.move(0)
        return {
            "LD_PRELOAD": str(_FAKETIME[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def move(self, seconds: float) -> None:
        """Let it say *seconds* more."""
        self.offset_s += seconds
        written = self.path.with_suffix(".new")
        written.write_text(f"{self.offset_s:+f}\n")
        written.rename(self.path)


def start(
    name: str, settings: Settings, folder: Path, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start the resolver *name* at LISTEN:PORT; its log is *folder*/log."""
    words = STARTERS[name](settings, folder)
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=dict(os.environ, PYTHONPATH=str(_REPOSITORY), **environment), cwd=_REPOSITORY,
        )  # fmt: skip


def _dns_node(settings: Settings, folder: Path) -> list[str]:
    path = folder / "scenario.json"
    path.write_text(json.dumps({
        "listen": LISTEN,
        "port": PORT,
        "root_hints": settings.root_hints,
        "stubs": [{"name": name, "addrs": addresses} for name, addresses in settings.stubs],
        "forwards": [{"name": name, "addrs": addresses} for name, addresses in settings.forwards],
        "trust_anchors": settings.trust_anchors,
        "domain_insecure": settings.domain_insecure,
        "qmin": settings.qmin,
        "do_ip6": settings.does_ip6,
        "dir": str(folder),
    }))  # fmt: skip
    return [sys.executable, "-P", "-m", "dns_node", "resolver", "--scenario", str(path)]


def _unbound(settings: Settings, folder: Path) -> list[str]:
    hints = folder / "hints"
    hints.write_text("".join(
        f". 3600000 NS {name}\n{name} 3600000 {'AAAA' if ':' in address else 'A'} {address}\n"
        for name, address in settings.root_hints
    ) or f". 3600000 NS {ROOT_NAME}\n{ROOT_NAME} 3600000 A 192.0.2.254\n")  # fmt: skip
    anchors = folder / "anchors"
    anchors.write_text("\n".join(settings.trust_anchors) + "\n")
    lines = [
        "server:", f"  interface: {LISTEN}@{PORT}", "  num-threads: 1", '  username: ""',
        '  chroot: ""', f'  directory: "{folder}"', f'  pidfile: "{folder}/pid"',
        "  use-syslog: no", '  logfile: ""', "  verbosity: 2", "  do-not-query-localhost: no",
        "  minimal-responses: no", "  access-control: 0.0.0.0/0 allow", f'  root-hints: "{hints}"',
        f"  do-ip6: {_yes(settings.does_ip6)}", "  aggressive-nsec: no",
        f"  qname-minimisation: {_yes(bool(settings.qmin))}", "  tls-use-sni: no",
        f"  module-config: \"{'validator ' if settings.trust_anchors else ''}iterator\"",
        *(f'  local-zone: "{zone}." nodefault' for zone in ("test", "invalid", "onion")),
    ]  # fmt: skip
    lines += [f'  domain-insecure: "{name}"' for name in settings.domain_insecure]
    if settings.trust_anchors:
        lines.append(f'  trust-anchor-file: "{anchors}"')
    lines += ["remote-control:", "  control-enable: no"]
    for kind, zones in (("stub", settings.stubs), ("forward", settings.forwards)):
        for name, addresses in zones:
            lines += [f"{kind}-zone:", f'  name: "{name}"']
            lines += [f"  {kind}-addr: {address}" for address in addresses]
    (folder / "unbound.conf").write_text("\n".join(lines) + "\n")
    return ["unbound", "-d", "-c", str(folder / "unbound.conf")]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


STARTERS: Final[dict[str, Callable[[Settings, Path], list[str]]]] = {
    "dns-node": _dns_node,
    "unbound": _unbound,
}
