"""Many games stepped together: what one of them does alone, in the form of Gymnasium's vectors."""

import copy
import json

import gymnasium as gym
import numpy as np
import pytest
from card_games import EVERY, IDS, LOOKS, RULES, make, same
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from many_games import assert_same_form, few, make_vec, modes, playing, synchronous

from gym_cards.core import CardGameVectorEnv
from gym_cards.number_line import NumberLineEnv, NumberLineVectorEnv
from gym_cards.points import EZPointsEnv

# The same as games alone


@modes
@pytest.mark.parametrize(("env_id", "kwargs"), EVERY, ids=str)
def test_equals_gymnasiums_vector_of_single_environments(env_id, kwargs, mode):
    num_envs = 2 if kwargs else 3
    # Random play does not end a game of planning soon.
    limit = 20 if "FreeCell" in env_id else 300
    ours = make_vec(env_id, num_envs, autoreset_mode=mode, max_episode_steps=limit, **kwargs)
    theirs = synchronous(env_id, num_envs, mode, limit, **kwargs)
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.observation_space == theirs.observation_space
    assert ours.single_action_space == theirs.single_action_space
    assert ours.action_space == theirs.action_space
    assert ours.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"] == mode
    ended = 0
    for one, other in zip(playing(ours, mode, 11, 30), playing(theirs, mode, 11, 30), strict=True):
        assert same(one[:-1], other[:-1])
        assert_same_form(one[-1], other[-1])
        assert ours.observation_space.contains(one[0])
        ended += len(one) == 5 and (one[2] | one[3]).sum()
    assert ended


@modes
@pytest.mark.parametrize("limit", [1, 2])
@few
def test_a_time_limit_cuts_episodes(env_id, kwargs, mode, limit):
    ours = make_vec(env_id, 3, autoreset_mode=mode, max_episode_steps=limit, **kwargs)
    theirs = synchronous(env_id, 3, mode, limit, **kwargs)
    truncated = 0
    for one, other in zip(playing(ours, mode, 2, 15), playing(theirs, mode, 2, 15), strict=True):
        assert same(one[:-1], other[:-1])
        assert_same_form(one[-1], other[-1])
        truncated += len(one) == 5 and one[3].sum()
    assert truncated


def test_a_game_is_cut_off_by_its_own_rule_alone():
    """A long line takes more than 300 steps, alone and in a batch."""
    start = {"target": 160, "current": 0}
    alone, envs = make("NumberLine", max_position=160), make_vec("NumberLine", 2, max_position=160)
    unlimited = make_vec("NumberLine", 2, max_position=160, max_episode_steps=-1)
    for each in (alone, envs, unlimited):
        each.reset(options=start)
    cuts = [
        [alone.step(0)[3], *envs.step([0, 0])[3].tolist(), *unlimited.step([0, 0])[3].tolist()]
        for _ in range(320)
    ]
    assert cuts == [[False] * 5] * 319 + [[True] * 5]


@pytest.mark.parametrize("num_envs", [1, 7])
@few
def test_any_number_of_games(env_id, kwargs, num_envs):
    envs = make_vec(env_id, num_envs, **kwargs)
    for transition in playing(envs, AutoresetMode.NEXT_STEP, 4, 8):
        assert envs.observation_space.contains(transition[0])
        for given in transition[1:-1]:
            assert given.shape == (num_envs,)
    assert [given.dtype for given in transition[1:-1]] == [np.float64, np.bool_, np.bool_]


def test_seeds():
    def cards(seed):
        return make_vec("Points24", 3).reset(seed=seed)[1]["Cards"].tolist()

    assert cards(5) == cards([5, 6, 7]) == cards(np.int64(5)) == cards((5, 6, 7))
    assert cards(6)[:2] == cards(5)[1:]
    assert cards([5, None, 7])[::2] == cards(5)[::2]
    assert cards(None) != cards(None)
    envs = make_vec("Points24", 3)
    assert len({str(one) for one in envs.reset()[1]["Cards"]}) == 3
    for seeds in ([1, 2], [1, 2, 3, 4], []):
        with pytest.raises(ValueError, match=f"{len(seeds)} seeds for 3 games"):
            envs.reset(seed=seeds)


def test_options_reach_every_game():
    envs = make_vec("EZPoints", 2)
    _, infos = envs.reset(options={"cards": ["H9", "S3"]})
    assert infos["Cards"].tolist() == [["H9", "S3"]] * 2
    options = {"cards": ["HT", "S2"], "reset_mask": np.array([False, True])}
    _, infos = envs.reset(options=options)
    assert infos["Cards"].tolist() == [None, ["HT", "S2"]]
    assert infos["_Cards"].tolist() == [False, True]
    # What was passed is left as it was.
    assert set(options) == {"cards", "reset_mask"}
    with pytest.raises(ValueError, match="expected a dictionary with exactly the keys"):
        envs.reset(options={"colour": "red"})


def test_rendering():
    envs = make_vec("Blackjack", 2, render_mode="rgb_array")
    observations, _ = envs.reset(seed=0)
    assert same(envs.render(), tuple(observations))
    numbers = make_vec("Blackjack", 2, render_mode="rgb_array", is_pixel=False)
    numbers.reset(seed=0)
    assert same(numbers.render(), tuple(observations))
    with pytest.raises(ValueError, match="render_mode='human': expected None or 'rgb_array'"):
        make_vec("Blackjack", render_mode="human")


# Mistakes


def unchanged(envs):
    return json.dumps(envs.snapshot()), copy.deepcopy(envs.observations())


@few
def test_refused_actions_leave_every_game_as_it_was(env_id, kwargs):
    envs = make_vec(env_id, 3, **kwargs)
    envs.reset(seed=0)
    n = envs.single_action_space.n
    before = unchanged(envs)
    for actions in ([0, n, 0], [0, 0, -1], np.array([n, 0, 0])):
        with pytest.raises(ValueError, match="is not an action: expected an index out of 0: "):
            envs.step(actions)
    wrong = (
        [0, 0],
        [0, 0, 0, 0],
        0,
        [[0, 0, 0]],
        [0.0, 1.0, 0.0],
        ["=", "=", "="],
        None,
        [None] * 3,
    )
    for actions in (*wrong, [True, False, True]):
        with pytest.raises(ValueError, match=r"expected whole numbers of shape \(3,\)"):
            envs.step(actions)
    assert same(unchanged(envs), before)


@few
def test_a_step_needs_a_reset(env_id, kwargs):
    envs = make_vec(env_id, 2, **kwargs)
    with pytest.raises(ResetNeeded, match=r"call reset\(\) first"):
        envs.step([0, 0])
    with pytest.raises(ResetNeeded, match=r"call reset\(\) first"):
        envs.snapshot()
    with pytest.raises(ResetNeeded, match=r"games \[1\] have no state yet"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    envs.reset(seed=0)
    envs.step([0, 0])


def test_ended_games_wait_for_their_reset():
    envs = make_vec("NumberLine", 3, autoreset_mode=AutoresetMode.DISABLED)
    envs.reset(options={"target": 4, "current": 3})
    envs.reset(options={"target": 1, "current": 0, "reset_mask": np.array([False, True, False])})
    _, _, terminations, _, _ = envs.step([0, 1, 0])
    assert terminations.tolist() == [False, True, False]
    with pytest.raises(ResetNeeded, match=r"games \[1\] have ended.*reset_mask"):
        envs.step([0, 0, 0])
    kept = unchanged(envs)
    with pytest.raises(ResetNeeded):
        envs.step([0, 0, 0])
    assert same(unchanged(envs), kept)
    others = [envs.snapshot()["games"][index] for index in (0, 2)]
    _, infos = envs.reset(options={"reset_mask": terminations})
    assert infos["_Target"].tolist() == terminations.tolist()
    assert [envs.snapshot()["games"][index] for index in (0, 2)] == others
    envs.step([0, 0, 0])


@pytest.mark.parametrize(
    "mask",
    [
        [True, False],
        np.array([1, 0]),
        np.array([True]),
        np.array([[True, False]]),
        np.array([False, False]),
        True,
        "all",
    ],
    ids=str,
)
def test_bad_reset_masks(mask):
    envs = make_vec("NumberLine", 2)
    envs.reset(seed=0)
    before = unchanged(envs)
    with pytest.raises(ValueError, match=r"reset_mask.*expected a bool array of shape \(2,\)"):
        envs.reset(options={"reset_mask": mask})
    assert same(unchanged(envs), before)


@pytest.mark.parametrize(
    ("kwargs", "error", "told"),
    [
        ({"num_envs": 0}, ValueError, "num_envs=0: expected a whole number of at least 1"),
        ({"num_envs": 2.5}, ValueError, "num_envs=2.5: expected"),
        ({"max_episode_steps": 0}, ValueError, "max_episode_steps=0: expected"),
        ({"copy": "yes"}, ValueError, "copy='yes': expected True or False"),
        ({"autoreset_mode": "never"}, ValueError, "autoreset_mode='never': expected one of"),
        ({"max_position": 1}, ValueError, "max_position=1: expected"),
        ({"colour": "red"}, TypeError, "unexpected keyword argument 'colour'"),
        ({"target_points": 20}, TypeError, "unexpected keyword argument 'target_points'"),
    ],
    ids=str,
)
def test_bad_arguments(kwargs, error, told):
    with pytest.raises(error, match=told):
        NumberLineVectorEnv(**kwargs)


def test_an_environment_whose_arguments_were_refused_can_be_closed():
    envs = NumberLineVectorEnv.__new__(NumberLineVectorEnv)
    with pytest.raises(ValueError, match="num_envs=0"):
        envs.__init__(num_envs=0)
    envs.close()
    assert envs.closed


# What else a vector environment offers


@pytest.mark.parametrize("env_id", IDS)
def test_the_protocol(env_id):
    envs, alone = make_vec(env_id, 2), make(env_id)
    assert envs.task_description == alone.task_description
    assert envs.action_names == alone.action_names
    assert envs.call("task_description") == (alone.task_description,) * 2
    assert envs.get_attr("action_names") == (alone.action_names,) * 2
    envs.reset(seed=3)
    alone.reset(seed=4)
    assert envs.call("expert")[1] == alone.expert()
    assert envs.call("explain", 0)[1] == alone.explain(0)


def test_attributes_of_the_games():
    envs = make_vec("Points24", 2)
    assert envs.get_attr("target_points") == (24, 24)
    envs.set_attr("target_points", [20, 30])
    assert envs.get_attr("target_points") == (20, 30)
    envs.set_attr("target_points", 24)
    assert envs.get_attr("target_points") == (24, 24)
    with pytest.raises(ValueError, match="3 values for 2 games"):
        envs.set_attr("target_points", [1, 2, 3])
    with pytest.raises(AttributeError, match="no_such_thing"):
        envs.get_attr("no_such_thing")


@few
def test_snapshots_go_on_alike(env_id, kwargs):
    envs, other = (make_vec(env_id, 3, max_episode_steps=6, **kwargs) for _ in range(2))
    rng = np.random.default_rng(1)
    envs.reset(seed=8)
    other.reset(seed=80)
    for round_number in range(3):
        for _ in range(4 + round_number):
            envs.step(rng.integers(envs.single_action_space.n, size=3))
        saved = json.dumps(envs.snapshot())
        assert other.restore(json.loads(saved)) is None
        assert json.dumps(other.snapshot()) == saved
        assert same(other.observations(), envs.observations())
        for _ in range(9):
            actions = rng.integers(envs.single_action_space.n, size=3)
            assert_same_transition(envs.step(actions), other.step(actions))


def assert_same_transition(one, other):
    assert same(one[:-1], other[:-1])
    assert_same_form(one[-1], other[-1])


def test_a_snapshot_needs_no_reset_before():
    envs, fresh = make_vec("Blackjack", 2), make_vec("Blackjack", 2)
    envs.reset(seed=0)
    fresh.restore(envs.snapshot())
    assert_same_transition(envs.step([1, 1]), fresh.step([1, 1]))


def test_snapshots_of_something_else():
    envs = make_vec("Blackjack", 2)
    envs.reset(seed=0)
    before = unchanged(envs)
    three = make_vec("Blackjack", 3)
    three.reset(seed=0)
    line = make_vec("NumberLine", 2)
    line.reset(seed=0)
    for given, told in (
        (three.snapshot(), "the snapshot is of 3 games: expected 2"),
        (line.snapshot(), "the snapshot is of 'NumberLineEnv-.*expected one of 'BlackjackEnv-"),
        ({}, "is not a snapshot"),
        (None, "is not a snapshot"),
        (envs.snapshot()["games"][0], "is not a snapshot"),
        ({"games": None}, "is not a snapshot"),
    ):
        with pytest.raises(ValueError, match=told):
            envs.restore(given)
    assert same(unchanged(envs), before)


@pytest.mark.parametrize(("env_id", "kwargs"), [*RULES[:3], *LOOKS[:2]], ids=str)
def test_the_spec_makes_it_again(env_id, kwargs):
    envs = make_vec(env_id, 2, autoreset_mode="SameStep", copy=False, **kwargs)
    again = gym.make_vec(EnvSpec.from_json(envs.spec.to_json()))
    assert again.spec == envs.spec
    assert (again.num_envs, again.copy, again.autoreset_mode) == (2, False, AutoresetMode.SAME_STEP)
    for one, other in zip(
        playing(envs, AutoresetMode.SAME_STEP, 3, 6),
        playing(again, AutoresetMode.SAME_STEP, 3, 6),
        strict=True,
    ):
        assert_same_transition(one, other)


def test_what_a_subclass_tells_reaches_the_infos():
    def louder(fields):
        return {name: lambda game, tell=tell: f"{tell(game)}!" for name, tell in fields.items()}

    class Loud(EZPointsEnv):
        state_fields = louder(EZPointsEnv.state_fields)

    class Louder(Loud):
        info_fields = Loud.info_fields | {"Volume": lambda game: 11}

    class Shouting:
        state_fields = louder(EZPointsEnv.state_fields)

    class Shouted(Shouting, EZPointsEnv):
        pass

    class ShoutedOn(Shouted):
        pass

    for game in (Shouted, ShoutedOn, Loud, Louder):
        batch = type("Batch", (CardGameVectorEnv,), {"env_class": game})
        envs, alone = batch(2), game()
        _, infos = envs.reset(seed=4)
        info = alone.reset(seed=5)[1]
        assert info["state"]["cards"].endswith("!")
        assert infos["state"]["cards"][1] == info["state"]["cards"]
        assert infos.keys() - {f"_{key}" for key in infos} == info.keys()
    assert infos["Volume"].tolist() == [11, 11]


def test_closing():
    envs = make_vec("Points24", 2)
    envs.reset(seed=0)
    envs.close()
    assert envs.closed
    envs.close()


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_game_that_was_ended_apart_is_not_played_on(mode):
    envs = make_vec("Blackjack", 2, autoreset_mode=mode)
    envs.reset(seed=0)
    envs.envs[0].step(0)
    cards = envs.envs[0].info()["Player Card"]
    if mode is AutoresetMode.NEXT_STEP:
        _, rewards, *_ = envs.step([1, 1])
        assert rewards[0] == 0
        assert envs.envs[0].snapshot()["actions"] == []
    else:
        before = unchanged(envs)
        with pytest.raises(gym.error.ResetNeeded, match=r"games \[0\] have ended"):
            envs.step([1, 1])
        assert same(unchanged(envs), before)
        assert envs.envs[0].info()["Player Card"] == cards


def test_a_game_that_was_reset_apart_keeps_its_state():
    envs = make_vec("Blackjack", 2)
    envs.reset(seed=0)
    _, _, terminations, *_ = envs.step([0, 0])
    assert terminations.all()
    envs.envs[0].reset(options={"player": ["C2", "D2"], "dealer": ["C7", "D7"]})
    envs.step([1, 1])
    assert [rank for rank, *_ in envs.envs[0].info()["Player Card"]][:2] == [2, 2]
    assert envs.envs[0].snapshot()["actions"] == [1]
    assert envs.envs[1].snapshot()["actions"] == []


def test_a_snapshot_of_ended_games_needs_a_reset_where_there_is_none():
    envs, other = make_vec("Blackjack", 2), make_vec("Blackjack", 2, autoreset_mode="SameStep")
    envs.reset(seed=0)
    envs.step([0, 0])
    other.restore(envs.snapshot())
    with pytest.raises(gym.error.ResetNeeded, match=r"games \[0, 1\] have ended"):
        other.step([0, 0])
    other.reset(options={"reset_mask": np.array([True, True])})
    other.step([0, 0])


def test_observations_need_a_state():
    envs = make_vec("NumberLine", 2)
    with pytest.raises(gym.error.ResetNeeded):
        envs.observations()
    envs.reset(seed=0)
    envs.close()
    with pytest.raises(gym.error.ClosedEnvironmentError):
        envs.observations()


class Inverted(NumberLineEnv):
    def _observation(self):
        return 255 - self._frame()


class Told(NumberLineEnv):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.observation_space = gym.spaces.Box(-9, 9, (2,), np.float32)

    def _observation(self):
        return np.array([self._current, self._target], np.float32)


@pytest.mark.parametrize("kind", [Inverted, Told])
def test_games_with_observations_of_their_own_are_batched_as_they_are(kind):
    class Batch(CardGameVectorEnv):
        env_class = kind
        metadata = kind.metadata

    envs, single = Batch(2), kind()
    batch, _ = envs.reset(seed=3)
    first, _ = single.reset(seed=3)
    assert np.array_equal(batch[0], first)
    assert batch in envs.observation_space
    assert np.array_equal(envs.step([1, 1])[0][0], single.step(1)[0])
    single.lazy_observations = True
    assert single.step(0)[0] in single.observation_space
    assert single.reset(seed=3)[0].any()
