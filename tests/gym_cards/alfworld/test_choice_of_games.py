"""Which games are played: of a data set, of ALFRED, or generated; and how one is chosen."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence

import gym_cards  # noqa: F401
from gym_cards.alfworld.env import ALFWorldEnv
from gym_cards.alfworld.games import dataset, generator
from gym_cards.alfworld.games.game import TASK_TYPES
from gym_cards.alfworld.generate import main as write_games

ID = "gym_cards/ALFWorld-v0"

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def env():
    with gym.make(ID, task_types=["look_at_obj_in_light"], size=150) as env:
        yield env


def test_a_data_set_is_played(tmp_path, monkeypatch):
    kinds = ["look_at_obj_in_light", "pick_and_place_simple"]
    words = ["--out", str(tmp_path), "--games", "2", "--splits", "valid_seen", "--task-types"]
    write_games([*words, *kinds])
    paths = dataset.find_games(tmp_path, "valid_seen", tuple(kinds))
    assert len(paths) == 4
    with gym.make(ID, data=str(tmp_path), split="valid_seen", task_types=kinds, size=150) as env:
        played = {env.reset(seed=seed)[1]["game"] for seed in range(30)}
        assert played == set(env.get_wrapper_attr("game_names"))
        place = tmp_path / dataset.LAYOUT / "valid_seen"
        assert played == {str(path.parent.relative_to(place)) for path in paths}
        _, info = env.reset(options={"game": str(paths[0])})
        walkthrough = dataset.read_game(paths[0]).game["walkthrough"]
        for command in walkthrough:
            *_, info = env.step(command)
        assert info["won"]
        assert info["game"] == str(paths[0])
        of_data = env.reset(options={"game": str(paths[0])})[0]
        assert env.get_wrapper_attr("game_names")[0] in str(paths[0])
        assert np.array_equal(env.reset(options={"game": 0})[0], of_data)
        name = {"task_type": info["task_type"], "game_seed": int(paths[0].parent.name[6:])}
        with pytest.raises(ValueError, match="'game' alone, because these games are not generated"):
            env.reset(options=name)
    with gym.make(ID, split="valid_seen", games="generated", size=150) as env:
        assert np.array_equal(env.reset(options=name)[0], of_data)  # the same game from its name
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))
    with gym.make(ID, split="valid_seen", size=150) as env:
        assert len(env.get_wrapper_attr("game_names")) == 4
    with gym.make(ID, split="valid_seen", games="generated", size=150) as env:
        assert env.get_wrapper_attr("game_names") is None
    with pytest.raises(FileNotFoundError, match="holds no solvable game"):
        gym.make(ID, split="train")


def test_the_validation_splits_are_alfreds_own_tasks_played_once_each():
    with gym.make(ID, split="valid_unseen", num_games=6, view="map", size=150) as env:
        names = env.get_wrapper_attr("game_names")
        assert len(set(names)) == 6
        # Spread over the list, so that all types of tasks are there.
        assert len({name.split("-")[0] for name in names}) >= 5
        infos = [env.reset(seed=7)[1], *(env.reset()[1] for _ in range(11))]
        played = [info["game"] for info in infos]
        assert len(set(played[:6])) == len(set(played[6:])) == 6
        assert set(played[:6]) == set(played[6:])
        assert {info["scene"] for info in infos} <= {10, 219, 308, 424}
        assert env.reset(seed=7)[1]["game"] == played[0]
        by_position = env.reset(options={"game": 3})
        by_name = env.reset(options={"game": names[3]})
        assert data_equivalence(by_position, by_name, exact=True)
        for wrong, message in ((6, "at most 5"), (-1, "at least 0"), ("none", "no such game")):
            with pytest.raises(ValueError, match=message):
                env.reset(options={"game": wrong})
    with gym.make(ID, split="valid_unseen", order="fixed", num_games=3, size=150) as env:
        played = [env.reset(seed=3)[1]["task_type"], *(env.reset()[1]["task_type"] for _ in "ab")]
        assert played == [name.split("-")[0] for name in env.get_wrapper_attr("game_names")]
    with gym.make(ID, split="tests_unseen", num_games=2, size=150) as env:
        assert len(env.get_wrapper_attr("game_names")) == 2
        assert env.reset(seed=0)[1]["scene"] in (9, 29, 215, 226, 315, 325, 404, 425)
    with gym.make(ID, size=150) as env:
        assert env.get_wrapper_attr("game_names") is None


def test_which_games_are_played_is_checked(tmp_path):
    for arguments, message in (
        ({"games": "own"}, "games='own': expected one of"),
        ({"order": "random"}, "order='random': expected one of"),
        ({"games": "alfred", "data": str(tmp_path)}, "expected one of them"),
        ({"games": "alfred", "split": "tests_seen"}, "ALFRED has no tasks of the types"),
        ({"games": "alfred", "split": "valid_unseen", "num_games": 999}, "expected at most 156"),
        ({"num_games": 0}, "num_games"),
    ):
        with pytest.raises(ValueError, match=message):
            ALFWorldEnv(**arguments)


def test_a_game_is_written_where_it_is_asked_for(env, tmp_path):
    options = {"task_type": "look_at_obj_in_light", "game_seed": 1}
    picture, info = env.reset(options=options)
    assert info["game"] == "look_at_obj_in_light-1"
    path = env.unwrapped.save_game(tmp_path / "new" / "folder")
    game = generator.generate("train", "look_at_obj_in_light", 1)
    assert path == tmp_path / "new" / "folder" / "game.tw-pddl"
    assert dataset.read_game(path) == dataset.files_of(game)
    # It is the same game by each of its names.
    for name in (info["game"], path, str(path)):
        again, told = env.reset(options={"game": name})
        assert np.array_equal(again, picture)
        assert told["game"] == (info["game"] if name == info["game"] else str(path))
        assert {**told, "game": ""} == {**info, "game": ""}


def test_wrong_options_have_no_effect(env):
    env.reset(seed=5)
    following = env.reset()[1]
    env.reset(seed=5)
    with pytest.raises(ValueError, match="no such game"):
        env.reset(seed=6, options={"game": "look_at_obj_in_light-x"})
    env.step("look")
    assert env.reset()[1] == following


@pytest.mark.parametrize(
    "options",
    [
        {"game": "/nowhere"},
        {"task_type": "sleep", "game_seed": 1},
        {"task_type": TASK_TYPES[0], "game_seed": -1},
        {"task_type": TASK_TYPES[0]},
        {"game": True},
        {"game": "sleep-1"},
        ["game"],
        3,
    ],
    ids=str,
)
def test_bad_options_are_an_error(env, options):
    with pytest.raises(ValueError, match=r"options.*expected"):
        env.reset(options=options)


def test_a_folder_that_cannot_be_written_is_told_in_a_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    words = ["--games", "1", "--splits", "train", "--task-types", "look_at_obj_in_light"]
    with pytest.raises(SystemExit) as ended:
        write_games(["--out", str(tmp_path / "file" / "data"), *words])
    assert ended.value.code == 1
    assert "expected a folder to write in" in capsys.readouterr().err
