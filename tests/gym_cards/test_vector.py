"""Many games stepped together: what one of them does alone, in the form of Gymnasium's vectors."""

import copy
import json
import pickle

import gymnasium as gym
import numpy as np
import pytest
from card_games import EVERY, IDS, LOOKS, RULES, lasting_action, make, same
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import batch_space

from gym_cards.points import EZPointsEnv
from gym_cards.vector import NumberLineVectorEnv, VectorGame

MODES = [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED]
FEW = [
    ("gym_cards/Blackjack-v0", {}),
    ("gym_cards/EZPoints-v0", {}),
    ("gym_cards/Points24-v0", {"size": 80, "position_jitter": 10}),
    ("gym_cards/NumberLine-v0", {"size": 64}),
    ("gym_cards/Blackjack-v0", {"is_pixel": False}),
]

few = pytest.mark.parametrize(("env_id", "kwargs"), FEW, ids=str)
modes = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)


def make_vec(env_id, num_envs=3, **kwargs):
    full = env_id if "/" in env_id else f"gym_cards/{env_id}-v0"
    return gym.make_vec(full, num_envs=num_envs, **kwargs)


def synchronous(env_id, num_envs, mode, limit=300, **kwargs):
    """Gymnasium's own vector of the same games."""

    def one():
        return gym.make(env_id, disable_env_checker=True, max_episode_steps=limit, **kwargs)

    return SyncVectorEnv([one] * num_envs, autoreset_mode=mode)


def playing(envs, mode, seed, steps):
    """Everything that `envs` hands out to random play, resets where they are due included."""
    rng = np.random.default_rng(seed)
    masks = np.ones((envs.num_envs, envs.single_action_space.n), np.int8)
    observations, infos = envs.reset(seed=seed)
    yield observations, infos
    names = envs.get_attr("action_names")[0]
    for _ in range(steps):
        masks = np.where(infos["_action_mask"][:, None], infos["action_mask"], masks)
        actions = np.array([lasting_action(names, rng, mask) for mask in masks])
        transition = envs.step(actions)
        infos = transition[4]
        yield transition
        over = transition[2] | transition[3]
        if mode == AutoresetMode.DISABLED and over.any():
            observations, infos = envs.reset(options={"reset_mask": over})
            yield observations, infos


def assert_same_form(ours, theirs, path="infos"):
    """Equal keys, types, shapes, masks and values, wherever they are nested."""
    assert type(ours) is type(theirs), path
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), path
        for key in ours:
            assert_same_form(ours[key], theirs[key], f"{path}[{key!r}]")
    elif isinstance(ours, np.ndarray):
        assert ours.dtype == theirs.dtype, path
        assert ours.shape == theirs.shape, path
        for one, other in zip(ours, theirs, strict=True):
            assert same(one, other), path
    else:
        assert same(ours, theirs), path


# The same as games alone


@modes
@pytest.mark.parametrize(("env_id", "kwargs"), EVERY, ids=str)
def test_equals_gymnasiums_vector_of_single_environments(env_id, kwargs, mode):
    num_envs = 2 if kwargs else 3
    ours = make_vec(env_id, num_envs, autoreset_mode=mode, **kwargs)
    theirs = synchronous(env_id, num_envs, mode, **kwargs)
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


def test_the_registered_limit_is_kept():
    assert make_vec("Points24").max_episode_steps == 300
    envs = make_vec("NumberLine", 2, max_position=400)
    envs.reset(options={"target": 400, "current": 0})
    cuts = [envs.step([0, 0])[3].tolist() for _ in range(300)]
    assert cuts == [[False, False]] * 299 + [[True, True]]


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


# Observations


@few
def test_copies_do_not_change_later(env_id, kwargs):
    envs = make_vec(env_id, 2, copy=True, autoreset_mode=AutoresetMode.SAME_STEP, **kwargs)
    kept = []
    for observations, *_, infos in playing(envs, AutoresetMode.SAME_STEP, 1, 15):
        kept.append(((observations, infos), copy.deepcopy((observations, infos))))
        assert all(same(*pair) for pair in kept)


@pytest.mark.parametrize("env_id", ["NumberLine", "Points24"])
def test_whatever_is_kept_of_copies_does_not_change(env_id):
    envs, shared = make_vec(env_id, 3), make_vec(env_id, 3, copy=False)
    rng = np.random.default_rng(3)
    kept = []
    observations, expected = envs.reset(seed=1)[0], shared.reset(seed=1)[0]
    for _ in range(50):
        # Some hold all of it, some a part, a buffer or another library's view of it.
        kept += [
            (observations, expected.copy()),
            (observations[1, ::2], expected[1, ::2].copy()),
            (memoryview(observations)[2:], expected[2:].copy()),
            (np.asarray(observations).reshape(3, -1)[:, 7:], expected.reshape(3, -1)[:, 7:].copy()),
        ]
        # What is done to it is nobody else's business.
        envs.step(np.zeros(3, np.int64))[0][...] = 99
        shared.step(np.zeros(3, np.int64))
        actions = rng.integers(envs.single_action_space.n, size=3)
        observations, expected = envs.step(actions)[0], shared.step(actions)[0]
        assert observations.flags.writeable
    assert all(np.array_equal(one, other) for one, other in kept)


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"max_position": 20},
        {"max_position": 1_000_000},
        {"max_position": 1_000_000, "font_scale": 2},
        {"size": 64, "font_scale": 0.5, "background": "#101010"},
        {"background": "#203040"},
        {"display": "line", "size": 100},
    ],
    ids=str,
)
def test_only_ground_is_outside_of_the_rows_that_are_drawn(kwargs):
    envs = make_vec("NumberLine", 2, **kwargs)
    picture, most = envs.envs[0].picture, envs.envs[0].max_position
    drawn = np.zeros(envs.envs[0].look.size, np.bool_)
    for top, bottom in picture.drawn_rows():
        assert not drawn[top:bottom].any()
        drawn[top:bottom] = True
    for target, current in [(most, most - 1), (0, most), (most // 2, 1), (1, 0), (most, 0)]:
        envs.reset(options={"target": target, "current": current})
        assert (picture.frame[~drawn] == picture.ground).all()
        alone = make("NumberLine", **kwargs)
        assert same(
            tuple(envs.observations()),
            (alone.reset(options={"target": target, "current": current})[0],) * 2,
        )


@few
def test_without_a_copy_all_share_one_buffer(env_id, kwargs):
    copied = make_vec(env_id, 2, copy=True, **kwargs)
    shared = make_vec(env_id, 2, copy=False, **kwargs)
    pairs = zip(
        playing(copied, AutoresetMode.NEXT_STEP, 1, 15),
        playing(shared, AutoresetMode.NEXT_STEP, 1, 15),
        strict=True,
    )
    handed_out = []
    for one, other in pairs:
        assert same(one[0], other[0])
        handed_out.append(other[0])
        parts = other[0] if isinstance(other[0], tuple) else (other[0],)
        first = handed_out[0] if isinstance(other[0], tuple) else (handed_out[0],)
        assert all(a is b for a, b in zip(parts, first, strict=True))
    if not isinstance(handed_out[0], tuple):
        assert not np.shares_memory(one[0], copied.observations())


def test_the_last_observation_is_not_overwritten_by_the_new_episode():
    envs = make_vec("NumberLine", 2, copy=False, autoreset_mode=AutoresetMode.SAME_STEP)
    envs.reset(options={"target": 1, "current": 0})
    observations, _, terminations, _, infos = envs.step([1, 1])
    assert terminations.all()
    alone = make("NumberLine")
    alone.reset(options={"target": 1, "current": 0})
    last = alone.step(1)[0]
    for index in range(2):
        assert np.array_equal(infos["final_obs"][index], last)
        assert not np.shares_memory(infos["final_obs"][index], observations)
    envs.step([0, 1])
    assert all(np.array_equal(final, last) for final in infos["final_obs"])


@few
def test_what_is_handed_out_may_be_changed(env_id, kwargs):
    envs, other = (make_vec(env_id, 2, **kwargs) for _ in range(2))
    other.reset(seed=0)
    _, infos = envs.reset(seed=0)
    for _ in range(6):
        infos["action_mask"][:] = 0
        for key in set(infos) & {"Cards", "Numbers", "Formula", "Player Card", "Dealer Card"}:
            for values in infos[key]:
                values.clear()
        infos, expected = (one.step(np.zeros(2, np.int64))[4] for one in (envs, other))
        assert_same_form(infos, expected)


def test_rendering():
    envs = make_vec("Blackjack", 2, render_mode="rgb_array")
    observations, _ = envs.reset(seed=0)
    assert same(envs.render(), tuple(observations))
    numbers = make_vec("Blackjack", 2, render_mode="rgb_array", is_pixel=False)
    numbers.reset(seed=0)
    assert same(numbers.render(), tuple(observations))
    with pytest.raises(ValueError, match="render_mode='human': expected None or 'rgb_array'"):
        make_vec("Blackjack", render_mode="human")


@pytest.mark.parametrize("duplicate", [lambda s: pickle.loads(pickle.dumps(s)), copy.deepcopy])
def test_the_space_of_many_pictures_takes_no_more_than_that_of_one(duplicate):
    envs = make_vec("EZPoints", 4, size=64)
    space, plain = envs.observation_space, batch_space(envs.single_observation_space, 4)
    bounds = (space.low, space.high, space.bounded_below, space.bounded_above)
    assert all(bound.strides[0] == 0 for bound in bounds)
    assert (space, repr(space), space.dtype) == (plain, repr(plain), plain.dtype)
    again = duplicate(space)
    assert again == space == plain == again
    for one in (space, plain, again):
        one.seed(5)
    samples = [one.sample() for one in (space, plain, again)]
    assert same(samples[0], samples[1])
    assert same(samples[0], samples[2])
    assert space.contains(samples[0])
    assert not space.contains(samples[0][:3])
    assert not space.contains(samples[0].astype(np.int64))
    assert envs.single_observation_space.contains(samples[0][0])


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


@pytest.mark.parametrize("duplicate", [lambda e: pickle.loads(pickle.dumps(e)), copy.deepcopy])
@few
def test_copies_go_on_alike_and_apart(env_id, kwargs, duplicate):
    envs = make_vec(env_id, 2, copy=False, **kwargs)
    rng = np.random.default_rng(0)
    envs.reset(seed=6)
    again = duplicate(envs)
    assert same(again.observations(), envs.observations())
    rest = copy.deepcopy(again.observations())
    for _ in range(8):
        actions = rng.integers(envs.single_action_space.n, size=2)
        one = envs.step(actions)
        # Nothing that one draws shows in the other.
        assert same(again.observations(), rest)
        assert_same_form(again.step(actions)[4], one[4])
        assert same(again.observations(), one[0])
        rest = copy.deepcopy(again.observations())


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
        ({}, "is no snapshot"),
        (None, "is no snapshot"),
        (envs.snapshot()["games"][0], "is no snapshot"),
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
    class Loud(EZPointsEnv):
        def _state(self):
            return {name: text.upper() + "!" for name, text in super()._state().items()}

    class Louder(Loud):
        def _published_info(self):
            return {**super()._published_info(), "Volume": 11}

    class Shouting:
        def _state(self):
            return {name: text + "!" for name, text in super()._state().items()}

    class Shouted(Shouting, EZPointsEnv):
        pass

    class ShoutedOn(Shouted):
        pass

    for game in (Shouted, ShoutedOn, Loud, Louder):
        envs, alone = VectorGame(game, 2), game()
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
