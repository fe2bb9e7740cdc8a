"""The door: every kind of environment is looked at once, and what it offers wrongly is named."""

import json
import random
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from tests.support.strangers import LEFT_OUT, Doors, telling
from vlm_agent.cli.main import main
from vlm_agent.core.environments import make_env, make_vector_env
from vlm_agent.core.errors import ProtocolError
from vlm_agent.core.protocol import observe, split_infos, task_of
from vlm_agent.core.types import Reply
from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.rollout.collector import Collector


def answering(move):
    return {"expert": lambda: move}


FAULTS = {
    "description of nothing": ({"task_description": None}, "task_description is None"),
    "empty description": ({"task_description": " "}, "task_description is ' '"),
    "fewer names": ({"action_names": ("a",)}, "action_names holds 1 names .* Discrete\\(2\\)"),
    "more actions": ({"action_space": spaces.Discrete(3)}, "holds 2 names .* Discrete\\(3\\)"),
    "empty name": ({"action_names": ("a", "")}, "action_names\\[1\\] is ''"),
    "names of numbers": ({"action_names": (0, 1)}, "action_names\\[0\\] is 0"),
    "same names": ({"action_names": ("Go", " go")}, "'Go' and ' go'.*tell apart"),
    "one text": ({"action_names": "ab"}, "action_names is 'ab': expected a tuple"),
    "many actions": ({"action_space": spaces.MultiDiscrete([2, 2])}, "action_space is MultiDisc"),
    "a box": ({"action_space": spaces.Box(0, 1)}, "action_space is Box.*expected Discrete\\(2\\)"),
    "text for numbers": ({"action_names": None}, "text actions, and action_space is Discrete"),
    "no such action": (answering((2, "so")), "expert\\(\\) returned the action 2.*from 0 to 1"),
    "negative action": (answering((-1, "so")), "expert\\(\\) returned the action -1"),
    "action of truth": (answering((True, "so")), "expert\\(\\) returned the action True"),
    "no pair": (answering(1), "expert\\(\\) returned 1 .*a pair"),
    "text as pair": (answering("ab"), "expert\\(\\) returned 'ab': expected a pair"),
    "no such name": (answering(("up", "so")), "'up': expected one of \\('left', 'right'\\)"),
    "no reason": (answering((1, None)), "returned the reason None: expected text"),
    "blind demonstrator": (
        {"demonstrate": lambda: (1.0, "so")},
        "demonstrate\\(\\) returned .* 1.0",
    ),
    "repeats": ({"repeats_given": "no"}, "repeats_given is 'no': expected True or False"),
    "failing expert": ({"expert": lambda: {}["a"]}, "expert\\(\\) raises KeyError\\('a'\\)"),
    "no success": ({"info": telling(is_success=LEFT_OUT)}, "`is_success`; it holds .*state"),
    "success in words": ({"info": telling(is_success="no")}, "is_success'\\] is 'no'"),
    "state of numbers": ({"info": telling(state={"row": 3})}, "state'\\]\\['row'\\] is 3"),
    "numbered state": ({"info": telling(state={3: "a"})}, "state'\\] has the key 3"),
    "state in words": ({"info": telling(state="lit: left")}, "state'\\] is 'lit: left'"),
    "reserved field": ({"info": telling(state={"action": "a"})}, "has a field 'action'"),
    "given nothing": ({"info": telling(given=("row",))}, "given'\\] names \\['row'\\]"),
    "given one text": ({"info": telling(given="row")}, "given'\\] is 'row'"),
    "goal": ({"info": telling(task=3)}, "info\\['task'\\] is 3 .*text"),
    "mask": ({"info": telling(action_mask=[True])}, "action_mask'\\] has 1 values for 2"),
    "mask of words": (
        {"info": telling(action_mask=["a", "b"])},
        "action_mask'\\] is \\['a', 'b'\\]",
    ),
    "info": ({"info": lambda *_: None}, "info is None: expected a dictionary"),
    "picture": ({"picture": lambda _, p: p / 255}, "dtype float64 .* is not a picture"),
    "grey picture": ({"picture": lambda _, p: p[..., 0]}, "shape \\(8, 8\\) is not a picture"),
    "reward": ({"outcome": lambda *_: (np.nan, False, False)}, "reward nan"),
    "no reward": ({"outcome": lambda *_: (None, False, False)}, "reward None"),
    "end": ({"outcome": lambda *_: (0.0, None, False)}, "terminated=None"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_named_before_anything_is_played(fault):
    changes, message = FAULTS[fault]
    with pytest.raises(ProtocolError, match=message):
        make_env(lambda: Doors(**changes))


def test_all_faults_are_named_at_once():
    with pytest.raises(ProtocolError) as caught:
        make_env(lambda: Doors(task_description=3, expert=lambda: 5, info=telling(task=b"")))
    for part in ("task_description is 3", "expert() returned 5", "info['task'] is b''"):
        assert part in str(caught.value)


@pytest.mark.parametrize("value", [None, Doors, gym.vector.SyncVectorEnv([Doors])])
def test_a_function_that_returns_no_environment_is_named(value):
    with pytest.raises(ProtocolError, match=r"expected a gymnasium\.Env"):
        make_env(lambda: value)


@pytest.mark.parametrize("wrap", [lambda env: env, gym.wrappers.OrderEnforcing])
def test_a_function_that_returns_the_same_environment_again_is_refused(wrap):
    env = Doors()
    with pytest.raises(ProtocolError, match="returned it before: expected a new environment"):
        make_env(lambda: wrap(env))
    pool = [Doors(), Doors(), Doors()]
    numbers = iter((0, 1, 2, 1))
    make = lambda: pool[next(numbers)]  # noqa: E731
    make_env(make), make_env(make)
    with pytest.raises(ProtocolError, match="returned it before"):
        make_env(make)


class Counted(Doors):
    made, resets = 0, 0

    def __init__(self):
        super().__init__()
        type(self).made += 1

    def reset(self, **kwargs):
        type(self).resets += 1
        random.random(), np.random.random()
        return super().reset(**kwargs)


def test_it_is_looked_at_once_and_nothing_that_is_played_is_touched():
    random.seed(3)
    np.random.seed(3)
    states = random.getstate(), np.random.get_state()[1].tolist()
    envs = [make_env(Counted) for _ in range(3)]
    assert (Counted.made, Counted.resets) == (4, 1)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states
    for _ in range(2):
        make_env(partial(Counted)).close()
    assert (Counted.made, Counted.resets) == (6, 1)
    Counted.made = 4
    untouched = Doors()
    for env in envs:
        assert (env.reset(seed=4)[0] == untouched.reset(seed=4)[0]).all()
    gym.register("stranger/Doors-v0", Counted)
    try:
        for _ in range(2):
            make_env("stranger/Doors-v0").close()
        assert (Counted.made, Counted.resets) == (7, 5)
    finally:
        del gym.registry["stranger/Doors-v0"]


def test_actions_may_be_counted_from_any_number():
    def make():
        return Doors(action_space=spaces.Discrete(2, start=5))

    assert evaluate("expert", make, episodes=5).success_rate == 1.0
    wins = evaluate(lambda now: f'{{"action": "{now.state["lit door"]}"}}', make, episodes=5)
    assert wins.success_rate == 1.0
    demonstrator = Demonstrator(make, num_envs=2, random_share=0.5)
    for batch in (next(iter(demonstrator)), next(iter(demonstrator))):
        for each in batch:
            assert json.loads(each.reply)["action"] in Doors.action_names
    demonstrator.close()


RESTLESS = telling(
    score=lambda env: None if env.round == 0 else float(env.round),
    path=lambda env: np.arange(env.round),
    extras=lambda env: {env.round: env.round, "a": {1: object()}},
    final_info=lambda env: {"is_success": 5},
    final_obs=7,
    action_mask=lambda env: np.array([True, env.round > 0]),
    task=lambda env: None if env.round == 0 else f"round {env.round}",
)


class First:
    def act(self, observations, draws):
        return [Reply("", 0, (1,), 0, (-1.0,)) for _ in observations]

    def values(self, observations):
        return [0.0 for _ in observations]


def test_what_the_protocol_does_not_know_is_left_alone(tmp_path):
    def make():
        return Doors(info=RESTLESS)

    envs = make_vector_env(make, 2)
    singles = [make(), make()]
    envs.reset(seed=[5, 6])
    for env, seed in zip(singles, (5, 6), strict=True):
        env.reset(seed=seed)
    for step in range(1, 4):
        _, rewards, ends, _, infos = envs.step([0, 1])
        rows = split_infos(infos["final_info"] if ends.all() else infos, 2)
        for env, action, row, reward in zip(singles, (0, 1), rows, rewards, strict=True):
            _, expected, *_, info = env.step(action)
            assert reward == expected
            assert row["path"].tolist() == list(range(step)) == info["path"].tolist()
            assert (row["task"], row["state"]) == (f"round {step}", info["state"])
    assert ends.all()
    envs.close()

    collector, other = Collector(make, 2), Collector(make, 2)
    collector.collect(First(), 5)
    other.load_state_dict(collector.state_dict())
    one, two = (each.collect(First(), 4).rewards.tolist() for each in (collector, other))
    assert one == two
    collector.close()
    other.close()


class Shelves(gym.Env):
    """Lists its commands as an array, more of them in every step."""

    task_description, action_names = "Go to the last shelf.", None
    action_space = spaces.Text(30, charset="abcdefghijklmnopqrstuvwxyz 0123456789")
    observation_space = spaces.Box(0, 255, (8, 8, 3), np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.commands = ["go"]
        return self._moment()

    def step(self, action):
        self.commands.append(f"{action} to shelf {len(self.commands)}")
        picture, info = self._moment()
        return picture, 0.0, False, len(self.commands) > 4, info

    def _moment(self):
        info = {"admissible_commands": np.array(self.commands), "is_success": False}
        return np.zeros((8, 8, 3), np.uint8), info


def test_commands_may_be_an_array_and_are_never_cut():
    envs = make_vector_env(Shelves, 2)
    single = make_env(Shelves)
    task, (picture, info) = task_of(single), single.reset(seed=1)
    _, infos = envs.reset(seed=[1, 2])
    for count in range(1, 4):
        now = observe(task, picture, info)
        assert len(now.actions) == count
        assert all(type(each) is str for each in now.actions)
        for row in split_infos(infos, 2):
            assert observe(task, picture, row).actions == now.actions
        picture, *_, info = single.step(now.actions[-1])
        *_, infos = envs.step((now.actions[-1],) * 2)
    envs.close()
    with pytest.raises(ProtocolError, match="expected a tuple or list of texts"):
        observe(task, picture, {"admissible_commands": np.array([["go"]])})


def test_a_fault_that_shows_later_is_named_too():
    def spoilt():
        return Doors(rounds=5, info=telling(state=lambda env: {"row": env.round > 3 or "a"}))

    make_env(spoilt)
    with pytest.raises(ProtocolError, match=r"state'\]\['row'\] is True: expected text"):
        evaluate("random", spoilt, episodes=1)


@pytest.mark.parametrize(
    "late",
    [
        {"outcome": lambda env, was: (None if env.round > 3 else 1.0, *was[1:])},
        {"info": telling(state=lambda env: {(1, 2) if env.round > 3 else "row": "a"})},
        {"picture": lambda env, picture: None if env.round > 3 else picture},
    ],
)
def test_a_fault_in_training_is_a_protocol_error_too(late):
    collector = Collector(lambda: Doors(rounds=6, **late), 1)
    with pytest.raises(ProtocolError):
        collector.collect(First(), 6)
    collector.close()


@pytest.mark.parametrize("command", ["eval --policy random --episodes 1", "show", "check"])
def test_commands_say_it_in_one_line(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gym.register("stranger/Bad-v0", lambda: Doors(task_description=None))
    try:
        assert main([*command.split(), "--env", "stranger/Bad-v0"]) == 1
    finally:
        del gym.registry["stranger/Bad-v0"]
    out, err = capsys.readouterr()
    assert "task_description is None: expected the rules" in (out if command == "check" else err)
    assert not list(tmp_path.iterdir()), "nothing is written"
