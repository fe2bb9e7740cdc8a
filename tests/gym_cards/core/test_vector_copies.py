"""What a batch of games hands out: its space, what is copied and what is shared."""

import copy
import pickle

import numpy as np
import pytest
from card_games import make, same
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from many_games import assert_same_form, few, make_vec, playing


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
def test_numbers_of_any_length_follow_each_other(kwargs):
    envs, alone = make_vec("NumberLine", 2, **kwargs), make("NumberLine", **kwargs)
    most = alone.max_position
    for target, current in [(most, most - 1), (0, most), (most // 2, 1), (1, 0), (most, 0)]:
        options = {"target": target, "current": current}
        drawn, _ = make("NumberLine", **kwargs).reset(options=options)
        assert same(tuple(envs.reset(options=options)[0]), (drawn, drawn))
        assert same(alone.reset(options=options)[0], drawn)


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
