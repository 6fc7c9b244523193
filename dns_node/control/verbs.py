"""The one table of verbs: console, ctl, HTTP and HELP all read it."""

import difflib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dns_node.control import actions, recursion, reports, requests
from dns_node.control.options import FORCE, NAMES, Options, bad_line, split_options
from dns_node.control.replies import Reply
from dns_node.control.requests import GetKey, Help, Request, Value

if TYPE_CHECKING:
    from dns_node.control.session import Session

ALL_DOORS = ("console", "ctl", "http")
TALKING = ("console", "ctl")
"""Doors that hold a conversation, in which a transaction can be collected line by line."""

_OPTIONS_HELP = {
    "wait": "wait=node|quorum|all   answer when this node, a majority or all live members serve it",
    "if-revision": "if-revision=N          refuse unless the store's revision is N (see STATUS)",
    "dry-run": "dry-run                say what would happen, change nothing",
    "reason": 'reason="…"             kept in HISTORY',
    "force": "force                  delete more than limits.mass_delete_percent allows",
    "operation": "operation=ID           ask again for a write that was answered UNKNOWN",
}

_RECORD_HELP = """The data is written as in a master file, or as in zfX.txt files:
  MX 10 mail.example.com.     MX ["mail.example.com.", 10]     TXT "any text"
Names are absolute, with or without the final dot."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb.  *read* gets what follows it and the default TTL; *run* gets session and request.

    *options* are those that it takes; *doors* are those that may use it.
    """

    name: str
    usage: str
    summary: str
    details: str
    read: Callable[[str, int], Value]
    run: "Callable[[Session, Request], Awaitable[Reply]]"
    is_write: bool = False
    options: tuple[str, ...] = ()
    doors: tuple[str, ...] = ALL_DOORS


async def _kv(session: "Session", request: Request) -> Reply:
    if isinstance(request.value, GetKey):
        if request.options.given:
            raise bad_line("KV GET changes nothing and takes no options.")
        return await reports.get_key(session, request.value)
    return await actions.change(session, request)


async def _help(session: "Session", request: Request) -> Reply:
    value = request.value
    assert isinstance(value, Help)
    return Reply(tuple(help_lines(value.verb)))


async def _quit(session: "Session", request: Request) -> Reply:
    return Reply(("OK bye",), is_quit=True)


def help_lines(name: str | None) -> list[str]:
    """Return the lines of HELP, or of HELP *name*; InputError for an unknown verb."""
    if name is not None:
        verb = find_verb(name)
        lines = [f"{verb.usage}", f"  {verb.summary}"]
        if verb.details:
            lines += ["", *verb.details.split("\n")]
        if verb.options:
            lines += ["", *options_help(verb.options)]
        return lines
    width = max(len(verb.usage) for verb in VERBS.values())
    lines = [f"{verb.usage.ljust(width)}  {verb.summary}" for verb in VERBS.values()]
    return [*lines, "", "Verbs in any case, the colon is optional; HELP verb says more.",
            *options_help((*NAMES, FORCE))]  # fmt: skip


def options_help(names: tuple[str, ...]) -> list[str]:
    """Return the lines of HELP about some options."""
    head = "Options, at the head or the tail of the line of a write (in quotes nothing is one):"
    return [head, *(f"  {_OPTIONS_HELP[name]}" for name in names)]


def find_verb(name: str) -> Verb:
    """Return the verb called *name* in any case; InputError, with the nearest, for another."""
    verb = VERBS.get(name.upper())
    if verb is not None:
        return verb
    near = difflib.get_close_matches(name.upper()[:40], VERBS, 1)
    cure = f"Did you mean {near[0]}? HELP lists the verbs." if near else "HELP lists the verbs."
    raise bad_line(f'"{name[:40]}" is no verb.', cure)


_LINE = re.compile(r"\s*([^\s:]+)[ \t]*:?(.*)", re.DOTALL)


def parse_line(line: str, default_ttl_s: int = 3600) -> Request | None:
    """Return what one line asks for; None for a blank line or a ``#`` comment.

    *default_ttl_s* is what a new RRset gets that is added without a TTL.  Raises InputError, one
    problem, for everything else.
    """
    match = _LINE.match(line)
    if match is None:
        if line.strip():
            raise bad_line(f'"{line.strip()[:40]}" is no verb.', "HELP lists the verbs.")
        return None
    word, rest = match[1], match[2]
    if word.startswith("#"):
        return None
    verb = find_verb(word)
    options = Options()
    if verb.options:
        rest, options = split_options(rest, may_force=FORCE in verb.options)
    return Request(verb.name, verb.read(rest, default_ttl_s), options)


_ALL = (
    Verb("ADD", "ADD: name [ttl] TYPE data", "add one record",
         "Without a TTL the record takes that of its RRset, else the default; with one, the whole\n"
         "RRset gets it (RFC 2181 section 5.2). What exists already is said and changes nothing.\n"
         "If no zone encloses the name, one is made at the registrable domain (for reverse names\n"
         f"at the /24 or /64), with SOA and NS from the configuration.\n{_RECORD_HELP}",
         requests.read_add, actions.change, True, NAMES),
    Verb("REMOVE", "REMOVE: name TYPE [data]", "remove one record, or a whole RRset",
         "Without data all records of that type go; TYPE ANY means every type. What is not there\n"
         "is said and changes nothing. A zone that ADD made vanishes with its last record.",
         requests.read_remove, actions.change, True, (*NAMES, FORCE)),
    Verb("REPLACE", "REPLACE: name [ttl] TYPE data", "make an RRset exactly this record",
         "For several records: REPLACE the first and ADD the others in one transaction.\n"
         f"{_RECORD_HELP}",
         requests.read_replace, actions.change, True, (*NAMES, FORCE)),
    Verb("BEGIN", "BEGIN", "begin a transaction",
         "The ADD, REMOVE, REPLACE, DROP, KV SET and KV DEL lines that follow are collected, over\n"
         "any zones; COMMIT makes them one atomic change, ABORT forgets them.",
         requests.read_nothing, actions.begin, True, (), TALKING),
    Verb("COMMIT", "COMMIT", "make the collected lines one change",
         "If one line was bad, or any change is refused, nothing changes.",
         requests.read_nothing, actions.commit, True, (*NAMES, FORCE), TALKING),
    Verb("ABORT", "ABORT", "forget the collected lines", "",
         requests.read_nothing, actions.abort, True, (), TALKING),
    Verb("LOAD", "LOAD file [merge|replace]", "load a zone file",
         "A file for a zone that does not exist yet creates it. For one that exists: merge adds\n"
         "the file's records to it, replace makes the zone exactly the file.",
         requests.read_load, actions.load, True,
         ("wait", "if-revision", "dry-run", "reason", FORCE)),
    Verb("RELOAD", "RELOAD [file]", "read the managed zone files again",
         "Proposes exactly what changed in each file since it was last read, removed lines too.",
         requests.read_reload, actions.reload, True,
         ("wait", "dry-run", "reason", FORCE)),
    Verb("ZONES", "ZONES", "list the zones", "", requests.read_nothing, reports.zones),
    Verb("SHOW", "SHOW name [type]", "print the records at a name",
         "In master-file form. With the type AXFR: all records of the zone that holds the name.",
         requests.read_show, reports.show),
    Verb("DROP", "DROP zone", "withdraw a whole zone", "UNDO of its revision brings it back.",
         requests.read_drop, actions.change, True, (*NAMES, FORCE)),
    Verb("STATUS", "STATUS", "print the state of this node and its cluster", "",
         requests.read_nothing, reports.status),
    Verb("MEMBERS", "MEMBERS", "list the members of the cluster", "",
         requests.read_nothing, reports.members),
    Verb("JOIN-TOKEN", "JOIN-TOKEN [ttl]", "make a token with which one node may join",
         "It is valid for an hour, or for the given time (such as 15m or 7d).",
         requests.read_join_token, actions.join_token, True),
    Verb("ROLL-COOKIES", "ROLL-COOKIES [now]", "give the cluster a new secret of DNS cookies",
         "It is used in ten minutes, and the old one stays good until nobody has a cookie of it.\n"
         "With now the old one ends at once, as when somebody knows it: clients get new cookies.",
         requests.read_roll_cookies, actions.roll_cookies, True),
    Verb("REMOVE-MEMBER", "REMOVE-MEMBER id", "take a node out of the cluster", "",
         requests.read_remove_member, actions.remove_member, True),
    Verb("HISTORY", "HISTORY [zone] [count]", "list the changes, newest first",
         f"The last {requests.HISTORY_ROWS} unless a count is given.",
         requests.read_history, reports.history),
    Verb("UNDO", "UNDO revision", "reverse one revision by a new change",
         "Refused, with the conflicts, if what it touched has changed since.",
         requests.read_undo, actions.undo, True, (*NAMES, FORCE)),
    Verb("WHY", recursion.WHY_USAGE, "explain how a question is answered",
         "Our zones or the cache, the servers that are asked, validation, policy, and what of the\n"
         "limits it costs. With fresh, what the cache holds for the question itself is not used.",
         recursion.read_why, recursion.why),
    Verb("FLUSH", recursion.FLUSH_USAGE, "forget what was learnt from servers",
         "At one name, at and below a name, of one type, or everything. Zones are not touched.",
         recursion.read_flush, recursion.flush),
    Verb("CACHE", recursion.CACHE_USAGE, "show the caches of the workers, or write or read them",
         "With dump they are written to the data directory, as at a stop; load takes that up.",
         recursion.read_cache, recursion.cache),
    Verb("NTA", recursion.NTA_USAGE, "list, add or remove negative trust anchors (RFC 7646)",
         "At and below such a name nothing is validated, for a day unless a time is given (7d at\n"
         "most), or until this node's workers are restarted. For good: the configuration.",
         recursion.read_nta, recursion.nta),
    Verb("POLICY", "POLICY", "list the policy zones, their rules and how often these were followed",
         "", recursion.read_policy, recursion.policy),
    Verb("UPSTREAMS", "UPSTREAMS", "list the servers that were asked, and how they are", "",
         recursion.read_upstreams, recursion.upstreams),
    Verb("KV", "KV SET key value | GET key | DEL key", "use the key-value space", "",
         requests.read_kv, _kv, True, NAMES),
    Verb("HELP", "HELP [verb]", "say what a verb does", "", requests.read_help, _help),
    Verb("QUIT", "QUIT", "end the console, and the node that it belongs to",
         "The other nodes go on; the node does not leave the cluster.",
         requests.read_nothing, _quit, False, (), ("console",)),
)  # fmt: skip

VERBS: dict[str, Verb] = {verb.name: verb for verb in _ALL}
