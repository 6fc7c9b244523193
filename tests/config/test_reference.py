"""The documentation of the keys is complete and up to date."""

import dataclasses
import re
from pathlib import Path

from dns_node.config import reference, schema

ROOT = Path(__file__).resolve().parents[2]


def test_docs_configuration_holds_the_reference_as_the_schema_has_it():
    document = (ROOT / "docs" / "configuration.md").read_text()
    assert reference.with_reference(document) == document, (
        "docs/configuration.md is older than the schema; "
        "run `python -m dns_node.config.reference`."
    )


def keys():
    """Yield (section, field) of every key."""
    for section in vars(schema).values():
        if dataclasses.is_dataclass(section) and section.__module__ == schema.__name__:
            for field in dataclasses.fields(section):
                if field.metadata:
                    yield section, field


def test_every_key_is_read_by_something():
    sources = [path.read_text() for path in (ROOT / "dns_node").rglob("*.py")
               if path.name not in ("schema.py", "consistency.py")]  # fmt: skip
    text = "\n".join(sources)
    unread = [f"{section.__name__}.{field.name}" for section, field in keys()
              if not re.search(rf"\.{field.name}\b", text)]  # fmt: skip
    assert not unread, f"{unread}: nothing reads these keys; obey them or remove them."


def test_every_key_of_every_section_is_in_the_reference():
    made = reference.compose_reference()
    for section, field in keys():
        assert f"{field.name}`" in made, f"{section.__name__}.{field.name} is undocumented"
        assert field.metadata["document"].endswith("."), field.name
