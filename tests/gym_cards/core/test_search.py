"""The search for exact values that games have by default."""

import pytest
from card_games import make

from gym_cards.core.action_values import IntractableError
from gym_cards.core.search import search

GAMMAS = (0.0, 0.5, 0.9, 1.0)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_the_search_finds_what_number_lines_formula_says(gamma):
    env = make("NumberLine", size=64, max_position=3)
    for target, current in ((3, 0), (1, 3), (2, 1)):
        env.reset(options={"target": target, "current": current})
        env.step(0)
        found, known = search(env, gamma), env.exact(gamma)
        assert found.action_values == pytest.approx(known.action_values)
        assert found.success_probability == known.success_probability


def test_the_search_leaves_the_game_alone():
    env = make("EZPoints", size=64)
    env.reset(options={"cards": ["H9", "S3"]})
    for action in (8, 10, 10, 10, 2):
        env.step(action)
    before, picture = env.snapshot(), env._frame()
    assert search(env, 1.0).optimal_actions == (12,)
    assert env.snapshot() == before
    assert (env._frame() == picture).all()


@pytest.mark.parametrize(("game", "told"), [("Blackjack", "random"), ("Points24", "2,000")])
def test_games_that_the_search_cannot_solve(game, told):
    env = make(game, size=64)
    env.reset(seed=0)
    with pytest.raises(IntractableError, match=f"{told}.*define `_exact`"):
        search(env, 1.0)
