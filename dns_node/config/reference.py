"""The reference of all keys, as Markdown, made from the schema.

``python -m dns_node.config.reference`` writes it into ``docs/configuration.md``, between the
markers; a test says when that is due.
"""

import dataclasses
import json
import re
import sys
from collections.abc import Iterator

from dns_node.config import links, protection, recursion, recursion_policy, schema
from dns_node.config.shape import REQUIRED

BEGIN = "<!-- made from dns_node/config/schema.py -->"
END = "<!-- end of what is made -->"

_SECTIONS: tuple[tuple[str, str, type], ...] = (
    ("Top level", "", schema.General),
    ("`nodes`", "nodes.ID.", schema.NodeEntry),
    ("`zone_files`: one file", "zone_files.N.", schema.ZoneFile),
    ("`auto_zones`", "auto_zones.", schema.AutoZones),
    ("`access`", "access.", schema.Access),
    ("`limits`", "limits.", schema.Limits),
    ("`rate_limit`", "rate_limit.", protection.RateLimit),
    ("`cookies`", "cookies.", protection.Cookies),
    ("`recursion`", "recursion.", recursion.Recursion),
    ("`recursion.routes`: one route", "recursion.routes.N.", recursion.Route),
    ("`recursion.limits`", "recursion.limits.", recursion.QuestionLimits),
    ("`recursion.cache`", "recursion.cache.", recursion.Cache),
    ("`recursion.policy`", "recursion.policy.", recursion_policy.Policy),
    (
        "`recursion.policy.zones`: one zone",
        "recursion.policy.zones.N.",
        recursion_policy.PolicyZone,
    ),
    ("`logging`", "logging.", schema.Logging),
    ("`cluster`", "cluster.", links.Cluster),
    ("`cluster.tls`", "cluster.tls.", links.Tls),
    ("`kv`", "kv.", schema.Kv),
    ("`identity`", "identity.", schema.Identity),
    ("`history`", "history.", schema.History),
)


def compose_reference() -> str:
    """Return the reference: one table per section, one row per key."""
    parts = []
    for title, path, section in _SECTIONS:
        parts += [f"### {title}", "", *_rows(path, section), ""]
    return "\n".join(parts)


def with_reference(document: str) -> str:
    """Return *document* with what stands between the markers made anew; raises ValueError when
    the markers are not there."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if not pattern.search(document):
        raise ValueError(f"no {BEGIN} … {END} in the document")
    made = f"{BEGIN}\n\n{compose_reference()}\n{END}"
    return pattern.sub(lambda _: made, document)


def _rows(path: str, section: type) -> Iterator[str]:
    yield "| key | what | expected | default | reload |"
    yield "|---|---|---|---|---|"
    for field in dataclasses.fields(section):
        about = field.metadata
        default = about["default"]
        shown = "required" if default is REQUIRED else f"`{json.dumps(default)}`"
        reload = "live" if about["is_live"] else "restart"
        if default == {}:
            shown, reload = "see below", "see below"
        cells = f"`{path}{field.name}`", about["document"], about["shape"].expected, shown, reload
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main(path: str = "docs/configuration.md") -> None:
    """Make the reference in *path* anew."""
    with open(path, encoding="utf-8") as file:
        document = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(with_reference(document))


if __name__ == "__main__":
    main(*sys.argv[1:])
