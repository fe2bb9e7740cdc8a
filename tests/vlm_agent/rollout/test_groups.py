import gymnasium as gym
import numpy as np
import pytest

from tests.support.counting import Counting, Scripted
from vlm_agent.core.errors import ProtocolError
from vlm_agent.core.seeding import training_seeds
from vlm_agent.core.types import Reply
from vlm_agent.rollout.advantages import anchor
from vlm_agent.rollout.groups import GroupCollector


class Random:
    """Replies to a batch; moves at random."""

    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.asked = 0

    def act(self, observations, draws):
        self.asked += len(observations)
        moves = self.rng.integers(2, size=len(observations)).tolist()
        return [Reply("", move, (1,), 0, (-1.0,)) for move in moves]


@pytest.mark.parametrize(("num_envs", "group_size"), [(4, 2), (3, 4)])
def test_whole_groups_start_from_the_same_state(num_envs, group_size):
    collector = GroupCollector("gym_cards/NumberLine-v0", num_envs, group_size, seed=1)
    policy = Random()
    starts = []
    for _ in range(2):
        rollout = collector.collect(policy, 5)
        numbers = [segment.group for segment in rollout.segments]
        assert all(numbers.count(group) == group_size for group in numbers)
        for group in dict.fromkeys(numbers):
            first = {
                anchor(rollout.observations[segment.steps[0]])
                for segment in rollout.segments
                if segment.group == group
            }
            assert len(first) == 1
            starts.append(first.pop())
        steps = len(rollout)
        assert steps >= 5 * num_envs
        assert policy.asked == steps, "no reply that nobody needs"
        policy.asked = 0
        assert rollout.logged_metrics()["rollout/episodes"] == len(rollout.segments)
    assert len(set(starts)) > 1, "groups differ"


class Alike(Counting):
    """Every episode starts with the same number."""

    def reset(self, *, seed=None, options=None):
        self.shown = 0
        return super().reset(seed=seed)


def test_a_group_that_does_not_start_alike_is_refused():
    with pytest.raises(ProtocolError, match=r"Counting.*same seed.*self\.np_random"):
        GroupCollector(Counting, 1, 2).collect(Scripted([1] * 4), 1)
    rollout = GroupCollector(Alike, 1, 2).collect(Scripted([1] * 4), 2)
    assert [segment.group for segment in rollout.segments] == [0, 0]


def test_moves_of_illegal_replies_have_nothing_to_do_with_seeds():
    drawn = GroupCollector(Alike, 1, 2, seed=3)._draws(0, 0).integers(1 << 62)
    assert drawn << 1 != next(training_seeds(3))


def test_rewards_are_penalised_and_returns_are_not():
    collector = GroupCollector(
        lambda: gym.wrappers.TimeLimit(Alike(), 2), 1, 2, illegal_penalty=0.5
    )
    rollout = collector.collect(Scripted([None] * 4), 1)
    assert rollout.rewards.tolist() == [1.0] * len(rollout)
    assert rollout.training_rewards.tolist() == [0.5] * len(rollout)
    metrics = rollout.logged_metrics()
    assert metrics["rollout/mean_return"] == len(rollout) / 2
    assert metrics["rollout/illegal_rate"] == 1.0


def test_memory_and_corrections():
    collector = GroupCollector("gym_cards/NumberLine-v0", 2, 2, history_length=1, correct=True)
    rollout = collector.collect(Random(), 4)
    assert len(rollout.corrections) == len(rollout)
    for segment in rollout.segments:
        lengths = [len(rollout.observations[step].history) for step in segment.steps]
        assert lengths == [0] + [1] * (len(lengths) - 1)
    with pytest.raises(ProtocolError, match="imitation_coef"):
        GroupCollector(Counting, 2, 2, correct=True)


def test_seeds_of_groups_are_training_seeds():
    seeds = training_seeds(3)
    drawn = [next(seeds) for _ in range(100)]
    assert all(seed % 2 == 0 and seed >= 0 for seed in drawn)
    assert len(set(drawn)) == 100
    assert next(training_seeds(3)) == drawn[0]
