"""ALFWorld as a Gymnasium environment: what it promises to agents, and what it leaves alone."""

import contextlib
import inspect
import io
import json
import os
import random
import re
import subprocess
import sys
import warnings
import zlib

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

import gym_cards  # noqa: F401
from gym_cards.alfworld.env import MAX_COMMAND, ALFWorldEnv
from gym_cards.alfworld.games.game import TASK_TYPES
from gym_cards.alfworld.view.picture import draw
from gym_cards.alfworld.wrappers import DiscreteCommands

ID = "gym_cards/ALFWorld-v0"
HEADINGS = [
    *("Description", "Action Space", "Observation Space", "Starting State", "Rewards"),
    *("Episode End", "Information", "Arguments", "Version History", "References"),
]

# Rooms without a kitchen, whose games start sooner.
SMALL = {"task_types": ["look_at_obj_in_light"], "size": 150}

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def env():
    with gym.make(ID, **SMALL) as env:
        yield env


def another_hash_seed():
    """A hash seed that is not this process's, which is random unless it was set."""
    return "1" if os.environ.get("PYTHONHASHSEED") == "2" else "2"


def episodes(env, seed, steps=40):
    """Everything that random play hands out."""
    rng = random.Random(seed)
    seen = [env.reset(seed=seed)]
    for _ in range(steps):
        seen.append(env.step(rng.choice(seen[-1][-1]["admissible_commands"])))
        if seen[-1][2] or seen[-1][3]:
            seen.append(env.reset())
    return seen


def test_gymnasium_finds_no_fault():
    env = gym.make(ID, render_mode="rgb_array", **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    env.close()


def test_the_same_seed_gives_the_same_episodes(env):
    first = episodes(env, 5)
    assert data_equivalence(tuple(first), tuple(episodes(env, 5)), exact=True)
    with gym.make(EnvSpec.from_json(env.spec.to_json())) as again:
        assert again.spec == env.spec
        assert data_equivalence(tuple(first), tuple(episodes(again, 5)), exact=True)
    games_played = {env.reset()[1]["game"] for _ in range(5)}
    assert len(games_played) == 5


def test_the_hash_seed_has_no_say(env):
    """A process with another one plays the same."""
    play = (
        "rng, (picture, info), seen = random.Random(0), env.reset(seed=4), []\n"
        "for _ in range(20):\n"
        "    seen.append((zlib.crc32(picture.tobytes()), info))\n"
        "    picture, *_, info = env.step(rng.choice(info['admissible_commands']))\n"
        "print(json.dumps(seen))\n"
    )
    make = f"env = gymnasium.make('gym_cards:{ID}', **{SMALL!r})\n"
    other = subprocess.run(
        [sys.executable, "-c", f"import gymnasium, json, random, zlib\n{make}{play}"],
        env={**os.environ, "PYTHONHASHSEED": another_hash_seed()},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(play, {"env": env, "json": json, "random": random, "zlib": zlib})
    assert output.getvalue() == other


def test_the_protocol(env):
    assert isinstance(env.get_wrapper_attr("task_description"), str)
    assert env.get_wrapper_attr("action_names") is None
    assert env.spec.max_episode_steps == 50
    goal = None
    for transition in episodes(env, 1, 60):
        picture, info = transition[0], transition[-1]
        assert picture.shape == (150, 150, 3)
        assert picture.dtype == np.uint8
        assert list(info["state"]) == ["location", "visible objects", "inventory"]
        assert all(type(value) is str for value in info["state"].values())
        assert all(env.action_space.contains(one) for one in info["admissible_commands"])
        assert info["is_success"] is info["won"]
        assert info["task_type"] in TASK_TYPES
        listed = {**info, "admissible_commands": list(info["admissible_commands"]), "given": []}
        assert info["given"] == ()
        assert json.loads(json.dumps(info)) == listed
        if len(transition) == 2:
            goal = info["task"]
            assert f"Your task is to: {goal}." in info["observation_text"]
        assert info["task"] == goal


def test_rewards_are_those_published(env):
    """50 for the goal, the share of conditions, and -1 for what cannot be done."""
    options = {"task_type": "pick_heat_then_place_in_recep", "game_seed": 2}
    with gym.make(ID, size=150, reward="sparse") as sparse:
        _, info = env.reset(options=options)
        sparse.reset(options=options)
        rates, ended = [], False
        for command in ["fly", "look", "  look "]:
            _, reward, *_ = env.step(command)
            assert reward == (-1.0 if command == "fly" else 0.0)
            assert sparse.step(command)[1] == 0.0
        while not ended:
            command, _ = env.unwrapped.expert()
            _, reward, ended, truncated, info = env.step(command)
            rate = info["goal_condition_success_rate"]
            assert reward == pytest.approx(50 * ended + rate)
            assert sparse.step(command)[1] == float(ended)
            rates.append(rate)
    assert not truncated
    assert info["won"]
    assert sorted(set(rates)) == pytest.approx([0, 1 / 3, 1])
    with pytest.raises(gym.error.ResetNeeded, match=r"call reset\(\)"):
        env.unwrapped.step("look")


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_conditions_are_full_exactly_when_won(env, task_type):
    most = 0.0
    _, info = env.reset(options={"task_type": task_type, "game_seed": 50})
    rng = random.Random(0)
    for _ in range(40):
        assert (info["goal_condition_success_rate"] == 1) == info["won"]
        if info["won"]:
            break
        command = rng.choice(info["admissible_commands"])
        if rng.random() < 0.7:
            command, _ = env.unwrapped.expert()
        *_, info = env.step(command)
        most = max(most, info["goal_condition_success_rate"])
    assert most == 1


def test_prompts_may_say_in_words_what_the_picture_shows():
    given = ["inventory", "location"]
    with gym.make(ID, **SMALL, given=given) as told, gym.make(ID, **SMALL) as plain:
        pictures, infos = zip(*(env.reset(seed=1) for env in (told, plain)), strict=True)
        assert infos[0] == {**infos[1], "given": ("inventory", "location")}
        assert np.array_equal(*pictures)


def test_an_episode_is_cut_off_after_50_steps(env):
    env.reset(seed=0)
    for step in range(50):
        *_, terminated, truncated, _ = env.step("help")
        assert not terminated
        assert truncated == (step == 49)


def test_the_picture_is_drawn_from_what_is_seen(env):
    rng = random.Random(3)
    _, info = env.reset(seed=3)
    views = {name: gym.make(ID, view=name, **SMALL) for name in ("first_person", "map")}
    for name, other in views.items():
        picture, _ = other.reset(seed=3)
        assert np.array_equal(picture, draw(other.unwrapped._house.scene, view=name, size=150))
        other.close()
    for _ in range(30):
        picture, *_, info = env.step(rng.choice(info["admissible_commands"]))
        assert np.array_equal(picture, draw(env.unwrapped._house.scene, view="both", size=150))
        for piece in env.unwrapped._house.scene.here:
            assert piece.name in info["state"]["location"]
            for thing in piece.contents or ():
                assert thing.name in info["state"]["visible objects"]


def test_what_was_handed_out_does_not_change(env):
    picture, info = env.reset(seed=1)
    kept = picture.copy(), json.dumps(info)
    picture[...] = 0
    info["state"].clear()
    fresh = env.step("help")
    assert env.unwrapped._info()["state"]
    assert fresh[0] is not picture
    again, info = env.reset(seed=1)
    assert np.array_equal(again, kept[0])
    assert json.dumps(info) == kept[1]


@pytest.mark.parametrize("vectorised", [SyncVectorEnv, AsyncVectorEnv])
def test_vector_environments(env, vectorised):
    with warnings.catch_warnings():
        # Forking a process that other tests gave threads to warns from Python 3.12 on.
        warnings.filterwarnings("ignore", "This process.*is multi-threaded", DeprecationWarning)
        envs = vectorised(
            [lambda: gym.make(f"gym_cards:{ID}", max_episode_steps=3, **SMALL)] * 2,
            autoreset_mode=AutoresetMode.SAME_STEP,
        )
    try:
        _, infos = envs.reset(seed=[10, 11])
        _, alone = env.reset(seed=11)
        for step in range(5):
            assert infos["admissible_commands"][1] == alone["admissible_commands"]
            assert infos["state"]["location"][1] == alone["state"]["location"]
            assert envs.call("expert")[1] == env.unwrapped.expert()
            assert envs.call("demonstrate")[1] == env.unwrapped.demonstrate()
            commands = tuple(command for command, _ in envs.call("expert"))
            _, _, _, truncated, infos = envs.step(commands)
            *_, alone = env.step(commands[1])
            assert truncated[1] == (step == 2)
            if step == 2:
                assert infos["final_info"]["task"][1] == alone["task"]
                _, alone = env.reset()
    finally:
        envs.close()


def test_discrete_commands(env):
    with DiscreteCommands(gym.make(ID, **SMALL)) as numbered:
        assert numbered.action_space == gym.spaces.Discrete(128)
        _, info = numbered.reset(seed=0)
        env.reset(seed=0)
        numbered.action_space.seed(0)
        for _ in range(20):
            mask = info["action_mask"]
            assert mask.dtype == np.int8
            assert mask.sum() == len(info["admissible_commands"])
            action = numbered.action_space.sample(mask)
            named = env.step(info["admissible_commands"][action])
            done = numbered.step(action)
            info = done[-1]
            assert np.array_equal(named[0], done[0]["image"])
            assert named[1:4] == done[1:4]
            assert named[4] == {key: info[key] for key in named[4]}
        before = info["state"]
        _, reward, *_, info = numbered.step(len(info["admissible_commands"]))
        assert reward < 0
        assert info["state"] == before
        assert info["observation_text"] == "Nothing happens."
        for action in (-1, 128, "look", 0.5):
            with pytest.raises(ValueError, match="is not an action: expected a whole number"):
                numbered.step(action)
    small = DiscreteCommands(gym.make(ID, **SMALL), count=3)
    with pytest.raises(ValueError, match="make DiscreteCommands with a larger count"):
        small.reset(seed=0)
    assert gym.make(small.spec).action_space == small.action_space


def test_render_modes():
    with gym.make(ID, render_mode="rgb_array", **SMALL) as env:
        picture, _ = env.reset(seed=0)
        assert np.array_equal(env.render(), picture)
    with gym.make(ID, render_mode="human", **SMALL) as env:
        env.unwrapped.metadata = {**env.unwrapped.metadata, "render_fps": 1000}
        env.reset(seed=0)
        assert env.render() is None
        env.step("look")
    with gym.make(ID, **SMALL) as env:
        env.reset(seed=0)
        with pytest.warns(UserWarning, match="without a render mode"):
            assert env.unwrapped.render() is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task_types": ["sleep"]}, "expected a list of some of pick_and"),
        ({"task_types": "look_at_obj_in_light"}, "expected a list"),
        ({"task_types": []}, "expected a list"),
        ({"task_types": 5}, "task_types=5: expected a list"),
        ({"task_types": [["a"]]}, "expected a list"),
        ({"data": 5}, "data=5: expected the path of a folder"),
        ({"split": "test"}, "split='test': expected one of 'train', 'valid_seen'"),
        ({"view": "top"}, "view='top': expected one of 'first_person', 'map'"),
        ({"reward": "dense"}, "reward='dense': expected one of 'published'"),
        ({"given": "location"}, "given='location': expected a list of some of 'location', 'vis"),
        ({"given": ["goal"]}, "expected a list of some of 'location', 'visible objects', 'inv"),
        ({"size": 20}, "size=20: expected a whole number of at least 150"),
        ({"size": 4000}, "size=4000: expected at most 2048"),
        ({"backend": "unity"}, "backend='unity': expected one of 'textworld', 'thor'"),
        ({"render_mode": "ansi"}, "render_mode='ansi': expected one of None, 'human'"),
        ({"data": "/nowhere"}, "the argument data names /nowhere: expected a folder"),
    ],
    ids=str,
)
def test_bad_arguments_are_an_error(arguments, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        ALFWorldEnv(**arguments)


def test_a_closed_environment_can_be_started_again(env):
    first = env.reset(seed=3)[1]
    env.unwrapped.close()
    with pytest.raises(gym.error.ResetNeeded):
        env.unwrapped.step("look")
    with gym.make(ID, **SMALL) as other:
        other.reset(seed=4)
        assert env.reset(seed=3)[1] == first
        one, two = env.unwrapped._house._engine, other.unwrapped._house._engine
        assert one._library is not two._library


def test_bad_actions_and_what_needs_a_reset(env):
    plain = env.unwrapped
    for call in (plain.expert, plain.demonstrate, lambda: plain.step("look")):
        with pytest.raises(gym.error.ResetNeeded, match=r"call reset\(\)"):
            call()
    env.reset(seed=0)
    for action in (0, None, b"look"):
        with pytest.raises(ValueError, match="is not an action: expected a text"):
            plain.step(action)


def test_without_alfworld_the_package_works_and_the_id_names_the_install_line():
    code = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('alfworld', 'textworld', 'fast_downward'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "import gymnasium, gym_cards\n"
        "gymnasium.make('gym_cards/NumberLine-v0').reset()\n"
        "try:\n"
        f"    gymnasium.make('{ID}')\n"
        "except gymnasium.error.DependencyNotInstalled as error:\n"
        "    print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert 'run `pip install "gym-cards[alfworld]"`' in result.stdout


def test_the_docstring_is_a_complete_page(env):
    parts = re.split(r"^## (.+)\n", inspect.getdoc(ALFWorldEnv), flags=re.MULTILINE)
    assert parts[1::2] == HEADINGS
    page = dict(zip(parts[1::2], parts[2::2], strict=True))
    for name, parameter in inspect.signature(ALFWorldEnv).parameters.items():
        default = parameter.default
        text = json.dumps(default) if isinstance(default, str) else repr(default)
        text = "all six" if name == "task_types" else text
        line = rf"^- `{name}` \(default `?{re.escape(text)}`?\): "
        assert re.search(line, page["Arguments"], re.MULTILINE)
    _, info = env.reset(seed=0)
    assert all(f"`{key}`" in page["Information"] for key in info)
    assert all(f'"{key}"' in page["Information"] for key in info["state"])
    assert f"Text({MAX_COMMAND})" in page["Action Space"]
