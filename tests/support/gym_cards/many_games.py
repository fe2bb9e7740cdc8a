"""Many games stepped together, for tests: how they are made, played and compared."""

import gymnasium as gym
import numpy as np
import pytest
from card_games import lasting_action, same
from gymnasium.vector import AutoresetMode, SyncVectorEnv

MODES = [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED]
FEW = [
    ("gym_cards/Blackjack-v0", {}),
    ("gym_cards/EZPoints-v0", {}),
    ("gym_cards/Points24-v0", {"size": 80, "position_jitter": 10}),
    ("gym_cards/NumberLine-v0", {"size": 64}),
    ("gym_cards/Blackjack-v0", {"is_pixel": False}),
]

few = pytest.mark.parametrize(("env_id", "kwargs"), FEW, ids=str)
modes = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)


def make_vec(env_id, num_envs=3, **kwargs):
    full = env_id if "/" in env_id else f"gym_cards/{env_id}-v0"
    return gym.make_vec(full, num_envs=num_envs, **kwargs)


def synchronous(env_id, num_envs, mode, limit=300, **kwargs):
    """Gymnasium's own vector of the same games."""

    def one():
        return gym.make(env_id, disable_env_checker=True, max_episode_steps=limit, **kwargs)

    return SyncVectorEnv([one] * num_envs, autoreset_mode=mode)


def playing(envs, mode, seed, steps):
    """Everything that `envs` hands out to random play, resets where they are due included."""
    rng = np.random.default_rng(seed)
    masks = np.ones((envs.num_envs, envs.single_action_space.n), np.int8)
    observations, infos = envs.reset(seed=seed)
    yield observations, infos
    names = envs.get_attr("action_names")[0]
    for _ in range(steps):
        masks = np.where(infos["_action_mask"][:, None], infos["action_mask"], masks)
        actions = np.array([lasting_action(names, rng, mask) for mask in masks])
        transition = envs.step(actions)
        infos = transition[4]
        yield transition
        over = transition[2] | transition[3]
        if mode == AutoresetMode.DISABLED and over.any():
            observations, infos = envs.reset(options={"reset_mask": over})
            yield observations, infos


def assert_same_form(ours, theirs, path="infos"):
    """Equal keys, types, shapes, masks and values, wherever they are nested."""
    assert type(ours) is type(theirs), path
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), path
        for key in ours:
            assert_same_form(ours[key], theirs[key], f"{path}[{key!r}]")
    elif isinstance(ours, np.ndarray):
        assert ours.dtype == theirs.dtype, path
        assert ours.shape == theirs.shape, path
        for one, other in zip(ours, theirs, strict=True):
            assert same(one, other), path
    else:
        assert same(ours, theirs), path
