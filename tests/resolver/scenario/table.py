"""The table of attacks: each class, what it may cost, and the most that its scenario measured.

`python -m tests.resolver.scenario` writes it; a test compares it with what is measured.
"""

from pathlib import Path

from dns_node.resolver.settings import Limits
from tests.resolver.scenario.elsewhere import ELSEWHERE
from tests.resolver.scenario.script import Limit, Script

PLACE = Path(__file__).resolve().parents[3] / "docs" / "resolver-limits.md"

HEAD = """# Attacks on the resolver: limits, and what was measured

This file is written by `python -m tests.resolver.scenario`, and a test compares it with what the
scenarios measure (a few more or less are no news). Each line is one limit of one class of attack:
the most that one client question may cost, the setting that bounds it (a key of `limits`; none
where the bound is fixed or follows from others), and the most that a client question of the
scenario cost. The scenarios are in `tests/scenarios`, [their language](scenarios.md) can be read
without a manual.

*queries*: sent to servers. *octets*: in replies. *seconds*: to the reply. *checks*: of signatures.
*hashes*: rounds of NSEC3 hashes. *restarts*: under another name. *queries-to-ADDRESS*: sent to a
victim.

| attack | measure | limit | setting | measured | scenario |
|---|---|---|---|---|---|
"""

MORE = """
## Limits beside those of one question

| attack | limit | test |
|---|---|---|
"""


def measures_of(script: Script) -> list[Limit]:
    """Return the limits of a script; one that names a setting has that setting's default."""
    for limit in script.limits:
        if limit.setting:
            default = getattr(Limits(), limit.setting)
            assert limit.most == default, (
                f"{script.name}: {limit.setting} is {default}, and the scenario says {limit.most}"
            )
    return script.limits


def compose(results: list[tuple[Script, dict[str, float]]]) -> str:
    """Return the document from the scripts and what was measured."""
    lines = []
    for script, measured in sorted(results, key=lambda result: result[0].attack.lower()):
        for number, limit in enumerate(measures_of(script)):
            attack = script.attack if not number else ""
            setting = f"`{limit.setting}`" if limit.setting else ""
            scenario = f"[{script.name}](../tests/scenarios/{script.name}.scenario)"
            lines.append(
                f"| {attack} | {limit.measure} | {_number(limit.most)} | {setting} "
                f"| {_number(measured[limit.measure])} | {scenario if not number else ''} |"
            )
    rows = [f"| {attack} | {limit} | `{name}` |" for attack, limit, name in ELSEWHERE]
    return HEAD + "\n".join(lines) + "\n" + MORE + "\n".join(rows) + "\n"


def measured_in(line: str) -> float:
    """Return what a line of the document says was measured, 0 where it is no line of the table."""
    columns = line.split("|")
    return float(columns[5].replace(",", "")) if _is_row(columns) else 0.0


def without_measured(line: str) -> str:
    """Return a line of the document without what was measured."""
    columns = line.split("|")
    return "|".join(columns[:5] + columns[6:]) if _is_row(columns) else line


def _is_row(columns: list[str]) -> bool:
    return len(columns) == 8 and columns[5].strip()[:1].isdigit()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.1f}"
