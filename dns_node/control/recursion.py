"""The verbs about recursion: FLUSH, CACHE, NTA, POLICY, UPSTREAMS, WHY; this node's workers
answer."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dns_node.control.options import bad_line
from dns_node.control.replies import REFUSED, UNKNOWN, Reply, refused
from dns_node.control.requests import Ask, Request
from dns_node.zone.names import BadText, name_text, parse_name
from dns_node.zone.rdata import parse_type, type_text
from dns_node.zone.record_line import parse_ttl

if TYPE_CHECKING:
    from dns_node.control.session import Session

FLUSH_USAGE = "FLUSH all | name NAME | subtree NAME | type TYPE"
CACHE_USAGE = "CACHE [dump|load]"
NTA_USAGE = "NTA [add name [ttl] | remove name]"
WHY_USAGE = "WHY name [type] [fresh]"

NTA_TTL_S = 86_400
NTA_TTL_S_MAX = 604_800
"""A negative trust anchor is for a while: at most a week (RFC 7646 section 2)."""

WHY_TIMEOUT_S = 20.0
A = 1


def read_flush(text: str, default_ttl_s: int) -> Ask:
    """Read what is to be forgotten."""
    words = text.split()
    what = words[0].lower() if words else ""
    if what == "all" and len(words) == 1:
        return Ask({"verb": "flush", "what": what}, "all")
    if len(words) != 2 or what not in ("name", "subtree", "type"):
        raise bad_line(f"it is written: {FLUSH_USAGE}.")
    if what == "type":
        rrtype = _type(words[1])
        return Ask({"verb": "flush", "what": what, "type": rrtype}, f"type {type_text(rrtype)}")
    name = _name(words[1])
    return Ask({"verb": "flush", "what": what, "name": name}, f"{what} {name}")


def read_cache(text: str, default_ttl_s: int) -> Ask:
    """Read ``[dump|load]``."""
    words = text.lower().split()
    if words not in ([], ["dump"], ["load"]):
        raise bad_line(f"it is written: {CACHE_USAGE}.")
    what = words[0] if words else "show"
    return Ask({"verb": "cache", "what": what}, what)


def read_nta(text: str, default_ttl_s: int) -> Ask:
    """Read ``[add name [ttl] | remove name]``."""
    words = text.split()
    what = words[0].lower() if words else "list"
    if (what, len(words)) in (("list", 0), ("list", 1)):
        return Ask({"verb": "nta", "what": "list"}, "")
    if what == "remove" and len(words) == 2:
        name = _name(words[1])
        return Ask({"verb": "nta", "what": what, "name": name}, name)
    if what != "add" or len(words) not in (2, 3):
        raise bad_line(f"it is written: {NTA_USAGE}.")
    ttl_s = NTA_TTL_S
    if len(words) == 3:
        try:
            ttl_s = parse_ttl(words[2])
        except BadText as error:
            raise bad_line(f"{error}.") from None
    if not 1 <= ttl_s <= NTA_TTL_S_MAX:
        raise bad_line("a negative trust anchor holds for at most a week (7d).")
    name = _name(words[1])
    return Ask({"verb": "nta", "what": what, "name": name, "ttl_s": ttl_s}, name)


def read_policy(text: str, default_ttl_s: int) -> Ask:
    """Read nothing; more is an error."""
    if text.strip():
        raise bad_line("POLICY takes no arguments.")
    return Ask({"verb": "policy"}, "")


def read_upstreams(text: str, default_ttl_s: int) -> Ask:
    """Read nothing; more is an error."""
    if text.strip():
        raise bad_line("UPSTREAMS takes no arguments.")
    return Ask({"verb": "upstreams"}, "")


def read_why(text: str, default_ttl_s: int) -> Ask:
    """Read ``name [type] [fresh]``."""
    words = text.split()
    is_fresh = len(words) > 1 and words[-1].lower() == "fresh"
    words = words[: -1 if is_fresh else None]
    if not 1 <= len(words) <= 2:
        raise bad_line(f"it is written: {WHY_USAGE}.")
    rrtype = _type(words[1]) if len(words) == 2 else A
    name = _name(words[0])
    return Ask({"verb": "why", "name": name, "type": rrtype, "is_fresh": is_fresh}, name)


async def flush(session: "Session", request: Request) -> Reply:
    """Have the workers forget what FLUSH names."""
    ask = _ask(request)
    replies = await session.api.ask_workers(ask.message)
    if objection := _objection("FLUSH", replies):
        return objection
    removed = sum(int(reply["removed"]) for reply in replies.values())
    return Reply((f"OK flushed {ask.subject}: {removed} entries removed",))


async def cache(session: "Session", request: Request) -> Reply:
    """Show the caches, or have them written or read."""
    ask = _ask(request)
    replies = await session.api.ask_workers(ask.message, 30.0)
    if objection := _objection("CACHE", replies):
        return objection
    if ask.subject == "load":
        return Reply(("OK the workers take up what their files hold",))
    if ask.subject == "dump":
        octets = sum(int(reply["octets"]) for reply in replies.values())
        return Reply((f"OK {octets} octets written",))
    lines = [f"worker {number}: {_pairs(reply)}" for number, reply in sorted(replies.items())]
    total = {
        key: sum(int(reply[key]) for reply in replies.values()) for key in replies[min(replies)]
    }
    return Reply((*lines, f"all: {_pairs(total)}"))


async def nta(session: "Session", request: Request) -> Reply:
    """Add, remove or list negative trust anchors."""
    ask = _ask(request)
    message = dict(ask.message)
    ttl_s = message.pop("ttl_s", None)
    if ttl_s is not None:
        message["until_s"] = time.time() + ttl_s
    replies = await session.api.ask_workers(message)
    if objection := _objection("NTA", replies):
        return objection
    if all(reply.get("is_unknown") for reply in replies.values()):
        return refused(f"NTA {ask.subject}", ["there is no negative trust anchor at this name."])
    if message["what"] == "add":
        return Reply((f"OK nothing at or below {ask.subject} is validated for {ttl_s} s",))
    if message["what"] == "remove":
        return Reply((f"OK {ask.subject} is validated again",))
    held = {name: until for reply in replies.values() for name, until in reply["anchors"]}
    now_s = time.time()
    lines = [
        f"{name} {'by the configuration' if until is None else f'{until - now_s:.0f} s more'}"
        for name, until in sorted(held.items())
    ]
    return Reply(tuple(lines) or ("there is no negative trust anchor",))


async def policy(session: "Session", request: Request) -> Reply:
    """Show the policy zones: their rules, and how often these were followed."""
    replies = await session.api.ask_workers(_ask(request).message)
    if objection := _objection("POLICY", replies):
        return objection
    lines = []
    for rows in zip(*(replies[number]["zones"] for number in sorted(replies)), strict=False):
        row = rows[0]
        hits: dict[str, int] = {}
        for one in rows:
            for kind, number in one["hits"].items():
                hits[kind] = hits.get(kind, 0) + number
        lines.append(f"{row['name']}  {_rules(row)}; {_followed(hits, row['is_applied'])}")
    return Reply(tuple(lines) or ("there are no policy zones",))


def _rules(row: Mapping[str, Any]) -> str:
    if row["serial"] is None:
        return "was never loaded"
    counts = {trigger: number for trigger, number in row["rules"].items() if number}
    kinds = f" ({', '.join(f'{trigger} {number}' for trigger, number in counts.items())})"
    return f"serial {row['serial']}, {sum(counts.values())} rules{kinds * bool(counts)}"


def _followed(hits: Mapping[str, int], is_applied: bool) -> str:
    what = "followed" if is_applied else "only watched, matched"
    return f"{what}: {_pairs(dict(sorted(hits.items()))) or 'never'}"


async def upstreams(session: "Session", request: Request) -> Reply:
    """Show the servers that were asked, and how they are."""
    replies = await session.api.ask_workers(_ask(request).message)
    if objection := _objection("UPSTREAMS", replies):
        return objection
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for reply in replies.values():
        for row in reply["servers"]:
            _add_server(found.setdefault((row["address"], row["port"]), {}), row)
    lines = [
        f"{_location(*where)}  asked {row['asked']}, answered {row['answered']}, "
        f"rtt {'none' if row['rtt_ms'] is None else row['rtt_ms']} ms, in flight "
        f"{row['in_flight']}, timeouts {row['timeouts']}{', left alone' * row['is_paused']}"
        for where, row in found.items()
    ]
    return Reply(tuple(lines) or ("no server was asked yet",))


async def why(session: "Session", request: Request) -> Reply:
    """Explain an answer: zone or cache, path, servers, validation, limits."""
    ask = _ask(request)
    replies = await session.api.ask_workers(ask.message, WHY_TIMEOUT_S, 0)
    if objection := _objection("WHY", replies):
        return objection
    return Reply(tuple(map(str, replies[min(replies)]["lines"])))


def _ask(request: Request) -> Ask:
    assert isinstance(request.value, Ask)
    return request.value


def _objection(verb: str, replies: Mapping[int, dict[str, Any]]) -> Reply | None:
    """Return the reply when the workers could not do it."""
    if not replies:
        return Reply((f"UNKNOWN {verb}: no worker has replied; try again.",), UNKNOWN)
    if all(reply.get("is_off") for reply in replies.values()):
        return Reply(
            (f"REFUSED {verb}: recursion is off: nobody is in access.recursion.",), REFUSED
        )
    errors = {reply["error"] for reply in replies.values() if "error" in reply}
    if errors:
        return Reply((f"REFUSED {verb}: {'; '.join(sorted(errors))}.",), REFUSED)
    return None


def _add_server(found: dict[str, Any], row: dict[str, Any]) -> None:
    """Add what one worker says of a server to what others said."""
    for key in ("asked", "answered", "in_flight"):
        found[key] = found.get(key, 0) + row[key]
    found["timeouts"] = max(found.get("timeouts", 0), row["timeouts"])
    found["is_paused"] = found.get("is_paused", False) or row["is_paused"]
    rtts = [one for one in (found.get("rtt_ms"), row["rtt_ms"]) if one is not None]
    found["rtt_ms"] = min(rtts, default=None)


def _pairs(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in row.items())


def _location(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _name(text: str) -> str:
    try:
        return name_text(parse_name(text))
    except BadText as error:
        raise bad_line(f"{error}.") from None


def _type(text: str) -> int:
    try:
        return parse_type(text)
    except BadText as error:
        raise bad_line(f"{error}.") from None
