import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv, VectorEnv
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

import gym_cards  # noqa: F401
from baselines.vec_env import PictureVecEnv
from baselines.view import View
from tests.baselines.conftest import TOY, Sides

GAMES = [f"gym_cards/{name}-v0" for name in ("NumberLine", "EZPoints", "Points24", "Blackjack")]
SEEDS = [11, 5, 2**61, 8]


class Seen(gym.Wrapper):
    """Wraps a single environment with a view."""

    def __init__(self, env, view):
        super().__init__(env)
        self.view, self.observation_space = view, view.space()

    def observe(self, picture, info):
        seen = self.view.observe([picture], [self.view.describe_info(info)])
        return {k: v[0] for k, v in seen.items()} if isinstance(seen, dict) else seen[0]

    def reset(self, **kwargs):
        picture, info = self.env.reset(**kwargs)
        return self.observe(picture, info), info

    def step(self, action):
        picture, *rest, info = self.env.step(action)
        return self.observe(picture, info), *rest, info


def same(one, other):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            same(one[key], other[key])
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


@pytest.mark.parametrize("env", [*GAMES, TOY])
@pytest.mark.parametrize("text", ["none", "given"])
def test_it_does_what_dummyvecenv_does_with_single_environments(env, text):
    view = View((50, 50), text)
    limit = {"max_episode_steps": 2}  # so that episodes end, and are cut off, and both at once
    ours = PictureVecEnv.make(env, len(SEEDS), view, limit)
    theirs = DummyVecEnv([lambda: Seen(gym.make(env, **limit), view)] * len(SEEDS))
    ours.seed_each(SEEDS)
    theirs._seeds = SEEDS
    assert ours.observation_space == theirs.observation_space
    same(ours.reset(), theirs.reset())
    rng = np.random.default_rng(0)
    cut = ended = 0
    for _ in range(25):
        actions = rng.integers(ours.action_space.n, size=len(SEEDS))
        seen, rewards, dones, infos = ours.step(actions)
        expected, their_rewards, their_dones, their_infos = theirs.step(actions)
        same(seen, expected)
        same(rewards, their_rewards)
        same(dones, their_dones)
        for mine, their in zip(infos, their_infos, strict=True):
            same(mine, their)
        for mine, their in zip(ours.reset_infos, theirs.reset_infos, strict=True):
            same(mine, their)
        cut += sum(info["TimeLimit.truncated"] for info in infos)
        ended += int(dones.sum())
    assert 0 < cut <= ended


@pytest.mark.parametrize("env", GAMES)
def test_single_environments_pass_the_check_of_stable_baselines3(env):
    check_env(gym.make(env).unwrapped, warn=False)
    check_env(Seen(gym.make(env), View((50, 50), "given")), warn=False)


def test_what_is_handed_out_stays_as_it_is():
    envs = PictureVecEnv.make(GAMES[0], 3, View((60, 60)))
    envs.seed(0)
    handed = [envs.reset()]
    kept = [handed[0].copy()]
    for _ in range(20):
        seen, *_, infos = envs.step(np.ones(3, np.int64))
        parts = [seen, *(i["terminal_observation"] for i in infos if "terminal_observation" in i)]
        handed += parts
        kept += [part.copy() for part in parts]
    assert len(handed) > 21
    for one, copy in zip(handed, kept, strict=True):
        np.testing.assert_array_equal(one, copy)


@pytest.mark.parametrize("env", [GAMES[0], TOY])
def test_environments_are_reached_one_by_one(env):
    envs = PictureVecEnv.make(env, 3, View((50, 50)), {"render_mode": "rgb_array"})
    envs.seed(4)
    first = envs.reset()
    envs.seed(4)
    np.testing.assert_array_equal(envs.reset(), first)
    assert len(envs.get_attr("action_names")) == 3
    assert envs.get_attr("action_names", 1) == [envs.envs[1].get_wrapper_attr("action_names")]
    envs.set_attr("mark", "x", indices=[0, 2])
    assert envs.get_attr("mark", [0, 2]) == ["x", "x"]
    assert not envs.envs[1].has_wrapper_attr("mark")
    frames = envs.env_method("render", indices=[2])
    np.testing.assert_array_equal(frames[0], envs.get_images()[2])
    assert envs.env_is_wrapped(gym.wrappers.TimeLimit) == [False] * 3
    assert envs.env_is_wrapped(gym.wrappers.OrderEnforcing) == [env == TOY] * 3
    assert VecMonitor(envs).render().ndim == 3


def test_options_are_used_once():
    envs = PictureVecEnv.make(GAMES[0], 2, View((50, 50)))
    envs.set_options({"target": 4, "current": 1})
    envs.reset()
    assert [info["Target"] for info in envs.reset_infos] == [4, 4]
    envs.seed(0)
    envs.reset()
    assert {(info["Target"], info["Current"]) for info in envs.reset_infos} != {(4, 1)}
    envs.set_options([{"target": 4, "current": 1}, {"target": 1, "current": 4}])
    with pytest.raises(ValueError, match="the same for all"):
        envs.reset()


def test_what_cannot_be_trained_on_is_refused():
    view = View((50, 50))
    with pytest.raises(ValueError, match="SAME_STEP"):
        PictureVecEnv(gym.make_vec(GAMES[0], num_envs=2), view)
    with pytest.raises(ValueError, match="expected pictures"):
        PictureVecEnv.make("MountainCar-v0", 2, view)
    with pytest.raises(ValueError, match="expected pictures"):
        PictureVecEnv.make("CartPole-v1", 2, view)
    with pytest.raises(ValueError, match="no environment"):
        PictureVecEnv.make("gym_cards/Chess-v0", 2, view)
    with pytest.raises(ValueError, match="cannot be made"):
        PictureVecEnv.make(GAMES[0], 2, view, {"colour": 1})
    with pytest.raises(ValueError, match="1 seeds for 2"):
        PictureVecEnv.make(GAMES[0], 2, view).seed_each([1])


def test_allowed_moves_are_those_of_the_present_state():
    envs = PictureVecEnv.make("gym_cards/EZPoints-v0", 3, View((40, 40)))
    monitored = VecMonitor(envs)
    assert is_masking_supported(monitored)
    envs.seed_each([3, 4, 5])
    monitored.reset()
    rng = np.random.default_rng(0)
    for _ in range(20):
        masks = get_action_masks(monitored)
        assert masks.dtype == bool
        for i, mask in enumerate(masks):
            assert mask.tolist() == [bool(part) for part in envs.envs[i].info()["action_mask"]]
        saved = envs.snapshot()
        envs.step(rng.integers(13, size=3))
        envs.restore(saved)
        np.testing.assert_array_equal(get_action_masks(monitored), masks)
        monitored.step(rng.integers(13, size=3))
    assert PictureVecEnv.make(TOY, 2, View((40, 40))).env_method("action_masks")[1].all()


class Batch(VectorEnv):
    """Has the arguments of Gymnasium's own vector environments."""

    def __init__(self, num_envs=1, max_episode_steps=500, render_mode=None):
        raise AssertionError


@pytest.mark.parametrize("entry_point", [Batch, f"{__name__}:Batch"])
def test_a_batch_without_the_needed_arguments_is_not_used(entry_point, monkeypatch):
    spec = gym.envs.registration.EnvSpec(
        "toy/Batched-v0", Sides, max_episode_steps=2, vector_entry_point=entry_point
    )
    monkeypatch.setitem(gym.registry, spec.id, spec)
    envs = PictureVecEnv.make(spec.id, 3, View((40, 40)))
    assert isinstance(envs.vector, SyncVectorEnv)
    envs.reset()
    envs.step(np.zeros(3, np.int64))
    assert envs.step(np.zeros(3, np.int64))[2].all()
    assert not isinstance(PictureVecEnv.make(GAMES[0], 3, View((40, 40))).vector, SyncVectorEnv)
