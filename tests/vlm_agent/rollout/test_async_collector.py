"""Environments that do not wait for each other play what they would together."""

import time
from threading import Event

import numpy as np
import pytest

from tests.support.counting import Counting, limited
from vlm_agent.core.types import Reply
from vlm_agent.rollout.async_collector import AsyncCollector
from vlm_agent.rollout.collector import Collector


class Drawing:
    """Answers by an observation and its random generator alone, after a while or at once."""

    def __init__(self, waits=False):
        self._waits = np.random.default_rng(7) if waits else None

    def reply(self, observation, rng):
        if self._waits is not None:
            time.sleep(float(self._waits.choice([0, 0, 0.003])))
        action = [0, 1, None][rng.choice(3, p=[0.6, 0.2, 0.2])]
        value = float(observation.image[0, 0, 0])
        return Reply("", action, (1, 2), 1, (-1.0, rng.random()), value)

    def act(self, observations, draws):
        return list(map(self.reply, observations, draws))

    def values(self, observations):
        return [float(each.image.sum()) for each in observations]


def picture(seen):
    return seen.image.tobytes()


def past(observation):
    return [(picture(each), each.action) for each in observation.history]


def told(rollout):
    """Everything that is learned from a rollout."""
    return {
        "seen": [(picture(each), each.goal, *past(each)) for each in rollout.observations],
        "replies": rollout.replies,
        "actions": rollout.actions,
        "rewards": rollout.rewards.tolist(),
        "penalties": rollout.penalties.tolist(),
        "segments": rollout.segments,
        "corrections": [each.reply for each in rollout.corrections],
        **{name: value for name, value in rollout.logged_metrics().items() if "time/" not in name},
    }


@pytest.mark.parametrize(
    ("env", "options"),
    [
        (limited, {"history_length": 2}),
        (Counting, {"illegal_penalty": 0.5}),
        ("gym_cards/NumberLine-v0", {"correct": True}),
        ("gym_cards/Points24-v0", {}),
    ],
)
def test_rollouts_do_not_depend_on_what_is_ready_first(env, options):
    together = Collector(env, 6, seed=3, **options)
    apart = AsyncCollector(env, 6, seed=3, **options)
    for steps in (7, 5):
        expected = together.collect(Drawing(), steps)
        found = apart.collect(Drawing(waits=True), steps)
        found.bootstrap(Drawing().values, 4)
        assert told(found) == told(expected)
    assert apart.state_dict()["rngs"] == together.state_dict()["rngs"]


def test_an_environment_does_not_wait_for_another():
    """The first reply of one is there only after the last reply of the other."""

    class Waiting(Drawing):
        def __init__(self):
            super().__init__()
            self.asked = 0
            self.done = Event()

        def reply(self, observation, rng):
            if observation.goal == "episode goal 10" and not self.done.wait(timeout=20):
                raise AssertionError("the other environment did not go on")
            self.asked += 1
            if self.asked == 4:
                self.done.set()
            return Reply("", 0, (1,), 0, (0.0,), 0.0)

    collector = AsyncCollector(Counting, 2)
    collector._runners[1].reset()  # so that it shows another goal
    rollout = collector.collect(Waiting(), 4)
    assert [int(each.image[0, 0, 0]) for each in rollout.observations[::2]] == [10, 11, 12, 13]


def test_values_are_left_to_whoever_has_the_weights():
    rollout = AsyncCollector(limited, 2).collect(Drawing(), 3)
    left = [segment for segment, _ in rollout.following]
    assert left
    assert {segment.bootstrap_value for segment in rollout.segments} == {0.0}
    rollout.bootstrap(lambda observations: [5.0] * len(observations), 2)
    assert [each.bootstrap_value for each in rollout.segments] == [
        5.0 if each in left else 0.0 for each in rollout.segments
    ]
    assert not rollout.following


def test_an_error_ends_all():
    class Failing(Drawing):
        asked = 0

        def reply(self, observation, rng):
            self.asked += 1
            if self.asked == 5:
                raise RuntimeError("no server")
            return super().reply(observation, rng)

    policy = Failing()
    with pytest.raises(RuntimeError, match="no server"):
        AsyncCollector(Counting, 4).collect(policy, 10_000)
    assert policy.asked < 20_000
