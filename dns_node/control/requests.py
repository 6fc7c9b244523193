"""What a console line asks for: values, and how the words after each verb are read.  Pure."""

import re
from dataclasses import dataclass, field
from typing import Any

from dns_node.cluster.command import DeleteKey, PutKey
from dns_node.cluster.wording import rrset_name, rrset_text
from dns_node.control.options import Options, bad_line
from dns_node.store.rows import KEY_OCTETS_MAX
from dns_node.zone.change import Add, DropZone, Remove, Replace
from dns_node.zone.names import BadText, name_text, parse_name
from dns_node.zone.rdata import parse_type
from dns_node.zone.rdata_forms import ANY
from dns_node.zone.record_line import ParsedRecord, parse_record, parse_ttl
from dns_node.zone.rrset import RRset, WireName

HISTORY_ROWS = 20
HISTORY_ROWS_MAX = 10_000
TOKEN_TTL_S = 3600
TOKEN_TTL_S_MAX = 30 * 86_400
REVISION_DIGITS_MAX = 18
VALUE_OCTETS_MAX = 65_536
RESERVED = "dns-node/"
"""Keys that begin so are not for users: the cluster keeps its own there."""

Edit = Add | Remove | Replace | DropZone | PutKey | DeleteKey
"""The changes that one line makes and that a transaction collects."""


@dataclass(frozen=True, slots=True)
class Change:
    """ADD, REMOVE, REPLACE, DROP, KV SET, KV DEL: one change, and what it is about in words."""

    edit: Edit
    subject: str
    legacy: str = ""
    """The resource record as the legacy replies show it; '' where there is none."""


@dataclass(slots=True)
class Transaction:
    """The lines between BEGIN and COMMIT: the changes, and what was wrong, by line number."""

    changes: list[Change] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    lines: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """LOAD file [merge|replace]."""

    path: str
    mode: str | None


@dataclass(frozen=True, slots=True)
class Reload:
    """RELOAD [file]."""

    path: str | None


@dataclass(frozen=True, slots=True)
class Show:
    """SHOW name [type]; *rrtype* None is every type."""

    owner: WireName
    rrtype: int | None


@dataclass(frozen=True, slots=True)
class ShowHistory:
    """HISTORY [zone] [count]."""

    apex: WireName | None
    limit: int


@dataclass(frozen=True, slots=True)
class Undo:
    """UNDO revision."""

    revision: int


@dataclass(frozen=True, slots=True)
class MakeToken:
    """JOIN-TOKEN [how long it is valid]."""

    ttl_s: int


@dataclass(frozen=True, slots=True)
class RemoveMember:
    """REMOVE-MEMBER id."""

    node: str


@dataclass(frozen=True, slots=True)
class GetKey:
    """KV GET key."""

    key: str


@dataclass(frozen=True, slots=True)
class Help:
    """HELP [verb]."""

    verb: str | None


@dataclass(frozen=True, slots=True)
class Bare:
    """A verb without arguments."""


@dataclass(frozen=True, slots=True)
class RollCookies:
    """A new secret of DNS cookies; *is_at_once*: the others are good no more."""

    is_at_once: bool


@dataclass(frozen=True, slots=True)
class Ask:
    """What the workers are asked about recursion, and what it is about in words."""

    message: dict[str, Any]
    subject: str


Value = (
    Change | Load | Reload | Show | ShowHistory | Undo | MakeToken | RemoveMember | RollCookies
    | GetKey | Help | Bare | Ask
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """One understood line: the verb in its canonical spelling, what it says, and its options."""

    verb: str
    value: Value
    options: Options


# ---- what stands after each verb; all raise InputError


def read_add(text: str, default_ttl_s: int) -> Change:
    """Read ``name [ttl] TYPE rdata`` of ADD."""
    record = _record(text)
    rdata = _data(record, "ADD")
    edit = Add(record.owner, record.rrtype, record.ttl_s, (rdata,), default_ttl_s)
    return Change(edit, name_text(record.owner), _legacy(record))


def read_replace(text: str, default_ttl_s: int) -> Change:
    """Read ``name [ttl] TYPE rdata`` of REPLACE."""
    record = _record(text)
    rdata = _data(record, "REPLACE")
    edit = Replace(record.owner, record.rrtype, record.ttl_s, (rdata,), default_ttl_s)
    return Change(edit, name_text(record.owner), _legacy(record))


def read_remove(text: str, default_ttl_s: int) -> Change:
    """Read ``name TYPE [rdata]`` of REMOVE; a TTL is read over."""
    record = _record(text)
    rdatas = None if record.rdata is None else (record.rdata,)
    if record.rrtype == ANY and rdatas is not None:
        raise bad_line("ANY stands for every type and takes no data.")
    return Change(
        Remove(record.owner, record.rrtype, rdatas), name_text(record.owner), _legacy(record)
    )


def read_drop(text: str, default_ttl_s: int) -> Change:
    """Read ``zone`` of DROP."""
    apex = _name(_words(text, 1, 1, "DROP zone")[0])
    return Change(DropZone(apex), name_text(apex))


def read_kv(text: str, default_ttl_s: int) -> Change | GetKey:
    """Read ``SET key value…``, ``GET key`` or ``DEL key`` of KV."""
    parts = text.split(None, 1)
    verb, rest = parts[0].upper() if parts else "", parts[1] if len(parts) > 1 else ""
    if verb == "SET":
        key, value = read_key_value(rest)
        return Change(PutKey(key, value), f"key {key}")
    if verb in ("GET", "DEL"):
        key = check_key(_words(rest, 1, 1, f"KV {verb} key")[0])
        return GetKey(key) if verb == "GET" else Change(DeleteKey(key), f"key {key}")
    raise bad_line("KV takes SET key value, GET key or DEL key.")


def read_key_value(text: str) -> tuple[str, str]:
    """Return key and value of ``key value…``; the value is the rest of the line and may hold
    blanks."""
    parts = text.split(None, 1)
    if len(parts) < 2:
        raise bad_line("KV SET needs a key and a value.")
    key, value = check_key(parts[0]), parts[1].rstrip("\r\n")
    if len(_octets(value)) > VALUE_OCTETS_MAX:
        raise bad_line(f"the value is longer than {VALUE_OCTETS_MAX} octets.")
    return key, value


def check_key(key: str) -> str:
    """Return *key*; InputError when it is too long, no text, or the cluster's own."""
    if len(_octets(key)) > KEY_OCTETS_MAX:
        raise bad_line(f"the key is longer than {KEY_OCTETS_MAX} octets.")
    if key.startswith(RESERVED):
        raise bad_line(f"keys that begin with {RESERVED} are the cluster's own.")
    return key


def read_roll_cookies(text: str, default_ttl_s: int) -> RollCookies:
    """Read ``[now]`` of ROLL-COOKIES."""
    words = _words(text, 0, 1, "ROLL-COOKIES [now]")
    if words and words[0].lower() != "now":
        raise bad_line("ROLL-COOKIES takes nothing, or the word now.")
    return RollCookies(bool(words))


def read_load(text: str, default_ttl_s: int) -> Load:
    """Read ``file [merge|replace]``; a file name with blanks stands in quotes or is all but the
    last word."""
    usage = "LOAD file [merge|replace]"
    path, mode = text.strip(), None
    match = re.fullmatch(r"(.*\S)\s+(merge|replace)", path, re.IGNORECASE | re.DOTALL)
    if match:
        path, mode = match[1], match[2].lower()
    return Load(_path(path, usage), mode)


def read_reload(text: str, default_ttl_s: int) -> Reload:
    """Read ``[file]``."""
    return Reload(_path(text.strip(), "RELOAD [file]") if text.strip() else None)


def read_show(text: str, default_ttl_s: int) -> Show:
    """Read ``name [type]``."""
    words = _words(text, 1, 2, "SHOW name [type]")
    rrtype = None
    if len(words) == 2:
        try:
            rrtype = parse_type(words[1])
        except BadText as error:
            raise bad_line(f"{error}.") from None
    return Show(_name(words[0]), None if rrtype == ANY else rrtype)


def read_history(text: str, default_ttl_s: int) -> ShowHistory:
    """Read ``[zone] [count]``."""
    words = _words(text, 0, 2, "HISTORY [zone] [count]")
    limit = HISTORY_ROWS
    if words and words[-1].isascii() and words[-1].isdigit():
        limit = int(words.pop()[:9])
        if not 1 <= limit <= HISTORY_ROWS_MAX:
            raise bad_line(f"the count is a number from 1 to {HISTORY_ROWS_MAX}.")
    if len(words) > 1:
        raise bad_line("HISTORY takes a zone and a count: HISTORY [zone] [count].")
    return ShowHistory(_name(words[0]) if words else None, limit)


def read_undo(text: str, default_ttl_s: int) -> Undo:
    """Read ``revision``."""
    word = _words(text, 1, 1, "UNDO revision")[0]
    if not word.isascii() or not word.isdigit() or len(word) > REVISION_DIGITS_MAX:
        raise bad_line(f'"{word[:40]}" is no revision.', "HISTORY lists them.")
    return Undo(int(word))


def read_join_token(text: str, default_ttl_s: int) -> MakeToken:
    """Read ``[ttl]``."""
    words = _words(text, 0, 1, "JOIN-TOKEN [how long it is valid, such as 1h]")
    if not words:
        return MakeToken(TOKEN_TTL_S)
    try:
        ttl_s = parse_ttl(words[0])
    except BadText as error:
        raise bad_line(f"{error}.") from None
    if not 1 <= ttl_s <= TOKEN_TTL_S_MAX:
        raise bad_line(f"a token is valid for 1 to {TOKEN_TTL_S_MAX} seconds (30d).")
    return MakeToken(ttl_s)


def read_remove_member(text: str, default_ttl_s: int) -> RemoveMember:
    """Read ``id``."""
    return RemoveMember(_words(text, 1, 1, "REMOVE-MEMBER id")[0])


def read_help(text: str, default_ttl_s: int) -> Help:
    """Read ``[verb]``."""
    words = _words(text, 0, 2, "HELP [verb]")
    return Help(words[0].rstrip(":").upper() if words else None)


def read_nothing(text: str, default_ttl_s: int) -> Bare:
    """Read nothing; more is an error."""
    if text.strip():
        raise bad_line(f'"{text.strip()[:40]}" is too much: the verb takes no arguments.')
    return Bare()


# ---- parts


def _record(text: str) -> ParsedRecord:
    try:
        return parse_record(text)
    except BadText as error:
        raise bad_line(f"{error}.") from None


def _data(record: ParsedRecord, verb: str) -> bytes:
    if record.rdata is None:
        raise bad_line(
            f"the record has no data; it is written: {verb}: name [ttl] TYPE data"
            + (" (REMOVE: takes away)." if verb == "REPLACE" else ".")
        )
    return record.rdata


def _legacy(record: ParsedRecord) -> str:
    if record.rdata is None:
        return rrset_name(record.owner, record.rrtype)
    text = rrset_text(RRset(record.rrtype, record.ttl_s or 0, (record.rdata,)))
    if record.ttl_s is None:
        text = text.partition(" ")[2]
    return f"{name_text(record.owner)} {text}"


def _name(text: str) -> WireName:
    try:
        return parse_name(text)
    except BadText as error:
        raise bad_line(f"{error}.") from None


def _words(text: str, least: int, most: int, usage: str) -> list[str]:
    words = text.split()
    if not least <= len(words) <= most:
        raise bad_line(f"it is written: {usage}.")
    return words


def _path(text: str, usage: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    if not text or "\0" in text:
        raise bad_line(f"it is written: {usage}.")
    return text


def _octets(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise bad_line("the text holds half a character (a lone surrogate).") from None
