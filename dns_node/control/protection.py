"""The node process's part in limits and cookies: the log of who is limited, the secrets."""

import logging
from typing import Any, Final

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import LoopingCall

from dns_node.answer.shared_block import SharedBlock
from dns_node.cluster.local_member import LocalMember
from dns_node.control.cookie_secrets import CookieSecretKeeper
from dns_node.control.rate_notices import NoticeLog
from dns_node.control.service import Service
from dns_node.errors import DnsNodeError

STEP_S: Final = 1.0

_log = logging.getLogger("dns_node.protection")


class Protection:
    """Runs the loop over *block*, which the workers share."""

    def __init__(self, reactor: Any, service: Service, member: LocalMember, block: SharedBlock):
        self._reactor, self._member = reactor, member
        self._keeper = CookieSecretKeeper(
            service,
            member.keys,
            block.put_secrets,
            member.log.is_leading,
            lambda: service.settings.cookies.secret_age_max_d,
        )
        service.cookie_keeper = self._keeper
        self._notices = NoticeLog(block, lambda: _prefixes(service), _log.warning)
        self._loop = LoopingCall(self._step)
        self._loop.clock = reactor

    def start(self) -> None:
        """Begin, at once."""
        self._loop.start(STEP_S)

    def stop(self) -> None:
        """End."""
        if self._loop.running:
            self._loop.stop()

    def _step(self) -> None:
        self._notices.step(self._reactor.seconds())
        if self._member.log.is_formed():
            ensureDeferred(self._keeper.step()).addErrback(self._failed)

    def _failed(self, failure: Any) -> None:
        if failure.check(DnsNodeError):
            _log.warning("the secrets of cookies: %s", failure.value)
        else:
            _log.error("a fault in the program", exc_info=failure.value)


def _prefixes(service: Service) -> tuple[int, int]:
    rate_limit = service.settings.rate_limit
    return rate_limit.ipv4_prefix, rate_limit.ipv6_prefix
