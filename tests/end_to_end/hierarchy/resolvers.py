"""Other resolvers over the hierarchy, to see that it is what it is said to be."""

import contextlib
import subprocess
import time
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from .expected import Expected
from .hierarchy import Hierarchy

START_MAX_S = 10.0
ANSWER_MAX_S = 40.0
ASK_AGAIN_S = 8.0


class Unbound:
    """Unbound from the root of *hierarchy*, in the foreground at 127.0.0.1:*port* there."""

    def __init__(self, hierarchy: Hierarchy, folder: Path, port: int = 53):
        self.hierarchy = hierarchy
        self.port = port
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "unbound.conf").write_text(f"""server:
  interface: 127.0.0.1@{port}
  num-threads: 1
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/pid"
  use-syslog: no
  logfile: ""
  verbosity: 1
  do-not-query-localhost: no
  root-hints: "{hierarchy.hints_file()}"
  trust-anchor-file: "{hierarchy.anchor_file()}"
  val-log-level: 2
  max-sent-count: 64
remote-control:
  control-enable: no
""")
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*hierarchy.prefix, "unbound", "-d", "-c", str(folder / "unbound.conf")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        end_s = time.monotonic() + START_MAX_S
        while time.monotonic() < end_s and self._process.poll() is None:
            with contextlib.suppress(OSError, dns.exception.DNSException):
                ask(hierarchy, self.port, Expected("a.root."), timeout_s=1)
                return
            time.sleep(0.05)
        self.stop()
        raise OSError(f"unbound does not answer; its log: {folder}/log")

    def ask(self, question: Expected) -> dns.message.Message:
        """Return what it says to *question*, asked again as a stub resolver would.

        What takes longer than its discard-timeout of 1.9 s it keeps and does not send: the next
        one who asks is told at once.
        """
        end_s = time.monotonic() + ANSWER_MAX_S
        while True:
            try:
                return ask(self.hierarchy, self.port, question, timeout_s=ASK_AGAIN_S)
            except dns.exception.Timeout:
                if time.monotonic() > end_s:
                    raise

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)

    def __enter__(self) -> "Unbound":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def ask(
    hierarchy: Hierarchy, port: int, question: Expected, *, timeout_s: float = ASK_AGAIN_S,
    is_cd: bool = False, address: str = "127.0.0.1", is_tcp: bool = False,
) -> dns.message.Message:  # fmt: skip
    """Return what the resolver at *port* says to *question*, asked with RD and DO."""
    query = dns.message.make_query(question.name, question.rrtype, want_dnssec=True)
    query.flags |= dns.flags.AD | (dns.flags.CD if is_cd else 0)
    if is_tcp:
        with hierarchy.socket(kind=1) as asker:
            asker.settimeout(timeout_s)
            asker.connect((address, port))
            asker.setblocking(False)
            return dns.query.tcp(query, address, timeout=timeout_s, sock=asker)
    with hierarchy.socket() as asker:
        asker.setblocking(False)
        reply = dns.query.udp(
            query, address, timeout=timeout_s, port=port, sock=asker, ignore_unexpected=True
        )
    if reply.flags & dns.flags.TC:
        return ask(hierarchy, port, question, timeout_s=timeout_s, is_cd=is_cd, address=address,
                   is_tcp=True)  # fmt: skip
    return reply


def seen(question: Expected, reply: dns.message.Message) -> Expected:
    """Return *reply* in the words of `Expected`."""
    rrtype = dns.rdatatype.from_text(question.rrtype)
    values = sorted(
        rdata.to_text() for rrset in reply.answer if rrset.rdtype == rrtype for rdata in rrset
    )
    return Expected(
        question.name,
        question.rrtype,
        dns.rcode.to_text(reply.rcode()),
        tuple(values),
        bool(reply.flags & dns.flags.AD),
    )
