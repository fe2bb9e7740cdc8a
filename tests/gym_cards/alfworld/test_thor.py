"""The Unity backend, with a stand-in for alfworld's environment: Unity itself is not run here."""

import copy
import json
import random
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled

import gym_cards  # noqa: F401
from gym_cards.alfworld import thor
from gym_cards.alfworld.games import dataset, generator, index
from gym_cards.alfworld.games.game import TASK_TYPES
from gym_cards.alfworld.view import goal_above

ID = "gym_cards/ALFWorld-v0"


class StandIn:
    """What of `AlfredThorEnv` is used, with a mug to be taken to a desk."""

    made: list = []  # noqa: RUF012

    def __init__(self, config, train_eval):
        sys.stdout.write("Initialize AlfredThorEnv...")
        self.config, self.train_eval = config, train_eval
        self.closed = False
        StandIn.made.append(self)

    def init_env(self, batch_size):
        assert batch_size == 1
        return self

    def reset(self):
        (self.task,) = random.sample(self.json_file_list, k=1)
        sys.stdout.write("Task: secret")
        self.progress = 0
        sentence = random.choice(["put a mug in desk", "put some mug on desk"])
        infos = self._infos()
        return [f"You see a desk 1.\n\nYour task is to: {sentence}."], infos

    def step(self, actions):
        if actions == [["take mug 1 from shelf 1", "move mug 1 to desk 1"][self.progress]]:
            self.progress += 1
        return [f"Done {self.progress}."], None, [False], self._infos()

    def _infos(self):
        commands = ["take mug 1 from shelf 1", "look", "look"]
        commands = commands if self.progress == 0 else ["move mug 1 to desk 1", "look"]
        return {
            "admissible_commands": [commands],
            "won": [self.progress == 2],
            "goal_condition_success_rate": [self.progress / 2],
            "extra.gamefile": [self.task],
            "extra.expert_plan": [[commands[0]]],
        }

    def get_frames(self):
        size = self.config["env"]["thor"]["screen_height"]
        frame = np.zeros((1, size, size, 3), np.uint8)
        frame[..., 0] = 10 + self.progress  # blue, as alfworld hands it out
        return frame

    def close(self):
        self.closed = True


@pytest.fixture
def data(tmp_path):
    """A data set whose games have Unity scenes."""
    for seed in range(2):
        game = generator.generate("train", "pick_and_place_simple", seed)
        path = dataset.write_game(game, tmp_path / dataset.LAYOUT / "train")
        place = path.with_name(index.TRAJECTORY)
        trajectory = json.loads(place.read_text())
        trajectory["scene"]["object_poses"] = []
        place.write_text(json.dumps(trajectory))
    return tmp_path


@pytest.fixture
def thor_is_there(monkeypatch):
    monkeypatch.setattr(thor, "missing", lambda games: [])

    class Module:
        AlfredThorEnv = StandIn

    monkeypatch.setattr(thor.packages, "load", lambda name: Module)


def test_a_game_in_unity(data, thor_is_there, capsys):
    state = random.getstate()
    env = gym.make(ID, backend="thor", data=str(data), size=160)
    picture, info = env.reset(seed=0)
    assert picture.shape == (160, 160, 3)
    assert picture[0, 0].tolist() == [0, 0, 10]
    assert picture.flags.c_contiguous
    assert info["admissible_commands"] == ("look", "take mug 1 from shelf 1")
    assert info["state"] == {"observation": f"You see a desk 1. Your task is to: {info['task']}."}
    assert info["task_type"] == "pick_and_place_simple"
    (unity,) = StandIn.made[-1:]
    path = data / dataset.LAYOUT / "train" / info["game"] / index.TRAJECTORY
    assert unity.task == str(path)
    assert unity.config["dataset"]["data_path"] == str(data / dataset.LAYOUT / "train")
    assert unity.train_eval == "train"
    # What is not admissible never reaches Unity.
    _, reward, *_, info = env.step("fly")
    assert reward == -1
    assert info["observation_text"] == "Nothing happens."
    rewards = []
    for privileged in (True, False):
        command, reason = env.unwrapped.expert(privileged=privileged)
        assert reason
        picture, reward, terminated, _, info = env.step(command)
        rewards.append(reward)
    assert rewards == [0.5, 51.0]
    assert terminated
    assert info["is_success"]
    assert picture[0, 0].tolist() == [0, 0, 12]
    human = gym.make(ID, backend="thor", data=str(data), size=160, goals="human", show_goal=True)
    picture, told = human.reset(options={"game": 0})
    (place, *_) = sorted(data.rglob(dataset.TRAJECTORY))
    (annotation,) = json.loads(place.read_text())["turk_annotations"]["anns"]
    assert told["task"] == annotation["task_desc"]
    frame = np.full((160, 160, 3), (0, 0, 10), np.uint8)
    assert np.array_equal(picture, goal_above(frame, told["task"]))
    first = env.reset(seed=0)[1]
    snapshot = env.unwrapped.snapshot()
    assert env.reset(seed=0)[1] == first
    env.step("look")
    env.unwrapped.restore(snapshot)
    assert env.unwrapped.snapshot() == snapshot
    with pytest.raises(TypeError, match=r"use snapshot\(\) and restore\(\)"):
        copy.deepcopy(env)
    env.close()
    assert unity.closed
    assert capsys.readouterr().out == ""
    assert random.getstate() == state


def test_every_missing_piece_is_told_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":93.0")
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    monkeypatch.setattr(thor.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DependencyNotInstalled) as error:
        thor.ThorHouse(None, 300)
    message = str(error.value)
    for part in (
        "ai2thor, cv2, pandas, torch, torchvision, werkzeug",
        'pip install "alfworld[vis]==0.4.2"',
        f".ai2thor/releases/{thor.BUILD}/{thor.BUILD}",
        "an X server at the display ':93.0'",
        "run `alfworld-download` and set ALFWORLD_DATA",
        "backend='textworld' needs none of it",
    ):
        assert part in message
    assert "\n" not in message


def test_what_is_there_is_not_missing(monkeypatch, tmp_path, data):
    paths = dataset.find_games(data, "train", TASK_TYPES)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DISPLAY", "elsewhere:0")
    monkeypatch.setattr(thor.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(thor.importlib.metadata, "version", lambda name: "5.0.0")
    build = tmp_path / ".ai2thor" / "releases" / thor.BUILD / thor.BUILD
    build.parent.mkdir(parents=True)
    build.write_text("")
    build.chmod(0o755)
    assert thor.missing(paths) == ["ai2thor 2.1.0: run `pip install ai2thor==2.1.0`"]
    monkeypatch.setattr(thor.importlib.metadata, "version", lambda name: "2.1.0")
    assert thor.missing(paths) == []
    plain = dataset.write_game(generator.generate("train", TASK_TYPES[1], 3), tmp_path)
    (told,) = thor.missing([plain])
    assert "`object_poses`" in told
