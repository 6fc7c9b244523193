"""``dns-node resolver --scenario FILE``: a resolver alone, in the foreground, for scripted tests.

No cluster, no zones, no native core, and no cache from before.  FILE is a JSON object::

    {"listen": "127.0.0.1", "port": 53,
     "root_hints": [["k.root-servers.net.", "193.0.14.129"]],
     "stubs": [{"name": "example.com.", "addrs": ["192.0.2.1"]}],
     "forwards": [{"name": ".", "addrs": ["192.0.2.2"]}],
     "trust_anchors": ["example.com. 3600 IN DS 1444 13 2 …"], "domain_insecure": ["b.example."],
     "qmin": null, "do_ip6": true, "dir": "/tmp/scratch"}

Other keys are ignored; those that are missing are empty, and port is 53.  The root servers of
*root_hints* are the only ones.  Without *trust_anchors* nothing is validated; *qmin* null is off.
Time is that of the real-time clock.  What a scripted server can't foresee is off: letters of mixed
case, cookies, refreshes, stale answers, names that are answered here (`test.`).
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from typing import Any, Final

import dns.dnssectypes
import dns.exception
import dns.rdatatype
import dns.zonefile

from dns_node.answer.access import ANYONE
from dns_node.answer.respond import AnswerSettings
from dns_node.config.upstream import parse_upstream
from dns_node.errors import InputError, Problem
from dns_node.metrics import Counters
from dns_node.net.answering import Answering
from dns_node.net.recursion.admission import QuestionLimits
from dns_node.net.recursion.resolving import DRAIN_S, Resolving
from dns_node.net.recursion.settings import DNS_PORT, wire_name
from dns_node.net.sockets import bind_worker, location
from dns_node.net.tcp import TcpFactory
from dns_node.net.udp import UdpReader
from dns_node.resolver.policy.policy import Policy, PolicySettings
from dns_node.resolver.question import Server
from dns_node.resolver.settings import CacheSettings, ResolverSettings, Route
from dns_node.zone.change import SourceKey
from dns_node.zone.rrset import Node, WireName
from dns_node.zone.view import SourceHeader, ZoneHeader

TCP_BACKLOG: Final = 256

_NOWHERE: Final = (b"\x07nowhere\x00", "192.0.2.0")
"""Stands for the root servers where there are none: the built-in ones must not be asked."""


class NoZones:
    """A store without anything in it (`net.answering.Reader`)."""

    def renew(self) -> None:
        """There is nothing newer."""

    def reset(self) -> None:
        """Nothing is held."""

    def revision(self) -> int:
        """Return the number of the last change: there was none."""
        return 0

    def zone(self, apex: WireName) -> ZoneHeader | None:
        """Return nothing."""
        return None

    def enclosing_zone(self, owner: WireName) -> tuple[WireName, ZoneHeader] | None:
        """Return nothing."""
        return None

    def node(self, zone_id: int, owner: WireName) -> Node | None:
        """Return nothing."""
        return None

    def successor(self, zone_id: int, owner: WireName) -> WireName | None:
        """Return nothing."""
        return None

    def predecessor(self, zone_id: int, owner: WireName) -> WireName | None:
        """Return nothing."""
        return None

    def walk(self, zone_id: int) -> Iterator[tuple[WireName, Node]]:
        """Yield nothing."""
        return iter(())

    def zones(self) -> Iterator[tuple[WireName, ZoneHeader]]:
        """Yield nothing."""
        return iter(())

    def source(self, key: SourceKey) -> SourceHeader | None:
        """Return nothing."""
        return None

    def sources(self) -> Iterator[tuple[SourceKey, SourceHeader]]:
        """Yield nothing."""
        return iter(())

    def value(self, key: str) -> str | None:
        """Return nothing."""
        return None


def read_scenario(path: str) -> dict[str, Any]:
    """Return the object in the file *path*; raises InputError."""
    try:
        with open(path, encoding="utf-8") as file:
            scenario = json.load(file)
    except (OSError, ValueError) as error:
        raise InputError([Problem(path, f"can't be read: {error}.", "")]) from None
    if not isinstance(scenario, dict):
        raise InputError([Problem(path, "expected a JSON object.", "")])
    return scenario


def settings_of(scenario: dict[str, Any]) -> ResolverSettings:
    """Return what *scenario* tells the resolver; raises InputError."""
    try:
        anchors = tuple(_anchors(scenario.get("trust_anchors") or ()))
        return ResolverSettings(
            hints=tuple(
                (wire_name(name), str(address))
                for name, address in scenario.get("root_hints") or ()
            )
            or (_NOWHERE,),
            routes=(
                *(_route(one, True) for one in scenario.get("stubs") or ()),
                *(_route(one, False) for one in scenario.get("forwards") or ()),
            ),
            does_ipv6=bool(scenario.get("do_ip6", True)),
            minimises_qname=bool(scenario.get("qmin")),
            # Scenarios know one of the two, by the resolver that they were written for.
            minimised_types=(dns.rdatatype.NS, dns.rdatatype.A),
            mixes_case=False,
            has_cookies=False,
            validates=bool(anchors),
            # Many scenarios were signed when SHA-1 was still in use.
            accepts_sha1=True,
            trust_anchors=anchors,
            negative_anchors=tuple(map(wire_name, scenario.get("domain_insecure") or ())),
            # Others keep it for a moment, and scenarios count on it.
            cache=CacheSettings(has_prefetch=False, stale_max_s=0, bare_negative_ttl_s=5),
        )
    except (KeyError, TypeError, ValueError, dns.exception.DNSException) as error:
        raise InputError([Problem("the scenario", f"{_why(error)}.", "")]) from None


def _why(error: Exception) -> str:
    return f"a key {error} is missing" if isinstance(error, KeyError) else str(error).rstrip(".")


def _route(plain: dict[str, Any], is_stub: bool) -> Route:
    servers = []
    for text in plain["addrs"]:
        host, _, port = str(text).partition("@")  # as others write a port
        upstream = parse_upstream(host)
        servers.append(Server(upstream.host, int(port) if port else upstream.port or DNS_PORT))
    return Route(wire_name(plain["name"]), tuple(servers), is_stub)


def _anchors(lines: Iterable[str]) -> Iterator[tuple[WireName, int, bytes]]:
    for line in lines:
        words = line.partition(";")[0].split()
        types = [word.upper() for word in words[1:]]
        if "DS" in types:
            # By hand: a digest that does not fit its type is to be passed over, not refused.
            tag, algorithm, kind, *digest = words[types.index("DS") + 2 :]
            number = dns.dnssectypes.Algorithm.make(algorithm)
            head = int(tag).to_bytes(2, "big") + bytes((number, int(kind)))
            rdata = head + bytes.fromhex("".join(digest))
            yield wire_name(words[0]), int(dns.rdatatype.DS), rdata
        elif "DNSKEY" in types:
            for rrset in dns.zonefile.read_rrsets(f"{line}\n", rdclass=None, default_ttl=3600):
                rdatas = [each.to_wire() for each in rrset]
                yield wire_name(words[0]), int(dns.rdatatype.DNSKEY), rdatas[0]
        else:
            raise ValueError(f"{line}: a trust anchor is a DS or DNSKEY record")


class ResolverProcess:
    """Resolves for everybody at one address; *reactor* is Twisted's."""

    def __init__(self, listen: str, port: int, settings: ResolverSettings, reactor: Any):
        self._reactor = reactor
        sockets = bind_worker(((listen, port),))
        self._where = location(listen, port)
        self._answering = Answering(Counters(), _report)
        self._answering.settings = AnswerSettings(recursion=ANYONE)
        self._answering.reader = NoZones()
        self._resolving = Resolving(self._answering, reactor)
        self._resolving.configure(ANYONE, settings, QuestionLimits())
        assert self._resolving.pipeline is not None, "there are clients"
        self._resolving.pipeline.policy = Policy(PolicySettings(has_special_names=False))
        [udp], [self._tcp] = sockets.udp, sockets.tcp
        is_wildcard = bool(udp.description()["wildcard"])
        self._udp = UdpReader(udp.socket, self._answering, is_wildcard=is_wildcard)
        self._factory = TcpFactory(self._answering, reactor)
        self._port: Any = None
        self._is_stopping = False

    def run(self) -> None:
        """Resolve until SIGTERM or SIGINT."""
        reactor = self._reactor
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: reactor.callFromThread(self.stop))
        self._udp.start(reactor)
        tcp = self._tcp.socket
        tcp.listen(TCP_BACKLOG)
        self._port = reactor.adoptStreamPort(tcp.fileno(), tcp.family, self._factory)
        tcp.close()
        reactor.callWhenRunning(print, f"resolving at {self._where}", flush=True)
        reactor.run(installSignalHandlers=False)

    def stop(self) -> None:
        """Answer what was accepted, and end."""
        if self._is_stopping:
            return
        self._is_stopping = True
        self._resolving.begin_stop()
        self._udp.stop(self._reactor)
        self._port.stopListening()
        self._end_when_resolved(self._reactor.seconds() + DRAIN_S)

    def _end_when_resolved(self, deadline_s: float) -> None:
        reactor = self._reactor
        if not self._resolving.is_idle and reactor.seconds() < deadline_s:
            reactor.callLater(0.02, self._end_when_resolved, deadline_s)
            return
        self._resolving.give_up()
        self._factory.finish_all()
        reactor.callLater(0, reactor.stop)


def _report(what: str, error: BaseException) -> None:
    text = "".join(traceback.format_exception(error)).rstrip()
    print(f"resolver: error: {what}: {text}", file=sys.stderr, flush=True)


def run(path: str) -> int:
    """Resolve as the file *path* says until SIGTERM; return the exit status."""
    scenario = read_scenario(path)
    settings = settings_of(scenario)
    from twisted.internet import reactor

    listen, port = scenario.get("listen") or "127.0.0.1", scenario.get("port") or DNS_PORT
    # Nothing is written, but what the program may leave behind (a core) is to be found there.
    if os.path.isdir(scratch := str(scenario.get("dir") or "")):
        os.chdir(scratch)
    ResolverProcess(str(listen), int(port), settings, reactor).run()
    return 0
