"""The command line of `dns-node query`: words in, options out."""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import dns.exception
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.reversename

from dns_node.config.address import parse_address

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 10_053
"""Where a node without a configuration answers."""

DNS_PORT: Final = 53
DOT_PORT: Final = 853
COUNT_MAX: Final = 10_000_000
PARALLEL_MAX: Final = 256

HELP: Final = """\
usage: dns-node query [@SERVER[:PORT]] NAME [TYPE] [+OPTION...] [--count N] [--parallel P]

Ask a DNS server and show what it says. Without @SERVER: the node on this machine,
127.0.0.1 port 10053; with it, port 53 (853 with +tls) unless one is given.

  -x ADDRESS           the name of an address: PTR in in-addr.arpa or ip6.arpa
  -p PORT              the server's port; with +trace that of all servers
  --count N            ask N times and show timing statistics
  --parallel P         so many questions at a time (default: 10, and 1 for --count below 10)
  +tcp  +tls           over TCP; over TLS, to a certificate for +tls-host=NAME if that is given,
                       by the certificates of +tls-ca=FILE or of the system
  +trace               from the root servers down, as a resolver goes; @SERVER is asked for what
                       is needed besides: the root servers, addresses of name servers
  +dnssec              ask for signatures (DO); they are shown
  +cd  +ad  +nord      set CD; set AD; do not ask for recursion
  +nsid  +cookie       ask who answers; send a client cookie
  +bufsize=N  +noedns  the UDP size to offer (default 1232); no EDNS
  +ignore              show a truncated reply, do not ask again over TCP
  +timeout=S  +tries=N seconds to wait (default 5), tries over UDP (default 2)
  +short  +json        the data alone, one record a line; JSON

Exit status: 0 a reply with NOERROR (with --count: all were answered with NOERROR or NXDOMAIN),
1 a reply with another rcode (some failed), 2 no reply (all failed), 64 usage.
"""


class UsageError(Exception):
    """The command line can't be understood; the text says why."""


class HelpWanted(Exception):
    """The user asks for help."""


@dataclass(frozen=True)
class Options:
    """What is to be asked, of whom and how, and what is to be shown."""

    name: dns.name.Name
    rdtype: dns.rdatatype.RdataType = dns.rdatatype.A
    rdclass: dns.rdataclass.RdataClass = dns.rdataclass.IN
    host: str = DEFAULT_HOST
    port: int = 0
    is_default_server: bool = True
    transport: str = "udp"
    tls_host: str = ""
    tls_ca: str = ""
    is_trace: bool = False
    is_do: bool = False
    is_cd: bool = False
    is_ad: bool = False
    is_rd: bool = True
    has_nsid: bool = False
    has_cookie: bool = False
    payload_size_octets: int | None = 1232
    follows_truncation: bool = True
    timeout_s: float = 5.0
    tries: int = 2
    format: str = "text"
    count: int = 0
    parallel: int = 0

    @property
    def server_port(self) -> int:
        """The port to ask."""
        if self.port:
            return self.port
        if self.is_default_server:
            return DEFAULT_PORT
        return DOT_PORT if self.transport == "tls" else DNS_PORT


@dataclass
class _Reading:
    found: dict[str, object] = field(default_factory=dict)
    plain: list[str] = field(default_factory=list)
    reverse: str = ""


def parse_words(words: Sequence[str]) -> Options:
    """Return the options; raises UsageError, or HelpWanted."""
    reading = _Reading()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in ("-h", "--help"):
            raise HelpWanted
        if word.startswith("@"):
            reading.found.update(_server(word[1:]))
        elif word.startswith("+"):
            _plus(word[1:], reading.found)
        elif word.startswith("-") and len(word) > 1:
            _dashed(word, rest, reading)
        else:
            reading.plain.append(word)
    options = replace(_question(reading), **reading.found)  # type: ignore[arg-type]
    if options.parallel == 0:
        options = replace(options, parallel=10 if options.count >= 10 else 1)
    return options


def _question(reading: _Reading) -> Options:
    plain = reading.plain
    if reading.reverse:
        if plain:
            raise UsageError(f"-x is the whole question; what is {plain[0]}?")
        try:
            name = dns.reversename.from_address(reading.reverse)
        except (dns.exception.DNSException, ValueError):
            raise UsageError(f"{reading.reverse} is no IP address") from None
        return Options(name, dns.rdatatype.PTR)
    if not 1 <= len(plain) <= 3:
        raise UsageError("no name to ask for" if not plain else f"what is {plain[3]}?")
    try:
        name = dns.name.from_text(plain[0], idna_codec=dns.name.IDNA_2008_Practical)
    except (dns.exception.DNSException, ValueError) as error:
        raise UsageError(f"{plain[0]} is no domain name: {error}") from None
    rdtype, rdclass = dns.rdatatype.A, dns.rdataclass.IN
    for word in plain[1:]:
        upper = word.upper()
        if upper in ("IN", "CH", "HS"):
            rdclass = dns.rdataclass.from_text(upper)
            continue
        try:
            rdtype = dns.rdatatype.from_text(upper)
        except (dns.exception.DNSException, ValueError):
            raise UsageError(f"{word} is no record type") from None
    return Options(name, rdtype, rdclass)


def _server(text: str) -> dict[str, object]:
    if not text:
        raise UsageError("@ wants a server")
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return {"host": str(ipaddress.ip_address(bare)), "is_default_server": False}
    except ValueError:
        pass
    try:
        address = parse_address(text)
        return {"host": address.host, "port": address.port, "is_default_server": False}
    except ValueError:
        pass
    match = re.fullmatch(r"([A-Za-z0-9_.-]+)(?::(\d{1,5}))?", text)
    if match is None:
        raise UsageError(f"@{text} is no server")
    return {"host": match[1], "port": int(match[2] or 0), "is_default_server": False}


def _dashed(word: str, rest: list[str], reading: _Reading) -> None:
    name, has_value, value = word.partition("=")
    if name not in ("-x", "-p", "--count", "--parallel"):
        raise UsageError(f"there is no option {word}")
    if not has_value:
        if not rest:
            raise UsageError(f"{name} wants a value")
        value = rest.pop(0)
    if name == "-x":
        reading.reverse = value
    elif name == "-p":
        reading.found["port"] = _whole(name, value, 1, 65_535)
    elif name == "--count":
        reading.found["count"] = _whole(name, value, 1, COUNT_MAX)
    else:
        reading.found["parallel"] = _whole(name, value, 1, PARALLEL_MAX)


def _whole(name: str, text: str, least: int, most: int) -> int:
    if not text.isdigit() or not least <= int(text) <= most:
        raise UsageError(f"{name} wants a whole number from {least} to {most}, not {text}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.001 <= found <= 3600:
        raise UsageError(f"+timeout wants seconds, not {text}")
    return found


_FLAGS: Final[dict[str, tuple[str, object]]] = {
    "tcp": ("transport", "tcp"),
    "vc": ("transport", "tcp"),
    "tls": ("transport", "tls"),
    "trace": ("is_trace", True),
    "dnssec": ("is_do", True),
    "do": ("is_do", True),
    "cd": ("is_cd", True),
    "cdflag": ("is_cd", True),
    "ad": ("is_ad", True),
    "adflag": ("is_ad", True),
    "nord": ("is_rd", False),
    "norec": ("is_rd", False),
    "norecurse": ("is_rd", False),
    "nsid": ("has_nsid", True),
    "cookie": ("has_cookie", True),
    "noedns": ("payload_size_octets", None),
    "ignore": ("follows_truncation", False),
    "short": ("format", "short"),
    "json": ("format", "json"),
}
_VALUES: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "bufsize": ("payload_size_octets", lambda text: _whole("+bufsize", text, 0, 65_535)),
    "timeout": ("timeout_s", _seconds),
    "tries": ("tries", lambda text: _whole("+tries", text, 1, 100)),
    "tls-host": ("tls_host", str),
    "tls-ca": ("tls_ca", str),
}


def _plus(word: str, found: dict[str, object]) -> None:
    name, has_value, value = word.partition("=")
    if name in _VALUES:
        if not value:
            raise UsageError(f"+{name} wants a value, as in +{name}=…")
        key, read = _VALUES[name]
        found[key] = read(value)
    elif name in _FLAGS and not has_value:
        key, flag = _FLAGS[name]
        found[key] = flag
    else:
        raise UsageError(f"there is no option +{word}")
