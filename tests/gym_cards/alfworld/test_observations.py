"""Observations that hold the goal and the commands, for agents that look at nothing else."""

import random
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import gym_cards  # noqa: F401
from gym_cards.alfworld import DiscreteCommands
from gym_cards.core.texts import CHARSET, Alphabet, folded
from gym_cards.wrappers import TextObservation

ID = "gym_cards/ALFWorld-v0"
SMALL = {"task_types": ["look_at_obj_in_light"], "size": 150}

pytestmark = pytest.mark.filterwarnings("error")


class Errands(gym.Env):
    """Environment of someone else that offers the protocol, with commands in any letters."""

    observation_space = gym.spaces.Box(0, 255, (8, 8, 3), np.uint8)
    action_space = gym.spaces.Text(80, charset=CHARSET + "é日")
    task_description = "Run an errand."
    action_names = None

    def __init__(self, task="Get “café”\n日, now", commands=("go to café", "wait")):
        self.task = task
        self.commands = commands
        self.done = []

    def _told(self):
        info = {"state": {"place": "home"}, "is_success": False}
        info["admissible_commands"] = self.commands
        return np.zeros((8, 8, 3), np.uint8), {**info, "task": self.task} if self.task else info

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._told()

    def step(self, action):
        self.done.append(action)
        observation, info = self._told()
        return observation, 0.0, False, False, info


def commands_in(env, observation):
    """The commands in an observation of DiscreteCommands."""
    if isinstance(observation["commands"], str):
        return tuple(observation["commands"].split("\n"))
    return tuple(env.decode(row) for row in observation["commands"] if row.any())


def task_in(env, observation):
    task = observation["task"]
    return task if isinstance(task, str) else env.decode(task)


@pytest.fixture(scope="module")
def household():
    with gym.make(ID, **SMALL) as env:
        yield env


@pytest.mark.parametrize("tokens", [True, False])
def test_an_agent_without_info_sees_goal_and_commands(household, tokens):
    env = DiscreteCommands(household, tokens=tokens)
    rng = random.Random(0)
    observation, info = env.reset(seed=3)
    for _ in range(12):
        assert observation in env.observation_space
        assert task_in(env, observation) == info["task"]
        commands = commands_in(env, observation)
        assert commands == info["admissible_commands"]
        assert observation["action_mask"].tolist() == [1] * len(commands) + [0] * (
            128 - len(commands)
        )
        assert np.array_equal(observation["action_mask"], info["action_mask"])
        assert np.array_equal(observation["action_mask"], env.action_masks())
        assert np.array_equal(observation["image"], env.unwrapped.current_observation())
        index = rng.randrange(len(commands))
        observation, _, over, *_, info = env.step(index)
        if over:
            observation, info = env.reset()


def test_the_text_begins_with_the_goal_and_ends_with_the_commands(household):
    env = TextObservation(household)
    text, info = env.reset(seed=3)
    lines = text.split("\n")
    assert lines[0] == f"task: {info['task']}"
    assert lines[1:-1] == [f"{field}: {value}" for field, value in info["state"].items()]
    assert lines[-1] == f"commands: {'; '.join(info['admissible_commands'])}"
    assert text in env.observation_space
    assert env.step(info["admissible_commands"][0])[0].startswith(lines[0])


def test_the_longest_texts_of_the_household_fit():
    """Kitchens have the most furniture and things."""
    with gym.make(ID, size=150) as env:
        texts, numbers = TextObservation(env), DiscreteCommands(env)
        options = {"task_type": "pick_heat_then_place_in_recep", "game_seed": 5}
        text, info = texts.reset(options=options)
        assert info["scene"] < 31
        counter = next(c for c in info["admissible_commands"] if c.startswith("go to countertop"))
        text, *_, info = texts.step(counter)
        for verb in ("take", "go to"):
            command = next(c for c in info["admissible_commands"] if c.startswith(verb))
            text, *_, info = texts.step(command)
            assert len(text) < texts.max_length // 2
        assert len(info["admissible_commands"]) < 128
        assert max(map(len, info["admissible_commands"])) < 80
        assert numbers.reset(options=options)[0] in numbers.observation_space


WRAPPERS = {
    "numbers": DiscreteCommands,
    "texts": lambda env: DiscreteCommands(env, tokens=False),
    "text": TextObservation,
    "text and picture": lambda env: TextObservation(env, keep_image=True, tokens=True),
    "both": lambda env: DiscreteCommands(TextObservation(env, keep_image=True)),
    "text, numbers": lambda env: DiscreteCommands(TextObservation(env)),
}


@pytest.mark.parametrize("whose", ["ours", "theirs"])
@pytest.mark.parametrize("form", WRAPPERS)
def test_gymnasiums_checker_has_nothing_to_say(form, whose, household):
    env = household if whose == "ours" else Errands(commands=("go", "wait"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version.*")
        check_env(WRAPPERS[form](env), skip_render_check=True)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_batches_hold_the_same_as_single_ones(mode):
    vector_kwargs = {"vectorization_mode": mode, "wrappers": [DiscreteCommands]}
    envs = gym.make_vec(ID, 2, **vector_kwargs, **SMALL)
    singles = [DiscreteCommands(gym.make(ID, **SMALL)) for _ in range(2)]
    observations, _ = envs.reset(seed=7)
    for step in range(3):
        for i, env in enumerate(singles):
            one = env.reset(seed=7 + i)[0] if step == 0 else env.step(step)[0]
            assert one.keys() == observations.keys()
            for key, value in one.items():
                assert np.array_equal(observations[key][i], value)
        observations = envs.step(np.array([step + 1] * 2))[0]
    envs.close()
    for env in singles:
        env.close()


def test_after_a_snapshot_the_commands_are_those_of_its_state():
    env = DiscreteCommands(gym.make(ID, **SMALL))
    _, info = env.reset(seed=0)
    snapshot = env.get_wrapper_attr("snapshot")()
    first = info["admissible_commands"]
    left = next(index for index, one in enumerate(first) if one.startswith("go to"))
    env.step(left)
    env.get_wrapper_attr("restore")(snapshot)
    assert env.action_masks().sum() == len(first)
    env.step(left)
    assert env.unwrapped.snapshot()["actions"] == [first[left]]


@pytest.mark.parametrize("action", [True, -1, 1.0, "0", None])
def test_only_whole_numbers_are_actions(action):
    env = DiscreteCommands(Errands())
    env.reset()
    with pytest.raises(ValueError, match=f"{action!r} is not an action"):
        env.step(action)


def test_an_environment_without_commands_is_refused():
    env = DiscreteCommands(gym.make("gym_cards/NumberLine-v0"))
    with pytest.raises(ValueError, match="expected 'admissible_commands'"):
        env.reset()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"seed": True}, "seed"), ({"seed": -1}, "seed"), ({"options": []}, "options")],
    ids=str,
)
def test_seeds_and_options_are_checked_as_in_all_games(arguments, message):
    env = gym.make(ID, disable_env_checker=True, **SMALL).unwrapped
    with pytest.raises(ValueError, match=message):
        env.reset(**arguments)
    env.reset(seed=np.int64(3))


def test_an_environment_of_someone_else():
    theirs = Errands()
    env = DiscreteCommands(theirs, 4, task_length=20, command_length=12)
    observation, _ = env.reset(seed=0)
    assert task_in(env, observation) == 'Get "cafe" ?, now'
    assert commands_in(env, observation) == ("go to cafe", "wait")
    for action in (0, 1, 2):
        env.step(action)
    assert theirs.done == ["go to café", "wait", ""]
    assert task_in(env, DiscreteCommands(Errands(task=None)).reset()[0]) == ""
    plain = TextObservation(Errands(commands=("go", "wait")))
    assert plain.reset()[0] == 'task: Get "cafe" ?, now\nplace: home\ncommands: go; wait'
    # A command is to be said as it is.
    with pytest.raises(ValueError, match="among them 'é': expected at most 8192 out of the charse"):
        TextObservation(Errands()).reset()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count=0: expected a whole number of at least 1"),
        ({"task_length": 0}, "task_length=0: expected a whole number of at least 1"),
        ({"command_length": True}, "command_length=True: expected a whole number"),
        ({"tokens": 1}, "tokens=1: expected True or False"),
        ({"task_length": 5}, "the task 'Get .*' has 17 characters: expected at most 5; make"),
        ({"command_length": 5}, "the command 'go to cafe' has 10 characters: expected at most 5"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DiscreteCommands(Errands(), **arguments).reset()


def test_names_that_are_taken_are_refused():
    with pytest.raises(ValueError, match="have the entries .*: expected none of task, commands"):
        DiscreteCommands(DiscreteCommands(Errands()))


def test_characters_become_their_look_alikes():
    known = set(CHARSET)
    assert folded("“naïve” – ½ ﬁx…\u00a0Łódź’s\u200b", known) == '"naive" - 1/2 fix... Lodz\'s'
    assert folded("日本", known) == "??"
    assert folded("é日", {"é"}, "□") == "é□"
    alphabet = Alphabet("ab")
    assert alphabet.fold("abcá") == "aba"
    assert alphabet.encode("ab", 4).tolist() == [1, 2, 0, 0]
    assert alphabet.decode([1, 0, 2]) == "ab"
    assert alphabet.foreign("abz-") == ["-", "z"]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("masked", [False, True])
def test_an_agent_of_stable_baselines3_learns(masked):
    name = "sb3_contrib" if masked else "stable_baselines3"
    algorithms = pytest.importorskip(name)
    algorithm = algorithms.MaskablePPO if masked else algorithms.PPO
    with DiscreteCommands(gym.make(ID, **SMALL)) as env:
        agent = algorithm("MultiInputPolicy", env, n_steps=16, batch_size=16, n_epochs=1)
        agent.learn(32)
        observation, info = env.reset(seed=0)
        masks = {"action_masks": env.action_masks()} if masked else {}
        action, _ = agent.predict(observation, **masks)
        assert action in env.action_space
        assert not masked or action < len(info["admissible_commands"])
