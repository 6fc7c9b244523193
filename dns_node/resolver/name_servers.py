"""What is known of the servers that are asked (L3): how quick they are, what they can do.

One `NameServer` per address and port, made at the first ask, bounded in number; what was used
longest ago is forgotten first.  Nothing here decides what is true: only whom to ask, how, and how
long to wait.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from dns_node.resolver.question import Server
from dns_node.zone.rrset import WireName

SERVERS_MAX: Final = 20_000
LAME_ZONES_MAX: Final = 16

SILENCE_S: Final = 0.2
"""No quick server says nothing for so long while it is asked a lot."""
FIRST_TIMEOUT_S: Final = 0.4
"""How long a server that is not known is waited for."""
ALONE_TIMEOUT_S: Final = 1.25
"""How long one is waited for at first that is the only one: where nobody else can be asked, a slow
server is not to get each question twice (a resolver that is asked takes its time for what it does
not know), and a client still gets what comes to the second try."""
TIMEOUT_MIN_S: Final = 0.25
TIMEOUT_MAX_S: Final = 3.0
STREAM_TIMEOUT_S: Final = 2.0
"""What a stream gets beside, for its handshakes."""

UNKNOWN_RTT_S: Final = 0.12
"""What is expected of a server that was never asked: better than a slow one, worse than a good."""
BAND_S: Final = 0.03
"""Servers that are slower than the best by no more than that are as good: one of them by chance."""

TIMEOUTS_MAX: Final = 4
"""After so many in a row without a reply a server is left alone for some time."""
PAUSE_S: Final = 1.0
PAUSE_MAX_S: Final = 15.0
LAME_S: Final = 60.0
WITHOUT_EDNS_S: Final = 900.0
OVER_TCP_S: Final = 600.0


FAMILY_FAILURES_MAX: Final = 3
FAMILY_PAUSE_S: Final = 60.0


class Family:
    """IPv4 or IPv6: whether there is a way to the servers of it.

    After FAMILY_FAILURES_MAX asks in a row that could not even be sent, servers of the other
    family come first for FAMILY_PAUSE_S.
    """

    __slots__ = ("failures", "last_until_s")

    def __init__(self) -> None:
        self.failures = 0
        self.last_until_s = 0.0

    def note_unreachable(self, now_s: float) -> None:
        """Something could not be sent."""
        self.failures += 1
        if self.failures >= FAMILY_FAILURES_MAX:
            self.last_until_s = now_s + FAMILY_PAUSE_S

    def note_reply(self) -> None:
        """There is a way."""
        self.failures = 0
        self.last_until_s = 0.0


class NameServer:
    """One address and port.  Times are in seconds of the clock that is passed in.

    *timeouts* is how many asks in a row brought nothing, *failed_s* when the last of them failed;
    *replied_s* when a reply came last.  *server_cookie* is what it gave last (RFC 7873);
    *client_cookie* is made for it alone.
    """

    __slots__ = (
        "answered",
        "asked",
        "client_cookie",
        "failed_s",
        "family",
        "in_flight",
        "lame_until_s",
        "mixes_case",
        "over_tcp_until_s",
        "paused_until_s",
        "replied_s",
        "rtt_s",
        "rtt_variation_s",
        "server",
        "server_cookie",
        "timeouts",
        "without_edns_until_s",
    )

    def __init__(self, server: Server, family: Family | None = None):
        self.server = server
        self.family = family or Family()
        self.rtt_s = -1.0
        self.rtt_variation_s = 0.0
        self.timeouts = 0
        self.failed_s = self.replied_s = 0.0
        self.paused_until_s = self.without_edns_until_s = self.over_tcp_until_s = 0.0
        self.lame_until_s: dict[WireName, float] | None = None
        self.client_cookie = self.server_cookie = b""
        self.mixes_case = True
        self.asked = self.answered = self.in_flight = 0

    def timeout_s(self, tries: int, *, is_alone: bool = False) -> float:
        """Return how long to wait for it when it was asked *tries* times before for this.
        *is_alone*: there is no other one to ask."""
        if self.rtt_s < 0.0:
            timeout_s = FIRST_TIMEOUT_S
        else:
            timeout_s = max(TIMEOUT_MIN_S, self.rtt_s + 4 * self.rtt_variation_s)
        # What it did not answer in time before, by whomever it was asked, is not tried so again.
        doublings = max(tries, self.timeouts)
        if is_alone and not doublings and timeout_s < ALONE_TIMEOUT_S:
            return ALONE_TIMEOUT_S
        timeout_s *= 1 << min(doublings, 4)
        return timeout_s if timeout_s < TIMEOUT_MAX_S else TIMEOUT_MAX_S

    def note_reply(self, rtt_s: float) -> None:
        """A reply came *rtt_s* after the ask (RFC 6298 section 2, with time passed in)."""
        self.answered += 1
        self.timeouts = 0
        if self.family.failures:
            self.family.note_reply()
        self.failed_s = 0.0
        self.paused_until_s = 0.0
        if self.rtt_s < 0.0:
            self.rtt_s = rtt_s
            self.rtt_variation_s = rtt_s / 2
        else:
            difference_s = rtt_s - self.rtt_s
            self.rtt_s += difference_s / 8
            self.rtt_variation_s += (abs(difference_s) - self.rtt_variation_s) / 4

    def note_failure(self, now_s: float, sent_s: float) -> None:
        """No reply came to what was sent at *sent_s*: a timeout, or it can't be reached.

        Asks that were on their way together fail together, and count as one.
        """
        if sent_s < self.failed_s:
            return
        self.failed_s = now_s
        self.timeouts += 1
        if self.timeouts >= TIMEOUTS_MAX:
            pause_s = PAUSE_S * (1 << min(self.timeouts - TIMEOUTS_MAX, 8))
            self.paused_until_s = now_s + min(pause_s, PAUSE_MAX_S)

    def is_silent(self, since_s: float, now_s: float) -> bool:
        """Say whether it has not replied to anything for longer than it takes, though there were
        questions since *since_s*."""
        if self.rtt_s < 0.0:
            return self.timeouts > 0
        return now_s - max(self.replied_s, since_s) > max(SILENCE_S, 2 * self.rtt_s)

    def note_lame(self, apex: WireName, now_s: float) -> None:
        """It does not serve the zone at *apex*, though the delegation says so."""
        lame = self.lame_until_s
        if lame is None:
            lame = self.lame_until_s = {}
        lame.pop(apex, None)
        lame[apex] = now_s + LAME_S
        if len(lame) > LAME_ZONES_MAX:
            del lame[next(iter(lame))]

    def is_lame(self, apex: WireName, now_s: float) -> bool:
        """Say whether it was found lame for *apex* lately."""
        lame = self.lame_until_s
        return lame is not None and lame.get(apex, 0.0) > now_s

    def is_paused(self, now_s: float) -> bool:
        """Say whether it is left alone, for it did not answer several times."""
        return self.paused_until_s > now_s

    def has_edns(self, now_s: float) -> bool:
        """Say whether it may be asked with EDNS (unknown counts as yes)."""
        return self.without_edns_until_s <= now_s

    def is_over_tcp(self, now_s: float) -> bool:
        """Say whether it is asked over TCP alone (somebody guesses, or it changes letters)."""
        return self.over_tcp_until_s > now_s

    @property
    def expected_s(self) -> float:
        """How long it is expected to take, for choosing."""
        rtt_s = self.rtt_s if self.rtt_s >= 0.0 else UNKNOWN_RTT_S
        return rtt_s + self.timeouts * FIRST_TIMEOUT_S


class NameServers:
    """All servers that are known, at most SERVERS_MAX."""

    def __init__(self) -> None:
        self._known: dict[Server, NameServer] = {}
        self._families = Family(), Family()

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[NameServer]:
        return iter(self._known.values())

    def of(self, server: Server) -> NameServer:
        """Return what is known of *server*, a new one when that is nothing."""
        known = self._known.get(server)
        if known is None:
            if len(self._known) >= SERVERS_MAX:
                self._forget_some()
            family = self._families[":" in server.address]
            known = self._known[server] = NameServer(server, family)
        return known

    def _forget_some(self) -> None:
        # The oldest go, unless somebody waits for them; those that answered get a second life.
        for number, server in enumerate(list(self._known)):
            known = self._known.pop(server)
            if known.in_flight or known.answered > 1 and number < SERVERS_MAX // 2:
                known.answered //= 2
                self._known[server] = known
            if len(self._known) < SERVERS_MAX - SERVERS_MAX // 64:
                return


def choose(
    candidates: Sequence[NameServer],
    tries: dict[NameServer, int],
    apex: WireName,
    now_s: float,
    chance: Callable[[int], int],
) -> NameServer | None:
    """Return the one of *candidates* to ask next for the zone at *apex*, None when all are lame
    or left alone.

    *tries* is how often each was asked already for the question at hand: those asked least come
    first, among them the quick ones; *chance* decides between equals, and lets one in about twenty
    asks go to any of them, so that what is known stays true.
    """
    usable: list[NameServer] = []
    fewest = 1 << 30
    for candidate in candidates:
        if candidate.paused_until_s > now_s or (
            candidate.lame_until_s is not None and candidate.is_lame(apex, now_s)
        ):
            continue
        number = tries.get(candidate, 0)
        if candidate.family.last_until_s > now_s:
            number += 1000
        if number < fewest:
            fewest, usable = number, [candidate]
        elif number == fewest:
            usable.append(candidate)
    if len(usable) <= 1:
        return usable[0] if usable else None
    random = chance(32)
    if random % 20:
        limit_s = min(candidate.expected_s for candidate in usable) + BAND_S
        usable = [candidate for candidate in usable if candidate.expected_s <= limit_s]
    return usable[(random >> 8) % len(usable)]
