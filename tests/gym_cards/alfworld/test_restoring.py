"""Snapshots, copies and pickles continue exactly as the environment itself."""

import copy
import json
import pickle
import random
import shutil

import gymnasium as gym
import numpy as np
import pytest

import gym_cards  # noqa: F401
from gym_cards.alfworld.games import dataset, generator
from gym_cards.alfworld.games.game import game_file

ID = "gym_cards/ALFWorld-v0"
LOOK = "look_at_obj_in_light"
SMALL = {"task_types": [LOOK], "size": 150}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set of three games."""
    folder = tmp_path_factory.mktemp("data")
    for seed in range(3):
        game = generator.generate("train", LOOK, seed)
        dataset.write_game(game, folder / dataset.LAYOUT / "train")
    return folder


def make(**arguments):
    return gym.make(ID, **{**SMALL, **arguments}).unwrapped


@pytest.fixture(params=["generated", "first seeds", "alfred", "data"])
def arguments(request, data):
    return {
        "generated": {},
        "first seeds": {"num_games": 3},
        "alfred": {"games": "alfred", "split": "valid_unseen", "num_games": 3},
        "data": {"data": data},
    }[request.param]


def play(env, seed, steps=4, games=2):
    """What an environment shows now, and in random play from now on into the next games."""
    rng = random.Random(seed)
    info = env._info()
    seen = [info, env.current_observation().tobytes(), env.expert(), env.demonstrate()]
    for _ in range(steps):
        picture, *outcome, info = env.step(rng.choice(info["admissible_commands"]))
        seen += [picture.tobytes(), outcome, info, env.demonstrate()]
        if info["won"]:
            break
    return [*seen, *([env.reset()[1], env.snapshot()] for _ in range(games))]


def test_all_continue_alike(arguments):
    env = make(**arguments)
    other = make(**arguments)
    _, info = env.reset(seed=4)
    rng = random.Random(0)
    for _ in range(5):
        *_, info = env.step(rng.choice(info["admissible_commands"]))
    env.step("nothing of the kind")
    snapshot = json.loads(json.dumps(env.snapshot()))
    copies = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    other.restore(snapshot)
    assert other.snapshot() == snapshot
    expected = play(env, 1)
    for one in (*copies, other):
        assert play(one, 1) == expected
        one.close()
    # Back to it after other games, and from a copy that was closed meanwhile.
    env.restore(snapshot)
    assert play(env, 1) == expected
    env.close()
    env.restore(snapshot)
    assert play(env, 1) == expected
    env.close()


def test_a_game_that_was_chosen_is_restored(data):
    for options in ({"task_type": LOOK, "game_seed": 1}, {"game": f"{LOOK}-1"}):
        env, other = make(), make()
        env.reset(seed=0, options=options)
        env.step("look")
        other.restore(json.loads(json.dumps(env.snapshot())))
        assert play(other, 2, games=0) == play(env, 2, games=0)
    path = dataset.find_games(data, "train", (LOOK,))[1]
    env.reset(options={"game": path})
    other.restore(json.loads(json.dumps(env.snapshot())))
    assert play(other, 2, games=0) == play(env, 2, games=0)


def test_what_is_over_stays_over():
    env = make()
    with pytest.raises(gym.error.ResetNeeded):
        env.snapshot()
    assert copy.deepcopy(env).reset(seed=1)[1] == env.reset(seed=1)[1]
    info = {"won": False}
    while not info["won"]:
        *_, info = env.step(env.expert()[0])
    other = make()
    other.restore(env.snapshot())
    for one in (other, copy.deepcopy(env), env):
        assert one._info() == info
        with pytest.raises(gym.error.ResetNeeded):
            one.step("look")


def damaged(snapshot):
    yield None
    yield {}
    yield {**snapshot, "more": 1}
    yield {**snapshot, "game": "NumberLineEnv-00000000"}
    yield {**snapshot, "random": {}}
    yield {**snapshot, "random": 3}
    yield {**snapshot, "turns": None}
    yield {**snapshot, "turns": [0, 99]}
    yield {**snapshot, "turns": ["0"]}
    yield {**snapshot, "options": {"game": "none"}}
    yield {**snapshot, "options": 5}
    yield {**snapshot, "contents": "0" * 16}
    yield {**snapshot, "actions": [3]}
    yield {**snapshot, "actions": None}


def test_a_damaged_snapshot_is_refused_and_changes_nothing():
    env = make(num_games=3)
    env.reset(seed=4)
    env.step("look")
    snapshot = env.snapshot()
    twin = copy.deepcopy(env)
    for wrong in damaged(snapshot):
        with pytest.raises(ValueError, match="snapshot"):
            env.restore(wrong)
        assert env.snapshot() == snapshot
    assert play(env, 3) == play(twin, 3)
    fresh, untouched = make(num_games=3), make(num_games=3)
    for one in (fresh, untouched):
        one.np_random = np.random.default_rng(7)
    with pytest.raises(ValueError, match="the snapshot is damaged"):
        fresh.restore({**snapshot, "contents": ""})
    with pytest.raises(gym.error.ResetNeeded):
        fresh.step("look")
    played = [[one.reset()[1]["game"] for _ in range(3)] for one in (fresh, untouched)]
    assert played[0] == played[1]


@pytest.mark.parametrize(
    "other",
    [
        {"split": "valid_seen", "games": "generated"},
        {"num_games": 4},
        {"num_games": 3, "reward": "sparse"},
        {"num_games": 3, "order": "fixed"},
        {"num_games": 3, "view": "map"},
    ],
    ids=str,
)
def test_a_snapshot_of_other_games_or_arguments_is_refused(other):
    env = make(num_games=3)
    env.reset(seed=4)
    with pytest.raises(ValueError, match="the snapshot is of 'ALFWorldEnv-.*: expected one of"):
        make(**other).restore(env.snapshot())


def test_a_data_set_may_move_but_not_change(data, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)
    env, other = make(data=data), make(data=moved)
    env.reset(seed=2)
    env.step("look")
    snapshot = env.snapshot()
    other.restore(snapshot)
    name = other.reset(options={"game": 0})[1]["game"]
    other.restore(snapshot)
    assert play(other, 1) == play(env, 1)
    path = moved / dataset.LAYOUT / "train" / name / "game.tw-pddl"
    path.write_text(json.dumps(game_file(generator.generate("train", LOOK, 7))))
    env.reset(options={"game": name})
    with pytest.raises(ValueError, match=f"the game {name} is not what it was"):
        other.restore(env.snapshot())


def test_pictures_of_copies_are_their_own():
    env = make()
    picture, _ = env.reset(seed=0)
    twin = copy.deepcopy(env)
    twin.step("help")
    twin.close()
    assert np.array_equal(env.current_observation(), picture)
