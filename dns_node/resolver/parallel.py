"""Several resolvers asked at once: the first good answer counts, the others are forgotten."""

from typing import Final

from dns_node.answer.query import NOERROR, NXDOMAIN
from dns_node.resolver import asking
from dns_node.resolver.asking import Manner
from dns_node.resolver.delegation import Delegation
from dns_node.resolver.inquiry import Inquiry, Part
from dns_node.resolver.name_servers import NameServer, choose
from dns_node.resolver.question import Question
from dns_node.resolver.scrub import scrub
from dns_node.resolver.scrubbed import Failure, Lame, NxDomain, Scrubbed

ROUNDS_MAX: Final = 2
"""How often each is asked for one question."""
_NEVER: Final = 1 << 20


class _Open:
    """One ask that is outstanding: of whom, and how."""

    __slots__ = ("manner", "name_server", "tries")

    def __init__(self, name_server: NameServer, manner: Manner, tries: int):
        self.name_server, self.manner, self.tries = name_server, manner, tries


def ask_some(
    inquiry: Inquiry, delegation: Delegation, question: Question, avoided: frozenset[NameServer]
) -> Part[Scrubbed | None]:
    """Return the first good answer to *question*; None when all failed.

    *delegation* says how many of its servers are asked at once: the best; for each that fails the
    next one is asked.  An answer whose rcode the settings do not call a success is given when
    nobody has a better one.  Raises BudgetExceeded.
    """
    success_rcodes = inquiry.resolver.settings.success_rcodes
    tries: dict[NameServer, int] = dict.fromkeys(avoided, _NEVER)
    open_: dict[int, _Open] = {}
    spare: Scrubbed | None = None
    _ask_next(inquiry, delegation, question, tries, open_)
    while open_:
        event = yield
        one = open_.pop(event.number)
        name_server, manner = one.name_server, one.manner
        response = asking.take(inquiry, name_server, question, manner, event)
        if response is True:
            number = asking.put(inquiry, name_server, question, manner, one.tries)
            open_[number] = one
            continue
        if response is not False:
            is_spoof_proof = manner.is_spoof_proof
            scrubbed: Scrubbed = response if isinstance(response, Lame) else scrub(
                response, question, delegation.apex,
                is_forwarder=True, is_spoof_proof=is_spoof_proof,
            )  # fmt: skip
            tries[name_server] = _NEVER
            if isinstance(scrubbed, Failure | Lame):
                asking.note_no_use(inquiry, name_server, scrubbed)
            elif (NXDOMAIN if isinstance(scrubbed, NxDomain) else NOERROR) in success_rcodes:
                for number in open_:
                    inquiry.forget(number)
                inquiry.answered_by, inquiry.is_spoof_proof = name_server, is_spoof_proof
                return scrubbed
            else:
                spare = scrubbed
        _ask_next(inquiry, delegation, question, tries, open_)
    return spare


def _ask_next(
    inquiry: Inquiry,
    delegation: Delegation,
    question: Question,
    tries: dict[NameServer, int],
    open_: dict[int, _Open],
) -> None:
    """Ask the best of those that may still be asked, until there are enough at once."""
    busy = {one.name_server for one in open_.values()}
    free = [each for each in delegation.servers if each not in busy]
    now_s = inquiry.now_s
    while len(open_) < delegation.in_parallel and now_s < inquiry.until_s:
        name_server = choose(free, tries, delegation.apex, now_s, inquiry.resolver.chance)
        number = ROUNDS_MAX if name_server is None else tries.get(name_server, 0)
        if name_server is None or number >= ROUNDS_MAX:
            return
        free.remove(name_server)
        tries[name_server] = number + 1
        manner = asking.first_manner(
            name_server, now_s, is_rd=True, is_cd=inquiry.asks_with_cd, is_tls=delegation.is_tls
        )
        one = _Open(name_server, manner, number)
        open_[asking.put(inquiry, name_server, question, manner, number)] = one
