import gymnasium as gym
import numpy as np
import pytest

from tests.support.counting import Counting, Scripted
from vlm_agent.core.errors import ProtocolError
from vlm_agent.core.seeding import training_seeds
from vlm_agent.core.types import Observation, Reply, Task
from vlm_agent.rollout.groups import (
    Episode,
    GroupCollector,
    GroupRollout,
    anchor,
    discounted_returns,
    relative_to_group,
)


def shown(number, **changes):
    picture = np.full((2, 2, 3), number, np.uint8)
    return Observation(picture, Task("", ("a", "b")), ("a", "b"), **changes)


def test_values_are_compared_within_their_group_by_hand():
    # Means 2 and 5; deviations √2 and none; a group of one tells nothing.
    values, groups = [1, 3, 5, 5, 9], ["x", "x", "y", "y", "z"]
    assert relative_to_group(values, groups, scale=False).tolist() == [-1, 1, 0, 0, 0]
    scaled = relative_to_group(values, groups, scale=True)
    assert scaled == pytest.approx([-(0.5**0.5), 0.5**0.5, 0, 0, 0], abs=1e-5)


def test_returns_that_follow_by_hand():
    # γ = 1/2: 4, then 2 + 4/2, then 1 + 4/2.
    assert discounted_returns([1, 2, 4], 0.5) == [3.0, 4.0, 4.0]


def rollout():
    """Two episodes of one group, that meet in the state 1, and one of another group."""
    return GroupRollout(
        [
            Episode(0, [shown(0), shown(1)], rewards=[0.0, 4.0]),
            Episode(0, [shown(0), shown(1), shown(2)], rewards=[0.0, 0.0, 2.0]),
            Episode(1, [shown(1)], rewards=[8.0]),
        ]
    )


def test_every_step_of_an_episode_has_its_advantage_by_hand():
    # Returns 4 and 2 in group 0, so 1 above and below their mean.
    assert rollout().episode_advantages(scale=False).tolist() == [1, 1, -1, -1, -1, 0]


def test_steps_in_the_same_state_are_compared_by_hand():
    # γ = 1/2. What follows: 2, 4 | 0.5, 1, 2 | 8. State 0: 2 and 0.5, mean 1.25. State 1: 4 and 1,
    # mean 2.5, in which the other group's 8 has no part. State 2 was met once.
    advantages = rollout().step_advantages(0.5, scale=False)
    assert advantages.tolist() == [0.75, 1.5, -0.75, -1.5, 0, 0]


def test_a_state_is_its_picture_and_prompt():
    assert anchor(shown(1)) == anchor(shown(1))
    assert anchor(shown(1)) != anchor(shown(2))
    assert anchor(shown(1, goal="x")) != anchor(shown(1))
    assert anchor(shown(1, given={"f": "1"})) != anchor(shown(1, given={"f": "2"}))
    history = shown(0).remember(1, 3)
    assert anchor(shown(1, history=history)) == anchor(shown(1)), "memory aside"
    assert anchor(shown(1, state={"f": "9"})) == anchor(shown(1)), "labels are never looked at"


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
        numbers = [episode.group for episode in rollout.episodes]
        assert all(numbers.count(group) == group_size for group in numbers)
        for group in dict.fromkeys(numbers):
            first = {
                anchor(episode.observations[0])
                for episode in rollout.episodes
                if episode.group == group
            }
            assert len(first) == 1
            starts.append(first.pop())
        steps = len(rollout.flat_replies())
        assert steps >= 5 * num_envs
        assert policy.asked == steps, "no reply that nobody needs"
        policy.asked = 0
        assert rollout.metrics["rollout/episodes"] == len(rollout.episodes)
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
    assert [episode.group for episode in rollout.episodes] == [0, 0]


def test_moves_of_illegal_replies_have_nothing_to_do_with_seeds():
    drawn = GroupCollector(Alike, 1, 2, seed=3)._draws(0, 0).integers(1 << 62)
    assert drawn << 1 != next(training_seeds(3))


def test_rewards_are_penalised_and_returns_are_not():
    collector = GroupCollector(
        lambda: gym.wrappers.TimeLimit(Alike(), 2), 1, 2, illegal_penalty=0.5
    )
    rollout = collector.collect(Scripted([None] * 4), 1)
    lengths = [len(episode.rewards) for episode in rollout.episodes]
    assert [episode.rewards for episode in rollout.episodes] == [[0.5] * n for n in lengths]
    assert rollout.metrics["rollout/mean_return"] == sum(lengths) / 2
    assert rollout.metrics["rollout/illegal_rate"] == 1.0


def test_memory_and_corrections():
    collector = GroupCollector("gym_cards/NumberLine-v0", 2, 2, history_length=1, correct=True)
    rollout = collector.collect(Random(), 4)
    assert len(rollout.corrections) == len(rollout.flat_observations())
    for episode in rollout.episodes:
        lengths = [len(observation.history) for observation in episode.observations]
        assert lengths == [0] + [1] * (len(lengths) - 1)
    with pytest.raises(ProtocolError, match="imitation_coef"):
        GroupCollector(Counting, 2, 2, correct=True)


def test_seeds_of_groups_are_training_seeds():
    seeds = training_seeds(3)
    drawn = [next(seeds) for _ in range(100)]
    assert all(seed % 2 == 0 and seed >= 0 for seed in drawn)
    assert len(set(drawn)) == 100
    assert next(training_seeds(3)) == drawn[0]
