"""What is no action, no seed or no options: the same in single and in batched environments."""

import json
import warnings

import gymnasium as gym
import numpy as np
import pytest
from card_games import make
from gymnasium.error import ClosedEnvironmentError
from gymnasium.vector import AsyncVectorEnv
from many_games import make_vec

SMALL = {"size": 64}
# Two games, one of them with the wrappers of `gymnasium.make` around it.
SINGLE = {
    "bare": lambda: make("NumberLine", **SMALL),
    "wrapped": lambda: gym.make("gym_cards/NumberLine-v0", **SMALL),
}
NO_ACTIONS = [
    *(True, False, np.True_, np.array(True)),
    *(None, "1", "-", b"1", "", {}, [], [0], (0,), np.array([0]), np.zeros((1, 1), np.int64)),
    *(0.0, 1.0, np.float64(0), np.array(0.0), 1j, float("nan")),
    *(-1, 2, 2**31, 2**63, 2**64, 2**70, -(2**70), np.int64(-1), np.uint64(2**63)),
]
ACTIONS = [1, np.int64(1), np.uint8(1), np.array(1), np.array(1, np.int8)]
NO_SEEDS = [True, False, np.True_, 1.0, np.float64(1), "1", b"1", -1, -(2**70), {}, np.array(1.0)]
SEEDS = [0, 2**70, 2**32, np.int64(7), np.uint32(7), np.array(7)]
NO_OPTIONS = [
    *(True, False, 0, 1.0, "", "target", [], ["target"], [("target", 1)], (), set()),
    *({"colour": 1}, {1: 2}, {"target": 1}, {"target": 1, "current": 2, "seed": 3}),
]
NO_NUMBERS = [True, None, 1.0, "1", [1], -1, 6, 2**70, np.True_, np.float64(1), float("inf")]
NO_CARDS = [
    *(None, True, 4, "HA", "HACA", b"HA", {"HA": 1}, {"HA", "CA"}, [], ["HA"], ["HA"] * 3),
    *([None] * 2, [True] * 2, [1, 2], [2**70] * 2, ["HA", None], ["HA", "H1"], ["HA", ["CA"]]),
]


def state_of(env):
    return json.dumps(env.snapshot())


@pytest.fixture(scope="module", params=SINGLE)
def single(request):
    env = SINGLE[request.param]()
    env.reset(seed=3)
    return env


@pytest.fixture(scope="module")
def batch():
    envs = make_vec("NumberLine", 2, **SMALL)
    envs.reset(seed=3)
    return envs


@pytest.mark.parametrize("action", NO_ACTIONS, ids=repr)
def test_what_is_no_action(single, batch, action):
    before = state_of(single.unwrapped)
    for call in (single.step, single.unwrapped.advance, single.unwrapped.explain):
        with pytest.raises(ValueError, match=r"is not an action: expected an index out of 0: '-',"):
            call(action)
    assert state_of(single.unwrapped) == before
    before = state_of(batch)
    several = [[action, 0], (0, action)]
    if np.ndim(action) == 0:
        # Mixed with an integer, NumPy makes numbers of booleans: only alone they are recognised.
        several += [np.array([action, action]), np.array([0, action], object)]
    for actions in several:
        with pytest.raises(ValueError, match=r"is not an action: expected an|expected whole numb"):
            batch.step(actions)
    assert state_of(batch) == before


@pytest.mark.parametrize(
    "actions", [0, [0], [0, 0, 0], [], None, "00", {0: 0, 1: 0}, [[0, 0]], 5.0]
)
def test_what_is_not_one_action_for_each_game(batch, actions):
    before = state_of(batch)
    for given in (actions, np.array(actions)):
        with pytest.raises(ValueError, match=r"expected whole numbers of shape \(2,\)"):
            batch.step(given)
    assert state_of(batch) == before


@pytest.mark.parametrize("action", ACTIONS, ids=repr)
def test_whole_numbers_are_actions(action):
    start = {"target": 5, "current": 2}
    env, envs = make("NumberLine", **SMALL), make_vec("NumberLine", 2, **SMALL)
    env.reset(options=start)
    assert env.step(action)[4]["Current"] == 3
    envs.reset(options=start)
    for actions in ([action, 0], (action, 1), np.array([action, 0])):
        infos = envs.step(actions)[4]
    assert infos["Current"].tolist() == [5, 1]


@pytest.mark.parametrize("seed", NO_SEEDS, ids=repr)
def test_what_is_no_seed(single, batch, seed):
    for env, seeds in (
        (single.unwrapped, [seed]),
        (single, [seed, [1], (1,), np.array([1])]),
        (batch, [seed, [seed, 1], [1, seed], (None, seed), [1], [1, 2, 3], [], [[1, 2]], "12"]),
    ):
        before = state_of(env.unwrapped)
        for given in seeds:
            with pytest.raises(ValueError, match="seed=.*expected a whole|seeds for 2 games"):
                env.reset(seed=given)
        assert state_of(env.unwrapped) == before


@pytest.mark.parametrize("seed", SEEDS, ids=repr)
def test_whole_numbers_are_seeds(seed):
    env, envs = make("NumberLine", **SMALL), make_vec("NumberLine", 2, **SMALL)
    first = env.reset(seed=seed)[1]
    second = env.reset(seed=int(seed) + 1)[1]
    for given in (seed, [seed, int(seed) + 1], range(int(seed), int(seed) + 2)):
        infos = envs.reset(seed=given)[1]
        assert infos["Target"].tolist() == [first["Target"], second["Target"]]
        assert infos["Current"].tolist() == [first["Current"], second["Current"]]


def refuses(env, options):
    before = state_of(env.unwrapped)
    with pytest.raises(ValueError, match="expected"):
        # The seed would change the random numbers.
        env.reset(seed=8, options=options)
    assert state_of(env.unwrapped) == before


@pytest.mark.parametrize("options", NO_OPTIONS, ids=repr)
def test_what_are_no_options(single, batch, options):
    for env in (single, batch):
        refuses(env, options)


@pytest.mark.parametrize("number", NO_NUMBERS, ids=repr)
def test_what_is_no_number_of_an_option(single, batch, number):
    for options in ({"target": number, "current": 2}, {"target": 2, "current": number}):
        for env in (single, batch):
            refuses(env, options)


def test_what_are_no_cards_of_an_option():
    for env in (make("EZPoints", **SMALL), make_vec("EZPoints", 2, **SMALL)):
        env.reset(seed=0)
        for cards in NO_CARDS:
            refuses(env, {"cards": cards})


def test_no_options_are_a_random_start(batch):
    for options in (None, {}):
        assert batch.reset(seed=8, options=options)[1]["_Target"].all()


@pytest.mark.parametrize("vectorised", [False, True])
def test_a_closed_environment_only_closes(vectorised):
    modes = {"render_mode": "rgb_array", **SMALL}
    env = make_vec("NumberLine", 2, **modes) if vectorised else make("NumberLine", **modes)
    env.reset(seed=0)
    saved = env.snapshot()
    env.close()
    env.close()
    calls = [env.reset, env.render, env.snapshot, lambda: env.restore(saved)]
    calls += [lambda: env.step([0, 0] if vectorised else 0)]
    if vectorised:
        calls += [lambda: env.call("expert")]
    else:
        calls += [env.expert, env.exact, env.current_observation, lambda: env.explain(0)]
        calls += [env.begin, lambda: env.advance(0)]
    for call in calls:
        with pytest.raises(ClosedEnvironmentError, match=r"after close\(\): make a new environ"):
            call()
    assert env.action_names == ("-", "+")


@pytest.mark.filterwarnings("ignore:.*(ERROR|Worker)")
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda envs: envs.step([0, True]), "True is not an action"),
        (lambda envs: envs.reset(seed=[0, True]), "seed=True: expected a whole number"),
        (lambda envs: envs.reset(options={"target": None, "current": 1}), "target=None: expected"),
    ],
)
def test_the_errors_come_from_other_processes_too(wrong, error):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process.*is multi-threaded", DeprecationWarning)
        envs = AsyncVectorEnv([lambda: make("NumberLine", **SMALL)] * 2)
    try:
        envs.reset(seed=0)
        with pytest.raises(ValueError, match=error):
            wrong(envs)
    finally:
        envs.close(terminate=True)
    with pytest.raises(ClosedEnvironmentError):
        envs.step([0, 0])


@pytest.mark.parametrize("name", ["info", "action_masks"])
def test_what_is_read_needs_a_state(name):
    env = gym.make("gym_cards/Points24-v0").unwrapped
    with pytest.raises(gym.error.ResetNeeded):
        getattr(env, name)()
    env.reset(seed=0)
    getattr(env, name)()
    env.close()
    with pytest.raises(gym.error.ClosedEnvironmentError):
        getattr(env, name)()
