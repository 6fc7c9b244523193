"""The secrets of DNS cookies: one for the cluster, replicated sealed, rolled over in stages.

They are the value of a reserved key of the key-value space.  A roll-over is one change of it: the
new secret is good on every node at once, is used ten minutes later, and the old one stays good
until no cookie of it can be (RFC 7873 section 7.1, RFC 9018 section 5).
"""

import json
import os
from collections.abc import Callable
from typing import Protocol

from dns_node.answer.cookies import AGE_S_MAX, FUTURE_S_MAX, SECRET_SIZE_OCTETS
from dns_node.answer.shared_block import SECRETS_MAX, TimedSecret
from dns_node.cluster.command import Done, KeyIs, Operation, Precondition, PutKey, Refused
from dns_node.cluster.sealing import NONCE_SIZE_OCTETS, seal, sealing_key_id, unseal
from dns_node.control.api import Answer

KEY = "dns-node/cookie-secrets"
PURPOSE = "cookie secrets"

STAGED_S = 600
"""By then every node has the new secret, or lags so much that it is the least of its worries."""

FOREVER_S = 1 << 62
GIVE_UP_S = 60.0
"""How long a leader looks for the key of secrets that it can't read, while members are missing."""

PAUSE_S_MAX = 30
"""The longest pause between attempts."""

DAY_S = 86_400


def compose_secrets(secrets: tuple[TimedSecret, ...]) -> bytes:
    """Return the plain octets of *secrets*."""
    rows = [(one.used_from_s, one.accepted_until_s, one.secret.hex()) for one in secrets]
    return json.dumps(rows).encode()


def parse_secrets(octets: bytes) -> tuple[TimedSecret, ...]:
    """Return what `compose_secrets` was given; ValueError on anything else."""
    rows = json.loads(octets)
    if not isinstance(rows, list) or len(rows) > SECRETS_MAX:
        raise ValueError("no list of secrets")
    found = tuple(TimedSecret(int(a), int(b), bytes.fromhex(text)) for a, b, text in rows)
    if any(len(one.secret) != SECRET_SIZE_OCTETS for one in found):
        raise ValueError("a secret of another size")
    return found


def rolled(
    secrets: tuple[TimedSecret, ...], now_s: int, fresh: bytes, is_at_once: bool = False
) -> tuple[TimedSecret, ...] | None:
    """Return *secrets* with the new one *fresh*; None while earlier roll-overs are under way.

    *is_at_once*: the others are good no more, as when they are known to somebody.
    """
    good = [one for one in secrets if now_s < one.accepted_until_s]
    if is_at_once or not good:
        return (TimedSecret(now_s, FOREVER_S, fresh),)
    if any(one.used_from_s > now_s for one in good) or len(good) >= SECRETS_MAX:
        return None
    used_from_s = now_s + STAGED_S
    end_s = used_from_s + AGE_S_MAX + FUTURE_S_MAX
    ending = [
        TimedSecret(one.used_from_s, min(one.accepted_until_s, end_s), one.secret) for one in good
    ]
    return (*ending, TimedSecret(used_from_s, FOREVER_S, fresh))


def is_due(secrets: tuple[TimedSecret, ...], now_s: int, age_max_d: int) -> bool:
    """Say whether the newest secret is older than *age_max_d* days."""
    newest_s = max((one.used_from_s for one in secrets), default=0)
    return now_s - newest_s >= age_max_d * DAY_S


class Keys(Protocol):
    """The cluster's keys (`dns_node.cluster.key_exchange.KeyExchange`)."""

    keys: dict[str, bytes]

    def newest(self) -> bytes:
        """Return the key to seal with."""
        ...

    async def fetch(self, wanted: str) -> bool | None:
        """Get a key from another member."""
        ...


class Log(Protocol):
    """What is asked of the node (`dns_node.control.service.Service`)."""

    def now_ms(self) -> int:
        """Return the time (Unix, milliseconds)."""
        ...

    def value(self, key: str) -> str | None:
        """Return a value of the key-value space."""
        ...

    async def change_if(
        self, door: str, operation: Operation, precondition: Precondition
    ) -> Answer:
        """Propose one operation that is carried out only when *precondition* holds."""
        ...


class CookieSecretKeeper:
    """Makes the secrets, renews them, and has *put* hand them to the workers.

    *is_leading()*: whether this node decides; *age_max_d()* is the setting.
    """

    def __init__(
        self,
        log: Log,
        keys: Keys,
        put: Callable[[tuple[TimedSecret, ...]], None],
        is_leading: Callable[[], bool],
        age_max_d: Callable[[], int],
    ):
        self._log, self._keys, self._put = log, keys, put
        self._is_leading, self._age_max_d = is_leading, age_max_d
        self.secrets: tuple[TimedSecret, ...] = ()
        self._sealed: str | None = None
        self._is_busy = False
        self._missing_since_s: float | None = None
        self._pause_s = 0
        self._not_before_s = 0

    async def step(self) -> None:
        """Do what is to be done now: called every second."""
        now_s = self._now_s()
        if self._is_busy or now_s < self._not_before_s:
            return
        self._is_busy = True
        try:
            is_done = await self._step()
        finally:
            self._is_busy = False
        self._pause_s = 0 if is_done else min(PAUSE_S_MAX, self._pause_s * 2 + 1)
        self._not_before_s = now_s + self._pause_s

    async def _step(self) -> bool:
        """Return whether all is well."""
        sealed = self._log.value(KEY)
        if sealed is not None and sealed != self._sealed and not await self._open(sealed):
            if self._is_leading() and self._has_given_up():
                await self._propose((), sealed, is_at_once=True)
            return False
        self._missing_since_s = None
        if self._is_leading() and (
            sealed is None or is_due(self.secrets, self._now_s(), self._age_max_d())
        ):
            answer = await self._propose(() if sealed is None else self.secrets, sealed)
            return isinstance(answer.outcome, Done)
        return True

    async def _open(self, sealed: str) -> bool:
        """Take the secrets that are in force; False when the key is missing."""
        wanted = sealing_key_id(sealed)
        if wanted is not None and wanted not in self._keys.keys:
            if await self._keys.fetch(wanted) is False:
                self._missing_since_s = float("-inf")
            elif self._missing_since_s is None:
                self._missing_since_s = float(self._now_s())
        plain = unseal(sealed, PURPOSE, self._keys.keys)
        if plain is None:
            if wanted is None or wanted in self._keys.keys:
                self._missing_since_s = float("-inf")  # nobody can read it
            return False
        self.secrets, self._sealed = parse_secrets(plain), sealed
        self._put(self.secrets)
        return True

    def _has_given_up(self) -> bool:
        since_s = self._missing_since_s
        return since_s is not None and self._now_s() - since_s >= GIVE_UP_S

    async def roll(self, is_at_once: bool) -> Answer:
        """Begin a roll-over, or with *is_at_once* end all other secrets."""
        sealed = self._log.value(KEY)
        if sealed is not None and sealed != self._sealed and not await self._open(sealed):
            why = "this node can't read the secrets in force yet; try again, or on another node"
            return Answer(Refused((why,)))
        return await self._propose(self.secrets if sealed else (), sealed, is_at_once)

    async def _propose(
        self, secrets: tuple[TimedSecret, ...], sealed: str | None, is_at_once: bool = False
    ) -> Answer:
        following = rolled(secrets, self._now_s(), os.urandom(SECRET_SIZE_OCTETS), is_at_once)
        if following is None:
            return Answer(Refused(("a roll-over is under way; `now` does not wait for it",)))
        nonce = os.urandom(NONCE_SIZE_OCTETS)
        fresh = seal(compose_secrets(following), PURPOSE, self._keys.newest(), nonce)
        answer = await self._log.change_if("cookies", PutKey(KEY, fresh), KeyIs(KEY, sealed))
        if isinstance(answer.outcome, Done):
            self.secrets, self._sealed = following, fresh
            self._put(following)
        return answer

    def _now_s(self) -> int:
        return self._log.now_ms() // 1000
