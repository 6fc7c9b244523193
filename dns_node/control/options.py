"""The options that any write may carry, at the head or at the tail of its line."""

import re
from dataclasses import dataclass, replace

from dns_node.cluster.command import OPERATION_ID_OCTETS
from dns_node.errors import InputError, Problem

_ONE = (
    r'(?:wait=[^\s"]*|if-revision=[^\s"]*|operation=[^\s"]*|dry-run|force'
    r'|reason=(?:"(?:\\.|[^"\\])*"|[^\s"]*))'
)
_HEAD = re.compile(rf"\s*({_ONE})(?=\s|$)", re.IGNORECASE)
_TAIL = re.compile(rf"(?:^|(?<=\s))({_ONE})\s*$", re.IGNORECASE)
WAITS = ("node", "quorum", "all")
"""How long a write waits: applied and served here; by a majority; by every live member."""
NAMES = ("wait", "if-revision", "dry-run", "reason", "operation")
FORCE = "force"
"""The option of what may delete much; elsewhere the word is data."""
REASON_OCTETS_MAX = 1000
REVISION_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Options:
    """What a write was asked beside the change.  *operation* repeats an earlier one whose outcome
    was unknown; *given* are the names of the options that were written."""

    wait: str = "node"
    if_revision: int | None = None
    is_dry_run: bool = False
    is_forced: bool = False
    reason: str = ""
    operation: bytes | None = None
    given: tuple[str, ...] = ()


def bad_line(what: str, cure: str = "") -> InputError:
    """Return the error for a console line that can't be understood."""
    return InputError([Problem("", what, cure)])


def split_options(text: str, *, may_force: bool = False) -> tuple[str, Options]:
    """Return *text* without its options, and the options; InputError for a wrong one.

    Inside quotes nothing is an option: a record with the data ``dry-run`` is written with quotes.
    """
    options = Options()
    while (match := _HEAD.match(text)) and (may_force or not _is_force(match)):
        options = _with(options, match[1])
        text = text[match.end() :]
    # One scan from the end per option; a line holds six at most, since each may be given once.
    while (match := _find_tail(text)) is not None and (may_force or not _is_force(match)):
        options = _with(options, match[1])
        text = text[: match.start()]
    return text.strip(), options


def _is_force(match: re.Match[str]) -> bool:
    return match[1].lower() == FORCE


def _find_tail(text: str) -> re.Match[str] | None:
    # The text is searched from its last 2,048 characters on only: a pattern that starts anywhere
    # would look at a long line once per character.
    start = max(0, len(text) - 2048)
    match = _TAIL.search(text, start)
    if match is None or _is_quoted(text, match.start()):
        return None
    return match


def _is_quoted(text: str, at: int) -> bool:
    return len(re.findall(r'(?<!\\)"', text[:at])) % 2 == 1


def _with(options: Options, text: str) -> Options:
    name, _, value = text.partition("=")
    name = name.lower()
    if name in options.given:
        raise bad_line(f"{name} is given twice.")
    options = replace(options, given=(*options.given, name))
    if name == "wait":
        if value.lower() not in WAITS:
            raise bad_line(f'wait="{value}" is none of wait=node, wait=quorum, wait=all.')
        return replace(options, wait=value.lower())
    if name == "if-revision":
        if not value.isascii() or not value.isdigit() or len(value) > 19:
            raise bad_line(f'if-revision="{value[:40]}" is no revision number.')
        return replace(options, if_revision=min(int(value), REVISION_MAX))
    if name == "operation":
        return replace(options, operation=_operation_id(value))
    if name == "reason":
        return replace(options, reason=_reason(value))
    if name == FORCE:
        return replace(options, is_forced=True)
    return replace(options, is_dry_run=True)


def _operation_id(value: str) -> bytes:
    if not re.fullmatch(rf"[0-9a-fA-F]{{{2 * OPERATION_ID_OCTETS}}}", value):
        raise bad_line(f'operation="{value[:40]}" is no operation id (32 hexadecimal digits).')
    return bytes.fromhex(value)


def _reason(value: str) -> str:
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
    if len(value.encode(errors="replace")) > REASON_OCTETS_MAX:
        raise bad_line(f"the reason is longer than {REASON_OCTETS_MAX} octets.")
    return value
