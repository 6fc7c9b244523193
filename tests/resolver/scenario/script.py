"""The language of scenarios: text to statements.  Nothing is played here.

A line that begins at the margin is a statement; indented lines below it belong to it.
"""

from dataclasses import dataclass, field
from pathlib import Path

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"


class ScriptError(Exception):
    """A line that cannot be read; the text names file, line and what was expected."""


@dataclass(frozen=True)
class Statement:
    """One statement: its first word, the other words, the text behind the last colon that ends
    its head (for `server`), and the lines below it."""

    line: int
    verb: str
    words: tuple[str, ...]
    tail: str = ""
    block: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limit:
    """What an attack may cost: *measure* is what the player counts, *setting* the key of `Limits`
    that bounds it ('' where the bound is fixed)."""

    measure: str
    most: float
    setting: str = ""


@dataclass
class Script:
    """A scenario: its first comment says what it shows; *attack* is the class that it stands for
    (part of the table of limits), '' for everyday behaviour."""

    name: str
    title: str
    attack: str = ""
    limits: list[Limit] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)


VERBS = {
    "set", "local", "upstream", "route", "nta", "zone", "server", "heal", "client>", "client<",
    "refresh>", "flood", "asks", "queries", "why", "wait",
}  # fmt: skip


def read(path: Path) -> Script:
    """Return the scenario in the file; raises ScriptError."""
    return parse(path.stem, path.read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Script:
    """Return the scenario that *text* holds; raises ScriptError."""
    lines = text.splitlines()
    title = []
    for line in lines:
        if not line.startswith("#"):
            break
        title.append(line.lstrip("# ").strip())
    if not title:
        raise ScriptError(f"{name}:1: begin with a comment that says what the scenario shows")
    script = Script(name, " ".join(title))
    block: list[str] = []
    head: tuple[int, str] | None = None
    for number, line in [*enumerate(lines, 1), (len(lines) + 1, "end")]:
        bare = _without_comment(line)
        if not bare:
            continue
        if bare[0].isspace():
            if head is None:
                raise ScriptError(f"{name}:{number}: an indented line belongs to no statement")
            block.append(bare.strip())
            continue
        if head is not None:
            _take(script, head[0], head[1], tuple(block))
        head, block = (number, bare), []
    return script


def _without_comment(line: str) -> str:
    place = 0 if line.startswith("#") else line.find(" #")
    return (line if place < 0 else line[:place]).rstrip()


def _take(script: Script, number: int, text: str, block: tuple[str, ...]) -> None:
    verb, _, rest = text.partition(" ")
    rest = rest.strip()
    where = f"{script.name}:{number}"
    if verb == "attack":
        script.attack = rest
    elif verb == "limit":
        words = rest.split()
        if len(words) not in (2, 3):
            raise ScriptError(f"{where}: write limit MEASURE NUMBER [SETTING]")
        script.limits.append(Limit(words[0], float(words[1]), words[2] if words[2:] else ""))
    elif verb in VERBS:
        tail = ""
        if verb == "server":
            rest, colon, tail = rest.partition(": ") if ": " in rest else (rest, "", "")
            rest = rest.removesuffix(":")
        script.statements.append(Statement(number, verb, tuple(rest.split()), tail.strip(), block))
    else:
        raise ScriptError(f"{where}: {verb} is no statement; there are {', '.join(sorted(VERBS))}")
