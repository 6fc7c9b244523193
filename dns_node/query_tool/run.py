"""`dns-node query`: from the command line to the exit status."""

import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import dns.rcode

from dns_node.query_tool.exchange import (
    NoReply,
    Replied,
    compose,
    find_address,
    make_way,
    with_new_id,
)
from dns_node.query_tool.options import HELP, HelpWanted, Options, UsageError, parse_words
from dns_node.query_tool.presentation import Unreadable, as_json, read, show, show_short
from dns_node.query_tool.statistics import Tally, summary
from dns_node.query_tool.trace import Tracer

OK: Final = 0
ERROR_RCODE: Final = 1
NO_REPLY: Final = 2
USAGE: Final = 64


def run(words: Sequence[str]) -> int:
    """Do what the words of the command line say; return the exit status."""
    try:
        options = parse_words(words)
    except HelpWanted:
        print(HELP, end="")
        return OK
    except UsageError as error:
        print(f"dns-node query: {error}; --help says more", file=sys.stderr)
        return USAGE
    try:
        if options.is_trace:
            return _trace(options)
        address = find_address(options.host, options.server_port)
        where = f"{address[0]} port {address[1]}"
        if options.count:
            return _ask_often(options, address, where)
        return _ask_once(options, address, where)
    except (NoReply, Unreadable) as error:
        print(f"dns-node query: {error}", file=sys.stderr)
        return NO_REPLY
    except KeyboardInterrupt:
        return 130


def _trace(options: Options) -> int:
    tracer = Tracer(options)
    for line in tracer.lines():
        print(line, flush=True)
    if tracer.rcode is None:
        return NO_REPLY
    return OK if tracer.rcode == dns.rcode.NOERROR else ERROR_RCODE


def _ask_once(options: Options, address: tuple[str, int], where: str) -> int:
    try:
        replied = _ask(options, address)
    except NoReply as error:
        raise NoReply(f"{where} over {options.transport.upper()}: {error}") from None
    message = read(replied.octets)
    if options.format == "json":
        print(as_json(message, replied, where))
    else:
        is_short = options.format == "short"
        for line in show_short(message) if is_short else show(message, replied, where):
            print(line)
    return OK if message.rcode() == dns.rcode.NOERROR else ERROR_RCODE


def _ask(options: Options, address: tuple[str, int]) -> Replied:
    query = compose(options)
    way = make_way(address, options)
    try:
        replied = way.ask(query)
    finally:
        way.close()
    is_truncated = replied.octets[2] & 0x02
    if is_truncated and options.transport == "udp" and options.follows_truncation:
        return _ask(replace(options, transport="tcp"), address)
    return replied


def _ask_often(options: Options, address: tuple[str, int], where: str) -> int:
    """Ask `count` times, `parallel` at once, each over a way of its own."""
    query, lock = compose(options), threading.Lock()
    left, tally = [options.count], Tally()

    def work() -> None:
        way = make_way(address, options)
        while True:
            with lock:
                if not left[0]:
                    break
                left[0] -= 1
            try:
                replied = way.ask(with_new_id(query))
                reason = ""
            except NoReply as error:
                reason = str(error)
            with lock:
                if reason:
                    tally.note_failure(reason)
                else:
                    tally.note_reply(replied.octets[3] & 15, replied.took_s)
        way.close()

    started_s = time.perf_counter()
    threads = [
        threading.Thread(target=work, daemon=True)
        for _ in range(min(options.parallel, options.count))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    over = f"{where} over {options.transport.upper()}, {len(threads)} at a time"
    print(f"{options.name} {options.rdtype.name} at {over}")
    print("\n".join(summary(tally, time.perf_counter() - started_s)))
    return tally.exit_status
