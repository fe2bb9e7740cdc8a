"""Different environments in one rollout."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

from tests.support.counting import Counting, Restarting
from vlm_agent.config.training import EnvSpec
from vlm_agent.core.types import Reply
from vlm_agent.rollout.collector import Collector
from vlm_agent.rollout.groups import GroupCollector


class Words(Counting):
    """Text actions, and larger pictures; ends after a given number of steps."""

    action_names = None

    def __init__(self, length=2):
        super().__init__()
        self.observation_space = gym.spaces.Box(0, 255, (4, 6, 3), np.uint8)
        self.action_space = gym.spaces.Text(9)
        self.length = length

    def _moment(self):
        _, info = super()._moment()
        return np.full((4, 6, 3), self.shown, np.uint8), {**info, "admissible_commands": ("go",)}

    def reset(self, *, seed=None, options=None):
        self.shown = -10  # the first picture is 0
        return super().reset(seed=seed, options=options)

    def step(self, action):
        assert action == "go"
        picture, reward, _, _, info = super().step(0)
        return picture, reward, self.shown >= self.length, False, info


ENVS = (EnvSpec(Restarting, label="A"), EnvSpec(Words, {"length": 2}, 2.0, "B"))


class Silent:
    """Replies without an action."""

    def act(self, observations, draws=None):
        return [Reply("", None, (1,), 1, (-1.0,)) for _ in observations]

    def values(self, observations):
        return [float(each.image[0, 0, 0]) for each in observations]


def test_places_penalties_and_metrics_are_those_of_each_environment():
    collector = Collector(ENVS, 6, seed=1)
    assert collector.illegal_penalty is None
    rollout = collector.collect(Silent(), 4)
    assert rollout.sources == [1, 0, 1] * 2 * 4
    sizes = {each.image.shape for each in rollout.observations}
    assert sizes == {(2, 2, 3), (4, 6, 3)}
    assert rollout.penalties.tolist() == [1.0, 0.0, 1.0] * 2 * 4, "text actions cost 1"
    found = rollout.metrics.logged(1.0, ["A", "B"])
    assert found["rollout/A/steps"] == 8
    assert found["rollout/B/steps"] == 16
    assert found["rollout/B/episodes"] == 8
    assert found["rollout/B/mean_length"] == 2
    assert found["rollout/A/illegal_rate"] == 1
    assert found["rollout/episodes"] == found["rollout/A/episodes"] + 8
    both = found["rollout/A/episodes"] * (found["rollout/A/mean_return"] or 0) + 8 * 2.0
    assert found["rollout/mean_return"] * found["rollout/episodes"] == pytest.approx(both)


def test_several_processes_have_the_places_of_one():
    whole = Collector(ENVS, 6, seed=1).collect(Silent(), 1).sources
    parts = [
        Collector(ENVS, 3, seed=1, rank=rank, processes=2).collect(Silent(), 1).sources
        for rank in range(2)
    ]
    assert parts[0] + parts[1] == whole


def test_changed_arguments_make_an_environment_again_and_leave_the_others():
    collector = Collector(ENVS, 3, seed=1)
    collector.collect(Silent(), 1)
    assert collector.change(ENVS) == []
    longer = (ENVS[0], dataclasses.replace(ENVS[1], kwargs={"length": 3}))
    assert collector.change(longer) == [0, 2]
    rollout = collector.collect(Silent(), 3)
    lengths = [(each.env_id, len(each.steps)) for each in rollout.segments if each.done]
    assert [each for each in lengths if each[0] != 1] == [(0, 3), (2, 3)]
    state = collector.state_dict()
    again = Collector(ENVS, 3, seed=1)
    again.change(longer)
    again.load_state_dict(state)
    for one, other in zip(
        collector.collect(Silent(), 3).observations,
        again.collect(Silent(), 3).observations,
        strict=True,
    ):
        assert np.array_equal(one.image, other.image)
    # A place that another environment gets starts anew.
    assert collector.change((longer[0], dataclasses.replace(longer[1], weight=4.0))) == [1, 2]
    assert collector.collect(Silent(), 1).sources == [1, 1, 0]


def limited():
    return gym.wrappers.TimeLimit(Restarting(), 2)


def test_groups_take_turns_over_rollouts_and_processes():
    envs = (EnvSpec(limited, label="A"), ENVS[1])

    def turns(collector):
        """The environment of each group in three rollouts."""
        found = {}
        for _ in range(3):
            rollout = collector.collect(Silent(), 2)
            for segment in rollout.segments:
                of_group = found.setdefault(segment.group, set())
                of_group.update(rollout.sources[step] for step in segment.steps)
        assert all(len(each) == 1 for each in found.values()), "a group is of one environment"
        return {number: found[number].pop() for number in sorted(found)}

    collector = GroupCollector(envs, 2, 2, seed=1)
    expected = dict(enumerate([1, 0, 1, 1, 0, 1] * 2))
    found = turns(collector)
    assert len(found) > 2
    assert found.items() <= expected.items()
    again = GroupCollector(envs, 2, 2, seed=1)
    again.load_state_dict(collector.state_dict())
    assert turns(again) == turns(collector)
    changed = (envs[0], dataclasses.replace(envs[1], kwargs={"length": 4}))
    assert again.change(changed) == []
    rollout = again.collect(Silent(), 9)
    lengths = {len(each.steps) for each in rollout.segments if rollout.sources[each.steps[0]] == 1}
    assert lengths == {4}
    second = GroupCollector(envs, 2, 2, seed=1, rank=1, processes=2)
    found = turns(second)
    assert all(number % 2 for number in found)
    assert found.items() <= expected.items()
