import gymnasium as gym
import numpy as np
import pytest

from vlm_agent.core.environments import make_env
from vlm_agent.core.errors import ProtocolError
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.evaluation.play import play
from vlm_agent.evaluation.regret import regret_of


class Known:
    def __init__(self, *values):
        self.action_values = values


class Offers(gym.Env):
    """Two steps; in the second, the first action is worth 5, and the others 2."""

    task_description, action_names = "Choose.", ("a", "b", "c")
    observation_space = gym.spaces.Box(0, 255, (2, 2, 3), np.uint8)
    action_space = gym.spaces.Discrete(3)

    def _moment(self):
        return np.zeros((2, 2, 3), np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.moves = 0
        return self._moment(), {"is_success": False}

    def step(self, action):
        reward = 0.0 if self.moves == 0 else (5.0, 2.0, 2.0)[action]
        self.moves += 1
        return self._moment(), reward, self.moves == 2, False, {"is_success": reward == 5}

    def exact(self):
        return Known(5.0, 5.0, 5.0) if self.moves == 0 else Known(5.0, 2.0, 2.0)


def test_regret_is_what_the_best_action_is_worth_more():
    """Two steps with regrets 0 and 3: 1.5 per step, 3 per episode."""
    played = evaluate(lambda observation: 1, Offers, episodes=4, regret=True)
    assert played.regret_per_step == 1.5
    assert played.regret_per_episode == 3.0
    assert evaluate(lambda observation: 0, Offers, episodes=4, regret=True).regret_per_step == 0
    unasked = evaluate(lambda observation: 1, Offers, episodes=4)
    assert unasked.regret_per_step is unasked.regret_per_episode is None


@pytest.mark.parametrize("name", ["NumberLine", "EZPoints"])
def test_without_chance_the_regrets_of_an_episode_are_the_return_given_away(name):
    """Regrets telescope to V*(start) − return; illegal replies count with the action played."""
    env_id = f"gym_cards/{name}-v0"
    env, best, lost, returns = make_env(env_id), {}, {}, {}
    rng = np.random.default_rng(0)

    def half_right(observation):
        return [None, 0, int(rng.integers(len(observation.actions)))][int(rng.integers(3))]

    for step in play(half_right, env_id, episodes=12, regret=True):
        if step.index == 0:
            env.reset(seed=step.seed)
            best[step.episode] = max(env.get_wrapper_attr("exact")().action_values)
        lost[step.episode] = lost.get(step.episode, 0.0) + step.regret
        returns[step.episode] = returns.get(step.episode, 0.0) + step.reward
    assert lost == pytest.approx({n: best[n] - returns[n] for n in best})
    assert any(value > 0 for value in lost.values())


def test_in_blackjack_an_expert_regrets_nothing_and_a_hitter_much():
    """Hitting on 20 or more must cost more than the expected result of standing."""
    expert = evaluate("expert", "gym_cards/Blackjack-v0", episodes=40, regret=True)
    hits = evaluate(lambda o: o.actions.index("hit"), "gym_cards/Blackjack-v0", regret=True)
    assert expert.regret_per_episode < 0.02 < 0.3 < hits.regret_per_episode


def test_where_nothing_is_known_the_regret_is_none():
    class Silent(Offers):
        exact = None

        def __getattribute__(self, name):
            if name == "exact":
                raise AttributeError(name)
            return super().__getattribute__(name)

    class Unsure(Offers):
        def exact(self):
            return super().exact() if self.moves == 0 else None

    class Slow(Offers):
        def exact(self):
            raise RuntimeError("six cards take too long")

    for env in (Silent, Unsure):
        assert evaluate("random", env, episodes=2, regret=True).regret_per_step is None
    with pytest.warns(UserWarning, match="is unknown: six cards take too long"):
        assert evaluate("random", Slow, episodes=2, regret=True).regret_per_step is None


def test_a_value_is_expected_for_each_action_and_rounding_is_no_regret():
    class Short(Offers):
        def exact(self):
            return Known(1.0)

    with pytest.raises(ProtocolError, match="plays action 2, but .* has 1 values"):
        evaluate(lambda observation: 2, Short, episodes=1, regret=True)
    env = Offers()
    env.exact = lambda: Known(0.1 + 0.2, 0.3, 0.2)
    assert regret_of(env, 1) == 0.0
    assert regret_of(env, 2) == pytest.approx(0.1)
