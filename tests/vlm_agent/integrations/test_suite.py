"""The numbered episodes that servers and tasksets offer."""

import itertools

import gymnasium as gym
import numpy as np
import pytest

from tests.support.counted_env import CountedEnv
from vlm_agent.cli.main import main
from vlm_agent.core.seeding import episode_seeds, training_seeds
from vlm_agent.integrations.suite import Suite, registered_ids

NUMBER_LINE = "gym_cards/NumberLine-v0"


def test_the_test_split_is_what_eval_plays_and_the_train_split_is_not():
    suite = Suite([NUMBER_LINE], seed=3)
    test, train = suite.split(f"{NUMBER_LINE}:test"), suite.split(f"{NUMBER_LINE}:train")
    assert [suite.task(test.name, index).seed for index in range(100)] == list(
        episode_seeds("evaluation", 3, 100)
    )
    assert list(train.seeds[:100]) == list(itertools.islice(training_seeds(3), 100))
    assert not set(train.seeds) & set(test.seeds)
    assert (train.type, test.type) == ("train", "test")


def test_a_package_stands_for_all_that_can_be_made(monkeypatch):
    for name in registered_ids("gym_cards")[2:]:  # two are enough to tell, and quicker
        monkeypatch.delitem(gym.registry, name)
    broken = gym.envs.registration.EnvSpec("gym_cards/Broken-v0", entry_point="nowhere:Env")
    monkeypatch.setitem(gym.registry, broken.id, broken)
    suite = Suite(["gym_cards"])
    assert list(suite.tasks) == registered_ids("gym_cards")[:2]
    assert len(suite.splits) == 2 * len(suite.tasks)
    assert "nowhere" in suite.left_out[broken.id]
    with pytest.raises(ValueError, match="nowhere"):  # by its own name
        Suite([broken.id])


def test_games_of_a_list_are_a_split():
    with CountedEnv.registered(games=("easy", "hard")) as name:
        suite = Suite([name])
        assert CountedEnv.alive() == 0
    split = suite.split(f"{name}:games")
    assert split.type == "test"
    task = suite.task(split.name, 1)
    assert (task.game, task.options) == ("hard", {"game": 1})
    assert task.seed == episode_seeds("evaluation", 0, 2)[1]  # as eval --all-games
    assert suite.task(f"{name}:test", 1).options is None


def test_the_command_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    assert main(["openenv", "--env", NUMBER_LINE]) == 1
    assert 'pip install "gym-cards[openenv]"' in capsys.readouterr().err


def test_mistakes_say_what_was_expected():
    suite = Suite([NUMBER_LINE])
    with pytest.raises(ValueError, match=r"did you mean 'gym_cards/NumberLine-v0:test'"):
        suite.task(f"{NUMBER_LINE}:tests", 0)
    with pytest.raises(ValueError, match=r"did you mean 'gym_cards/NumberLine-v0'"):
        suite.check_env("gym_cards/NumberLine")
    for index in (-1, 1000):
        with pytest.raises(IndexError, match=f"index={index}.*0 to 999"):
            suite.task(f"{NUMBER_LINE}:test", index)
    with pytest.raises(ValueError, match="expected an id"):
        Suite(["no_such_package"])
    with pytest.raises(ValueError, match="registers no environments"):
        Suite(["numpy"])
    assert np.all([split.env == NUMBER_LINE for split in suite.splits.values()])
