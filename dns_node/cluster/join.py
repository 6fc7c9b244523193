"""The side of the node that joins: it knows one member and a token."""

from typing import Any

from twisted.internet.task import deferLater
from twisted.logger import Logger

from dns_node.cluster.channel import ChannelClosedError
from dns_node.cluster.transport import Transport
from dns_node.cluster.welcome import No, NotNow, Redirect, Welcome, parse
from dns_node.errors import InputError, Problem, WireError

DEADLINE_S = 60.0
TRY_AGAIN_S = 0.5
ANSWER_S = 15.0

log = Logger(namespace="dns_node.cluster.join")


async def join(
    reactor: Any, transport: Transport, seed: str, token: str, deadline_s: float = DEADLINE_S
) -> Welcome:
    """Return the welcome of the cluster that *seed* ('host:port' of any member) belongs to.

    Raises InputError when the cluster says no, or when nobody has answered within *deadline_s*,
    with what went wrong last.
    """
    until_s = reactor.seconds() + deadline_s
    location = seed
    while True:
        try:
            answer = await _ask(transport, location, token)
        except (ChannelClosedError, WireError) as error:
            answer = NotNow(str(error))
        match answer:
            case Welcome():
                return answer
            case No(reasons):
                raise InputError([Problem(f"--join {seed}", reason) for reason in reasons])
            case Redirect(node, raft_loc) if raft_loc != location:
                log.info("node {node} at {location} leads", node=node, location=raft_loc)
                location = raft_loc
                continue
            case NotNow(why):
                reason = why
            case _:
                reason = "there is no leader at the moment"
        if reactor.seconds() >= until_s:
            cure = "See whether a majority of its cluster runs, and try again."
            raise InputError([Problem(f"--join {seed}", f"{reason}.", cure)])
        log.info("not joined yet: {reason}", reason=reason)
        location = seed
        await deferLater(reactor, TRY_AGAIN_S)


async def _ask(transport: Transport, location: str, token: str) -> Welcome | Redirect | NotNow | No:
    channel = await transport.request("join", location, token=token)
    try:
        return parse(await channel.receive(ANSWER_S))
    finally:
        channel.close()
