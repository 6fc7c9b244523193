"""Write docs/resolver-limits.md from what the scenarios measure."""

from tests.resolver.scenario import table
from tests.resolver.scenario.player import Player
from tests.resolver.scenario.script import SCENARIOS, read

scripts = [read(path) for path in sorted(SCENARIOS.glob("*.scenario"))]
played = [(script, Player(script).play()) for script in scripts if script.attack]
table.PLACE.write_text(table.compose(played), encoding="utf-8")
print(f"wrote {table.PLACE}: {len(played)} scenarios")
