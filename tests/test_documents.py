"""What the documents say is so."""

import re
from pathlib import Path

import pytest

from dns_node.control.verbs import VERBS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CONSOLE = (ROOT / "docs" / "console.md").read_text()
CODE_OR_DOCUMENT = re.compile(r"`((?:docs|scripts|metrics|zone-files|tests|deploy)/[\w./@-]+)`")


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: verb.name)
def test_every_verb_is_in_the_console_document_as_its_help_has_it(verb):
    usage = verb.usage.replace("|", "\\|")
    assert f"`{usage}`" in CONSOLE, f"add {verb.usage} to docs/console.md: {verb.summary}"


def test_the_console_document_names_no_verb_that_is_not_there():
    table = CONSOLE.partition("## All verbs")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `([A-Z-]+)", table, re.MULTILINE)
    assert sorted(named) == sorted(VERBS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_and_path_of_a_document_leads_somewhere(document):
    text = document.read_text()
    links = [(document.parent, target) for target in re.findall(r"\]\(([^)#:]+)\)", text)]
    paths = [(ROOT, target) for target in CODE_OR_DOCUMENT.findall(text)]
    missing = [target for folder, target in links + paths if not (folder / target).exists()]
    assert not missing, f"{document.name} names {missing}"


def test_every_module_that_the_architecture_names_exists():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = "config|zone|store|cluster|answer|control|net|supervise"
    named = set(re.findall(rf"`((?:{rooms})/[a-z_/]+)(?:\.py)?`", text))
    missing = [name for name in sorted(named)
               if not (ROOT / "dns_node" / f"{name.rstrip('/')}.py").exists()
               and not (ROOT / "dns_node" / name).is_dir()]  # fmt: skip
    assert not missing, f"ARCHITECTURE.md names {missing}"


def test_the_readme_is_one_screen_before_its_links():
    before_links = (ROOT / "README.md").read_text().partition("## More")[0]
    assert len(before_links.splitlines()) <= 60


def test_the_units_use_options_and_statuses_that_exist():
    from dns_node import __main__ as command_line

    for unit in (ROOT / "deploy").glob("*.service"):
        text = unit.read_text()
        statuses = f"{command_line.EXIT_USAGE} {command_line.EXIT_CONFIGURATION}"
        assert f"RestartPreventExitStatus={statuses}" in text
        assert "Type=notify" in text
