"""WHY: how the answer to a question comes about, step by step."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from dns_node.answer.respond import RD, Client, Recurse
from dns_node.net.recursion.pipeline import Pipeline
from dns_node.net.recursion.questions import Line
from dns_node.resolver.policy.policy import Ruling
from dns_node.resolver.policy.verdict import Answered, Request, Resolve, Verdict
from dns_node.resolver.question import Held, Outcome, Question, Security
from dns_node.resolver.resolution import Resolution
from dns_node.zone.names import name_text, parse_name
from dns_node.zone.rdata import rdata_text, type_text

if TYPE_CHECKING:
    from dns_node.net.recursion.resolving import Resolving

LINES_MAX: Final = 300
LINE_OCTETS_MAX: Final = 180

CLIENT: Final = Client("127.0.0.1", 53)
"""On whose behalf it is asked: policy may depend on the client."""

_RCODES: Final = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED",
                  6: "YXDOMAIN"}  # fmt: skip


def explain(
    pipeline: Pipeline,
    resolving: "Resolving",
    message: dict[str, Any],
    answer: Callable[[dict[str, Any]], None],
) -> None:
    """Resolve what *message* names (name, type, is_fresh) and tell how; *answer* gets the lines."""
    qname, qtype = parse_name(str(message["name"])), int(message["type"])
    lines = list(_local(pipeline, qname, qtype))
    ours = _recurse(pipeline, qname, qtype)
    if not isinstance(ours, Recurse):
        answer({"lines": [*lines, "our own zones answer it: nobody else is asked"]})
        return
    if ours.name != qname:
        lines.append(f"our own zones lead on to {name_text(ours.name)}")
    question = Question(ours.name, qtype)
    ruling = pipeline.policy.rule(Request(question, CLIENT))
    _Telling(pipeline, ruling, lines, bool(message.get("is_fresh")), answer).follow(ruling.begin())


def _recurse(pipeline: Pipeline, qname: bytes, qtype: int) -> Recurse | None:
    """Return what our zones leave to be resolved; None when they answer."""
    question = qname + qtype.to_bytes(2, "big") + b"\0\1"
    octets = b"\0\0" + RD.to_bytes(2, "big") + b"\0\1\0\0\0\0\0\0" + question
    found = pipeline.respond(octets, CLIENT)
    return found if isinstance(found, Recurse) else None


def _local(pipeline: Pipeline, qname: bytes, qtype: int) -> Iterator[str]:
    zone = pipeline.zones.enclosing(qname)
    yield f"question {name_text(qname)} {type_text(qtype)}"
    if zone is None:
        yield "no zone of ours encloses it"
    else:
        yield f"our zone {name_text(zone)} encloses it"


class _Telling:
    """One explanation on its way: what policy wants to know is resolved, with its steps."""

    def __init__(
        self,
        pipeline: Pipeline,
        ruling: Ruling,
        lines: list[str],
        is_fresh: bool,
        answer: Callable[[dict[str, Any]], None],
    ):
        self._pipeline = pipeline
        self._ruling = ruling
        self._lines = lines
        self._is_fresh = is_fresh
        self._answer = answer

    def follow(self, step: Resolve | Verdict) -> None:
        """Do what policy wants next."""
        if not isinstance(step, Resolve):
            self._lines += _verdict_lines(step)
            self._answer({"lines": [_short(line) for line in self._lines[:LINES_MAX]]})
            return
        resolution: Resolution | None = None

        def take(outcome: Outcome, _line: Line) -> None:
            assert resolution is not None
            self._lines += [f"{one.at_s * 1000:8.1f} ms  {one.text}" for one in resolution.steps]
            self._lines += _spent_lines(resolution)
            self.follow(self._ruling.take(outcome))

        questions = self._pipeline.questions
        line = questions.open(step.question, False, take, is_shared=False)
        resolution = self._pipeline.resolution(
            line, step.question, wants_steps=True, is_refresh=self._is_fresh
        )
        questions.begin(line, resolution)


def _spent_lines(resolution: Resolution) -> Iterator[str]:
    spent, limits = resolution.budget.spent, resolution.budget.limits
    yield (
        f"cost: {spent.queries} of {limits.queries_max} queries, {spent.octets} of "
        f"{limits.octets_max} octets, {spent.checks} of {limits.checks_max} signature checks, "
        f"{spent.restarts} of {limits.restarts_max} restarts, {spent.hashes} hashes"
    )


def _verdict_lines(verdict: Verdict) -> Iterator[str]:
    if not isinstance(verdict, Answered):
        what = type(verdict).__name__.lower()
        yield f"policy: rule {verdict.rule}: {what}"
        return
    outcome = verdict.outcome
    if verdict.rule:
        yield f"policy: rule {verdict.rule}"
    rcode = _RCODES.get(outcome.rcode, f"rcode {outcome.rcode}")
    security = Security(outcome.security).name.lower()
    stale = ", stale" if outcome.is_stale else ""
    yield f"answer: {rcode}, {security}{stale}, to be kept for {outcome.ttl_s} s"
    for error in outcome.errors:
        yield f"extended error {error.code}{': ' * bool(error.text)}{error.text}"
    for held in (*outcome.answer, *outcome.authority):
        yield from _record_lines(held)


def _record_lines(held: Held) -> Iterator[str]:
    head = f"  {name_text(held.owner)} {held.rrset.ttl_s} {type_text(held.rrset.rrtype)} "
    signed = f"  ({len(held.rrset.signatures)} RRSIG)" if held.rrset.signatures else ""
    for rdata in held.rrset.rdatas:
        try:
            text = rdata_text(held.rrset.rrtype, rdata)
        except Exception:  # what a server sent need not be in form
            text = rdata.hex()
        yield f"{head}{text}{signed}"


def _short(line: str) -> str:
    return line if len(line) <= LINE_OCTETS_MAX else line[: LINE_OCTETS_MAX - 1] + "…"
