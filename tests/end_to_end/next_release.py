"""A release after this one, made of a copy of it: schema 2, with one operation more.

Each edit must fit exactly once, so that a change of this release that the recipe for the next one
(docs/operations.md, "Making a new schema") does not know of is noticed.
"""

import shutil
from pathlib import Path

from dns_node.store.layout import OLDEST_SCHEMA, STORE_SCHEMA

from .cluster import ROOT

NEXT_SCHEMA = STORE_SCHEMA + 1

EDITS = {
    "__init__.py": [('__version__ = "', '__version__ = "next-')],
    "store/layout.py": [
        (f"\nSTORE_SCHEMA = {STORE_SCHEMA}\n", f"\nSTORE_SCHEMA = {NEXT_SCHEMA}\n"),
        (f"\nOLDEST_SCHEMA = {OLDEST_SCHEMA}\n", f"\nOLDEST_SCHEMA = {STORE_SCHEMA}\n"),
    ],
    "cluster/command.py": [
        (
            "Operation = (\n",
            'class RenameKey(msgspec.Struct, frozen=True, array_like=True, tag="ren"):\n'
            "    key: str\n"
            "    to: str\n\n\n"
            "Operation = (\n",
        ),
        ("| PutKey | DeleteKey\n", "| PutKey | DeleteKey | RenameKey\n"),
        ("SINCE: dict[type, int] = {}", f"SINCE: dict[type, int] = {{RenameKey: {NEXT_SCHEMA}}}"),
    ],
    "cluster/state_machine.py": [
        ("    Refused,\n", "    Refused,\n    RenameKey,\n"),
        (
            "        case StageSlice():\n",
            "        case RenameKey(key, to):\n"
            "            value = draft.view.value(key)\n"
            "            if value is None:\n"
            '                draft.refuse(f"there is no key {key}")\n'
            "                return\n"
            "            _set_key(draft, key, None)\n"
            "            _set_key(draft, to, value)\n"
            "        case StageSlice():\n",
        ),
    ],
    "control/requests.py": [
        ("import DeleteKey, PutKey\n", "import DeleteKey, PutKey, RenameKey\n"),
        (
            '    if verb in ("GET", "DEL"):\n',
            '    if verb == "RENAME":\n'
            "        key, to = rest.split()\n"
            '        return Change(RenameKey(key, to), f"key {key}")\n'
            '    if verb in ("GET", "DEL"):\n',
        ),
    ],
}


def make_next_release(folder: Path) -> Path:
    """Copy the package into *folder* as the next release; return what goes before it in
    PYTHONPATH."""
    root = folder / "next"
    shutil.copytree(
        ROOT / "dns_node", root / "dns_node", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name, edits in EDITS.items():
        file = root / "dns_node" / name
        text = file.read_text()
        for old, new in edits:
            assert text.count(old) == 1, f"{name} holds {text.count(old)} times: {old}"
            text = text.replace(old, new)
        file.write_text(text)
    return root
