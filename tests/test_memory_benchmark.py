"""The players of benchmarks/memory.py: what they remember, and that they see no more."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SPEC = importlib.util.spec_from_file_location(
    "memory", Path(__file__).parents[1] / "benchmarks" / "memory.py"
)
memory = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(memory)

SMALL = "gym_cards/MemorySmall-v0"


@pytest.mark.parametrize(
    ("pictures", "chosen"),
    [
        # A partner that was seen, a pair that was seen, and a partner that is not remembered.
        ([["HQ", "S2", "?", "?"], ["?", "?", "DQ", "?"]], {0}),
        ([["HQ", "S2", "?", "?"], ["?", "?", "DQ", "C2"]], {0}),
        ([["?", "?", "DQ", "?"]], {0, 1, 3}),
        # A pair that leaves is not looked for again.
        ([["HQ", "?", "DQ", "?"]], {1, 3}),
        ([["HQ", "S2", "?", "?"], ["HQ", "S2", "?", "?"]], {2, 3}),
    ],
)
def test_players_use_what_they_remember(pictures, chosen):
    rng = np.random.default_rng(0)
    assert {memory.remembering(pictures, 2, rng) for _ in range(40)} == chosen


def test_all_earlier_pictures_are_enough_and_none_are_not():
    assert memory.wins(SMALL, memory.remembering, 13, 60) == 60
    assert memory.wins(SMALL, memory.remembering, 0, 60) < 20


def test_the_plan_tries_one_card_with_all_others():
    """Every turn has another partner for the first card on the table, until it is found."""
    partners = set()
    for misses in range(7, 0, -1):
        first = memory.sweeping([["?"] * 8], misses, None)
        shown = ["HA" if place == first else "?" for place in range(8)]
        assert memory.sweeping([shown], misses, None) == 0
        partners.add(first)
    assert partners == set(range(1, 8))


def test_the_table(capsys):
    memory.main(["--env", SMALL, "--episodes", "5", "--lengths", "13"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "| earlier pictures | success [95%] |"
    assert printed[-1] == "| 13 | 100.0% [56.6, 100.0] |"
