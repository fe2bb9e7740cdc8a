import gymnasium as gym
import numpy as np
import pytest

from vlm_agent.core.environments import env_id, make_env, make_vector_env
from vlm_agent.core.errors import ProtocolError
from vlm_agent.core.protocol import observe, split_infos, task_of
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.core.types import Task

PICTURE = np.zeros((4, 4, 3), np.uint8)


def test_unregistered_ids_import_their_package():
    assert env_id("nowhere/Game-v0") == "nowhere:nowhere/Game-v0"
    assert env_id("CartPole-v1") == "CartPole-v1"
    assert env_id("module:ns/Game-v0") == "module:ns/Game-v0"


@pytest.mark.parametrize("name", ["nowhere/Game-v0", "gym_cards/Nothing-v0", "Nothing-v0"])
def test_an_unknown_id_is_a_clear_error(name):
    with pytest.raises(ValueError, match=f"no environment '{name}'"):
        make_env(name)


def test_wrong_arguments_are_a_clear_error():
    with pytest.raises(ValueError, match="cannot be made.*no_such"):
        make_env("gym_cards/NumberLine-v0", no_such=1)
    with pytest.raises(ValueError, match="have the function pass them"):
        make_env(lambda: gym.make("CartPole-v1"), x=1)


def test_an_environment_without_the_protocol_is_a_clear_error():
    with pytest.raises(ProtocolError, match="task_description"):
        make_env("CartPole-v1")


def test_only_pictures_are_observed():
    with pytest.raises(ProtocolError, match="AddRenderObservation"):
        observe(Task("", ("a",)), np.zeros(4), {})


def test_given_fields_must_exist():
    with pytest.raises(ProtocolError, match="'formula'"):
        observe(Task("", ("a",)), PICTURE, {"state": {"cards": "9"}, "given": ("formula",)})


def test_text_actions_come_from_info():
    info = {"admissible_commands": ["look", "go to shelf 1"], "task": "find a cup"}
    observation = observe(Task("", None), PICTURE, info)
    assert observation.actions == ("look", "go to shelf 1")
    assert observation.goal == "find a cup"
    with pytest.raises(ProtocolError, match="admissible_commands"):
        observe(Task("", None), PICTURE, {})


@pytest.mark.parametrize("name", ["NumberLine", "EZPoints", "Points24", "Blackjack"])
def test_vector_infos_split_into_what_single_environments_report(name):
    envs = make_vector_env(f"gym_cards/{name}-v0", 3)
    singles = [make_env(f"gym_cards/{name}-v0") for _ in range(3)]
    _, infos = envs.reset(seed=[5, 6, 7])
    for row, env, seed in zip(split_infos(infos, 3), singles, (5, 6, 7), strict=True):
        _, info = env.reset(seed=seed)
        assert row.keys() == info.keys()
        for key, value in info.items():
            assert np.array_equal(row[key], value), key
        assert row["state"] == info["state"]
        assert isinstance(row["is_success"], bool)
    assert task_of(singles[0]).action_names == envs.call("action_names")[0]
    envs.close()


def test_what_one_environment_does_not_report_is_absent():
    infos = {"won": np.array([True, False]), "_won": np.array([True, False])}
    assert split_infos(infos, 2) == [{"won": True}, {}]


def test_evaluation_seeds_are_never_trained_on():
    training = episode_seeds("training", 0, 2000)
    evaluation = episode_seeds("evaluation", 0, 2000)
    assert not set(training) & set(evaluation)
    assert len(set(training)) == len(set(evaluation)) == 2000
    assert episode_seeds("training", 0, 3) == episode_seeds("training", 0, 2000)[:3]
    assert episode_seeds("training", 1, 3) != episode_seeds("training", 0, 3)
    with pytest.raises(ValueError, match="seed=-1: expected a whole number"):
        episode_seeds("training", -1, 1)
