"""Commands for tests: short ways to write them, and a store to apply them to."""

import itertools

from dns_node.cluster.apply_entry import apply_entry
from dns_node.cluster.command import Command, compose_entry
from dns_node.store.reader import Reader
from dns_node.store.writer import Writer
from dns_node.zone.apex import template
from dns_node.zone.change import Add, Remove, Replace
from dns_node.zone.names import parse_name
from dns_node.zone.rdata import parse_rdata, parse_type

NOW_MS = 1_790_000_000_000
_ids = itertools.count(1)


def operation_id(number=None):
    return (next(_ids) if number is None else number).to_bytes(16, "big")


def command(*operations, **fields):
    fields.setdefault("operation_id", operation_id())
    fields.setdefault("proposed_at_ms", NOW_MS)
    return Command(
        fields.pop("operation_id"), fields.pop("proposed_at_ms"), "console", "test", operations,
        **fields,
    )  # fmt: skip


def record(text):
    """Return (owner, type, rdata) of ``owner TYPE rdata``."""
    owner, rrtype, rdata = text.split(None, 2)
    number = parse_type(rrtype)
    return parse_name(owner), number, parse_rdata(number, rdata)


def add(text, ttl_s=None):
    owner, rrtype, rdata = record(text)
    return Add(owner, rrtype, ttl_s, (rdata,))


def remove(text):
    owner, rrtype, *rest = text.split(None, 2)
    number = parse_type(rrtype)
    return Remove(
        parse_name(owner), number, (parse_rdata(number, rest[0]),) if rest else None
    )


def replace(text, ttl_s=None):
    owner, rrtype, rdata = record(text)
    return Replace(owner, rrtype, ttl_s, (rdata,))


def candidates(*names):
    return tuple(template(parse_name(name)) for name in names)


class Store:
    """A store in a directory, with the log index it is at."""

    def __init__(self, directory):
        self.writer = Writer(directory)
        self.reader: Reader = self.writer.reader()
        self.log = []

    def apply(self, *commands):
        """Apply one entry and return the outcome of its last command."""
        self.log.append(compose_entry(commands))
        with self.writer.begin() as transaction:
            answers = apply_entry(transaction, len(self.log), 1, self.log[-1])
        self.reader.renew()
        return answers[-1][1]

    def replay(self, log):
        for payload in log[len(self.log) :]:
            self.log.append(payload)
            with self.writer.begin() as transaction:
                apply_entry(transaction, len(self.log), 1, payload)
        self.reader.renew()

    def do(self, *operations, **fields):
        return self.apply(command(*operations, **fields))

    def rrset(self, text):
        owner, rrtype = text.split()
        found = self.reader.enclosing_zone(parse_name(owner))
        if found is None:
            return None
        return (self.reader.node(found[1].zone_id, parse_name(owner)) or {}).get(
            parse_type(rrtype)
        )

    def close(self):
        self.reader.close()
        self.writer.close()
