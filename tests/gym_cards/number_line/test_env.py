from collections import Counter
from itertools import product

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

import gym_cards  # noqa: F401
from gym_cards.number_line.env import deal, move, reward


class FixedDraws:
    """Stands for a generator: `integers` returns what it is told to."""

    def __init__(self, *draws):
        self.draws = list(draws)

    def integers(self, high):
        draw = self.draws.pop(0)
        assert 0 <= draw < high
        return draw


def make(**kwargs):
    return gym.make("gym_cards/NumberLine-v0", **kwargs)


@pytest.mark.parametrize("max_position", [2, 3, 5, 9])
def test_every_pair_of_draws_is_dealt_as_published(max_position):
    for target, current in product(range(max_position + 1), repeat=2):
        dealt = deal(FixedDraws(target, current), max_position)
        if target == current:
            assert dealt == ((target + 1) % max_position, current)
        else:
            assert dealt == (target, current)
        assert dealt[0] != dealt[1]


def test_deals_have_the_exact_distribution():
    rng = np.random.default_rng(0)
    counts = Counter(deal(rng, 5) for _ in range(36_000))
    expected = Counter(
        deal(FixedDraws(target, current), 5) for target, current in product(range(6), repeat=2)
    )
    assert counts.keys() == expected.keys()
    # A chi-square test, 29 degrees of freedom: the 99.9% quantile is 58.3.
    statistic = sum(
        (counts[pair] - 1000 * share) ** 2 / (1000 * share) for pair, share in expected.items()
    )
    assert statistic < 58.3


def test_the_ends_of_the_line_hold():
    assert [move(0, 0, 5), move(0, 1, 5), move(5, 1, 5), move(5, 0, 5)] == [0, 1, 5, 4]


def test_rewards():
    assert reward(target=3, before=2, after=3) == 1
    assert reward(target=3, before=1, after=2) == 0
    assert reward(target=3, before=2, after=1) == -1
    assert reward(target=3, before=0, after=0) == -1


@pytest.mark.parametrize("max_position", [2, 5, 40])
def test_truncates_itself_after_twice_max_position(max_position):
    env = make(max_position=max_position)
    env.reset(options={"target": max_position, "current": 0})
    steps = [env.step(0) for _ in range(2 * max_position)]
    assert [step[3] for step in steps] == [False] * (2 * max_position - 1) + [True]
    assert not any(step[2] for step in steps)


def test_reaching_the_target_on_the_last_step_terminates():
    env = make(max_position=2)
    env.reset(options={"target": 1, "current": 0})
    steps = [env.step(action) for action in (0, 0, 0, 1)]
    assert steps[-1][1:4] == (1.0, True, False)
    assert steps[-1][4]["is_success"] is False  # 1 - 3 is not above 0


@pytest.mark.parametrize("max_position", [2, 5, 12])
def test_the_expert_always_wins(max_position):
    env = make(max_position=max_position)
    for target, current in product(range(max_position + 1), repeat=2):
        if target == current:
            continue
        _, info = env.reset(options={"target": target, "current": current})
        length, ended = 0, False
        while not ended:
            action, reason = env.get_wrapper_attr("expert")()
            assert reason.startswith(f"current {info['Current']}, target {target}, ")
            _, _, ended, truncated, info = env.step(action)
            assert not truncated
            length += 1
        assert info["is_success"]
        assert length == abs(target - current)


def test_explanations_state_the_readings_then_the_move():
    env = make()
    env.reset(options={"target": 4, "current": 2})
    explain = env.get_wrapper_attr("explain")
    assert explain(0) == "current 2, target 4, so I subtract 1"
    assert explain(1) == "current 2, target 4, so I add 1"
    assert env.get_wrapper_attr("expert")() == (1, explain(1))


def test_the_description_tells_the_range():
    assert "between 0 and 9" in make(max_position=9).get_wrapper_attr("task_description")


@pytest.mark.parametrize("max_position", [1, 0, -3, 2.5, "5", None, True])
def test_bad_max_position(max_position):
    with pytest.raises(ValueError, match=r"max_position=.*at least 2"):
        make(max_position=max_position)


@pytest.mark.parametrize(
    "options",
    [
        {"target": 3},
        {"target": 3, "current": 1, "extra": 0},
        {"goal": 3},
        {"target": 3, "current": 3},
        {"target": 6, "current": 3},
        {"target": 3, "current": -1},
        {"target": 3, "current": 1.5},
        {"target": "3", "current": 1},
    ],
)
def test_impossible_options(options):
    with pytest.raises(ValueError, match="expected"):
        make().reset(options=options)


@pytest.mark.parametrize("action", [2, -1, 0.5, "+", None, np.array([0, 1])])
def test_bad_actions(action):
    env = make().unwrapped
    env.reset(seed=0)
    with pytest.raises(ValueError, match="is not an action"):
        env.step(action)


def test_a_step_needs_a_running_episode():
    env = make().unwrapped
    with pytest.raises(ResetNeeded):
        env.step(0)
    env.reset(options={"target": 1, "current": 0})
    env.step(1)
    with pytest.raises(ResetNeeded):
        env.step(1)


def test_a_bad_render_mode():
    with pytest.raises(ValueError, match="expected None or one of human, rgb_array"):
        make().unwrapped.__class__(render_mode="ansi")
