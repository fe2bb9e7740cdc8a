import dataclasses

import numpy as np
import pytest

from tests.support.updates import NUMBER_LINE, config, update
from vlm_agent.config.training.environments import EnvSpec
from vlm_agent.core.types import Observation, Reply, Task
from vlm_agent.distributed.processes import Processes
from vlm_agent.rollout.buffer import EpisodeSegment, Rollout
from vlm_agent.training.algorithms import ALGORITHMS, Algorithm, find_algorithm
from vlm_agent.training.losses import Losses, reply_log_probs
from vlm_agent.training.ppo import PPO
from vlm_agent.training.ppo_config import _ALWAYS_USED, _DEFAULTS, PPOConfig
from vlm_agent.training.ppo_trainer import make_collector


def options(**changes):
    return PPOConfig("", "", "", **changes)


def played(*episodes):
    """A rollout of episodes: for each its group, and the state and reward of every step."""
    segments, states, rewards = [], [], []
    for env_id, (group, steps) in enumerate(episodes):
        start = len(states)
        states += [state for state, _ in steps]
        rewards += [reward for _, reward in steps]
        indices = list(range(start, len(states)))
        segments.append(EpisodeSegment(env_id, indices, done=True, group=group))
    pictures = [np.full((2, 2, 3), state, np.uint8) for state in states]
    zeros = np.zeros(len(states))
    return Rollout(
        observations=[Observation(each, Task("", ("a",)), ("a",)) for each in pictures],
        replies=[Reply("", 0, (1,), 0, (-1.0,))] * len(states),
        actions=[0] * len(states),
        rewards=np.array(rewards, dtype=float),
        penalties=zeros,
        values=zeros,
        segments=segments,
    )


def advantages(rollout, **changes):
    settings = options(**changes)
    return find_algorithm(settings.algorithm).advantages(rollout, settings)


def meeting():
    """Two episodes of one group that meet in the state 1, and one of another group."""
    return played((0, [(0, 0.0), (1, 4.0)]), (0, [(0, 0.0), (1, 0.0), (2, 2.0)]), (1, [(1, 8.0)]))


def test_every_step_has_the_advantage_of_its_episode_by_hand():
    # Returns 4 and 2 in group 0, so 1 above and below their mean.
    found = advantages(meeting(), algorithm="grpo", normalise_advantages=False)
    assert found.tolist() == [1, 1, -1, -1, -1, 0]


def test_steps_in_the_same_state_are_compared_by_hand():
    # γ = 1/2. What follows: 2, 4 | 0.5, 1, 2 | 8. State 0: 2 and 0.5, mean 1.25. State 1: 4 and 1,
    # mean 2.5, in which the other group's 8 has no part. State 2 was met once. ω = 1.
    of_steps = [0.75, 1.5, -0.75, -1.5, 0, 0]
    found = advantages(meeting(), algorithm="gigpo", gamma=0.5, normalise_advantages=False)
    assert found.tolist() == [a + b for a, b in zip([1, 1, -1, -1, -1, 0], of_steps, strict=True)]


def test_both_advantages_together_by_hand():
    rollout = played((0, [(0, 1.0), (1, 2.0)]), (0, [(0, 1.0), (1, 0.0)]))
    # Returns 3 and 1, mean 2. What follows: 1 + 2/2 and 1 in the first state, 2 and 0 in the
    # second: ±0.5 and ±1.
    given = {"algorithm": "gigpo", "gamma": 0.5}
    plain = advantages(rollout, **given, step_advantage_coef=10.0, normalise_advantages=False)
    assert plain.tolist() == [6.0, 11.0, -6.0, -11.0]
    scaled = advantages(rollout, **given, step_advantage_coef=0.0)
    assert scaled.tolist() == pytest.approx([0.5**0.5] * 2 + [-(0.5**0.5)] * 2, abs=1e-5)


def test_segments_of_an_episode_are_bootstrapped_by_hand():
    rollout = played((None, [(0, 0.0), (1, 3.0)]), (None, [(2, 1.0)]))
    rollout.values = np.array([1.0, 2.0, 8.0])
    rollout.segments[1].bootstrap_value = 4.0
    # δ = (0 + 0.5·2 - 1, 3 - 2) = (0, 1), and 1 + 0.5·4 - 8 = -5 in the other.
    found = advantages(rollout, gamma=0.5, gae_lambda=0.5)
    assert found.tolist() == [0.25, 1.0, -5.0]


def test_penalties_are_learned_from():
    rollout = played((0, [(0, 1.0)]), (0, [(0, 1.0)]))
    rollout.penalties = np.array([0.0, 1.0])
    found = advantages(rollout, algorithm="grpo", normalise_advantages=False)
    assert found.tolist() == [0.5, -0.5]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_sets_what_its_paper_sets(name):
    algorithm, settings = find_algorithm(name), options(algorithm=name)
    for option, value in algorithm.preset.items():
        assert getattr(settings, option) == value
        assert option in {field.name for field in dataclasses.fields(PPOConfig)}
    assert settings.has_critic == algorithm.has_critic
    for option in algorithm.unused:
        assert getattr(settings, option) is None
        with pytest.raises(ValueError, match=rf"{option}=1 with algorithm='{name}'.*does not use"):
            options(algorithm=name, **{option: 1})
    # A configuration that was made can be changed, and made again.
    assert dataclasses.replace(settings, seed=1).gamma == settings.gamma


def test_what_is_given_goes_before_what_the_paper_sets():
    assert options(algorithm="gigpo", gamma=0.5, kl_coef=0.0).gamma == 0.5
    assert options(algorithm="gigpo").gamma == 0.95
    assert options(algorithm="grpo").objective == "token"
    assert options(algorithm="grpo", thought_coef=0.5).thought_coef == 0.5


class Own(Algorithm):
    name = "own"

    def advantages(self, rollout, config):
        return rollout.training_rewards


def test_an_algorithm_of_ones_own_is_named_by_its_module():
    settings = options(algorithm=f"{__name__}:Own")
    assert isinstance(find_algorithm(settings.algorithm), Own)
    assert not settings.has_critic


class Plain(Own):
    """Uses no option that an algorithm can leave unused; critic and λ = 1 are built in."""

    unused = frozenset(_DEFAULTS) - _ALWAYS_USED
    has_critic = True

    def loss(self, scores, batch, config, *, value_only=False):
        assert not value_only
        log_probs, _ = reply_log_probs(scores.log_probs, scores.mask, batch.action_tokens, config)
        total = -(log_probs.sum(dim=1) * batch.advantages).mean() + scores.values.square().mean()
        return Losses(total, {"policy_loss": total})


def test_an_algorithm_may_have_no_use_for_any_of_its_options(make_policy, tmp_path):
    settings = config(tmp_path, env=NUMBER_LINE, algorithm=f"{__name__}:Plain")
    assert settings.kl_coef is None
    policy = make_policy(max_new_tokens=8)
    trainer = PPO(policy, settings, total_steps=24)
    collector = make_collector(settings, policy, [EnvSpec(settings.env)], Processes())
    metrics = update(trainer, trainer.collect(collector))
    assert metrics["train/optimizer_steps"] == 4


class Still(Own):
    unused = frozenset({"learning_rate"})


def test_what_every_update_reads_cannot_be_unused():
    with pytest.raises(ValueError, match="sets or refuses learning_rate"):
        options(algorithm=f"{__name__}:Still")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("trpo", "expected one of ppo, vl-dac, grpo, gigpo, gtr, or MODULE:CLASS"),
        ("no_such_module:Own", "No module named 'no_such_module'"),
        (f"{__name__}:Missing", "has no attribute 'Missing'"),
        ("json:dumps", "is <function dumps"),
    ],
)
def test_unknown_algorithms_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        options(algorithm=name)
