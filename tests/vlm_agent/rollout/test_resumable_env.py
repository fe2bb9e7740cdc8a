"""Environments come back by snapshot or by playing again; where they do not, that is said."""

import dataclasses
import importlib.util
import random
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from vlm_agent.core.environments import make_env
from vlm_agent.core.expert import lesson
from vlm_agent.core.types import Observation, PastStep, Reply, Task
from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.rollout.collector import Collector
from vlm_agent.rollout.resumable_env import NotReproducedError, Resumable
from vlm_agent.rollout.runner_state import observation_from, observation_state
from vlm_agent.training.saving.tensor_tree import read_tree, write_tree

CARDS = ("NumberLine", "EZPoints", "Points24", "Blackjack")


class Drifting(gym.Env):
    """A stranger's environment: a walk that chance pushes about, without snapshots."""

    task_description = "Walk."
    action_names = ("left", "right")

    def __init__(self):
        self.observation_space = spaces.Box(0, 255, (4, 4, 3), np.uint8)
        self.action_space = spaces.Discrete(2)
        self.own = random.Random(0)
        self.at = 0

    def draw(self):
        return int(self.np_random.integers(5))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.own.seed(seed)
        self.at = 100 + self.draw()
        return self.moment()

    def moment(self):
        info = {"state": {"place": str(self.at)}, "is_success": self.at > 105}
        return np.full((4, 4, 3), self.at % 256, np.uint8), info

    def step(self, action):
        self.at += (1 if action else -1) + self.draw()
        picture, info = self.moment()
        return picture, float(self.at), self.at > 112, False, info

    def expert(self):
        return 1, "I go right"


class WithItsOwnGenerator(Drifting):
    """Draws from a generator that Gymnasium does not know of."""

    def draw(self):
        return self.own.randrange(5)


class Unsteady(Drifting):
    """Draws what no seed decides."""

    def draw(self):
        return random.SystemRandom().randrange(1000)


class Remembered(Drifting):
    """Offers snapshots."""

    def snapshot(self):
        return {"at": self.at, "random": self.np_random.bit_generator.state}

    def restore(self, snapshot):
        self.at = snapshot["at"]
        self.np_random.bit_generator.state = snapshot["random"]


class Unwritable(Remembered):
    """Its snapshots hold what cannot be written down."""

    def snapshot(self):
        return {**super().snapshot(), "self": self}


class Doubling(gym.Wrapper):
    """A wrapper that remembers how often it was asked."""

    def __init__(self, env):
        super().__init__(env)
        self.asked = 0

    def reset(self, **options):
        self.asked = 0
        return self.env.reset(**options)

    def step(self, action):
        picture, reward, terminated, truncated, info = self.env.step(action)
        self.asked += 1
        return picture, reward * self.asked, terminated, truncated, info


def limited(kind, steps=6):
    return lambda: gym.wrappers.TimeLimit(gym.wrappers.OrderEnforcing(kind()), steps)


class Chance:
    """A policy whose replies follow from the draws that it is handed."""

    def act(self, observations, draws):
        actions = [
            int(each.integers(len(o.actions))) for o, each in zip(observations, draws, strict=True)
        ]
        return [Reply(f'{{"action": "{a}"}}', a, (1,), 0, (-1.0,)) for a in actions]

    def values(self, observations):
        return [0.0] * len(observations)


def written(state, tmp_path):
    write_tree(state, tmp_path, "state")
    return read_tree(tmp_path, "state")


def played(collector, steps):
    rollout = collector.collect(Chance(), steps)
    shown = [(o.image.tobytes(), dict(o.state), o.actions) for o in rollout.observations]
    recalled = [
        [(m.image.tobytes(), m.action, m.reply, m.asked.state) for m in o.history]
        for o in rollout.observations
    ]
    segments = [(each.env_id, each.steps, each.done) for each in rollout.segments]
    return shown, recalled, rollout.actions, rollout.rewards.tolist(), segments


def make(env, seed=3):
    return Collector(env, 3, seed=seed, history_length=2)


def alfworld():
    # Rooms without a kitchen, whose games start sooner.
    return make_env("gym_cards/ALFWorld-v0", task_types=["look_at_obj_in_light"], size=150)


ENVS = {
    **{name: f"gym_cards/{name}-v0" for name in CARDS},
    "snapshot": limited(Remembered),
    "played again": limited(Drifting),
    "its own generator": limited(WithItsOwnGenerator),
    "snapshot that cannot be written": limited(Unwritable),
    "wrapper that remembers": lambda: Doubling(limited(Remembered)()),
}
if importlib.util.find_spec("alfworld"):
    ENVS["alfworld"] = alfworld


@pytest.mark.parametrize("name", ENVS)
def test_play_goes_on_as_if_nothing_had_happened(tmp_path, name):
    env = ENVS[name]
    collector = make(env)
    for steps in (0, 5, 8):  # at the start of episodes, within them, and after the first ended
        if steps:
            played(collector, steps)
        state = written(collector.state_dict(), tmp_path)
        other = make(env, seed=4)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            other.load_state_dict(state)
        assert other.restarted == []
        runners = [each._runners for each in (other, collector)]
        lengths = [[runner.episode_length for runner in each] for each in runners]
        assert lengths[0] == lengths[1]
        if collector._runners[0].env.has_wrapper_attr("expert"):
            taught = [[lesson(each.env, each.observation) for each in some] for some in runners]
            assert taught[0] == taught[1], "a teacher knows what it knew"
        assert played(other, 7) == played(collector, 7)
        other.close()
    collector.close()


def test_snapshots_are_used_where_they_hold_everything():
    used = {}
    names = ("snapshot", "played again", "wrapper that remembers", "NumberLine", "alfworld")
    for name in (name for name in names if name in ENVS):
        env = Resumable(make_env(ENVS[name]))
        env.reset(seed=1)
        used[name] = "snapshot" in env.state_dict()
        env.close()
    expected = {"snapshot", "NumberLine", "alfworld"} & set(ENVS)
    assert {name for name, is_used in used.items() if is_used} == expected
    assert set(used) - expected == {"played again", "wrapper that remembers"}


def test_an_environment_that_is_not_deterministic_begins_anew_and_says_so(tmp_path):
    collector = make(limited(Unsteady))
    played(collector, 4)
    state = written(collector.state_dict(), tmp_path)
    other = make(limited(Unsteady))
    with pytest.warns(UserWarning, match="3 of 3 environments .* new episodes.*not deterministic"):
        other.load_state_dict(state)
    assert other.restarted == [0, 1, 2]
    for runner in other._runners:
        assert runner.episode_return == 0.0
        assert runner.observation.history == (), "nothing of the lost episode is recalled"
    played(other, 4)


def test_a_lost_episode_starts_from_a_seed_of_its_own():
    env = Resumable(limited(Unsteady)())
    env.reset(seed=8)
    env.step(1)
    state = env.state_dict()
    with pytest.raises(NotReproducedError, match="from seed 8, .* at its start"):
        env.load_state_dict(state)
    env.reset_to_new_seed()
    first = env.state_dict()["seed"]
    env.reset_to_new_seed()
    assert len({8, first, env.state_dict()["seed"]}) == 3
    assert first % 2 == 0, "a training seed"


def test_it_is_said_where_an_environment_departs():
    env = Resumable(limited(Drifting)())
    env.reset(seed=8)
    for _ in range(3):
        env.step(1)
    state = env.state_dict()
    state["shown"][2] = "else"
    with pytest.raises(NotReproducedError, match="after 2 steps"):
        Resumable(limited(Drifting)()).load_state_dict(state)


def test_a_snapshot_that_is_not_taken_back_is_said():
    class Changed(Remembered):
        def restore(self, snapshot):
            raise ValueError("of another version")

    env = Resumable(limited(Remembered)())
    env.reset(seed=1)
    changed = Resumable(limited(Changed)())
    changed.reset(seed=1)
    with pytest.raises(NotReproducedError, match="of another version"):
        changed.load_state_dict(env.state_dict())


def test_episodes_that_are_played_again_have_seeds_of_their_own():
    """So that playing again takes no longer than an episode."""
    env = Resumable(limited(WithItsOwnGenerator)())
    starts = []
    env.reset(seed=2)
    for _ in range(3):
        seed = env.state_dict()["seed"]
        starts.append((seed, env.reset()[1]["state"]))
    assert len({seed for seed, _ in starts}) == 3
    again = Resumable(limited(WithItsOwnGenerator)())
    again.reset(seed=2)
    assert [again.reset()[1]["state"] for _ in range(3)] == [state for _, state in starts]
    seed = env.state_dict()["seed"]
    assert limited(WithItsOwnGenerator)().reset(seed=seed)[1]["state"] == starts[-1][1]


@pytest.mark.parametrize("history", ["steps", "actions"])
@pytest.mark.parametrize("env", [limited(Remembered), limited(Drifting)])
def test_demonstrations_go_on(tmp_path, env, history):
    settings = {"num_envs": 2, "random_share": 0.5, "detour_share": 0.3, "history_length": 1}
    settings["history"] = history

    def following(demonstrator):
        batches = iter(demonstrator)
        return [
            (each.reply, each.observation.image.tobytes(), len(each.observation.history))
            for _ in range(9)
            for each in next(batches)
        ]

    first = Demonstrator(env, **settings)
    following(first)
    state = written(first.state_dict(), tmp_path)
    second = Demonstrator(env, **settings, seed=7)
    second.load_state_dict(state)
    assert following(second) == following(first)


def test_an_error_names_the_environment_itself():
    assert str(Resumable(make_env("gym_cards/NumberLine-v0"))).startswith("<OrderEnforcing")


def test_an_observation_comes_back_with_all_that_it_holds():
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    task = Task("Walk.", ("left", "right"))
    before = Observation(
        picture,
        task,
        ("left", "right"),
        given={"place": "1"},
        goal="the door",
        state={"place": "1", "door": "2"},
        history=(PastStep(picture, "left"),),
        mask=(True, False),
    )
    before = dataclasses.replace(before, history=before.remember(1, 2, "so right"))
    after = observation_from(observation_state(before), task)
    assert vars(after) == vars(before)
