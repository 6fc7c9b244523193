"""What the control channel asks of a worker's resolver: plain values in, plain values out.

Names are text, with all dots.  Each verb returns lines or numbers, which the node puts together.
"""

from collections.abc import Callable
from typing import Any, Final

from dns_node.net.recursion.pipeline import Pipeline
from dns_node.net.recursion.policy_tables import zone_row
from dns_node.net.recursion.resolving import Resolving
from dns_node.net.recursion.settings import wire_name
from dns_node.net.recursion.why import explain
from dns_node.resolver.name_servers import NameServer
from dns_node.zone.names import name_text

Answer = Callable[[dict[str, Any]], None]

SERVERS_SHOWN: Final = 100
"""Servers that one worker tells of, those that were asked most."""


class Verbs:
    """The verbs of one worker."""

    def __init__(self, resolving: Resolving):
        self._resolving = resolving

    def run(self, message: dict[str, Any], answer: Answer) -> None:
        """Do what *message* asks for, and call *answer* once, now or later; never raises."""
        pipeline = self._resolving.pipeline
        if pipeline is None:
            answer({"is_off": True})
            return
        try:
            verb = message.get("verb")
            if verb == "why":
                explain(pipeline, self._resolving, message, answer)
                return
            answer(_VERBS[str(verb)](self, pipeline, message))
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})

    def _flush(self, pipeline: Pipeline, message: dict[str, Any]) -> dict[str, Any]:
        messages, resolver = pipeline.messages, pipeline.resolver
        name = message.get("name")
        match message["what"]:
            case "all":
                return {"removed": messages.flush_all() + resolver.flush()}
            case "subtree":
                apex = wire_name(str(name))
                return {"removed": messages.flush_subtree(apex) + resolver.flush(apex)}
            case "name":
                owner = wire_name(str(name))
                removed = messages.flush_name(owner) + resolver.cache.flush_name(owner)
                return {"removed": removed}
            case _:
                # Whole replies may hold a record of any type: none of them stays, but what the
                # core alone has learnt of other types.
                rrtype = int(message["type"])
                if pipeline.shortcut is not None:
                    pipeline.shortcut.feed_all()
                removed = messages.flush_all() + resolver.cache.flush_type(rrtype)
                return {"removed": removed}

    def _cache(self, pipeline: Pipeline, message: dict[str, Any]) -> dict[str, Any]:
        if message.get("what") == "dump":
            return {"octets": self._resolving.dump()}
        if message.get("what") == "load":
            self._resolving.load()
            return {}
        messages, resolver = pipeline.messages, pipeline.resolver
        cache = resolver.cache
        return {
            "messages": len(messages),
            "message octets": messages.size_octets,
            "rrsets": len(cache),
            "rrset octets": cache.size_octets,
            "rrset hits": cache.hits,
            "rrset misses": cache.misses,
            "evictions": cache.evictions,
            "cuts": len(resolver.delegations),
            "servers": len(resolver.name_servers),
        }

    def _nta(self, pipeline: Pipeline, message: dict[str, Any]) -> dict[str, Any]:
        validator = pipeline.resolver.validator
        if validator is None:
            return {"error": "validation is off"}
        anchors, now_s = validator.negative_anchors, self._resolving.now_s
        if message["what"] != "list":
            name = wire_name(str(message["name"]))
            if message["what"] == "add":
                until_s = message.get("until_s")
                anchors.add(name, None if until_s is None else float(until_s))
            elif not anchors.remove(name):
                return {"is_unknown": True}
            # What was said of it before was said under another rule.
            pipeline.messages.flush_subtree(name)
            pipeline.resolver.flush(name)
        held = anchors.held(now_s)
        return {"anchors": [[name_text(name), until_s] for name, until_s in held]}

    def _upstreams(self, pipeline: Pipeline, _message: dict[str, Any]) -> dict[str, Any]:
        settings = pipeline.resolver.settings
        configured = {*settings.upstreams, *(s for route in settings.routes for s in route.servers)}
        known = [one for one in pipeline.resolver.name_servers if one.asked]
        known.sort(key=lambda one: (one.server not in configured, -one.asked))
        now_s = self._resolving.now_s
        return {"servers": [_server_row(one, now_s) for one in known[:SERVERS_SHOWN]]}

    def _policy(self, pipeline: Pipeline, _message: dict[str, Any]) -> dict[str, Any]:
        return {"zones": [zone_row(zone) for zone in pipeline.policy.zones]}


_VERBS: Final[dict[str, Callable[[Verbs, Pipeline, dict[str, Any]], dict[str, Any]]]] = {
    "flush": Verbs._flush,
    "cache": Verbs._cache,
    "nta": Verbs._nta,
    "policy": Verbs._policy,
    "upstreams": Verbs._upstreams,
}


def _server_row(known: NameServer, now_s: float) -> dict[str, Any]:
    return {
        "address": known.server.address,
        "port": known.server.port,
        "asked": known.asked,
        "answered": known.answered,
        "rtt_ms": round(known.rtt_s * 1000, 1) if known.rtt_s >= 0 else None,
        "in_flight": known.in_flight,
        "timeouts": known.timeouts,
        "is_paused": known.is_paused(now_s),
    }
