"""What the writing verbs do: compose, propose, reply."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dns_node.cluster.command import Done, Operation, Precondition, Refused, Unknown
from dns_node.cluster.state_machine import judge
from dns_node.cluster.undo import undo_command_parts
from dns_node.control import mass_delete
from dns_node.control.api import Answer, LoadReport
from dns_node.control.compose import compose
from dns_node.control.options import Options, bad_line
from dns_node.control.replies import (
    DONE,
    REFUSED,
    Reply,
    legacy_after,
    legacy_before,
    outcome_reply,
    refused,
    worst,
)
from dns_node.control.requests import (
    Change,
    Load,
    MakeToken,
    Reload,
    RemoveMember,
    Request,
    RollCookies,
    Transaction,
    Undo,
)
from dns_node.errors import InputError
from dns_node.zone.change import Add, Replace

if TYPE_CHECKING:
    from dns_node.control.session import Session


async def change(session: "Session", request: Request) -> Reply:
    """Make one change: ADD, REMOVE, REPLACE, DROP, KV SET, KV DEL."""
    value = request.value
    assert isinstance(value, Change)
    reply = await write(session, (value.edit,), request.options, value.subject)
    if not value.legacy or session.is_silent:
        return reply
    lines = [legacy_before(value.legacy)]
    if reply.has_changed:
        lines.append(legacy_after(isinstance(value.edit, Add | Replace)))
    return Reply((*lines, *reply.lines), reply.exit_status)


async def write(
    session: "Session",
    operations: Sequence[Operation],
    options: Options,
    subject: str,
    preconditions: Sequence[Precondition] = (),
) -> Reply:
    """Propose *operations* as one command, or judge them for a dry run; return the reply."""
    api = session.api
    with api.view() as view:
        try:
            command = compose(api, view, operations, session.asker, options, preconditions)
        except InputError as error:
            return refused(subject, [str(problem) for problem in error.problems])
        percent = api.settings.limits.mass_delete_percent
        if not options.is_forced and (why := mass_delete.find_objection(view, command, percent)):
            return refused(subject, [why])
        if options.is_dry_run:
            return _dry(judge(view, command)[0], subject)
    return outcome_reply(await api.propose(command, options.wait), options.wait, subject)


def _dry(outcome: Done | Refused, subject: str) -> Reply:
    if isinstance(outcome, Refused):
        reply = refused(subject, outcome.reasons)
        return Reply((*reply.lines[:-1], reply.lines[-1] + " (dry run)"), REFUSED)
    reply = outcome_reply(Answer(outcome), "node", subject)
    return Reply((*reply.lines[:-1], f"{reply.lines[-1]} (dry run: nothing was changed)"), DONE)


async def begin(session: "Session", request: Request) -> Reply:
    """Begin a transaction."""
    if session.transaction is not None:
        raise bad_line("a transaction has begun already.", "COMMIT or ABORT ends it.")
    session.transaction = Transaction()
    return Reply() if session.is_silent else Reply(
        ("Transaction begun: COMMIT makes the lines that follow one change, ABORT forgets them.",)
    )  # fmt: skip


async def commit(session: "Session", request: Request) -> Reply:
    """Propose what was collected; refused when any of its lines was bad."""
    transaction, session.transaction = session.transaction, None
    if transaction is None:
        return refused("COMMIT", ["There is no transaction; BEGIN starts one."])
    if transaction.problems:
        return refused("the transaction", transaction.problems)
    if not transaction.changes:
        return Reply(("OK nothing to change: the transaction was empty",))
    subjects = list(dict.fromkeys(part.subject for part in transaction.changes))
    subject = ", ".join(subjects[:3])
    if len(subjects) > 3:
        subject += f" and {len(subjects) - 3} more"
    edits = [part.edit for part in transaction.changes]
    reply = await write(session, edits, request.options, f"the transaction ({subject})")
    if not reply.has_changed or session.is_silent:
        return reply
    done = [
        legacy_after(isinstance(part.edit, Add | Replace))
        for part in transaction.changes if part.legacy
    ]  # fmt: skip
    return Reply((*done, *reply.lines), reply.exit_status)


async def abort(session: "Session", request: Request) -> Reply:
    """Forget what was collected."""
    transaction, session.transaction = session.transaction, None
    if transaction is None:
        return refused("ABORT", ["There is no transaction; BEGIN starts one."])
    return Reply((f"OK transaction of {transaction.lines} lines forgotten, nothing changed",))


async def undo(session: "Session", request: Request) -> Reply:
    """Propose the reverse of one revision, unless what it touched has changed since."""
    value = request.value
    assert isinstance(value, Undo)
    subject = f"UNDO {value.revision}"
    with session.api.view() as view:
        try:
            operations, preconditions = undo_command_parts(view, value.revision)
        except InputError as error:
            return refused(subject, [str(problem) for problem in error.problems])
    options = request.options
    if not options.reason:
        options = replace(options, reason=f"undo of revision {value.revision}")
    return await write(session, operations, options, subject, preconditions)


async def load(session: "Session", request: Request) -> Reply:
    """Load one zone file."""
    value = request.value
    assert isinstance(value, Load)
    options = request.options
    report = await session.api.load(session.resolve(value.path), value.mode, options)
    return load_reply(report, f"LOAD {value.path}", options)


async def reload(session: "Session", request: Request) -> Reply:
    """Read the managed zone files again."""
    value = request.value
    assert isinstance(value, Reload)
    path = None if value.path is None else session.resolve(value.path)
    return load_reply(await session.api.reload(path, request.options), "RELOAD", request.options)


def load_reply(report: LoadReport, subject: str, options: Options | None = None) -> Reply:
    """Return the reply to LOAD or RELOAD: what is told, then one outcome per origin.  A file or an
    origin that was not loaded makes the whole refused."""
    options = options or Options()
    replies = [
        _dry(answer.outcome, subject)
        if options.is_dry_run and not isinstance(answer.outcome, Unknown)
        else outcome_reply(answer, options.wait, subject)
        for answer in report.answers
    ]
    lines = [*report.lines, *(line for reply in replies for line in reply.lines)]
    statuses = [reply.exit_status for reply in replies]
    if report.has_problems:
        statuses.append(REFUSED)
        done = sum(status == DONE for status in statuses)
        changed = "the rest was loaded" if done else "nothing changed"
        lines.append(f"REFUSED {subject}: {changed}. The reasons are above.")
    elif not replies:
        lines.append("OK nothing to change")
    return Reply(tuple(lines), worst(statuses))


async def join_token(session: "Session", request: Request) -> Reply:
    """Make a token for one join, and say how to use it."""
    value = request.value
    assert isinstance(value, MakeToken)
    made, answer = await session.api.join_token(value.ttl_s)
    if made is None or not isinstance(answer.outcome, Done):
        return outcome_reply(answer, "node", "JOIN-TOKEN")
    until = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(made.expires_at_ms / 1000))
    return Reply((
        made.token,
        f"One node may join with it until {until}. On the new node:",
        f"  dns-node -n ID --join {made.member} --token {made.token}",
        f"OK revision {answer.outcome.revision}",
    ))  # fmt: skip


async def roll_cookies(session: "Session", request: Request) -> Reply:
    """Give the cluster a new secret of DNS cookies."""
    value = request.value
    assert isinstance(value, RollCookies)
    answer = await session.api.roll_cookies(value.is_at_once)
    return outcome_reply(answer, "node", "ROLL-COOKIES")


async def remove_member(session: "Session", request: Request) -> Reply:
    """Take a member out of the cluster."""
    value = request.value
    assert isinstance(value, RemoveMember)
    subject = f"REMOVE-MEMBER {value.node}"
    with session.api.view() as view:
        known = [member.node for member in view.members()]
    if value.node not in known:
        return refused(subject, [f"There is no such member; the members are {', '.join(known)}."])
    answer = await session.api.remove_member(value.node)
    return outcome_reply(answer, "node", subject)

