"""Handing a launch from the supervisor to the processes that it starts, as plain JSON values."""

import json
from typing import Any

import msgspec

from dns_node.config.launch import Arguments, Launch, prepare

_INLINE_SIZE_OCTETS_MAX = 60_000
"""A start description travels in one environment string, of which Linux allows 128 KiB."""


def node_arguments(launch: Launch) -> dict[str, Any]:
    """Return what the node process is told; `launch_from` undoes it.

    The whole launch is in it: the configuration file may have been edited, or broken, since it
    was read, and a node that is restarted after a crash must not stumble over that.  Only a
    launch too large for a start description goes by its command line.
    """
    whole = msgspec.to_builtins(launch)
    if len(json.dumps(whole)) <= _INLINE_SIZE_OCTETS_MAX:
        return {"launch": whole}
    return {"command_line": msgspec.to_builtins(launch.arguments)}


def launch_from(arguments: dict[str, Any]) -> Launch:
    """Return the launch that `node_arguments` was given; InputError when the configuration had
    to be read again and is wrong by now."""
    if "launch" in arguments:
        return msgspec.convert(arguments["launch"], Launch)
    return prepare(msgspec.convert(arguments["command_line"], Arguments))


def worker_settings(launch: Launch) -> dict[str, Any]:
    """Return what every worker is told at its start, and again after a reload."""
    settings = launch.settings
    rate_limit = settings.rate_limit
    return {
        "query": list(settings.access.query),
        "proxy": list(settings.access.proxy),
        "recursion": {
            "clients": list(settings.access.recursion),
            "section": json.loads(msgspec.json.encode(settings.recursion)),
        },
        "cookies": settings.cookies.enabled,
        "rate_limit": {
            "mode": rate_limit.mode,
            "answers_per_s": rate_limit.answers_per_s,
            "errors_per_s": rate_limit.errors_per_s,
            "slip": rate_limit.slip,
            "ipv4_prefix": rate_limit.ipv4_prefix,
            "ipv6_prefix": rate_limit.ipv6_prefix,
            "exempt": list(rate_limit.exempt),
        },
        "identity": launch.node.server_id,
        "version": settings.identity.version,
        "tcp_connections": settings.limits.tcp_connections,
        "tcp_connections_per_address": settings.limits.tcp_connections_per_address,
        "tcp_idle_s": settings.limits.tcp_idle_s,
        "query_log": settings.logging.query_log,
        "dnstap": settings.logging.dnstap,
        "log_level": settings.logging.level,
        "log_format": settings.logging.format,
    }
