"""Every scenario goes as it is written, and costs no more than it says."""

import pytest

from tests.resolver.scenario import elsewhere, table
from tests.resolver.scenario.player import Player
from tests.resolver.scenario.script import SCENARIOS, read

PLACES = sorted(SCENARIOS.glob("*.scenario"))
MEASURED = {}
"""What was measured, by scenario; the table's test plays what was not played before it."""


def measured_in(name):
    if name not in MEASURED:
        script = read(SCENARIOS / f"{name}.scenario")
        MEASURED[name] = script, Player(script).play()
    return MEASURED[name]


@pytest.mark.parametrize("name", [place.stem for place in PLACES])
def test_the_dialog_goes_as_it_is_written_and_costs_no_more_than_its_limits(name):
    script, measured = measured_in(name)
    for limit in table.measures_of(script):
        cost = measured[limit.measure]
        assert cost <= limit.most, f"{limit.measure}: {cost} is more than {limit.most}"


def test_every_attack_has_a_limit():
    for place in PLACES:
        script = read(place)
        assert bool(script.attack) == bool(script.limits), f"{place.name}: attack without limit"


def test_a_limit_that_no_scenario_shows_has_a_test():
    assert not elsewhere.missing(), "no test has that name: was it called another?"


def test_the_table_of_attacks_is_what_the_scenarios_measure():
    names = [place.stem for place in PLACES if read(place).attack]
    wanted = table.compose([measured_in(name) for name in names]).splitlines()
    committed = table.PLACE.read_text(encoding="utf-8").splitlines()
    advice = "run `python -m tests.resolver.scenario` and look at what changed"
    assert len(committed) == len(wanted), advice
    for line, wanted_line in zip(committed, wanted, strict=True):
        measured, wanted_measured = table.measured_in(line), table.measured_in(wanted_line)
        assert table.without_measured(line) == table.without_measured(wanted_line), advice
        # A query more or less is no news; what grows by more than a few is.
        leeway = max(3.0, wanted_measured / 10)
        assert abs(measured - wanted_measured) <= leeway, f"{advice}: {line}"
