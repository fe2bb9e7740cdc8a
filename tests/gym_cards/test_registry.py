"""What holds for every environment of the package, tried on every registered id."""

import copy
import inspect
import json
import pickle
import re
import warnings

import gymnasium as gym
import numpy as np
import pytest
from card_games import EVERY, IDS, game_of, lasting_action, picture_of, same
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from gym_cards.render.style import (
    CardStyleOptions,
    PlainCardStyleOptions,
    RenderStyle,
    StyleOptions,
)

PUBLISHED_KEYS = {
    "NumberLine": {"Target", "Current"},
    "EZPoints": {"Cards", "Numbers", "Formula"},
    "Points24": {"Cards", "Numbers", "Formula"},
    "Blackjack": {"Dealer Card", "Player Card"},
    "Memory": {"Cards", "Misses Left"},
    "SET": {"Cards", "Picked"},
    "VideoPoker": {"Cards", "Held", "Result", "Payout"},
    "FreeCell": {"Columns", "Cells", "Foundations", "Moves"},
}
STATE_KEYS = {
    "NumberLine": ["current number", "target number"],
    "EZPoints": ["cards", "current formula"],
    "Points24": ["cards", "current formula"],
    "Blackjack": ["player cards", "dealer card", "player total"],
    "Memory": ["face-up cards", "face-down cards", "misses left"],
    "SET": ["card 1", "picked"],
    "VideoPoker": ["cards", "hand"],
    "FreeCell": ["foundations", "cells", "columns"],
}
HEADINGS = [
    *("Description", "Action Space", "Observation Space", "Starting State", "Rewards"),
    *("Episode End", "Information", "Arguments", "Variants", "Version History", "References"),
]

every = pytest.mark.parametrize(("env_id", "kwargs"), EVERY, ids=str)
pytestmark = pytest.mark.filterwarnings("error")


def episodes(env, seed, steps=60):
    """Everything that random play hands out, over several episodes."""
    rng = np.random.default_rng(seed)
    seen = [env.reset(seed=seed)]
    for _ in range(steps):
        transition = env.step(int(rng.integers(env.action_space.n)))
        seen.append(transition)
        if transition[2] or transition[3]:
            seen.append(env.reset())
    return seen


def start_of(env, seed=None):
    """What the published environment's info tells of a new state, suits included."""
    _, info = env.reset(seed=seed)
    game = type(env.unwrapped).__name__[:-3]
    if game == "Memory":
        # All cards are face down.
        info = [env.step(action) for action in (0, 1)][1][4]
    return str([info[key] for key in sorted(PUBLISHED_KEYS[game])])


def numbered_once(fields):
    """The fields of a state, of which "card 1" stands for all cards."""
    return list(dict.fromkeys(re.sub(r"\d+", "1", field) for field in fields))


def test_the_games_are_registered():
    assert {game_of(env_id) for env_id in IDS} == set(STATE_KEYS)
    names = ("NumberLine", "EZPoints", "Points24", "Points24Exact", "Blackjack")
    assert {f"gym_cards/{name}-v0" for name in names} <= set(IDS)


@every
def test_gymnasium_finds_no_fault(env_id, kwargs):
    env = gym.make(env_id, render_mode="rgb_array", **kwargs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    env.close()


@every
def test_the_checker_wrapper_finds_no_fault(env_id, kwargs):
    """`gym.make` checks the first steps itself; its warnings are errors here."""
    episodes(gym.make(env_id, **kwargs), seed=3, steps=10)


@pytest.mark.parametrize("env_id", IDS)
def test_made_by_module_and_id(env_id):
    assert gym.make(f"gym_cards:{env_id}").spec.id == env_id


@every
def test_every_game_ends_by_its_own_rules(env_id, kwargs):
    """No limit of steps is registered, and whoever repeats an action comes to an end."""
    env = gym.make(env_id, **kwargs).unwrapped
    assert gym.spec(env_id).max_episode_steps is None
    env.lazy_observations = True
    n = env.action_space.n
    for action in {0, n // 2, n - 2, n - 1}:
        env.reset(seed=0)
        steps = 0
        while not any(env.advance(action)[1:]):
            steps += 1
            assert steps < 500


@every
def test_the_same_seed_gives_the_same_episodes(env_id, kwargs):
    first = episodes(gym.make(env_id, **kwargs), seed=5)
    second = episodes(gym.make(env_id, **kwargs), seed=5)
    assert same(tuple(first), tuple(second))
    # Reseeding a used environment forgets everything that it did before.
    used = gym.make(env_id, **kwargs)
    episodes(used, seed=99)
    assert same(tuple(episodes(used, seed=5)), tuple(first))


@every
def test_the_global_generators_have_no_say(env_id, kwargs):
    import random

    first = episodes(gym.make(env_id, **kwargs), seed=5)
    random.seed(1)
    np.random.seed(1)
    before = (random.getstate(), np.random.get_state()[1].tolist())
    second = episodes(gym.make(env_id, **kwargs), seed=5)
    assert same(tuple(first), tuple(second))
    assert before == (random.getstate(), np.random.get_state()[1].tolist())


@every
def test_different_seeds_give_different_episodes(env_id, kwargs):
    env = gym.make(env_id, **kwargs)
    assert len({start_of(env, seed) for seed in range(30)}) > 10


@every
def test_without_a_seed_every_episode_is_another_one(env_id, kwargs):
    env = gym.make(env_id, **kwargs)
    env.reset(seed=0)
    assert len({start_of(env) for _ in range(30)}) > 10
    fresh = [gym.make(env_id, **kwargs) for _ in range(30)]
    assert len({start_of(env) for env in fresh}) > 10


@every
def test_the_picture_shows_the_whole_state(env_id, kwargs):
    """What is drawn move by move is what is drawn from nothing."""
    env = gym.make(env_id, render_mode="rgb_array", **kwargs)
    names = env.get_wrapper_attr("action_names")
    for lasting in (False, True):
        rng = np.random.default_rng(7)
        _, info = env.reset(seed=7)
        for _ in range(40):
            assert np.array_equal(env.render(), picture_of(env, info, rendered=True))
            if lasting:
                action = lasting_action(names, rng, info["action_mask"])
            else:
                action = int(rng.integers(len(names)))
            _, _, terminated, truncated, info = env.step(action)
            if terminated or truncated:
                assert np.array_equal(env.render(), picture_of(env, info, rendered=True))
                _, info = env.reset()


@every
def test_the_spec_survives_json(env_id, kwargs):
    env = gym.make(env_id, **kwargs)
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.spec == env.spec
    assert same(tuple(episodes(env, seed=2)), tuple(episodes(again, seed=2)))


@every
@pytest.mark.parametrize("duplicate", [lambda e: pickle.loads(pickle.dumps(e)), copy.deepcopy])
def test_a_copy_goes_on_in_the_same_state(env_id, kwargs, duplicate):
    env = gym.make(env_id, **kwargs)
    env.action_space.seed(4)
    env.reset(seed=4)
    again = duplicate(env)
    ended = [False, False]
    while not any(ended):
        action = env.action_space.sample()
        one, two = env.step(action), again.step(action)
        assert same(one, two)
        ended = one[2:4]
    assert same(env.reset(), again.reset())


@every
def test_what_was_handed_out_does_not_change(env_id, kwargs):
    env = gym.make(env_id, **kwargs).unwrapped
    env.action_space.seed(0)
    env.reset(seed=0)
    for _ in range(30):
        obs, _, terminated, truncated, info = env.step(env.action_space.sample())
        kept = copy.deepcopy((obs, info))
        if terminated or truncated:
            env.reset()
        env.step(env.action_space.sample())
        assert same((obs, info), kept)
        env.reset()


@every
def test_spoiling_what_was_handed_out_does_no_harm(env_id, kwargs):
    def spoil(data):
        if isinstance(data, np.ndarray):
            data[...] = 1
        elif isinstance(data, list):
            data.append("spoiled")
        elif isinstance(data, dict):
            for value in data.values():
                spoil(value)
            data.clear()

    clean, spoiled = (gym.make(env_id, **kwargs).unwrapped for _ in range(2))
    clean.action_space.seed(8)
    clean.reset(seed=8)
    for part in spoiled.reset(seed=8):
        spoil(part)
    ended = False
    while not ended:
        action = clean.action_space.sample()
        one, two = clean.step(action), spoiled.step(action)
        assert same(one, two)
        ended = one[2] or one[3]
        spoil(two[0])
        spoil(two[4])


@every
def test_the_protocol(env_id, kwargs):
    env = gym.make(env_id, **kwargs)
    description = env.get_wrapper_attr("task_description")
    names = env.get_wrapper_attr("action_names")
    assert isinstance(description, str)
    assert "\n" not in description
    assert isinstance(names, tuple)
    assert all(isinstance(name, str) for name in names)
    assert len(set(names)) == len(names) == env.action_space.n

    rng = np.random.default_rng(0)
    _, info = env.reset(seed=0)
    total = 0.0
    for _ in range(100):
        assert numbered_once(info["state"]) == STATE_KEYS[game_of(env_id)]
        assert all(type(value) is str for value in info["state"].values())
        assert type(info["given"]) is tuple
        assert set(info["given"]) <= set(info["state"])
        assert type(info["is_success"]) is bool
        assert info["is_success"] == (total > 0)
        assert info["action_mask"].dtype == np.int8
        assert info["action_mask"].shape == (env.action_space.n,)
        assert set(info["action_mask"]) <= {0, 1}
        assert PUBLISHED_KEYS[game_of(env_id)] <= set(info)
        plain = {key: info[key] for key in PUBLISHED_KEYS[game_of(env_id)]}
        assert_plain(plain)
        action = int(rng.integers(env.action_space.n))
        refused = not info["action_mask"][action]
        before = info
        _, reward, terminated, truncated, info = env.step(action)
        assert type(reward) is float
        assert type(terminated) is bool
        assert type(truncated) is bool
        total += reward
        if "Formula" in info and not truncated:
            assert refused == (info["Formula"][len(before["Formula"]) :] == [" "])
        if terminated or truncated:
            _, info = env.reset()
            total = 0.0


def assert_plain(value):
    """Nothing but built-in types, so that infos can be written as JSON."""
    assert type(value) in (dict, list, tuple, int, str)
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple)):
        for part in value:
            assert_plain(part)


@every
def test_experts_and_explanations(env_id, kwargs):
    env = gym.make(env_id, **kwargs)
    expert, explain = env.get_wrapper_attr("expert"), env.get_wrapper_attr("explain")
    rng = np.random.default_rng(1)
    env.reset(seed=1)
    for _ in range(60):
        action, reason = expert()
        assert type(action) is int
        assert env.action_space.contains(action)
        assert reason == explain(action)
        texts = [explain(other) for other in range(env.action_space.n)]
        assert all(isinstance(text, str) and text and "\n" not in text for text in texts)
        assert len(set(texts)) == len(texts)
        _, _, terminated, truncated, _ = env.step(int(rng.integers(env.action_space.n)))
        if terminated or truncated:
            env.reset()


@every
def test_observations_are_in_their_space(env_id, kwargs):
    env = gym.make(env_id, **kwargs)
    for transition in episodes(env, seed=6):
        assert env.observation_space.contains(transition[0])


@every
def test_render_modes(env_id, kwargs):
    with gym.make(env_id, render_mode="rgb_array", **kwargs) as env:
        obs, _ = env.reset(seed=0)
        frame = env.render()
        size = env.spec.kwargs.get("size", 300)
        assert frame.shape == (size, size, 3)
        assert frame.dtype == np.uint8
        if kwargs.get("is_pixel", True):
            assert np.array_equal(frame, obs)
            assert frame is not obs
    with gym.make(env_id, render_mode="human", **kwargs) as env:
        env.unwrapped.metadata = {**env.unwrapped.metadata, "render_fps": 1000}
        env.reset(seed=0)
        assert env.render() is None
        env.step(0)
    env.close()
    with gym.make(env_id, **kwargs) as env:
        env.reset(seed=0)
        with pytest.warns(UserWarning, match="without a render mode"):
            assert env.unwrapped.render() is None


@pytest.mark.parametrize("env_id", IDS)
def test_the_docstring_is_a_complete_page(env_id):
    env = gym.make(env_id).unwrapped
    parts = re.split(r"^## (.+)\n", inspect.getdoc(type(env)), flags=re.MULTILINE)
    assert parts[1::2] == HEADINGS
    page = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert all(text.strip() for text in page.values())
    for name, parameter in inspect.signature(type(env)).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        default = parameter.default
        text = json.dumps(default) if isinstance(default, str) else repr(default)
        assert re.search(rf"^- `{name}` \(default `?{text}`?\): ", page["Arguments"], re.MULTILINE)
    kinds = {"NumberLine": StyleOptions, "SET": PlainCardStyleOptions}
    options = kinds.get(game_of(env_id), CardStyleOptions)
    for name in options.__annotations__:
        default = getattr(RenderStyle(), name)
        text = f"{default:g}" if isinstance(default, float) else repr(default)
        assert re.search(rf"`{name}` \(`?{text}`?\)", page["Arguments"])
    if env_id.removesuffix("-v0") != f"gym_cards/{game_of(env_id)}":
        (row,) = re.findall(rf"^\| `{env_id}` +\| (.+?) +\|", page["Variants"], re.MULTILINE)
        told = dict(re.findall(r"(\w+)=([^,`]+)", row))
        assert told == {
            name: json.dumps(value) if isinstance(value, str) else repr(value)
            for name, value in gym.spec(env_id).kwargs.items()
        }
    _, info = env.reset(seed=0)
    for key in info:
        assert f"`{key}`" in page["Information"]
    text = page["Information"]
    assert all(f'"{key}":' in text for key in numbered_once(info["state"]))


def test_every_declared_render_mode_is_tried_above():
    for env_id in IDS:
        assert gym.make(env_id).metadata["render_modes"] == ["human", "rgb_array"]


@pytest.mark.parametrize("env_id", IDS)
def test_unknown_options_are_an_error(env_id):
    with pytest.raises(ValueError, match="expected a dictionary with exactly the keys"):
        gym.make(env_id).reset(options={"colour": "red"})


@pytest.mark.parametrize("env_id", IDS)
def test_bad_actions_are_an_error(env_id):
    env = gym.make(env_id).unwrapped
    env.reset(seed=0)
    for action in (-1, env.action_space.n, 0.0, "=", None):
        with pytest.raises(ValueError, match="is not an action: expected"):
            env.step(action)


@pytest.mark.parametrize("env_id", IDS)
def test_what_needs_a_reset_says_so(env_id):
    env = gym.make(env_id, render_mode="rgb_array").unwrapped
    for call in (env.expert, lambda: env.explain(0), env.render, lambda: env.step(0)):
        with pytest.raises(gym.error.ResetNeeded, match=r"call reset\(\)"):
            call()


@pytest.mark.parametrize("autoreset", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
@pytest.mark.parametrize(
    ("env_id", "kwargs", "vectorised"),
    # Processes are slow to start, and the variants differ inside the sub-environments alone.
    [(*env, SyncVectorEnv) for env in EVERY]
    + [(f"gym_cards/{game}-v0", {}, AsyncVectorEnv) for game in list(STATE_KEYS)[:4]],
    ids=str,
)
def test_vector_environments_keep_the_infos(env_id, kwargs, vectorised, autoreset):
    num_envs, steps = 2, 25
    single = [gym.make(env_id, **kwargs) for _ in range(num_envs)]
    with warnings.catch_warnings():
        # Forking a process that other tests gave threads to warns from Python 3.12 on.
        warnings.filterwarnings("ignore", "This process.*is multi-threaded", DeprecationWarning)
        envs = vectorised(
            [lambda: gym.make(f"gym_cards:{env_id}", **kwargs)] * num_envs, autoreset_mode=autoreset
        )
    try:
        names = single[0].get_wrapper_attr("action_names")
        assert envs.call("action_names") == (names,) * num_envs
        assert envs.call("task_description")[1] == single[1].get_wrapper_attr("task_description")
        _, infos = envs.reset(seed=[10, 11])
        expected = [env.reset(seed=10 + i)[1] for i, env in enumerate(single)]
        ended = [False] * num_envs
        rng = np.random.default_rng(0)
        for _ in range(steps):
            for i in range(num_envs):
                assert_info_is(infos, i, expected[i])
            assert [reason for _, reason in envs.call("expert")] == [
                env.get_wrapper_attr("expert")()[1] for env in single
            ]
            actions = rng.integers(len(names), size=num_envs)
            _, _, _, _, infos = envs.step(actions)
            for i, env in enumerate(single):
                if ended[i]:
                    expected[i], ended[i] = env.reset()[1], False
                    continue
                _, _, terminated, truncated, expected[i] = env.step(actions[i])
                if terminated or truncated:
                    if autoreset == AutoresetMode.SAME_STEP:
                        assert_info_is(infos["final_info"], i, expected[i])
                        expected[i] = env.reset()[1]
                    else:
                        ended[i] = True
    finally:
        envs.close()


def assert_info_is(infos, index, expected):
    """One sub-environment's share of a vector environment's infos is its own info."""
    for key, value in expected.items():
        assert infos[f"_{key}"][index]
        if isinstance(value, dict):
            assert_info_is(infos[key], index, value)
        else:
            assert np.array_equal(infos[key][index], value), key
