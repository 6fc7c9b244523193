"""Which seed or script fails when a rule is switched off: the table of docs/simulation.md."""

import contextlib
import re
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.simulation.cluster import Cluster
from tests.simulation.mutations import MUTATIONS, Mutation
from tests.simulation.scripted import SCRIPTED
from tests.simulation.seeds import run_seed, world

BEGIN, END = "<!-- the table begins -->", "<!-- the table ends -->"
SEARCHED_BESIDE = 60
"""How many seeds are tried when a script fails without the rule anyway."""
SEARCHED_AGAIN = 100
"""How many seeds are tried when the one in the table does not kill any more."""


def by_name(name: str) -> Mutation:
    """Return the mutation of that name."""
    return next(mutation for mutation in MUTATIONS if mutation.name == name)


def run_script(mutation: Mutation, is_on: bool) -> str:
    """Return how the script of *mutation* fails, '' when it does not; *is_on*: with the rule."""
    switch = contextlib.nullcontext() if is_on else mutation.switch()
    with switch, world() as directory:
        try:
            SCRIPTED[mutation.name](lambda size, **options: Cluster(directory, size, **options))
        except Exception as error:
            return first_line(str(error) or repr(error))
    return ""


def run_mutated(name: str, seed: int) -> str:
    """Return how *seed* fails without the rule *name*, '' when it does not."""
    try:
        with by_name(name).switch():
            return first_line(run_seed(seed).violation)
    except Exception as error:
        return first_line("".join(traceback.format_exception_only(error)))


def first_line(text: str) -> str:
    """Return what a violation says, without the state of the nodes below it."""
    lines = text.strip().splitlines()
    if not lines:
        return ""
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def find_seed(name: str, seeds: int) -> tuple[int, str]:
    """Return the first of *seeds* seeds that fails without the rule, and how; (0, '') if none."""
    for seed in range(1, seeds + 1):
        how = run_mutated(name, seed)
        if how:
            return seed, how
    return 0, ""


def describe(name: str, seeds: int) -> str:
    """Return the row of the table."""
    mutation = by_name(name)
    is_scripted = mutation.name in SCRIPTED
    seed, how = find_seed(name, min(seeds, SEARCHED_BESIDE) if is_scripted else seeds)
    script = ""
    if is_scripted:
        assert not run_script(mutation, is_on=True), f"{mutation.name}: the script fails by itself"
        killed = run_script(mutation, is_on=False)
        assert killed, f"{mutation.name}: its script does not fail"
        script = f"`{SCRIPTED[mutation.name].__name__}`"
        how = how or killed
    if not seed and not script:
        script = f"no run; {mutation.unit_test}" if mutation.unit_test else "NOTHING"
    how = re.sub(r"/\S*/dns-node-simulation-[^/]+", "…", re.sub(r"\s+", " ", how))
    how = how.replace("|", "/")[:110]
    return f"| {mutation.name} | {mutation.rule} | {seed or '–'} | {script or '–'} | {how or '–'} |"


def write_table(document: Path, seeds: int) -> int:
    """Write the table into *document*; return how many rules nothing depends on."""
    with ProcessPoolExecutor(2) as pool:
        rows = []
        names = [mutation.name for mutation in MUTATIONS]
        for row in pool.map(describe, names, [seeds] * len(names)):
            print(row, flush=True)
            rows.append(row)
    head = [
        f"Searched: seeds 1 to {seeds}, or fewer ({SEARCHED_BESIDE} at most) where there is a "
        "script.",
        "",
        "| rule | what it says | first seed that fails without it | script | how it fails |",
        "|---|---|---|---|---|",
    ]
    text = document.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    table = "\n".join([BEGIN, *head, *rows, END])
    document.write_text(before + table + after, encoding="utf-8")
    return sum("NOTHING" in row for row in rows)


def check_table(document: Path) -> list[str]:
    """Return what is wrong with the table: a rule that is not in it or that nothing needs now."""
    known: dict[str, int] = {}
    for line in document.read_text(encoding="utf-8").split(BEGIN)[1].splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 4:
            known[cells[1]] = int(cells[3]) if cells[3].isdigit() else 0
    names = [mutation.name for mutation in MUTATIONS]
    with ProcessPoolExecutor(2) as pool:
        return [problem for problem in pool.map(check_row, names, map(known.get, names)) if problem]


def check_row(name: str, seed: int | None) -> str:
    """Return what is wrong with the row of the rule *name*, which names *seed* (0: none; None:
    there is no row); '' when nothing is."""
    mutation = by_name(name)
    if seed is None:
        return f"{name} is not in the table"
    if name in SCRIPTED:
        is_right = not run_script(mutation, is_on=True) and run_script(mutation, is_on=False)
        return "" if is_right else f"{name}: its script says nothing"
    if not seed:
        return "" if mutation.unit_test else f"{name}: nothing fails without it"
    if run_mutated(name, seed) or find_seed(name, SEARCHED_AGAIN)[0]:
        return ""
    return f"{name}: no seed fails without it"
