"""How outcomes are said: texts and exit statuses.  Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dns_node.cluster.command import Done, Refused, Unknown
from dns_node.control.api import Answer
from dns_node.errors import DnsNodeError
from dns_node.zone.names import name_text

DONE, REFUSED, UNKNOWN, NO_NODE = 0, 1, 2, 3
"""Exit statuses of ``dns-node ctl``."""

PARSE_ERROR = "Some error prevented parsing line: "
ZONES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one line; *is_quit* asks the console to end, *has_changed* says that
    something was written."""

    lines: tuple[str, ...] = ()
    exit_status: int = DONE
    is_quit: bool = False
    has_changed: bool = False


def printable(text: str) -> str:
    """Return *text* with control characters escaped, so that nobody's record plays with the
    reader's terminal; tabs stay."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in text
    )


def parse_error(error: DnsNodeError) -> Reply:
    """Return the reply to a line that can't be understood: one line."""
    return Reply((PARSE_ERROR + " ".join(str(error).split("\n")),), REFUSED)


def refused(what: str, reasons: Sequence[str]) -> Reply:
    """Return the refusal of *what*: several reasons stand in lines of their own before it."""
    head = f"REFUSED {what}: nothing changed."
    if len(reasons) == 1:
        return Reply((f"{head} {_sentence(reasons[0])}",), REFUSED)
    lines = tuple(f"  {_sentence(reason)}" for reason in reasons)
    return Reply((*lines, f"{head} The {len(reasons)} reasons are above."), REFUSED)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."


def outcome_reply(answer: Answer, wait: str, subject: str, verb: str = "") -> Reply:
    """Return the last lines of a write about *subject*: the notes, then OK, REFUSED or UNKNOWN.

    The line begins with the word that names the case, and is the last one.
    """
    match answer.outcome:
        case Done() as done:
            return Reply((*done.notes, f"OK {_done_text(done)}{_visibility(answer, wait)}"), DONE,
                         has_changed=done.changed)  # fmt: skip
        case Refused(reasons):
            return refused(subject, reasons)
        case Unknown(operation_id, why):
            identity = operation_id.hex()
            text = (
                f"UNKNOWN {subject} operation {identity}: {_sentence(why)} It may be or become"
                f" done; the same line with operation={identity} asks again, and is done only once."
            )
            return Reply((text,), UNKNOWN)
    raise AssertionError(answer)


def _done_text(done: Done) -> str:
    if not done.changed:
        return f"nothing to change, revision {done.revision}"
    zones = [
        f"{name_text(apex)} serial {serial}" if serial >= 0 else f"{name_text(apex)} withdrawn"
        for apex, serial in done.zones
    ]
    if len(zones) > ZONES_SHOWN:
        zones = [*zones[:ZONES_SHOWN], f"{len(zones) - ZONES_SHOWN} more zones"]
    return f"{', '.join(zones)} revision {done.revision}".lstrip()


def _visibility(answer: Answer, wait: str) -> str:
    if wait == "node":
        return ""
    if answer.not_visible_on:
        text = f" committed; not yet visible on: {', '.join(answer.not_visible_on)}"
        return text + _unreachable(answer.unreachable)
    count = len(answer.visible_on) + len(answer.unreachable)
    return f" visible on {len(answer.visible_on)} of {count}{_unreachable(answer.unreachable)}"


def _unreachable(nodes: Iterable[str]) -> str:
    text = ", ".join(nodes)
    return f"; unreachable: {text}" if text else ""


def worst(statuses: Iterable[int]) -> int:
    """Return the exit status of several writes: unknown before refused before done."""
    return max(statuses, default=DONE)


def legacy_before(record: str) -> str:
    """Return the line that older versions printed before the change."""
    return f"Read line into resource record {record}"


def legacy_after(is_added: bool) -> str:
    """Return the line that older versions printed after the change."""
    return f"{'Added' if is_added else 'Removed'} resource record for this entry."
