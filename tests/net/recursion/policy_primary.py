"""A real primary of a policy zone: BIND on a loopback port, with a TSIG key."""

import shutil
import signal
import subprocess
from pathlib import Path

from tests.end_to_end.ports import free_ports
from tests.end_to_end.waiting import eventually

KEY = """key "feed." {
    algorithm hmac-sha256;
    secret "c2l4dGVlbiBvY3RldHMgYW5kIG1vcmUgb2YgdGhlbSE=";
};
"""

CONFIG = """%(key)s
options {
  directory "%(folder)s"; pid-file none; session-keyfile none;
  listen-on port %(port)d { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; empty-zones-enable no; notify no; minimal-responses yes;
};
controls { };
zone "rpz.example." {
  type primary; file "%(folder)s/rpz.zone"; ixfr-from-differences yes; check-integrity no;
  allow-transfer { key "feed."; }; check-names ignore;
};
"""

is_missing = shutil.which("named") is None


class PolicyPrimary:
    """The server; a context.  `serve` gives the zone another version."""

    def __init__(self, folder: Path, prefix: tuple[str, ...] = ()):
        self.folder = folder
        self._prefix = prefix
        self.serial = 0
        [self.port] = free_ports(1)
        self.key_path = folder / "feed.key"
        self.key_path.write_text(KEY)
        values = {"key": KEY, "folder": folder, "port": self.port}
        (folder / "named.conf").write_text(CONFIG % values)
        self._process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def serve(self, *rules: str) -> None:
        """Serve these rules from now on."""
        self.serial += 1
        timers = "1 1 600 60"
        head = f"$TTL 60\n@ SOA ns.example. h.example. {self.serial} {timers}\n@ NS ns.example.\n"
        (self.folder / "rpz.zone").write_text(head + "".join(rule + "\n" for rule in rules))
        if self._process is None:
            words = [*self._prefix, "named", "-g", "-c", str(self.folder / "named.conf")]
            log = (self.folder / "log").open("ab")
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        else:
            self._process.send_signal(signal.SIGHUP)
        loaded = f"zone rpz.example/IN: loaded serial {self.serial}\n"
        eventually(lambda: loaded in self.log(), 10, "BIND serves the zone")

    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text(errors="replace")
