"""What the statements of a scenario do to its player."""

from collections.abc import Callable

from dns_node.resolver.question import Security, Server
from dns_node.resolver.settings import Mode, Route
from dns_node.zone.names import parse_name
from tests.resolver.scenario.behaviour import rule_of
from tests.resolver.scenario.player import Player, rcode_of, spelt
from tests.resolver.scenario.script import ScriptError, Statement
from tests.resolver.scenario.zones import zone_of


def perform(player: Player, statement: Statement) -> None:
    """Do what a statement says; AssertionError where it says what is not so."""
    VERBS[statement.verb](player, statement)


def _set(player: Player, statement: Statement) -> None:
    key, *values = statement.words
    value = " ".join(values)
    if key.startswith("limits."):
        player.limits[key.removeprefix("limits.")] = value
    elif key.startswith("cache."):
        word: object = value if value not in ("yes", "no") else value == "yes"
        player.cache[key.removeprefix("cache.")] = word
    elif key == "mode":
        player.settings["mode"] = Mode(value)
    elif value in ("yes", "no"):
        player.settings[key] = value == "yes"
    else:
        player.settings[key] = int(value)


def _upstream(player: Player, statement: Statement) -> None:
    player.settings["upstreams"] = tuple(Server(word) for word in statement.words)


def _route(player: Player, statement: Statement) -> None:
    suffix, kind, *addresses = statement.words
    route = Route(parse_name(suffix), tuple(map(Server, addresses)), is_stub=kind == "stub")
    routes = player.settings.get("routes", ())
    player.settings["routes"] = (*routes, route)  # type: ignore[misc]


def _nta(player: Player, statement: Statement) -> None:
    names = tuple(parse_name(word) for word in statement.words)
    player.settings["negative_anchors"] = names


def _zone(player: Player, statement: Statement) -> None:
    player.put_zone(zone_of(statement))


def _local(player: Player, statement: Statement) -> None:
    (name,) = statement.words
    soa = "@ SOA ns host 1 3600 600 86400 300\n"
    player.own_zones[name] = soa + "\n".join(statement.block)


def _server(player: Player, statement: Statement) -> None:
    player.servers.rules.insert(0, rule_of(statement))


def _heal(player: Player, statement: Statement) -> None:
    (address,) = statement.words
    player.servers.rules = [rule for rule in player.servers.rules if rule.address != address]


def _ask(player: Player, statement: Statement) -> None:
    name, rrtype, *options = statement.words
    player.ready()
    exchange = player.ask(name, rrtype, is_cd="cd" in options)
    if "later" not in options:
        player.finish(exchange)


def _flood(player: Player, statement: Statement) -> None:
    """``flood N NAME TYPE SECONDS``: N questions in so many seconds, ``{i}`` in the name counts
    them; then as much time passes as they need to end."""
    number, name, rrtype, seconds = statement.words
    player.ready()
    begun = []
    for count in range(1, int(number) + 1):
        begun.append(player.ask(name.replace("{i}", str(count)), rrtype))
        player.settle(float(seconds) / int(number))
    for exchange in begun:
        player.finish(exchange)


def _refresh(player: Player, statement: Statement) -> None:
    name, rrtype = statement.words
    player.finish(player.ask(name, rrtype, is_refresh=True))


def _replied(player: Player, statement: Statement) -> None:
    """``client< RCODE [secure|insecure|bogus|indeterminate] [stale|fresh] [ede=N,N] [ttl=N]``; the
    lines below are the answer section, ``...`` for more than what is written, and with
    ``authority`` before them the authority section's."""
    exchange = player.last
    assert exchange is not None, "nobody asked"
    outcome = player.finish(exchange)
    told = "\n  ".join([f"{step.at_s:.3f} {step.text}" for step in outcome.steps])
    rcode, *words = statement.words
    shown = [line for held in outcome.answer for line in spelt(held)]
    context = f"got {rcode_of(outcome)} {outcome.security.name.lower()} {shown} {outcome.errors}"
    context += f"\n  {told}\n  asks: {exchange.log}"
    assert rcode_of(outcome) == rcode, context
    for word in words:
        key, _, value = word.partition("=")
        match key:
            case "secure" | "insecure" | "bogus" | "indeterminate":
                assert outcome.security is Security[key.upper()], context
            case "stale" | "fresh":
                assert outcome.is_stale == (key == "stale"), context
            case "ede":
                wanted = {int(number) for number in value.split(",")}
                assert wanted <= {error.code for error in outcome.errors}, context
            case "ttl":
                assert outcome.ttl_s == int(value), f"ttl is {outcome.ttl_s}; {context}"
            case "at-most":
                assert outcome.ttl_s <= int(value), f"ttl is {outcome.ttl_s}; {context}"
            case "after":
                assert abs(exchange.cost.seconds - float(value)) < 0.05, (
                    f"after {exchange.cost.seconds:.3f} s; {context}"
                )
            case "within":
                assert exchange.cost.seconds <= float(value), (
                    f"after {exchange.cost.seconds:.3f} s; {context}"
                )
            case _:
                raise ScriptError(f"line {statement.line}: {word} is no word of a reply")
    authority = [line for held in outcome.authority for line in spelt(held)]
    lines = [line for line in statement.block if not line.startswith("authority ")]
    _compare(lines, shown, context)
    wanted_authority = [line[10:] for line in statement.block if line.startswith("authority ")]
    if wanted_authority:
        _compare(wanted_authority, authority, f"authority {authority}; {context}")


def _compare(wanted: list[str], shown: list[str], context: str) -> None:
    """A wanted line may leave out the TTL; the order of lines is free, and letters are."""
    given = list(shown)
    for line in wanted:
        if line == "...":
            return
        match = next((other for other in given if _is_same(line, other)), None)
        assert match is not None, f"there is no {line}: {context}"
        given.remove(match)
    assert not given, f"there is {given} too: {context}"


def _is_same(line: str, other: str) -> bool:
    words, others = line.lower().split(), other.lower().split()
    if len(words) > 1 and not words[1].isdigit():
        del others[1]
    return words == others[: len(words)] if words[-1] == "…" else words == others


def _asks(player: Player, statement: Statement) -> None:
    """The asks of the last question, in their order: lines ``ADDRESS [udp|tcp] NAME TYPE``."""
    assert player.last is not None
    log = [" ".join(entry) for entry in player.last.log]
    wanted = []
    for line in statement.block:
        words = line.split()
        if words[1] not in ("udp", "tcp", "tls"):
            words.insert(1, "udp")
        wanted.append(" ".join(words))
    if "only" in statement.words or not statement.words:
        assert log == wanted, "the asks were\n    " + "\n    ".join(log)
    else:
        missing = [line for line in wanted if line not in log]
        assert not missing, f"{missing} is missing; the asks were\n    " + "\n    ".join(log)


def _queries(player: Player, statement: Statement) -> None:
    """``queries N``, ``queries at-most N``, with ``to ADDRESS`` behind it for one server."""
    assert player.last is not None
    words = list(statement.words)
    is_bound = words[0] == "at-most"
    number = int(words[1 if is_bound else 0])
    cost = player.last.cost
    address = words[words.index("to") + 1] if "to" in words else None
    measured = cost.queries if address is None else cost.to.get(address, 0)
    log = "\n    ".join(" ".join(entry) for entry in player.last.log)
    good = measured <= number if is_bound else measured == number
    assert good, f"there were {measured}:\n    {log}"


def _why(player: Player, statement: Statement) -> None:
    assert player.last is not None and player.last.outcome is not None
    text = " ".join(statement.words)
    steps = [step.text for step in player.last.outcome.steps]
    assert any(text in step for step in steps), "WHY says\n    " + "\n    ".join(steps)


def _wait(player: Player, statement: Statement) -> None:
    player.settle(float(statement.words[0]))


VERBS: dict[str, Callable[[Player, Statement], None]] = {
    "set": _set, "local": _local, "upstream": _upstream, "route": _route, "nta": _nta,
    "zone": _zone, "server": _server, "heal": _heal, "client>": _ask, "client<": _replied,
    "refresh>": _refresh, "flood": _flood,
    "asks": _asks, "queries": _queries, "why": _why, "wait": _wait,
}  # fmt: skip
